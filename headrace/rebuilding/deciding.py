"""What was found of a run in the bucket -> the run as the ledger is to have it.

Nothing here lets a request out: what may have been taken goes on to be looked at by the submit step, whose fence is
the note, or is held for a person. Only what a note says was certainly not taken waits to be sent, under its key.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime

from headrace.document import Document, SubmissionKey, run_id
from headrace.exports.manifest import Manifest
from headrace.exports.order import Age, Order
from headrace.ledger.records import Run, Submission
from headrace.ledger.restored import RestoredRun
from headrace.rebuilding.counting import counted
from headrace.rebuilding.evidence import RunEvidence, RunFacts, StoredSubmission, document_of, key_of, lane_of
from headrace.retrying import RULES, UNCOUNTED
from headrace.routing import Lane, Route
from headrace.states import Mode, Reason, State, SubmissionState
from headrace.storage.notes import Note

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)

# Refusals that mean: not now. All others ended the run.
_MAY_BE_TRIED_AGAIN = UNCOUNTED | frozenset(RULES)
_DAMAGED = "The note of its paid request cannot be read, so nobody can say whether the provider took it."


@dataclass(frozen=True)
class Course:
    """Where a run that had not ended stands, with its submissions."""

    state: State
    reason: Reason | None
    detail: str
    submissions: tuple[Submission, ...]


def restored_run(
    evidence: RunEvidence, document: Document, route: Route | None, manifest: Manifest | None = None
) -> RestoredRun | None:
    """The run that the evidence tells of; None where there is not enough of it, because nothing paid was noted.

    `route` is the route in the revision that the evidence names; None where nobody knows it any more: then the run
    ends, or is held, instead of going on. `manifest` is the one that stands for the document's key.
    """
    facts, notes = evidence.facts, [note for note in evidence.notes.values() if note is not None]
    if facts is None and not evidence.notes:
        return None
    damaged = {key for key, note in evidence.notes.items() if note is None} - evidence.answers
    later = [note for note in notes if facts is None or note.token > facts.token]
    last = max(evidence.notes, key=lambda key: (key.n, key.part), default=None)
    run = run_of_facts(facts, document) if facts is not None else _of_notes(evidence, document, notes, route)
    token = max([run.token, *(note.token for note in notes)])
    settled = facts is not None and _is_in_doubt(facts) and last is not None and _is_decided(last, evidence)
    if facts is not None and (facts.state in (State.EXPORTED, State.PREDICTED) and not later):
        course = _as_it_ended(facts, evidence, run)
    elif damaged:
        course = Course(State.HELD, Reason.IN_DOUBT, _DAMAGED, _submissions(evidence, run, route))
    elif facts is not None and not later and not settled:
        course = _as_it_ended(facts, evidence, run)
    else:
        course = _in_flight(last, evidence, run, route)
    told = _published(facts, run, course, manifest)
    if told is not None:
        course, run = told
    elif run.revision is None and not course.state.is_end:
        course = Course(State.HELD, Reason.IN_DOUBT, _DAMAGED, course.submissions)
    elif route is None:
        course = _without_route(course, run)
    ended = course.state.is_end
    restored = replace(
        run,
        state=course.state,
        reason=course.reason,
        detail=course.detail,
        token=token,
        ended_at=(run.ended_at or run.updated_at) if ended else None,
        marks=run.marks if course.state in (State.EXPORTED, State.PREDICTED) else (),
        published=told is not None or (ended and route is None),
    )
    restored, submissions = counted(restored, course.submissions, evidence.notes)
    return RestoredRun(restored, submissions, None if facts is None else facts.updated_at, settled=settled)


def _published(
    facts: RunFacts | None, run: Run, course: Course, manifest: Manifest | None
) -> tuple[Course, Run] | None:
    """The run as published, where the manifest of its key says so or is of a newer one; None where it does not."""
    if facts is None or manifest is None or course.state is not facts.state:
        return None
    if course.state in (State.PREDICTED, State.EXPORTED):
        stands = None if manifest.published is None else manifest.published.order
    else:
        stands = manifest.order
    if stands is None or stands.compare(Order.of(run)) not in (Age.EQUAL, Age.NEWER):
        return None
    told_here = (manifest.document, manifest.run) == (run.document.id, run.number)
    run = replace(run, ended_at=(manifest.ended_at if told_here else None) or run.ended_at)
    if course.state is not State.PREDICTED:
        return course, run
    return replace(course, state=State.EXPORTED, detail=manifest.detail if told_here else course.detail), run


def run_of_facts(facts: RunFacts, document: Document) -> Run:
    """The run as it stood when it came to be published."""
    return Run(
        id=run_id(document.id, facts.number),
        document=document,
        number=facts.number,
        state=facts.state,
        reason=facts.reason,
        detail=facts.detail,
        marks=facts.marks,
        route=facts.route,
        revision=facts.revision,
        lane=lane_of(facts.lane),
        mode=facts.mode,
        media_type=facts.media_type,
        preparation=facts.preparation,
        pages=facts.pages,
        pages_source=facts.pages_source,
        walked_pages=facts.walked_pages,
        cost=facts.cost,
        batch=facts.batch,
        reserved_on=facts.reserved_on,
        reserved_pages=facts.reserved_pages,
        reserved_cost=facts.reserved_cost,
        token=facts.token,
        attempts=facts.attempts,
        received_at=facts.received_at,
        received_on=facts.received_on,
        created_at=facts.created_at,
        updated_at=facts.updated_at,
        ended_at=facts.ended_at,
    )


def _of_notes(evidence: RunEvidence, document: Document, notes: Iterable[Note], route: Route | None) -> Run:
    """The run as its last readable note tells of it; of a damaged one only the key is known."""
    note = max(notes, key=lambda one: (one.token, one.attempt), default=None)
    key = max(evidence.notes, key=lambda one: one.n)
    bare = Run(run_id(document.id, evidence.number), document, evidence.number, State.ADMITTED)
    lane = _lane(key, note, route)
    if note is None:
        return replace(bare, lane=lane)
    facts = note.facts
    return replace(
        bare,
        route=note.route,
        revision=note.revision,
        lane=lane,
        mode=facts.mode,
        media_type=facts.media_type,
        preparation=facts.preparation,
        pages=facts.pages,
        pages_source=facts.pages_source,
        walked_pages=facts.walked_pages,
        batch=facts.batch,
        received_at=facts.received_at,
        received_on=note.document.received,
        created_at=facts.created_at or note.at,
        updated_at=note.at,
    )


def _lane(key: SubmissionKey, note: Note | None, route: Route | None) -> Lane:
    if note is not None and note.facts.account is not None and note.facts.model is not None:
        return Lane(key.provider, note.facts.account, note.facts.model)
    return route.lane if route is not None else Lane(key.provider, key.provider, "")


def _is_in_doubt(facts: RunFacts) -> bool:
    return (facts.state, facts.reason) == (State.HELD, Reason.IN_DOUBT)


def _is_decided(key: SubmissionKey, evidence: RunEvidence) -> bool:
    note = evidence.notes[key]
    return key in evidence.answers or (note is not None and (note.job is not None or note.outcome != "none"))


def _as_it_ended(facts: RunFacts, evidence: RunEvidence, run: Run) -> Course:
    return Course(facts.state, facts.reason, facts.detail, _submissions(evidence, run, None))


def _in_flight(last: SubmissionKey | None, evidence: RunEvidence, run: Run, route: Route | None) -> Course:
    """Where the last submission lets the run go on: what is stored or accepted is used, nothing is sent blindly."""
    submissions = _submissions(evidence, run, route)
    note = None if last is None else evidence.notes[last]
    if note is None or last in evidence.answers or note.job is not None or note.outcome == "none":
        return Course(State.ADMITTED, None, "", submissions)
    if note.outcome == "abandoned":
        if note.reason is Reason.GIVEN_UP:
            return Course(State.FAILED, Reason.GIVEN_UP, "A person gave it up while it was in doubt.", submissions)
        return Course(State.WAITING, None, "", submissions)  # to be sent under the next key, as was decided
    if note.reason in _MAY_BE_TRIED_AGAIN:
        return Course(State.WAITING, None, "", submissions)
    return Course(State.FAILED, note.reason, "The provider refused it, as its note says.", submissions)


def _without_route(course: Course, run: Run) -> Course:
    """A run cannot go on by a route that nobody knows any more: it ends with that said, unless it has ended."""
    if course.state.is_end:
        return course
    text = (
        f"The ledger was rebuilt, and the route {run.route!r} as it was in the revision {run.revision} is neither in "
        "the bucket nor in headrace.toml. "
    )
    if course.state is State.ADMITTED:
        doubted = tuple(
            replace(one, state=SubmissionState.IN_DOUBT, reason=Reason.WORKER_DIED)
            if one.state is SubmissionState.INTENDED
            else one
            for one in course.submissions
        )
        text += "A paid request is under way, so it is not sent again: look for it at the provider."
        return Course(State.HELD, Reason.IN_DOUBT, text, doubted)
    return Course(State.FAILED, Reason.CONFIGURATION, text + "Reprocess the document.", course.submissions)


def _submissions(evidence: RunEvidence, run: Run, route: Route | None) -> tuple[Submission, ...]:
    """The run's submissions: a note that came after the facts, or of which they know nothing, tells more than they."""
    facts = evidence.facts
    known: Mapping[SubmissionKey, StoredSubmission] = (
        {} if facts is None else {key_of(one): one for one in facts.submissions}
    )
    told = {key: _of_stored(key, one, run) for key, one in known.items()}
    for key, note in evidence.notes.items():
        if note is None:
            told[key] = _of_damaged(key, run, told.get(key), answered=key in evidence.answers)
        elif key not in told or _says_more(note, told[key]):
            told[key] = _of_note(key, note, run, route, answered=key in evidence.answers)
    for key in evidence.answers - told.keys():
        told[key] = _of_answer(key, run)
    return tuple(told[key] for key in sorted(told, key=str))


def _says_more(note: Note, stored: Submission) -> bool:
    """Whether the note was written after the facts: a later attempt, or the end of a doubt."""
    ended = stored.state is SubmissionState.IN_DOUBT and (note.job is not None or note.outcome != "none")
    return note.token > stored.token or ended


def _of_stored(key: SubmissionKey, one: StoredSubmission, run: Run) -> Submission:
    return Submission(
        key,
        run.id,
        Lane(one.lane.provider, one.lane.account, one.lane.model),
        one.mode,
        one.state,
        one.attempt,
        one.token,
        one.send_before,
        pages=one.pages,
        job=one.job,
        cost=one.cost,
        provider_cost=one.provider_cost,
        reason=one.reason,
        accepted_at=one.accepted_at,
        paid=one.paid,
        spent_on=one.spent_on,
        spent_pages=one.spent_pages,
        spent_cost=one.spent_cost,
    )


def _of_note(key: SubmissionKey, note: Note, run: Run, route: Route | None, *, answered: bool) -> Submission:
    match note.outcome:
        case "abandoned":
            state = SubmissionState.ABANDONED
        case "refused" if note.job is None:
            state = SubmissionState.REJECTED
        case _ if note.job is not None:
            state = SubmissionState.ACCEPTED
        case _:
            state = SubmissionState.INTENDED
    if run.state.is_end and state is SubmissionState.INTENDED:
        state = SubmissionState.IN_DOUBT
    if run.state in (State.PREDICTED, State.EXPORTED) and answered:
        state = SubmissionState.ANSWERED
    return Submission(
        key,
        run.id,
        _lane(key, note, route) if run.lane is None else run.lane,
        note.facts.mode or Mode.ASYNC,
        state,
        note.attempt,
        note.token,
        note.send_before,
        job=note.job,
        reason=Reason.WORKER_DIED if state is SubmissionState.IN_DOUBT else note.reason,
        accepted_at=note.at if note.job is not None else None,
    )


def _of_damaged(key: SubmissionKey, run: Run, stored: Submission | None, *, answered: bool) -> Submission:
    """The request of a note that cannot be read: in doubt, unless its answer is there."""
    if stored is not None and stored.state is SubmissionState.ANSWERED:
        return stored
    lane = run.lane or Lane(key.provider, key.provider, "")
    plain = stored or Submission(key, run.id, lane, Mode.ASYNC, SubmissionState.IN_DOUBT, 1, run.token, _EPOCH)
    if answered:
        return replace(plain, state=SubmissionState.INTENDED, reason=None)
    return replace(plain, state=SubmissionState.IN_DOUBT, reason=Reason.WORKER_DIED)


def _of_answer(key: SubmissionKey, run: Run) -> Submission:
    lane = run.lane or Lane(key.provider, key.provider, "")
    moment = run.updated_at or _EPOCH
    return Submission(
        key,
        run.id,
        lane,
        run.mode or Mode.SYNC,
        SubmissionState.ANSWERED,
        1,
        run.token,
        moment,
        paid=key.provider != "local",
    )


def document_in(evidence: RunEvidence) -> Document | None:
    """The document that the run's files tell of; None where none of them can be read."""
    if evidence.facts is not None:
        return document_of(evidence.facts.document)
    for note in evidence.notes.values():
        if note is not None:
            return document_of(note.document)
    return None
