"""Submissions, notes and answers of one S3 key: does the bucket say of each paid request what the ledger says?"""

from collections import defaultdict
from collections.abc import Iterator

from headrace.document import SubmissionKey, run_id
from headrace.ledger.records import Submission
from headrace.prediction import Prediction
from headrace.states import State, SubmissionState
from headrace.storage.notes import Note
from workers.verify.facts import ObjectFacts, RunFacts, Unread
from workers.verify.findings import Code, Finding

_TAKEN = frozenset({SubmissionState.ACCEPTED, SubmissionState.ANSWERED})

# What a note may say of a submission that the ledger has in this state, once its run has ended.
_OUTCOMES = {
    # The fence was never passed, or what came of it ended the run otherwise than as failed.
    SubmissionState.INTENDED: ("refused",),
    # The acceptance is noted in the ledger where the bucket is away; an answer that is stored needs no note.
    SubmissionState.ACCEPTED: ("accepted", "none"),
    SubmissionState.ANSWERED: ("accepted", "none"),
    SubmissionState.REJECTED: ("refused", "accepted"),
    SubmissionState.IN_DOUBT: ("none",),
    SubmissionState.ABANDONED: ("abandoned",),
}


def check_payments(facts: ObjectFacts) -> Iterator[Finding]:
    """All that does not add up among the paid requests of the key's runs, as far as they have ended."""
    for run in facts.runs:
        if run.is_quiet and run.route is not None:
            for submission in run.submissions:
                if submission.paid:
                    yield from _check_note(facts, run, submission)
                yield from _check_answer(facts, run, submission)
            yield from _check_parts(facts, run)
    yield from _check_forgotten(facts)


def _check_note(facts: ObjectFacts, run: RunFacts, submission: Submission) -> Iterator[Finding]:
    note = facts.notes.get(submission.key)
    told = f"the ledger has the submission as {submission.state}"
    if note is None:
        if submission.state is not SubmissionState.INTENDED:
            yield _finding(Code.NOTE_MISSING, submission.key, "there is no note", f"a note, since {told}")
    elif isinstance(note, Unread):
        yield _finding(Code.NOTE_DAMAGED, submission.key, "the note cannot be read", "what headrace writes")
    elif submission.state is SubmissionState.IN_DOUBT and note.outcome in {"accepted", "refused"}:
        yield _finding(Code.DOUBT_IS_KNOWN, submission.key, f"the note says {_said(note)}", f"the same, but {told}")
    elif submission.state is SubmissionState.ABANDONED and note.job is not None:
        pass  # `_check_parts` tells that it was taken after all.
    else:
        yield from _compare(note, run, submission, told)


def _compare(note: Note, run: RunFacts, submission: Submission, told: str) -> Iterator[Finding]:
    key = submission.key
    there = note.document
    if (there.bucket, there.key, there.etag) != (run.run.document.bucket, run.run.document.key, run.run.document.etag):
        found = f"the note is of s3://{there.bucket}/{there.key} (eTag {there.etag})"
        yield _finding(Code.NOTE_DIFFERS, key, found, f"{run.run.document.url} (eTag {run.run.document.etag})")
    if note.attempt > submission.attempt:
        found, expected = f"the note is of attempt {note.attempt}", f"at most {submission.attempt}, as in the ledger"
        yield _finding(Code.NOTE_DIFFERS, key, found, expected)
    if note.others:
        found = f"the note has the jobs {', '.join([note.job or 'none', *note.others])}"
        yield _finding(Code.TWO_JOBS, key, found, "one job")
    if note.job is not None and submission.job is not None and note.job != submission.job:
        found = f"the note has the job {note.job}"
        yield _finding(Code.TWO_JOBS, key, found, f"the job {submission.job}, as in the ledger")
    elif note.outcome not in _OUTCOMES[submission.state]:
        yield _finding(Code.NOTE_DIFFERS, key, f"the note says {_said(note)}", f"what fits: {told}")
    elif submission.state is SubmissionState.ACCEPTED and note.outcome == "none":
        yield _finding(Code.NOTE_WITHOUT_JOB, key, "the note has no outcome", f"the job {submission.job}")


def _check_answer(facts: ObjectFacts, run: RunFacts, submission: Submission) -> Iterator[Finding]:
    key = submission.key
    answer = facts.answers.get(key)
    is_answered = submission.state is SubmissionState.ANSWERED
    if answer is None:
        if is_answered:
            yield _finding(Code.ANSWER_MISSING, key, "no answer is stored", "the answer that the ledger knows of")
    elif isinstance(answer, Unread):
        yield _finding(Code.ANSWER_DAMAGED, key, "the stored answer cannot be read", "what headrace writes")
    elif submission.state is SubmissionState.IN_DOUBT:
        yield _finding(Code.DOUBT_IS_KNOWN, key, "its answer is stored", "no answer, while it is in doubt")
    elif not is_answered and submission.paid and submission.state is not SubmissionState.ABANDONED:
        found = f"an answer is stored, and the ledger has the submission as {submission.state}"
        # A job that was given up, and whose answer came at last, is taken up again by a retry.
        if run.run.state is State.EXPORTED or submission.state is not SubmissionState.ACCEPTED:
            yield _finding(Code.ANSWER_UNUSED, key, found, f"{SubmissionState.ANSWERED}")
    if isinstance(answer, Prediction) and None not in {answer.job, submission.job} and answer.job != submission.job:
        found = f"the stored answer is of the job {answer.job}"
        yield _finding(Code.TWO_JOBS, key, found, f"the job {submission.job}, as in the ledger")


def _check_parts(facts: ObjectFacts, run: RunFacts) -> Iterator[Finding]:
    """Whether each part was taken once."""
    parts: defaultdict[str, list[Submission]] = defaultdict(list)
    for submission in run.submissions:
        if submission.paid:
            parts[submission.key.part].append(submission)
    for part, sent in parts.items():
        taken = [one.key for one in sent if _was_taken(facts, one)]
        perhaps = [one.key for one in sent if one.key not in taken and one.state is SubmissionState.ABANDONED]
        if len(taken) > 1:
            found = f"{len(taken)} submissions were taken: n = {', '.join(str(key.n) for key in taken)}"
            yield _finding(Code.PAID_TWICE, taken[-1], found, f"one for the part {part!r}")
        elif taken and perhaps:
            found = f"n = {taken[0].n} was taken, and n = {perhaps[0].n} may have been"
            yield _finding(Code.PERHAPS_PAID_TWICE, taken[0], found, f"one submission for the part {part!r}")


def _was_taken(facts: ObjectFacts, submission: Submission) -> bool:
    """Whether the provider took it, by the ledger or, where nobody waited for the truth of it, by the bucket."""
    if submission.state in _TAKEN:
        return True
    note = facts.notes.get(submission.key)
    has_job = isinstance(note, Note) and note.job is not None
    return submission.state is SubmissionState.ABANDONED and (has_job or submission.key in facts.answers)


def _check_forgotten(facts: ObjectFacts) -> Iterator[Finding]:
    """What lies in the bucket of submissions that the ledger does not have."""
    known = {submission.key for run in facts.runs for submission in run.submissions}
    under_way = {run.run.id for run in facts.runs if not run.is_quiet}
    for key in facts.notes.keys() - known:
        if run_id(key.document, key.run) not in under_way:
            found = "a note of a submission that the ledger does not have"
            yield _finding(Code.NOTE_UNKNOWN, key, found, "the submission in the ledger")
    for key in facts.answers.keys() - known:
        if run_id(key.document, key.run) not in under_way:
            found = "an answer of a submission that the ledger does not have"
            yield _finding(Code.ANSWER_UNUSED, key, found, "the submission in the ledger")


def _said(note: Note) -> str:
    if note.job is not None:
        return f"accepted, as the job {note.job}"
    return note.outcome if note.reason is None else f"{note.outcome} ({note.reason})"


def _finding(code: Code, key: SubmissionKey, found: str, expected: str) -> Finding:
    return Finding(code, str(key), found, expected, key.document, run_id(key.document, key.run))
