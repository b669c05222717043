"""Nanonets OCR (api/v2) as a Provider: one document goes out once, and what comes of it is certain or in doubt."""

from collections.abc import Collection, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from typing import Any

import httpx
import structlog

from headrace.breaking import REFUSALS
from headrace.clock import Clock
from headrace.errors import PredictionRejected, ProviderUnavailable
from headrace.prediction import Prediction
from headrace.providers import (
    Absent,
    Answer,
    Capabilities,
    Job,
    Known,
    Listing,
    NotTold,
    Pending,
    Refused,
    Request,
    Sought,
    Source,
    Told,
)
from headrace.providers.nanonets import answers, bodies, finding, listed, outcomes, reading, texts
from headrace.providers.nanonets.answers import UnreadableBody
from headrace.providers.nanonets.api import NanonetsApi
from headrace.providers.nanonets.calls import Reply
from headrace.providers.nanonets.dialect import REFERENCE, Dialect
from headrace.providers.nanonets.envelope import seal
from headrace.providers.nanonets.links import without_signed_links
from headrace.providers.nanonets.outcomes import Body
from headrace.providers.nanonets.uploads import Asked
from headrace.providers.sending import Deadline
from headrace.states import Mode, Reason

log = structlog.get_logger()

FETCH_SECONDS = 40.0
FETCHES_AT_ONCE = 8
# A day that the vendor counts elsewhere, and a sending around midnight, are in the window all the same.
DAYS_BEFORE, DAYS_AFTER = timedelta(days=1), timedelta(days=2)
# Of jobs that were accepted, only clocks that differ are to be allowed for.
AROUND_MIDNIGHT = timedelta(minutes=10)


class NanonetsProvider:
    """Speaks for one account: the client carries address and key (see `nanonets_client`)."""

    capabilities = Capabilities(
        paid=True,
        asynchronous=True,
        urls=True,
        media_types=frozenset({"application/pdf", "image/png", "image/jpeg", "image/tiff"}),
        find=True,
        window=True,
    )

    def __init__(self, client: httpx.Client, clock: Clock, dialect: Dialect = REFERENCE) -> None:
        self._api = NanonetsApi(client, clock, dialect)
        self._clock = clock

    def submit(self, source: Source, request: Request) -> Job | Answer:
        """Send one whole document; docs/providers/nanonets.md lists what may come of it.

        Lets through what the source raises: the request then never was whole. ValueError, with nothing
        sent, where the request asks for what the call cannot say.
        """
        reply = self._send(source, request)
        log.info("nanonets answered", submission=str(request.key), status=reply.status, bytes=len(reply.content))
        body = reply.taken()
        try:
            _check_input(reply, by_link=source.url is not None)
            return _text(body, request) if request.text_only else _taken(body, request)
        except UnreadableBody as error:
            raise outcomes.UNREADABLE_ANSWER.as_error(str(error)) from error

    def fetch(self, jobs: Sequence[Job], *, deadline_seconds: float = FETCH_SECONDS) -> Mapping[Job, Told]:
        """Ask for accepted jobs, a few at once, within one deadline.

        Only the vendor's word that every page failed is Refused. A 404, or another 4xx about the job, is Pending with
        its detail: what was paid may still be there. Where the call failed, or was refused whatever the job, it is
        NotTold.
        """
        deadline = Deadline(self._clock, deadline_seconds)
        with ThreadPoolExecutor(FETCHES_AT_ONCE, thread_name_prefix="nanonets-fetch") as pool:
            return dict(zip(jobs, pool.map(lambda job: self._fetch(job, deadline), jobs), strict=True))

    def find(
        self, model: str, sought: Collection[Sought], since: datetime, until: datetime, *, deadline_seconds: float
    ) -> Listing:
        """Look for the keys in one listing of the days around these times, from one day before to two after.

        Raises PredictionRejected or RateLimited where the listing is refused, ProviderUnavailable where it does not
        come to its end in time or cannot be understood.
        """
        if all(one.text_only for one in sought):
            # Such a lane has no model that could be asked.
            return finding.listing((), model, sought)
        first, last = since.astimezone(UTC).date() - DAYS_BEFORE, until.astimezone(UTC).date() + DAYS_AFTER
        records = self._api.window(model, first, last, deadline_seconds=deadline_seconds)
        found = finding.listing(records, model, sought)
        log.info("window looked through", model=model, sought=len(sought), echoed=found.echoed)
        return found

    def listed(
        self, model: str, jobs: Collection[Job], since: datetime, until: datetime, *, deadline_seconds: float
    ) -> Mapping[Job, Answer | Pending | Absent]:
        """Look for the jobs in one listing of the days between these times.

        Raises as `find`.
        """
        first, last = (since - AROUND_MIDNIGHT).astimezone(UTC).date(), (until + AROUND_MIDNIGHT).astimezone(UTC).date()
        deadline = Deadline(self._clock, deadline_seconds)
        pages = self._api.pages_of_files(model, {job.id for job in jobs}, first, last, deadline=deadline)
        told = listed.told(pages, jobs)
        log.info("window looked through", model=model, sought=len(jobs))
        return told

    def known(self, job: Job, *, deadline_seconds: float = FETCH_SECONDS) -> Known | None:
        """The file of this id, if it is of the job's model and has a page; its pages repeat the metadata it came with.

        Raises PredictionRejected or RateLimited where the call is refused, ProviderUnavailable where it fails or its
        answer cannot be understood.
        """
        reply = self._api.file(job.model, job.id, deadline=Deadline(self._clock, deadline_seconds))
        # A file that is not there is a 404; a wrong model is one too, and has no such file either.
        if reply.kind is Body.JSON and reply.status == 404:
            return None
        try:
            return finding.known(answers.records(reply.found()), job.id)
        except UnreadableBody as error:
            raise ProviderUnavailable(f"Nanonets' answer cannot be understood: {error}") from error

    def read(self, raw: bytes, model: str) -> Prediction:
        """The prediction in a stored answer, of a predict call, by file or of full text.

        Which it is, its form alone tells here: what was asked for is not stored with it.
        PredictionRejected where it cannot be read.
        """
        try:
            body = bodies.parse(raw)
            return _text_in(body, model) if texts.is_text_answer(body) else reading.prediction_of_pages(body, model)
        except UnreadableBody as error:
            raise PredictionRejected(
                f"The stored answer of Nanonets cannot be read: {error}", Reason.UNREADABLE_ANSWER
            ) from error

    def _send(self, source: Source, request: Request) -> Reply:
        """The document's link where it has one, else its bytes."""
        if request.pages is not None:
            raise ValueError("Nanonets is given whole documents, never a range of pages.")
        send_before = request.send_before
        if request.text_only:
            if request.page_numbers or request.language or request.as_base64:
                raise ValueError("Nanonets reads the full text of a whole file or link, and can be told nothing more.")
            if source.url is not None:
                return self._api.text_of_urls([source.url], send_before=send_before)
            return self._api.text_of_file(source, send_before=send_before)
        metadata = seal(request.key, request.metadata)
        asked = Asked(request.model, request.mode, metadata, request.language, request.page_numbers)
        if source.url is not None:
            return self._api.predict_urls(asked, [source.url], send_before=send_before)
        if request.as_base64:
            return self._api.predict_base64(asked, source, send_before=send_before)
        return self._api.predict_files(asked, [source], send_before=send_before)

    def _fetch(self, job: Job, deadline: Deadline) -> Told:
        if deadline.is_past:
            return NotTold(Reason.NOT_SENT, "not asked: the turn's time was up")
        try:
            return self._ask(job, deadline)
        except ProviderUnavailable as error:
            return NotTold(error.reason, str(error))
        except UnreadableBody as error:
            return Pending(f"the answer cannot be understood: {error}")
        except Exception:
            # One strange answer must not take the turn of the others; the log has what was strange.
            log.exception("nanonets answer not read", job=job.id)
            return Pending("the answer cannot be read")

    def _ask(self, job: Job, deadline: Deadline) -> Told:
        reply = self._api.file(job.model, job.id, deadline=deadline)
        if reply.status != 200 or reply.kind is not Body.JSON:
            return _not_found(reply)
        standing = answers.standing(answers.records(reply.body), job.pages)
        if standing.pending:
            return Pending(standing.pending)
        if standing.failed:
            return Refused(Reason.PREDICTION_FAILED, str(outcomes.PREDICTION_FAILED.as_error()))
        return reading.answer(reply.body, job.model)


def _not_found(reply: Reply) -> Pending | NotTold:
    """What it means for a job that asking for it brought no object."""
    detail = f"answered {reply.detail} with {reply.kind}"
    if reply.status == 429:
        # A proxy that says so in HTML counts as well.
        return NotTold(Reason.RATE_LIMITED, detail, reply.after_seconds)
    if reply.kind is not Body.JSON or not 400 <= reply.status < 500:
        return NotTold(Reason.UNREACHABLE, detail)
    reason = outcomes.REFUSALS.get(reply.status, outcomes.OTHER_REFUSAL).reason
    return NotTold(reason, detail) if reason in REFUSALS else Pending(detail)


def _check_input(reply: Reply, *, by_link: bool) -> None:
    """Raise the outcome where the answer only says that our one document could not be used, and names no file."""
    # A full text may list them under another name.
    body = reply.body if "result" in reply.body else {"result": reply.body.get("results")}
    inputs = answers.inputs(body)
    if inputs and all(one.failure for one in inputs):
        outcome = outcomes.LINK_UNUSABLE if by_link else outcomes.PREDICTION_FAILED
        raise outcome.as_error(reply.detail)


def _taken(body: dict[str, Any], request: Request) -> Job | Answer:
    """What a 2xx to a predict call brought: the pages, or a job that will have them."""
    pages = answers.records(body)
    if not pages:
        raise UnreadableBody("The body lists no page.")
    standing = answers.standing(pages, None)
    if standing.failed:
        raise outcomes.PREDICTION_FAILED.as_error()
    # A sync call whose pages are still queued was taken all the same; they can be asked for.
    if request.mode is Mode.ASYNC or standing.pending:
        accepted = answers.accepted(pages)
        return Job(accepted.id, request.model, accepted.pages)
    return reading.answer(body, request.model)


def _text(body: dict[str, Any], request: Request) -> Answer:
    """The full text, under the key and the metadata of its request: the answer names neither."""
    stored = without_signed_links(body)
    prediction = _text_in(stored, request.model)
    if all(page.failure is not None for page in prediction.pages):
        raise outcomes.PREDICTION_FAILED.as_error()
    known = {"key": str(request.key), "metadata": dict(request.metadata)}
    return Answer(prediction.model_copy(update=known), reading.raw(stored))


def _text_in(body: Mapping[str, Any], model: str) -> Prediction:
    """The full text in a body; whatever id that names, nobody can ask for it again."""
    return reading.prediction_of_text(body, model).model_copy(update={"job": None})
