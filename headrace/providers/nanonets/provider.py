"""Nanonets OCR (api/v2) as a Provider: one document goes out once, and what comes of it is certain or in doubt."""

import json
from collections.abc import Callable, Generator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from typing import Any
from urllib.parse import urlencode

import httpx
import structlog

from headrace.clock import Clock
from headrace.errors import PredictionRejected
from headrace.faults import fault_point
from headrace.prediction import Prediction
from headrace.providers import Answer, Capabilities, Job, Pending, Refused, Request, Source
from headrace.providers.multipart import file_form
from headrace.providers.nanonets import answers, dialect, outcomes, reading
from headrace.providers.nanonets.answers import UnreadableBody
from headrace.providers.nanonets.envelope import seal
from headrace.providers.nanonets.excerpts import vendor_words
from headrace.providers.nanonets.links import without_signed_links
from headrace.providers.nanonets.outcomes import Body
from headrace.providers.sending import (
    AnswerTooLarge,
    Deadline,
    DeadlinePassed,
    in_one_piece,
    receive,
    whole_or_nothing,
)
from headrace.states import Mode, Reason

log = structlog.get_logger()

SUBMIT_SECONDS = 100.0
FETCH_SECONDS = 40.0
# One slow job must not take the turn of the others.
LONGEST_WAIT_SECONDS = 20.0
FETCHES_AT_ONCE = 8
MOST_ANSWER_BYTES = 64 * 1024 * 1024

_URL_ENCODED = "application/x-www-form-urlencoded"

# httpx raises these before any byte of the request has left.
_NOT_CONNECTED = (
    httpx.ConnectError,
    httpx.ConnectTimeout,
    httpx.PoolTimeout,
    httpx.ProxyError,
    httpx.UnsupportedProtocol,
)


class NanonetsProvider:
    """Speaks for one account: the client carries address and key (see `nanonets_client`)."""

    capabilities = Capabilities(
        paid=True,
        asynchronous=True,
        urls=True,
        media_types=frozenset({"application/pdf", "image/png", "image/jpeg", "image/tiff"}),
    )

    def __init__(self, client: httpx.Client, clock: Clock) -> None:
        self._client = client
        self._clock = clock

    def submit(self, source: Source, request: Request) -> Job | Answer:
        """Send one whole document; docs/providers/nanonets.md lists what may come of it.

        Lets through what the source raises: the request then never was whole.
        """
        if request.pages is not None:
            raise ValueError("Nanonets is given whole documents, never a range of pages.")
        response, content = self._pay(source, request)
        log.info("nanonets answered", submission=str(request.key), status=response.status_code, bytes=len(content))
        kind, body = answers.body_kind(content, response.headers.get("Content-Type", ""))
        outcome = outcomes.outcome_of(response.status_code, kind)
        if outcome is not None:
            raise outcome.as_error(_detail(response, body))
        try:
            return _taken(body, request)
        except UnreadableBody as error:
            raise outcomes.UNREADABLE_ANSWER.as_error(str(error)) from error

    def fetch(
        self, jobs: Sequence[Job], *, deadline_seconds: float = FETCH_SECONDS
    ) -> Mapping[Job, Answer | Pending | Refused]:
        """Ask for accepted jobs, a few at once, within one deadline.

        Only the vendor's word that every page failed is Refused. Every other trouble (401 and 404
        too: what was paid may still be there) is Pending with its detail.
        """
        deadline = Deadline(self._clock, deadline_seconds)
        with ThreadPoolExecutor(FETCHES_AT_ONCE, thread_name_prefix="nanonets-fetch") as pool:
            return dict(zip(jobs, pool.map(lambda job: self._fetch(job, deadline), jobs), strict=True))

    def read(self, raw: bytes, model: str) -> Prediction:
        """The prediction in a stored answer, of a predict call or by file; PredictionRejected if unreadable."""
        try:
            return reading.prediction(answers.records(answers.parse(raw)), model)
        except UnreadableBody as error:
            raise PredictionRejected(
                f"The stored answer of Nanonets cannot be read: {error}", Reason.UNREADABLE_ANSWER
            ) from error

    def _pay(self, source: Source, request: Request) -> tuple[httpx.Response, bytes]:
        """Send the request that costs money, and read its answer; whatever goes wrong is an outcome."""
        deadline = Deadline(self._clock, SUBMIT_SECONDS)

        def may_go_on() -> None:
            if deadline.is_past or self._clock.now() >= request.send_before:
                raise outcomes.NOT_SENT.as_error()
            deadline.bound(sent)

        path, headers, pieces = _upload(source, request, may_go_on)
        sent = self._client.build_request("POST", path, content=pieces, headers=headers)
        with closing(pieces):
            try:
                may_go_on()
                fault_point("nanonets.submit.before")
                response = self._client.send(sent, stream=True)
                content = receive(response, deadline, most_bytes=MOST_ANSWER_BYTES)
                fault_point("nanonets.submit.after")
            except _NOT_CONNECTED as error:
                raise outcomes.UNREACHABLE.as_error(type(error).__name__) from error
            except (httpx.TimeoutException, DeadlinePassed) as error:
                raise outcomes.TIMED_OUT.as_error(type(error).__name__) from error
            except (httpx.DecodingError, AnswerTooLarge) as error:
                raise outcomes.UNREADABLE_ANSWER.as_error(type(error).__name__) from error
            except httpx.RequestError as error:
                raise outcomes.CONNECTION_CUT.as_error(type(error).__name__) from error
        return response, content

    def _fetch(self, job: Job, deadline: Deadline) -> Answer | Pending | Refused:
        if deadline.is_past:
            return Pending("not asked: the turn's time was up")
        try:
            return self._ask(job, deadline)
        except (httpx.RequestError, DeadlinePassed, AnswerTooLarge) as error:
            return Pending(f"the call failed: {type(error).__name__}")
        except UnreadableBody as error:
            return Pending(f"the answer cannot be understood: {error}")
        except Exception:
            # One strange answer must not take the turn of the others; the log has what was strange.
            log.exception("nanonets answer not read", job=job.id)
            return Pending("the answer cannot be read")

    def _ask(self, job: Job, deadline: Deadline) -> Answer | Pending | Refused:
        sent = self._client.build_request("GET", dialect.predictions_of_file(job.model, job.id))
        deadline.bound(sent, read_seconds=LONGEST_WAIT_SECONDS)
        fault_point("nanonets.fetch.before")
        response = self._client.send(sent, stream=True)
        content = receive(response, deadline, most_bytes=MOST_ANSWER_BYTES)
        fault_point("nanonets.fetch.after")
        kind, body = answers.body_kind(content, response.headers.get("Content-Type", ""))
        if response.status_code != 200 or kind is not Body.JSON:
            return Pending(f"answered {_detail(response, body)} with {kind}")
        pages = answers.records(body)
        standing = answers.standing(pages, job.pages)
        if standing.pending:
            return Pending(standing.pending)
        if standing.failed:
            return Refused(Reason.PREDICTION_FAILED, str(outcomes.PREDICTION_FAILED.as_error()))
        return _answer(body, job.model)


def _upload(
    source: Source, request: Request, may_go_on: Callable[[], None]
) -> tuple[str, dict[str, str], Generator[bytes, None, None]]:
    """Path, headers and body: the document's link where it has one, else its bytes."""
    fields = {"request_metadata": seal(request.key, request.metadata)}
    if source.url is not None:
        body = urlencode({"urls": source.url, **fields}).encode()
        path, media_type, length = dialect.label_urls(request.model, request.mode), _URL_ENCODED, len(body)
        pieces = in_one_piece(body, may_go_on=may_go_on)
    else:
        form = file_form(fields, file_field="file", file_name=source.name, media_type=source.media_type)
        path, media_type = dialect.label_file(request.model, request.mode), form.content_type
        length = form.content_length(source.size)
        pieces = whole_or_nothing(form.head, source, form.tail, may_go_on=may_go_on)
    return path, {"Content-Type": media_type, "Content-Length": str(length)}, pieces


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
    return _answer(body, request.model)


def _answer(body: dict[str, Any], model: str) -> Answer:
    stored = without_signed_links(body)
    prediction = reading.prediction(answers.records(stored), model)
    return Answer(prediction, json.dumps(stored, ensure_ascii=False, separators=(",", ":")).encode())


def _detail(response: httpx.Response, body: Mapping[str, Any]) -> str:
    words = vendor_words(body, response.request)
    return f"{response.status_code}: {words}" if words else str(response.status_code)
