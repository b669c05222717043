"""Whether a job may be the one of a paid request: the provider is asked before a person's word is taken for it."""

import structlog

from headrace.document import SubmissionKey
from headrace.errors import ConfigurationError, PermanentError, TransientError
from headrace.ledger.records import Submission
from headrace.providers import Job, Known
from tasks.services import Services

log = structlog.get_logger()

ASKING_SECONDS = 30.0


def objection(services: Services, request: Submission, job: str) -> str | None:
    """Why this job cannot be adopted for the request, for people; None where nothing speaks against it.

    Where the provider cannot be asked, nothing is lost by waiting: its answer could not be fetched either, and what
    is in doubt stays so, held or looked for, until it can be. Raises LedgerUnavailable.
    """
    lane = request.lane
    try:
        known = services.provider(lane).known(Job(job, lane.model), deadline_seconds=ASKING_SECONDS)
    except (PermanentError, TransientError, ConfigurationError) as error:
        log.warning("provider could not be asked", error=str(error))
        return (
            f"whether there is a job {job} could not be asked: {str(error).rstrip('.')}. Nothing is lost meanwhile: "
            "adopt it once that is mended, or have the provider's list asked again with --ask."
        )
    if known is None:
        return f"the provider has no job {job} of the model {lane.model}, or lists no page of it yet."
    return _of_another(services, known, request.key, job)


def _of_another(services: Services, known: Known, key: SubmissionKey, job: str) -> str | None:
    """What came without a key of ours may be anybody's: there the person's word counts."""
    if not known.keys or key in known.keys:
        return None
    others = ", ".join(_described(services, other) for other in sorted(known.keys, key=str))
    return f"the job {job} is that of another request: {others}."


def _described(services: Services, key: SubmissionKey) -> str:
    found = services.ledger.request(key)
    return (
        f"{key}, of a document that the ledger does not know"
        if found is None
        else f"{key}, of {found.run.document.url}"
    )
