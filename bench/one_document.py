"""One document taken through the real steps in this process, with every call to the store and the API noted."""

import time
from pathlib import Path

import httpx

from bench.replayed_calls import Call, NotingStore, NotingTransport, write_calls
from config.settings import Settings
from headrace.document import Document
from headrace.ledger.records import PollHint
from headrace.providers.nanonets import NanonetsProvider
from headrace.routing import Lane
from headrace.states import State
from tasks.export import export
from tasks.hints import Hints
from tasks.maintenance import admit_waiting
from tasks.poll import take_turn
from tasks.route import route
from tasks.step import perform
from tasks.submit import submit
from workers.factory import WorkerServices, make_app

LONGEST_SECONDS = 30.0


class _KeptPolls(Hints):
    """Publishes as ever, and keeps which group was to be asked for."""

    group: PollHint | None = None

    def poll(self, hint: PollHint, countdown_seconds: float) -> None:
        self.group = hint
        super().poll(hint, countdown_seconds)


class NotingServices(WorkerServices):
    """The services of a worker, whose store and API client note their calls in `calls`."""

    def __init__(self, settings: Settings) -> None:
        app = make_app(settings)
        super().__init__(settings, app)
        self.calls: list[Call] = []
        self.noting = NotingStore(super().store, self.calls)
        self.__dict__["store"] = self.noting
        self.kept_polls = self.__dict__["hints"] = _KeptPolls(app, self.clock)
        self._client = httpx.Client(
            base_url=settings.nanonets_base_url,
            auth=httpx.BasicAuth(settings.account_key("nanonets").get_secret_value(), ""),
            transport=NotingTransport(self.noting, self.calls),
        )

    def provider(self, lane: Lane) -> NanonetsProvider:  # noqa: ARG002  there is one
        return NanonetsProvider(self._client, self.clock)


def note_calls(settings: Settings, documents: list[Document], path: Path) -> list[Call]:
    """Take the documents through, one after the other; the calls for the last one, which are written to `path` too.

    What a process does once, it did for the first.
    """
    services = NotingServices(settings)
    for document in documents:
        _take_through(services, document)
    write_calls(path, services.calls, documents[-1])
    return services.calls


def _take_through(services: NotingServices, document: Document) -> None:
    (recorded,) = services.ledger.record([document])
    services.calls.clear()
    end = time.monotonic() + LONGEST_SECONDS
    while (run := services.ledger.run(recorded.run_id)) is not None and not run.published:
        if time.monotonic() > end:
            raise TimeoutError(f"{document.url} is still {run.state} ({run.reason}): {run.detail}")
        services.noting.step = {State.RECEIVED: "route", State.ADMITTED: "submit", State.SUBMITTED: "poll"}.get(
            run.state, "export"
        )
        match run.state:
            case State.RECEIVED:
                perform(services, run.id, route.claims, route.body)
            case State.WAITING:
                admit_waiting(services)
            case State.ADMITTED:
                perform(services, run.id, submit.claims, submit.body)
            case State.SUBMITTED:
                _poll(services)
            case _:
                perform(services, run.id, export.claims, export.body)


def _poll(services: NotingServices) -> None:
    hint = services.kept_polls.group
    if hint is None:
        raise LookupError("The job joined a group that nobody hinted.")
    time.sleep(0.2)
    following = take_turn(services, hint.group_id, hint.generation)
    if following is not None:
        services.kept_polls.group = PollHint(following.group_id, following.generation)
