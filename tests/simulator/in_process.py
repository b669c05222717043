"""The simulator's application without a process or a socket, for what needs neither."""

import asyncio
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path

import httpx

from simulator.app import make_app
from simulator.journal import Journal
from simulator.models import Models
from simulator.options import read_options
from simulator.orders import Orders
from simulator.rates import Rates

KEY = "simulated-key"


@dataclass
class Application:
    """One that answers in this process."""

    client: httpx.AsyncClient
    runner: asyncio.Runner
    folder: Path

    def ask(self, method, path, key=KEY, **options) -> httpx.Response:
        return self._request(method, f"/api/v2/{path}", auth=(key, ""), **options)

    def upload(self, content, *, model="demo", query="", name="a.pdf", **form) -> httpx.Response:
        return self.ask("POST", f"OCR/Model/{model}/LabelFile/{query}", files={"file": (name, content)}, data=form)

    def predicted(self, content, **options) -> list[dict]:
        """The pages of a sync answer."""
        return self.upload(content, **options).json()["result"]

    def stored(self, file_id, model="demo") -> dict:
        return self.ask("GET", f"Inferences/Model/{model}/InferenceRequestFiles/GetPredictions/{file_id}").json()

    def stored_at_last(self, file_id, model="demo") -> dict:
        """What is stored of a file once it was read, for which it has ten seconds."""
        end = time.monotonic() + 10
        while not (found := self.stored(file_id, model))["unmoderated_images"] and time.monotonic() < end:
            time.sleep(0.01)
        return found

    def stored_after(self, content, **options) -> dict:
        """What is stored of a file that was just predicted."""
        return self.stored(self.predicted(content, **options)[0]["request_file_id"])

    def order(self, **order) -> httpx.Response:
        return self._request("POST", "/simulator/faults", json=order)

    def orders(self) -> list[dict]:
        return self._request("GET", "/simulator/faults").json()["orders"]

    def allow(self, **rate) -> httpx.Response:
        return self._request("POST", "/simulator/rate", json=rate)

    def rate(self) -> dict:
        return self._request("GET", "/simulator/rate").json()

    def bill(self) -> dict:
        return self._request("GET", "/simulator/bill").json()

    def _request(self, method, path, **options) -> httpx.Response:
        return self.runner.run(self.client.request(method, path, **options))


@contextmanager
def application(*arguments: str) -> Iterator[Application]:
    """One with these options; async jobs are ready at once unless they say otherwise."""
    options = read_options(["--async-seconds", "0", *arguments])
    with closing(Journal(options.state)) as journal, asyncio.Runner() as runner:
        models = Models.load(options.models, journal.folder / "models.json")
        rates = Rates(options.rate, journal.folder / "rates.json")
        app = make_app(options, models, journal, Orders(journal.folder / "orders.json"), rates)
        client = httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://simulated.invalid")
        yield Application(client, runner, journal.folder)
        runner.run(client.aclose())
