"""Calls on the wire: what is paid goes out once and ends certain or in doubt, what is free may be asked again."""

from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import httpx

from headrace.clock import Clock
from headrace.errors import HeadraceError, PredictionRejected, ProviderUnavailable
from headrace.faults import fault_point
from headrace.providers.nanonets import bodies, outcomes
from headrace.providers.nanonets.excerpts import vendor_words
from headrace.providers.nanonets.outcomes import Body
from headrace.providers.nanonets.uploads import Upload
from headrace.providers.sending import (
    LONGEST_SILENCE_SECONDS,
    PIECE_BYTES,
    AnswerTooLarge,
    Deadline,
    DeadlinePassed,
    receive,
    retry_after,
    whole_or_nothing,
)
from headrace.states import Reason

SUBMIT_SECONDS = 100.0
# One slow job must not take the turn of the others.
LONGEST_WAIT_SECONDS = 20.0
MOST_ANSWER_BYTES = 64 * 1024 * 1024

# httpx raises these before any byte of the request has left.
_NOT_CONNECTED = (
    httpx.ConnectError,
    httpx.ConnectTimeout,
    httpx.PoolTimeout,
    httpx.ProxyError,
    httpx.UnsupportedProtocol,
)
_FAILED = (httpx.RequestError, DeadlinePassed, AnswerTooLarge)


@dataclass(frozen=True)
class Reply:
    """What came back to one call. `detail` is its status and the vendor's own words, fit for a person."""

    status: int
    content: bytes
    kind: Body
    body: dict[str, Any]
    detail: str
    after_seconds: float | None = None
    """For how long it asks us to wait (Retry-After), where it does."""

    def taken(self) -> dict[str, Any]:
        """The body of a 2xx to a paid call; raises the outcome where it is anything else."""
        outcome = outcomes.outcome_of(self.status, self.kind)
        if outcome is not None:
            raise outcome.as_error(self.detail, after_seconds=self.after_seconds)
        return self.body

    def found(self) -> dict[str, Any]:
        """The object in the body of a 200 to a free call; raises what `refusal` says where it is anything else."""
        if self.status != 200 or self.kind is not Body.JSON:
            raise refusal(self)
        return self.body


class Calls:
    """Sends for one account: the client carries address and key."""

    def __init__(self, client: httpx.Client, clock: Clock) -> None:
        self._client = client
        self._clock = clock

    def pay(self, upload: Upload, *, send_before: datetime) -> Reply:
        """Send a request that must not be sent twice, and read its answer; whatever goes wrong is an outcome.

        Lets through what the documents raise: the request then never was whole.
        """
        deadline = Deadline(self._clock, SUBMIT_SECONDS)

        def may_go_on() -> None:
            if deadline.is_past or self._clock.now() >= send_before:
                raise outcomes.NOT_SENT.as_error()
            deadline.bound(sent)

        pieces = whole_or_nothing(upload.body, may_go_on=may_go_on)
        headers = {"Content-Type": upload.content_type, "Content-Length": str(upload.length)}
        sent = self._client.build_request(upload.method, upload.address, content=pieces, headers=headers)
        # What is not read to its end would keep its connection to the bucket.
        with closing(upload.body), closing(pieces):
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
        return _reply(response, content)

    def ask(self, method: str, address: str, deadline: Deadline) -> Reply:
        """Make a free call; ProviderUnavailable where no answer came in time."""
        sent = self._client.build_request(method, address)
        deadline.bound(sent, read_seconds=LONGEST_WAIT_SECONDS)
        try:
            fault_point("nanonets.fetch.before")
            response = self._client.send(sent, stream=True)
            content = receive(response, deadline, most_bytes=MOST_ANSWER_BYTES)
            fault_point("nanonets.fetch.after")
        except _FAILED as error:
            raise _call_failed(error) from error
        return _reply(response, content)

    @contextmanager
    def listen(self, method: str, address: str, deadline: Deadline) -> Iterator[Iterator[bytes]]:
        """Make a free call whose answer may be long: gives its pieces while they arrive.

        Raises, in the block too, what `refusal` says where the answer is none, and ProviderUnavailable
        where it breaks off.
        """
        # A small compressed piece may become a very large one.
        sent = self._client.build_request(method, address, headers={"Accept-Encoding": "identity"})
        deadline.bound(sent)
        try:
            fault_point("nanonets.listen.before")
            response = self._client.send(sent, stream=True)
            fault_point("nanonets.listen.after")
            with closing(response):
                if response.status_code != 200:
                    content = receive(response, deadline, most_bytes=MOST_ANSWER_BYTES)
                    _reply(response, content).found()
                deadline.bound(sent, read_seconds=LONGEST_SILENCE_SECONDS)
                yield _until(deadline, response)
        except _FAILED as error:
            raise _call_failed(error) from error


def refusal(reply: Reply) -> HeadraceError:
    """What it means that a free call was not answered with its object: only a 4xx in JSON is for good."""
    status, kind, detail = reply.status, reply.kind, reply.detail
    if kind is Body.JSON and status == 404:
        return PredictionRejected(f"Nanonets knows no such model, file or page ({detail}).", Reason.MODEL_NOT_FOUND)
    if kind is Body.JSON and 400 <= status < 500:
        return outcomes.REFUSALS.get(status, outcomes.OTHER_REFUSAL).as_error(detail, after_seconds=reply.after_seconds)
    return ProviderUnavailable(f"Nanonets gave no answer that can be used ({detail}, with {kind}).")


def _until(deadline: Deadline, response: httpx.Response) -> Iterator[bytes]:
    for piece in response.iter_bytes(PIECE_BYTES):
        deadline.check()
        yield piece


def _call_failed(error: Exception) -> ProviderUnavailable:
    return ProviderUnavailable(f"The call to Nanonets failed: {type(error).__name__}.")


def _reply(response: httpx.Response, content: bytes) -> Reply:
    kind, body = bodies.body_kind(content, response.headers.get("Content-Type", ""))
    words = vendor_words(body, response.request)
    detail = f"{response.status_code}: {words}" if words else str(response.status_code)
    asked = retry_after(response.headers.get("Retry-After", ""))
    return Reply(response.status_code, content, kind, body, detail, asked)
