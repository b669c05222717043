"""Submitting to a provider that charges: nothing is sent twice, and what is in doubt waits until that is settled.

The order of writes is the guarantee: intent in the ledger, note in the bucket (the fence), request,
answer in the bucket, note, ledger. A copy that the provider needs is prepared before the first of them.
docs/architecture.md tells why; docs/providers/nanonets.md has the outcomes; tasks/settling.py settles doubt.
"""

import secrets
from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import replace
from datetime import datetime, timedelta
from typing import NamedTuple

import structlog

from headrace import doubt, retrying
from headrace.breaking import REFUSALS
from headrace.dispatching import Standstill
from headrace.document import SubmissionKey
from headrace.errors import (
    ConfigurationError,
    DocumentGone,
    DocumentReplaced,
    InDoubt,
    NotSent,
    PermanentError,
    PredictionRejected,
    RateLimited,
    SourceRefused,
    StaleClaim,
    StorageError,
    StorageUnavailable,
    TransientError,
)
from headrace.ledger.records import Advance, Submission, SubmissionChange
from headrace.prediction import Prediction
from headrace.providers import Answer, Job, Provider, Request, Source
from headrace.routing import metadata_of, page_numbers, pages_sent
from headrace.states import Mode, Reason, State, SubmissionState
from headrace.storage import Location, ObjectHead
from headrace.storage.notes import Adopt, Doubt, Granted, Note, Over
from tasks import going_out
from tasks.keeping import kept_at_last, stored_prediction
from tasks.outcomes import answered, predicted
from tasks.sources import found_for, source_for
from tasks.step import Held, put_off

log = structlog.get_logger()


class Outgoing(NamedTuple):
    """All that a provider is given."""

    source: Source
    request: Request


def submit(held: Held, provider: Provider) -> None:
    """Send the run's document once, or find out what became of an earlier sending."""
    location = Location.parse(held.route.private)
    known = _last(held.services.ledger.submissions(held.run.id))
    if known is None:
        key = SubmissionKey(held.run.document.id, held.run.number, held.route.provider, "all", 1)
        _use_or_send(held, provider, location, key, None)
    elif known.state is SubmissionState.ABANDONED and (job := _turned_up(held, location, known.key)) is not None:
        log.warning("abandoned submission adopted", submission=str(known.key))
        _accepted(held, known.key, job)
    elif _is_over(known) and stored_prediction(held.services, location, known.key) is None:
        _use_or_send(held, provider, location, replace(known.key, n=known.key.n + 1), None)
    else:
        _use_or_send(held, provider, location, known.key, known)


def _last(earlier: Sequence[Submission]) -> Submission | None:
    return max(earlier, key=lambda entry: entry.key.n, default=None)


def _is_over(known: Submission) -> bool:
    """Whether a person, or the route, asked again for what was abandoned, or what the provider gave up: what is sent
    then has the next key.
    """
    given_up = known.job is not None or known.reason is Reason.PREDICTION_FAILED
    return known.state is SubmissionState.ABANDONED or (known.state is SubmissionState.REJECTED and given_up)


def _turned_up(held: Held, location: Location, key: SubmissionKey) -> Job | None:
    """The job of an abandoned request, where its worker came back after all and noted one."""
    note = held.services.notes.read(location, str(key))
    return None if note is None or note.job is None else Job(note.job, held.route.model)


def _use_or_send(
    held: Held, provider: Provider, location: Location, key: SubmissionKey, known: Submission | None
) -> None:
    stored = stored_prediction(held.services, location, key)
    if stored is not None:
        if known is None:
            # Whose answer is it? The marker tells; and what is answered was intended.
            _intended(held, location, key)
        _answered(held, key, stored)
    elif known is not None and known.state is SubmissionState.ACCEPTED and known.job is not None:
        _accepted(held, key, Job(known.job, held.route.model, known.pages))
    elif known is not None and known.state is SubmissionState.IN_DOUBT:
        text = "Whether the provider took it is still not known."
        _in_doubt(held, key, known.send_before, known.reason or Reason.IN_DOUBT, text)
    else:
        begun = known is not None and known.state is SubmissionState.INTENDED
        _fence_and_send(held, provider, location, key, begun=begun)


def _fence_and_send(held: Held, provider: Provider, location: Location, key: SubmissionKey, *, begun: bool) -> None:
    """Make ready what is to be sent, then take the fence and send it.

    What cannot be made ready costs nothing and leaves no intent; `begun` says that an earlier worker left one.
    """
    with ExitStack() as until_sent:
        try:
            found = found_for(held)
            source = until_sent.enter_context(source_for(held, found, provider))
        except NotSent as error:
            if begun:
                _settle_what_was_begun(held, location, key, error)
            else:
                _put_off(held, None, error.reason, str(error))
        except (PermanentError, ConfigurationError, SourceRefused) as error:
            if not begun:
                raise
            _settle_what_was_begun(held, location, key, error)
        else:
            place_at = going_out.take_place(held, _pages_of(held), begun=begun)
            if place_at is None:
                return
            granted = _granted(held, location, key)
            if granted is not None:
                # Before it is asked how late it is: where the broker is away, this takes seconds.
                going_out.make_room(held)
            # What was begun went past the breaker as far as here, where it turns out that nothing was sent.
            still = going_out.standstill(held) if granted is not None and begun else None
            if granted is not None and still is None:
                still = going_out.is_too_late(held, _pages_of(held), place_at)
            if granted is not None and still is not None:
                _left_unsent(held, location, granted, still)
            elif granted is not None:
                _send(held, provider, location, granted, Outgoing(source, _request(held, granted, found.head)))


def _pages_of(held: Held) -> int:
    """For how many pages a place is taken."""
    return 1 if held.run.pages is None else pages_sent(held.run.pages, held.route)


def _granted(held: Held, location: Location, key: SubmissionKey) -> Note | None:
    """The note of this attempt, where it may be sent; None where an earlier one decides how the run goes on."""
    note = _intended(held, location, key)
    match held.services.notes.fence(location, note):
        case Granted(note=granted):
            return granted
        case Adopt(job=job):
            log.info("submission adopted", submission=str(key))
            _accepted(held, key, Job(job, held.route.model))
        case Doubt(detail=detail):
            _in_doubt(held, key, note.send_before, Reason.WORKER_DIED, detail)
        case Over(reason=reason, abandoned=abandoned):
            _end_as_noted(held, key, reason, abandoned=abandoned)
    return None


def _intended(held: Held, location: Location, key: SubmissionKey) -> Note:
    """Commit the intent in the ledger; the note that is to fence it."""
    services, run, route = held.services, held.run, held.route
    services.marker.check(location)
    held.keep_revision(location)
    pages = None if run.pages is None else pages_sent(run.pages, route)
    send_before = services.clock.now() + timedelta(seconds=services.settings.send_seconds)
    intent = services.ledger.intend(
        held.claim, key, route.lane, run.mode or Mode.ASYNC, pages=pages, send_before=send_before
    )
    if intent.state is not SubmissionState.INTENDED:
        raise StaleClaim(f"{key} was settled meanwhile: it is {intent.state}.")
    return Note.of(intent, run=run, route=route, nonce=secrets.token_hex(8), at=services.clock.now())


def _end_as_noted(held: Held, key: SubmissionKey, reason: Reason, *, abandoned: bool) -> None:
    """The note knows more than this ledger: nothing is to be sent under the key any more."""
    state = SubmissionState.ABANDONED if abandoned else SubmissionState.REJECTED
    change = SubmissionChange(key, state, reason=reason)
    if abandoned and reason is not Reason.GIVEN_UP:
        # To be sent under the next key, which is paid beside it: budgets are asked anew.
        held.advance(Advance(State.WAITING), change)
        return
    text = "Its note says so; this ledger had forgotten it. `headrace retry` sends it again, and may pay again."
    held.advance(Advance(State.FAILED, reason, text), change)


def _settle_what_was_begun(
    held: Held,
    location: Location,
    key: SubmissionKey,
    error: NotSent | PermanentError | ConfigurationError | SourceRefused,
) -> None:
    """Nothing can be sent now, but an earlier worker may have sent it: that counts for more than the error."""
    granted = _granted(held, location, key)
    if granted is None:
        return
    if isinstance(error, NotSent | SourceRefused):
        _not_taken(held, location, granted, error)
    else:
        _refused(held, location, granted, error)


def _left_unsent(held: Held, location: Location, note: Note, still: Standstill) -> None:
    """The attempt may not go out now, and waits in its queue."""
    held.services.notes.refused(location, note, Reason.NOT_SENT, held.services.clock.now())
    change = SubmissionChange(SubmissionKey.parse(note.key), SubmissionState.REJECTED, reason=Reason.NOT_SENT)
    going_out.back_into_queue(held, still, change)


def _refused(held: Held, location: Location, note: Note, error: PermanentError | ConfigurationError) -> None:
    """The attempt certainly was not paid, and trying again would not help; who is to end the run otherwise is told."""
    reason = error.reason if isinstance(error, PermanentError) else Reason.CONFIGURATION
    held.services.notes.refused(location, note, reason, held.services.clock.now())
    if isinstance(error, DocumentGone | DocumentReplaced):
        # The caller ends the run as removed or superseded.
        raise error
    change = SubmissionChange(SubmissionKey.parse(note.key), SubmissionState.REJECTED, reason=reason)
    if reason in REFUSALS:
        # It is about the key, not about the document, which goes once that is mended.
        going_out.refused(held, reason, error, change)
        return
    if isinstance(error, PredictionRejected):
        # Told first: a probe that has come to its end, and was not heard of, is taken for one that was not sent.
        going_out.was_answered(held)
    held.advance(Advance(State.FAILED, reason, str(error)), change)


def _not_taken(
    held: Held, location: Location, note: Note, error: TransientError | StorageError | SourceRefused
) -> None:
    """The attempt certainly was not paid, and trying again may help."""
    held.services.notes.refused(location, note, error.reason, held.services.clock.now())
    change = SubmissionChange(SubmissionKey.parse(note.key), SubmissionState.REJECTED, reason=error.reason)
    if isinstance(error, RateLimited):
        going_out.too_much(held, note, change, error)
        return
    going_out.failed(held, error.reason, str(error))
    _put_off(held, change, error.reason, str(error))


def _send(held: Held, provider: Provider, location: Location, note: Note, outgoing: Outgoing) -> None:
    """Send, and write down how it ended; also where another worker took us for dead meanwhile."""
    services, key = held.services, SubmissionKey.parse(note.key)
    result: Job | Answer | PermanentError | TransientError | StorageError
    try:
        result = provider.submit(*outgoing)
    except InDoubt as error:
        going_out.failed(held, error.reason, str(error))
        # Whoever took the run over meanwhile is in doubt about it as well.
        _in_doubt(held, key, note.send_before, error.reason, str(error))
        return
    except (PermanentError, TransientError, StorageError) as error:
        result = error
    try:
        _write_down(held, location, note, result)
    except StaleClaim:
        # The other one found a note without an outcome, and the run is in doubt; now one of both tells.
        hint = services.ledger.reopen_doubt(key)
        if hint is not None:
            log.warning("doubt reopened", submission=str(key))
            services.hints.hint(hint.run_id, hint.state, hint.provider)
        raise


def _write_down(
    held: Held, location: Location, note: Note, result: Job | Answer | PermanentError | TransientError | StorageError
) -> None:
    key = SubmissionKey.parse(note.key)
    match result:
        case PermanentError():
            # Where the document is gone or replaced, the body was not whole, so nothing was taken either.
            _refused(held, location, note, result)
        case TransientError() | StorageError():
            _not_taken(held, location, note, result)
        case Job():
            _note_job(held, location, note, result)
            _accepted(held, key, result)
            going_out.was_taken(held)
        case Answer():
            # It is paid: first of all it is stored.
            _keep_answer(held, location, note, key, result)
            going_out.was_taken(held)


def _request(held: Held, note: Note, head: ObjectHead) -> Request:
    run, route = held.run, held.route
    return Request(
        key=SubmissionKey.parse(note.key),
        model=route.model,
        mode=run.mode or Mode.ASYNC,
        send_before=note.send_before,
        metadata=metadata_of(route, held.document.key, head.metadata),
        rules=route.fields,
        language=route.language,
        text_only=route.text_only,
        page_numbers=route.pages_to_process if run.pages is None else page_numbers(run.pages, route),
        as_base64=route.send == "base64",
    )


def _keep_answer(held: Held, location: Location, note: Note, key: SubmissionKey, answer: Answer) -> None:
    job = answer.prediction.job
    try:
        if job is None:
            prediction = kept_at_last(held.services, location, key, answer)
        else:
            prediction = held.services.answers.keep(location, key, answer.raw, answer.prediction)
    except (StorageError, StorageUnavailable) as error:
        if job is None:
            # Nobody can ask for it again, but the ledger has it: the next submit step stores it, and pays nothing.
            put_off(held, error)
            return
        # It is paid, and the provider keeps it: fetch it again once the store takes it.
        log.warning("paid answer not stored, it will be fetched again", submission=str(key))
        _accepted(held, key, Job(job, held.route.model, len(answer.prediction.pages)))
        return
    if job is not None:
        _note_job(held, location, note, Job(job, held.route.model, len(prediction.pages)))
    _answered(held, key, prediction)
    if answer.prediction.key == str(key):
        held.services.ledger.note_echo(held.route.lane)


def _note_job(held: Held, location: Location, note: Note, job: Job) -> None:
    try:
        alert = held.services.notes.accepted(location, note, job.id, held.services.clock.now())
    except (StorageError, StorageUnavailable) as error:
        # The ledger is told next; the note only serves those who lost the ledger.
        log.warning("acceptance not noted in the bucket", error=str(error))
    else:
        if alert is not None:
            held.services.ledger.note_alert(SubmissionKey.parse(note.key), alert)


def _answered(held: Held, key: SubmissionKey, prediction: Prediction) -> None:
    advance = predicted(held.run, held.route, [prediction], held.services.routes.lane(held.route.lane))
    held.advance(advance, answered(key, prediction, advance, job=prediction.job))


def _accepted(held: Held, key: SubmissionKey, job: Job) -> None:
    """The provider works on it: the job joins a poll group in the transaction that notes the acceptance."""
    now = held.services.clock.now()
    took = held.services.ledger.durations(held.route.lane, job.pages or held.run.pages)
    first = held.route.poll.next_delay(timedelta(), 0, took) or timedelta()
    change = SubmissionChange(key, SubmissionState.ACCEPTED, job=job.id, pages=job.pages)
    hint = held.services.ledger.accept(held.claim, change, due_at=now + first)
    log.info("submission accepted", submission=str(key))
    if hint is not None:
        held.services.hints.poll(hint, first.total_seconds())


def _put_off(held: Held, change: SubmissionChange | None, reason: Reason, detail: str) -> None:
    """Nothing was taken: wait and send again under the same key, or fail after the last attempt."""
    attempts = held.run.attempts + 1
    pause = retrying.pause_after(reason, attempts)
    if pause is None:
        text = f"{detail} It was tried {attempts} times; `headrace retry` tries again."
        held.advance(Advance(State.FAILED, reason, text), change)
        return
    due_at = held.services.clock.now() + pause
    held.advance(Advance(State.WAITING, reason, detail, due_at=due_at, facts={"attempts": attempts}), change)


def _in_doubt(held: Held, key: SubmissionKey, send_before: datetime, reason: Reason, detail: str) -> None:
    """Nobody sends it again; the run waits until it can be decided, and the provider is asked meanwhile."""
    settle = timedelta(seconds=held.services.settings.settle_seconds)
    look_at = held.services.clock.now() + doubt.first_pause(settle)
    change = SubmissionChange(key, SubmissionState.IN_DOUBT, reason=reason, look_at=look_at)
    due_at = doubt.deadline(send_before, settle)
    held.advance(Advance(State.WAITING, Reason.IN_DOUBT, detail, due_at=due_at), change)
