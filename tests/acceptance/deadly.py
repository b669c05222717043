"""A worker's app whose local provider does to its process what each document says: `celery -A tests.acceptance.deadly`.

A document says it in its last line: `%% do: segfault`. In DEADLY_JOURNAL is noted, a line each, which messages the
worker took from its queue, and which document the provider was then given.
"""

import itertools
import json
import os
import resource
import signal
from datetime import timedelta
from functools import cached_property
from pathlib import Path

from celery import current_task
from celery.signals import task_received

from config.settings import load_settings
from headrace.ledger import Ledger
from headrace.prediction import Page, Prediction
from headrace.providers import Answer, Capabilities
from headrace.storage import s3 as _s3  # noqa: F401  loaded before the fork: each process that dies is replaced
from tasks.hints import SUBMIT
from workers.factory import WorkerServices, make_app

# A real worker's are 15 s and 120 s. A lease that outlasts the task needs no renewing; the task's time is ample for
# an honest document, also in a process that has just been forked on a busy machine.
LEASE = timedelta(seconds=8.5)
TASK_SECONDS = 8
MEMORY_BYTES = 1024**3
LAST_LINE_BYTES = 64


def last_line(document: bytes) -> str:
    return document.rsplit(b"%% do: ", 1)[-1].strip().decode()


def note(**said) -> None:
    with Path(os.environ["DEADLY_JOURNAL"]).open("a", encoding="utf-8") as journal:
        journal.write(json.dumps(said) + "\n")


@task_received.connect
def note_message(request, **_):
    note(taken=request.id)


class DeadlyProvider:
    """Free, answers at once, and reads whatever it does not die of."""

    capabilities = Capabilities(
        paid=False, asynchronous=False, urls=False, media_types=frozenset({"application/pdf"}), part_pages=10
    )

    def submit(self, source, request):
        start = max(0, source.size - LAST_LINE_BYTES)
        deed = last_line(source.read_range(start, source.size - start))
        note(read=source.name, message=current_task.request.id)
        DEEDS[deed]()
        prediction = Prediction(provider="local", model="", key=str(request.key), pages=(Page(number=1, text=deed),))
        return Answer(prediction, prediction.model_dump_json().encode())

    def fetch(self, jobs, *, deadline_seconds):
        return {}

    def read(self, raw, model):
        return Prediction.model_validate_json(raw)


def crash():
    os.kill(os.getpid(), signal.SIGSEGV)


def spin():
    """In C, where no signal of Python's and no other thread gets in between."""
    sum(itertools.repeat(0))


def eat():
    """Allocate without end; at the limit happens what the kernel does where memory is short."""
    resource.setrlimit(resource.RLIMIT_AS, (MEMORY_BYTES, MEMORY_BYTES))
    eaten = []
    try:
        while True:
            eaten.append(bytes(64 * 1024**2))
    except MemoryError:
        os.kill(os.getpid(), signal.SIGKILL)


def nothing():
    pass


DEEDS = {"segfault": crash, "spin": spin, "eat": eat, "be read": nothing}


class ShortLeases(Ledger):
    """The ledger, whose leases end soon."""

    def claim(self, run_id, states, lease=LEASE):
        return super().claim(run_id, states, lease)

    def renew(self, claim, lease=LEASE):
        return super().renew(claim, lease)


class DeadlyServices(WorkerServices):
    @cached_property
    def ledger(self):
        return ShortLeases(self.settings.require("ledger_url"), self.clock)

    def _make_provider(self, lane):
        return DeadlyProvider()


app = make_app(load_settings(os.environ))
app.services = DeadlyServices(load_settings(os.environ), app)
app.conf.update(task_annotations={SUBMIT: {"time_limit": TASK_SECONDS, "soft_time_limit": TASK_SECONDS - 0.5}})
