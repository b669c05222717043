"""Documents that kill the process which reads them, in real workers: they alone fail, and others hardly wait."""

import contextlib
import json
import os
import signal
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path

import pytest

from config.settings import load_settings
from headrace.document import Document
from headrace.ledger import Ledger
from headrace.ledger.claims import MOST_DELIVERIES
from headrace.ledger.records import RunFilter
from headrace.states import Reason, State
from tasks.hints import SWEEP
from tests.acceptance.stack import PROJECT, wait_until
from tests.pdfs import make_pdf
from workers.factory import build_services

pytestmark = [pytest.mark.proof, pytest.mark.timeout(330)]

KILLERS = ("segfault", "spin", "eat")
NEIGHBOURS = 6
LONGEST_SECONDS = 150
ROUTES = """
[[routes]]
name = "local"
bucket = "poison"
prefix = "in/"
provider = "local"
output = "s3://poison/out/rows"
private = "s3://poison/private/notes"
"""
WORKERS = {"steps": ("route,export,maintenance", 2), "local": ("local", 2)}


@dataclass
class Aftermath:
    """What the ledger says once every run has ended, and each message that had a document read.

    A message is the document's name and the place at which the worker took it from its queue.
    """

    ledger: Ledger
    read: list[tuple[str, int]]

    def run(self, name):
        (run,) = self.ledger.runs(RunFilter(prefix=f"in/{name}.pdf"), limit=2)
        return run

    def places(self, name):
        return [place for read, place in self.read if read == f"{name}.pdf"]


def messages_read(journal):
    """Each message that had a document read: its name, and the place of the message in the queue."""
    places, read = {}, []
    for place, line in enumerate(journal.read_text(encoding="utf-8").splitlines()):
        said = json.loads(line)
        if "taken" in said:
            # A message whose process died is given back, and taken again.
            places[said["taken"]] = place
        else:
            read.append((said["read"], places[said["message"]]))
    return read


@contextlib.contextmanager
def worker(name, environ, log):
    """A prefork worker; it and the processes that it forked are gone when the block ends."""
    queues, processes = WORKERS[name]
    options = ["--pool=prefork", f"--concurrency={processes}", f"--queues={queues}", f"--hostname={name}@%h"]
    quiet = ["--without-gossip", "--without-mingle", "--without-heartbeat"]
    command = [sys.executable, "-m", "celery", "-A", "tests.acceptance.deadly:app", "worker", *options, *quiet]
    with log.open("wb") as output:
        process = subprocess.Popen(
            command, cwd=PROJECT, env=environ, stdout=output, stderr=subprocess.STDOUT, start_new_session=True
        )
    try:
        yield process
    finally:
        process.terminate()
        try:
            process.wait(10)
        except subprocess.TimeoutExpired:
            os.killpg(process.pid, signal.SIGKILL)
            process.wait(10)


def drop(services, name, deed):
    key = f"in/{name}.pdf"
    services.store.put("poison", key, make_pdf(1) + f"%% do: {deed}\n".encode())
    head = services.store.head("poison", key)
    for recorded in services.ledger.record([Document("poison", key, head.etag, head.size, head.last_modified)]):
        services.hints.hint(recorded.run_id, recorded.hint)


def all_admitted(ledger):
    return all(run.state is State.ADMITTED for run in ledger.runs(RunFilter(), limit=100))


def all_published(ledger):
    return all(run.published for run in ledger.runs(RunFilter(), limit=100))


@pytest.fixture(scope="module")
def aftermath(tmp_path_factory, _valkey, s3_server):
    """Three killers are dropped, then six honest documents, for two processes that read; all ends are waited for."""
    folder: Path = tmp_path_factory.mktemp("poison")
    (folder / "headrace.toml").write_text(ROUTES, encoding="utf-8")
    ours = {
        "HEADRACE_BROKER_URL": _valkey.url.removesuffix("/0") + "/7",
        "HEADRACE_LEDGER_URL": f"sqlite:///{folder / 'ledger.db'}",
        "HEADRACE_ROUTES_FILE": str(folder / "headrace.toml"),
        "HEADRACE_S3_ENDPOINT": s3_server.endpoint,
        "HEADRACE_S3_ACCESS_KEY_ID": s3_server.access_key,
        "HEADRACE_S3_SECRET_ACCESS_KEY": s3_server.secret_key,
    }
    journal = folder / "journal.jsonl"
    environ = {name: value for name, value in os.environ.items() if not name.startswith("HEADRACE_")}
    environ |= ours | {"DEADLY_JOURNAL": str(journal)}
    services = build_services(load_settings(ours))
    services.ledger.migrate()
    services.store.create_bucket("poison")
    for deed in KILLERS:
        drop(services, deed, deed)
    for number in range(NEIGHBOURS):
        drop(services, f"neighbour-{number}", "be read")
    with contextlib.ExitStack() as running:
        workers = {}

        def start(name):
            workers[name] = running.enter_context(worker(name, environ, folder / f"{name}.log"))

        def sweep():
            """What beat does, twice a second."""
            assert all(process.poll() is None for process in workers.values()), f"a worker ended; see {folder}"
            time.sleep(0.4)
            services.hints._app.send_task(SWEEP, queue="maintenance")

        # Nobody reads before all are queued, so the messages are taken in this order.
        start("steps")
        wait_until(lambda: all_admitted(services.ledger), LONGEST_SECONDS, meanwhile=sweep)
        start("local")
        wait_until(lambda: all_published(services.ledger), LONGEST_SECONDS, meanwhile=sweep)
    return Aftermath(services.ledger, messages_read(journal))


@pytest.mark.parametrize("deed", KILLERS)
def test_a_document_that_kills_its_process_fails_as_poison_after_its_deliveries(aftermath, deed):
    run = aftermath.run(deed)
    assert (run.state, run.reason) == (State.FAILED, Reason.POISON)
    assert f"begun {MOST_DELIVERIES} times and never said how it ended" in run.detail
    assert 2 <= len(aftermath.places(deed)) <= MOST_DELIVERIES


def test_its_neighbours_are_exported(aftermath):
    states = [aftermath.run(f"neighbour-{number}").state for number in range(NEIGHBOURS)]
    assert states == [State.EXPORTED] * NEIGHBOURS


def test_a_neighbour_waits_for_no_killer_twice(aftermath):
    """A killer costs those who wait one task's time limit at most: what it leaves goes to the end of the queue.

    What two processes read at once waits for nobody, so the order is that in which the worker took the messages.
    """
    for neighbour in (f"neighbour-{number}" for number in range(NEIGHBOURS)):
        place = aftermath.places(neighbour)[0]
        for deed in KILLERS:
            assert sum(before < place for before in aftermath.places(deed)) <= 1, (neighbour, deed)
