"""How doubt about one paid request ends: noted in the bucket first, then told to the ledger.

Whoever ends it goes on from what the note says once it was tried to write it. So a settler may stop between the two,
run twice, or meet another one, or the worker that sent the request: what was noted first counts.
"""

import secrets
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Self

import structlog

from headrace import retrying
from headrace.document import SubmissionKey
from headrace.errors import AnswerLost
from headrace.ledger.records import Advance, Doubtful, Run, Submission, SubmissionChange
from headrace.routing import Route
from headrace.states import Reason, State, SubmissionState
from headrace.storage import Location
from headrace.storage.notes import Note
from tasks.keeping import stored_prediction
from tasks.outcomes import answered, predicted
from tasks.services import Services

log = structlog.get_logger()


class Ending(StrEnum):
    """What became of a paid request that was in doubt."""

    ANSWERED = "answered"
    """Its answer is stored, and used."""
    ADOPTED = "adopted"
    """The provider took it: its job is asked for."""
    SENT_AGAIN = "sent again"
    """It is sent again: under the same key where it certainly was not taken, else under the next."""
    FAILED = "failed"
    """It certainly was not taken, and sending it again would not help; or its stored answer is lost."""
    GIVEN_UP = "given up"
    """A person left it at that: the run failed."""
    HELD = "held"
    """Nobody can tell: a person decides."""
    ASKED_AGAIN = "asked again"
    """It still is in doubt: the provider is asked at once."""
    NOT_IN_DOUBT = "not in doubt"
    """It was not in doubt (any more), so nothing was done."""


@dataclass(frozen=True)
class Settled:
    """What became of one paid request in doubt; `run` is its run as it is then, `detail` says it to a person."""

    key: SubmissionKey
    ending: Ending
    run: Run
    detail: str


@dataclass(frozen=True)
class Case:
    """One paid request in doubt, its run and route, and its note: as it stands, or else as it must have been.

    Every method raises what the ledger and the store raise; each that ends the doubt does so, or tells how it ended.
    """

    services: Services
    request: Submission
    run: Run
    route: Route
    note: Note

    @classmethod
    def of(cls, services: Services, doubtful: Doubtful) -> Self:
        """Read the request's note. Raises LedgerError where the ledger has not the run's route."""
        request, run = doubtful.submission, doubtful.run
        route = services.ledger.route_at(run.revision or "")
        note = services.notes.read(Location.parse(route.private), str(request.key))
        if note is None:
            note = Note.of(request, run=run, route=route, nonce=secrets.token_hex(8), at=services.clock.now())
        return cls(services, request, run, route, note)

    @property
    def location(self) -> Location:
        return Location.parse(self.route.private)

    def by_what_is_stored(self) -> Settled | None:
        """End the doubt where the answer is stored, or the note says how the request ended; None where neither is."""
        key, lane = self.request.key, self.services.routes.lane(self.route.lane)
        try:
            prediction = stored_prediction(self.services, self.location, key)
        except AnswerLost as error:
            change = SubmissionChange(key, SubmissionState.ANSWERED)
            return self._end(Ending.FAILED, change, Advance(State.FAILED, error.reason, str(error)), str(error))
        if prediction is None:
            return self._by(self.note)
        advance = predicted(self.run, self.route, [prediction], lane)
        change = answered(key, prediction, advance, job=prediction.job)
        return self._end(Ending.ANSWERED, change, advance, f"The answer of {key} is stored.")

    def adopt(self, job: str, *others: str, by: str = "") -> Settled:
        """The provider has it, as this job; `others` were seen under the same key, and are told as an alert."""
        settled = self.note.model_copy(update={"outcome": "accepted", "job": job, "at": self.services.clock.now()})
        stands = self._conclude(settled)
        for seen in (job, *others):
            if stands.job != seen:
                self._tell_beside(stands, seen)
                stands = self.services.notes.read(self.location, str(self.request.key)) or stands
        return self._as_noted(stands, by)

    def send_again(self) -> Settled:
        """It certainly was not taken: it goes out again, under the same key."""
        update = {"outcome": "refused", "reason": Reason.NOT_TAKEN, "at": self.services.clock.now()}
        return self._as_noted(self._conclude(self.note.model_copy(update=update)), "")

    def abandon(self, reason: Reason, *, by: str = "") -> Settled:
        """Nobody waits for the truth any more: the run fails where `reason` is given_up, else the next key is sent."""
        update = {"outcome": "abandoned", "reason": reason, "at": self.services.clock.now()}
        return self._as_noted(self._conclude(self.note.model_copy(update=update)), by)

    def hold(self, detail: str) -> Settled:
        """Let a person decide."""
        run = self.services.ledger.hold_doubt(self.request, detail)
        return self._told(Ending.HELD, run, detail)

    def ask_again(self, until: datetime, *, by: str) -> Settled:
        """Have the provider asked at once; it can be decided at `until` at the earliest."""
        detail = f"The provider is asked again. {by} said so."
        run = self.services.ledger.ask_again(self.request, until, detail)
        if run is None:
            return self.not_in_doubt()
        log.info("doubt asked for again", submission=str(self.request.key))
        self.services.hints.settle(self.request.lane)
        return Settled(self.request.key, Ending.ASKED_AGAIN, run, detail)

    def not_in_doubt(self) -> Settled:
        """What is told where the doubt does not stand any more."""
        now = self.services.ledger.request(self.request.key)
        request, run = (self.request, self.run) if now is None else (now.submission, now.run)
        words = f"{request.key} is not in doubt: it is {request.state}, and its run {run.state}."
        return Settled(request.key, Ending.NOT_IN_DOUBT, run, words)

    def _conclude(self, settled: Note) -> Note:
        """Write the note's outcome, if it still has none; the note as it stands then."""
        self.services.marker.check(self.location)
        # A ledger that was restored counts its tokens from an earlier one: its next attempt is not to be the older one.
        settled = settled.model_copy(update={"token": min(settled.token, self.request.token)})
        return self.services.notes.conclude(self.location, self.note, settled)

    def _tell_beside(self, stands: Note, job: str) -> None:
        alert = self.services.notes.accepted(self.location, stands, job, self.services.clock.now())
        if alert is not None:
            self.services.ledger.note_alert(self.request.key, alert)

    def _as_noted(self, stands: Note, by: str) -> Settled:
        # A note without outcome is another attempt's: somebody has ended this doubt meanwhile.
        return self._by(stands, by) or self.not_in_doubt()

    def _by(self, note: Note, by: str = "") -> Settled | None:
        """End the doubt as the note says; None where it says nothing."""
        key, said = self.request.key, f" {by} said so." if by else ""
        if note.job is not None:
            accepted = SubmissionChange(key, SubmissionState.ACCEPTED, job=note.job)
            text = f"{key} was accepted as job {note.job}.{said}"
            return self._end(Ending.ADOPTED, accepted, Advance(State.ADMITTED), text)
        match note.outcome:
            case "refused":
                return self._refused(note.reason or Reason.NOT_TAKEN)
            case "abandoned" if note.reason is Reason.GIVEN_UP:
                abandoned = SubmissionChange(key, SubmissionState.ABANDONED, reason=Reason.GIVEN_UP)
                text = f"Whether the provider took it will not be known.{said}"
                return self._end(Ending.GIVEN_UP, abandoned, Advance(State.FAILED, Reason.GIVEN_UP, text), text)
            case "abandoned":
                abandoned = SubmissionChange(key, SubmissionState.ABANDONED, reason=note.reason)
                text = f"{key} is abandoned; the document is sent under the next key.{said}"
                return self._end(Ending.SENT_AGAIN, abandoned, Advance(State.WAITING), text)
            case _:
                return None

    def _refused(self, reason: Reason) -> Settled:
        """It certainly was not paid: it waits to be sent again under the same key, or fails for good."""
        rejected = SubmissionChange(self.request.key, SubmissionState.REJECTED, reason=reason)
        # The submit step finds out whether what is not counted still holds: a key, a pause, an object that is gone.
        attempts = self.run.attempts + (reason not in retrying.UNCOUNTED)
        pause = timedelta() if reason in retrying.UNCOUNTED else retrying.pause_after(reason, attempts)
        if pause is not None:
            to = Advance(State.WAITING, due_at=self.services.clock.now() + pause, facts={"attempts": attempts})
            text = f"{self.request.key} was not taken ({reason}); it is sent again."
            return self._end(Ending.SENT_AGAIN, rejected, to, text)
        tried = f" It was tried {attempts} times." if reason in retrying.RULES else ""
        text = f"{self.request.key} was not taken ({reason}).{tried} `headrace retry` tries again."
        return self._end(Ending.FAILED, rejected, Advance(State.FAILED, reason, text), text)

    def _end(self, ending: Ending, change: SubmissionChange, to: Advance, text: str) -> Settled:
        return self._told(ending, self.services.ledger.end_doubt(self.request, change, to, text), text)

    def _told(self, ending: Ending, run: Run | None, text: str) -> Settled:
        if run is None:
            log.info("doubt ended meanwhile", submission=str(self.request.key))
            return self.not_in_doubt()
        log.info("doubt settled", submission=str(self.request.key), ending=str(ending), state=str(run.state))
        self.services.hints.hint(run.id, run.state, self.request.key.provider)
        return Settled(self.request.key, ending, run, text)
