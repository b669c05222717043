"""The step that has a provider read the document. Paid providers go through tasks/paying.py; free ones simply run."""

from collections.abc import Sequence
from datetime import timedelta

from config.celery import SOFT_LIMIT_SECONDS
from headrace.document import SubmissionKey, part_name, part_pages
from headrace.errors import DocumentGone, DocumentReplaced, ReadTimedOut
from headrace.ledger.records import Advance, Submission, SubmissionChange
from headrace.prediction import Prediction
from headrace.providers import Answer, Provider, Request, Source
from headrace.states import Mode, State, SubmissionState
from headrace.storage import Location
from tasks import paying
from tasks.hints import SUBMIT
from tasks.outcomes import predicted
from tasks.sources import found_for, source_for
from tasks.step import Held, late_ends_as, step
from tasks.unread import end_unread

FREE_DEADLINE = timedelta(seconds=120)
_LATE = (
    f"longer than a task may ({SOFT_LIMIT_SECONDS:g} seconds). See whether the bucket or the machine is slow and "
    "retry; else open the document in a viewer and save it anew, or split it."
)


@step(SUBMIT, claims={State.ADMITTED}, queue="submit")
def submit(held: Held) -> None:
    """Send the document to its provider; what comes back decides where the run goes."""
    provider = held.services.provider(held.lane)
    try:
        if provider.capabilities.paid:
            paying.submit(held, provider)
        else:
            _read_next_part(held, provider)
    except (DocumentGone, DocumentReplaced) as error:
        end_unread(held, error)


def next_part(pages: int, part_pages: int, done: int) -> str | None:
    """The part after the first `done` pages of a document, or None when all its pages are done.

    >>> next_part(12, 10, 0), next_part(12, 10, 10), next_part(12, 10, 12)
    ('1_10', '11_12', None)
    """
    if done >= pages:
        return None
    return part_name(done + 1, min(done + part_pages, pages))


def _read_next_part(held: Held, provider: Provider) -> None:
    """Read one part; the run stays admitted, and is hinted again, until every page is answered."""
    services, run, route = held.services, held.run, held.route
    location = Location.parse(route.private)
    lane = services.routes.lane(route.lane)
    part_length = provider.capabilities.part_pages or route.most_pages
    answered = _answered(services.ledger.submissions(run.id))
    counted = run.pages or 1
    part = next_part(counted, part_length, _last_page(answered))
    if part is None:
        held.advance(predicted(run, route, _stored(held, location, answered), lane))
        return
    key = SubmissionKey(run.document.id, run.number, route.provider, part, 1)
    first, last = part_pages(part) or (1, counted)
    late = ReadTimedOut(f"Fetching, preparing and reading the pages {first} to {last} takes {_LATE}")
    with late_ends_as(late), source_for(held, found_for(held), provider) as source:
        send_before = services.clock.now() + FREE_DEADLINE
        services.ledger.intend(
            held.claim, key, route.lane, Mode.SYNC, pages=last - first + 1, send_before=send_before, paid=False
        )
        answer = _asked(provider, source, held, key)
    prediction = services.answers.keep(location, key, answer.raw, answer.prediction)
    change = SubmissionChange(key, SubmissionState.ANSWERED, pages=len(prediction.pages))
    if next_part(counted, part_length, last) is None:
        held.advance(predicted(run, route, [*_stored(held, location, answered), prediction], lane), change)
    else:
        held.advance(Advance(State.ADMITTED), change)


def _asked(provider: Provider, source: Source, held: Held, key: SubmissionKey) -> Answer:
    request = Request(
        key=key,
        model=held.route.model,
        mode=Mode.SYNC,
        send_before=held.services.clock.now() + FREE_DEADLINE,
        pages=part_pages(key.part),
        rules=held.route.fields,
    )
    answer = provider.submit(source, request)
    if not isinstance(answer, Answer):
        raise TypeError(f"{key.provider} answers at once; it gave a {type(answer).__name__}.")
    return answer


def _answered(submissions: Sequence[Submission]) -> list[Submission]:
    return [entry for entry in submissions if entry.state is SubmissionState.ANSWERED]


def _last_page(answered: Sequence[Submission]) -> int:
    """Parts are read in order, so the pages up to the last answered one are done."""
    return max((span[1] for entry in answered if (span := part_pages(entry.key.part)) is not None), default=0)


def _stored(held: Held, location: Location, answered: Sequence[Submission]) -> list[Prediction]:
    return [held.services.answers.needed(location, entry.key) for entry in answered]
