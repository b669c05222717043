"""The API's predict, retrieve and model calls for one account, one method each.

What is paid (`predict_…`, `text_of_…`) needs a `send_before`, past which it is not completed, and is never to be
repeated by itself: it gives its Reply, whose `taken()` is the body or raises what the table of outcomes says. What is
free raises PredictionRejected or RateLimited where it is refused, and ProviderUnavailable where asking again may help.
"""

from collections.abc import Callable, Collection, Iterator, Sequence
from datetime import date, datetime, timedelta
from typing import Any, TypeVar

import httpx

from headrace.clock import Clock
from headrace.errors import InDoubt, ProviderUnavailable
from headrace.providers import Source
from headrace.providers.nanonets import models, uploads, windows
from headrace.providers.nanonets.answers import Record, UnreadableBody
from headrace.providers.nanonets.calls import Calls, Reply, refusal
from headrace.providers.nanonets.dialect import REFERENCE, Call, Dialect
from headrace.providers.nanonets.models import Model
from headrace.providers.nanonets.uploads import Asked
from headrace.providers.nanonets.windows import ListedPage
from headrace.providers.sending import Deadline
from headrace.states import Reason

ANSWER_SECONDS = 40.0
WINDOW_SECONDS = 600.0
_CREATE_WITHIN = timedelta(seconds=60)
_PERHAPS_CREATED = "Nanonets may have created the model: look with `headrace models list` before it is created again."
_Read = TypeVar("_Read")


class NanonetsApi:
    """Speaks one dialect for one account: the client carries address and key (see `nanonets_client`)."""

    def __init__(self, client: httpx.Client, clock: Clock, dialect: Dialect = REFERENCE) -> None:
        self._calls = Calls(client, clock)
        self._clock = clock
        self._dialect = dialect

    def predict_files(self, asked: Asked, sources: Sequence[Source], *, send_before: datetime) -> Reply:
        """Predict documents, all in one call; `answers.inputs` of the body says what became of each."""
        return self._calls.pay(uploads.of_files(self._dialect, asked, sources), send_before=send_before)

    def predict_base64(self, asked: Asked, source: Source, *, send_before: datetime) -> Reply:
        """Predict a document that goes out as Base64 text."""
        return self._calls.pay(uploads.of_base64(self._dialect, asked, source), send_before=send_before)

    def predict_urls(self, asked: Asked, urls: Sequence[str], *, send_before: datetime) -> Reply:
        """Predict what links lead to; `answers.inputs` of the body says which could be used (202 or 206: not all)."""
        return self._calls.pay(uploads.of_urls(self._dialect, asked, urls), send_before=send_before)

    def text_of_file(self, source: Source, *, send_before: datetime) -> Reply:
        """The full text of a document, without fields and tables."""
        return self._calls.pay(uploads.text_of_file(self._dialect, source), send_before=send_before)

    def text_of_urls(self, urls: Sequence[str], *, send_before: datetime) -> Reply:
        """The full text of what links lead to."""
        return self._calls.pay(uploads.text_of_urls(self._dialect, urls), send_before=send_before)

    def file(self, model: str, file_id: str, *, deadline: Deadline | None = None) -> Reply:
        """Every page of a file, as it stands now; a Reply of any status, for whoever has a word for each."""
        return self._ask(self._dialect.by_file, deadline=deadline, model=model, file=file_id)

    def page(self, model: str, file_id: str, page_id: str) -> dict[str, Any]:
        """The body that holds one page; its file is named too, since one dialect needs it."""
        return self._ask(self._dialect.by_page, model=model, file=file_id, page=page_id).found()

    def window(
        self, model: str, first: date, last: date, *, deadline_seconds: float = WINDOW_SECONDS
    ) -> Iterator[Record]:
        """The page records of every file of these days (UTC), and perhaps of days around them, in no order.

        They come while the answer arrives, one at a time in memory; see `windows.pages_of`.
        """
        call, today = self._dialect.window, self._clock.now().date()
        address = call.address(model=model, query=self._dialect.window_days(first, last, today))
        return windows.pages_of(self._calls, call.method, address, Deadline(self._clock, deadline_seconds))

    def pages_of_files(
        self, model: str, files: Collection[str], first: date, last: date, *, deadline: Deadline
    ) -> Iterator[ListedPage]:
        """As `window`, but only the pages of these files, each as JSON with its list's name."""
        call, today = self._dialect.window, self._clock.now().date()
        address = call.address(model=model, query=self._dialect.window_days(first, last, today))
        return windows.pages_in_lists(self._calls, call.method, address, files, deadline)

    def models(self) -> list[Model]:
        """Every model of the account."""
        return _understood(self._ask(self._dialect.models), models.read_models)

    def model(self, model: str) -> Model:
        """One model as it stands now."""
        return _understood(self._ask(self._dialect.model, model=model), models.read_model)

    def create_model(self, categories: Sequence[str]) -> Model:
        """Create a model that is to find these labels.

        InDoubt where it may have been created and no id came back: the list of models tells.
        """
        upload = uploads.new_model(self._dialect, categories)
        try:
            reply = self._calls.pay(upload, send_before=self._clock.now() + _CREATE_WITHIN)
            reply.taken()
            return models.read_model(reply.content)
        except InDoubt as error:
            raise InDoubt(f"{_PERHAPS_CREATED} ({error.reason})", error.reason) from error
        except UnreadableBody as error:
            raise InDoubt(f"{_PERHAPS_CREATED} ({error})", Reason.UNREADABLE_ANSWER) from error

    def _ask(self, call: Call, *, deadline: Deadline | None = None, **ids: str) -> Reply:
        deadline = deadline or Deadline(self._clock, ANSWER_SECONDS)
        return self._calls.ask(call.method, call.address(query=None, **ids), deadline)


def _understood(reply: Reply, read: Callable[[bytes], _Read]) -> _Read:
    """What stands in the body of a 200, which may be a list."""
    if reply.status != 200:
        raise refusal(reply)
    try:
        return read(reply.content)
    except UnreadableBody as error:
        raise ProviderUnavailable(f"Nanonets' answer cannot be understood: {error}") from error
