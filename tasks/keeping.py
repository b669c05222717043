"""Storing a paid answer that is in this worker's memory alone."""

import structlog

from headrace.document import SubmissionKey
from headrace.errors import StorageError, StorageUnavailable
from headrace.prediction import Prediction
from headrace.providers import Answer
from headrace.storage import Location
from tasks.step import Held

log = structlog.get_logger()

KEEP_TRYING_SECONDS = 300.0
FIRST_PAUSE_SECONDS = 1.0
LONGEST_PAUSE_SECONDS = 20.0


def kept_at_last(held: Held, location: Location, key: SubmissionKey, answer: Answer) -> Prediction:
    """Store an answer that is paid and that nobody can ask for again; the prediction that counts.

    A store that fails is asked again for some minutes, while the run's lease is renewed; then its error is raised.
    """
    clock = held.services.clock
    give_up_at = clock.monotonic() + KEEP_TRYING_SECONDS
    pause_seconds = FIRST_PAUSE_SECONDS
    while True:
        try:
            return held.services.answers.keep(location, key, answer.raw, answer.prediction)
        except (StorageError, StorageUnavailable) as error:
            if clock.monotonic() + pause_seconds > give_up_at:
                log.exception("paid answer lost", submission=str(key))
                raise
            log.warning("paid answer not stored, it is offered again", submission=str(key), error=str(error))
        clock.sleep(pause_seconds)
        pause_seconds = min(pause_seconds * 2, LONGEST_PAUSE_SECONDS)
