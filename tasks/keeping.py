"""Keeping a paid answer that nobody can ask for again: in the bucket, or in the ledger while that does not take it."""

import structlog

from headrace.document import SubmissionKey
from headrace.errors import LedgerUnavailable, StorageError, StorageUnavailable
from headrace.prediction import Prediction
from headrace.providers import Answer
from headrace.storage import Location
from headrace.storage.answers import read_set_aside, set_aside_form
from tasks.services import Services

log = structlog.get_logger()

KEEP_TRYING_SECONDS = 300.0
FIRST_PAUSE_SECONDS = 0.5
LONGEST_PAUSE_SECONDS = 10.0


def kept_at_last(services: Services, location: Location, key: SubmissionKey, answer: Answer) -> Prediction:
    """Store an answer that is paid and that nobody can ask for again; the prediction that counts.

    Where the bucket does not take it the ledger keeps it, for `stored_prediction` to find, and the bucket's error is
    raised. Where the ledger does not either, the answer is in memory alone, and both are asked again for some minutes;
    then LedgerUnavailable is raised, and the answer is lost.
    """
    clock = services.clock
    give_up_at = clock.monotonic() + KEEP_TRYING_SECONDS
    pause_seconds = FIRST_PAUSE_SECONDS
    while True:
        try:
            return services.answers.keep(location, key, answer.raw, answer.prediction)
        except (StorageError, StorageUnavailable) as error:
            log.warning("paid answer not stored", submission=str(key), error=str(error))
            try:
                services.ledger.set_answer_aside(key, *set_aside_form(answer.raw, answer.prediction))
            except LedgerUnavailable as second:
                if clock.monotonic() + pause_seconds > give_up_at:
                    log.exception("paid answer lost", submission=str(key))
                    raise
                log.warning("paid answer not kept, it is offered again", submission=str(key), error=str(second))
            else:
                raise
        clock.sleep(pause_seconds)
        pause_seconds = min(pause_seconds * 2, LONGEST_PAUSE_SECONDS)


def stored_prediction(services: Services, location: Location, key: SubmissionKey) -> Prediction | None:
    """The prediction of a submission's stored answer; one that the ledger keeps is stored first.

    None where there is neither. Raises what `headrace.storage.answers` does.
    """
    stored = services.answers.prediction(location, key)
    kept = services.ledger.answer_set_aside(key) if stored is None else None
    if kept is None:
        return stored
    raw, prediction = read_set_aside(*kept)
    counts = services.answers.keep(location, key, raw, prediction)
    services.ledger.forget_answer_set_aside(key)
    return counts
