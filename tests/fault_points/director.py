"""Who starts and kills: forks a process for each life of a case, many cases at once, and judges what comes of them.

The director is one thread without a connection: a fork of it has all modules loaded and nothing else.
"""

import functools
import json
import os
import signal
import ssl
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from importlib import import_module
from pathlib import Path
from random import Random
from typing import TYPE_CHECKING, Any

import certifi
import psycopg
from celery import Celery
from pydantic import SecretStr

from config.settings import load_settings
from headrace.clock import SystemClock
from headrace.ledger import Ledger
from headrace.storage.s3 import S3Store, s3_client
from tests.fault_points import life
from tests.fault_points.passings import Passing, read_trace
from tests.fault_points.scenarios import Scenario
from tests.fault_points.servers import Servers
from tests.fault_points.world import INBOX, OUT, PRIVATE, Ground, World
from workers.factory import make_app

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client

# Ample also on a busy machine; the report tells how long it really took.
FIRST_LIFE_SECONDS = 150.0
SECOND_LIFE_SECONDS = 150.0
# Most restarts come when the lease of the dead has run out: nobody has to be awake while it does.
LATE_RESTART_SECONDS = 15.5
EARLY_RESTARTS = 0.12
_TICK_SECONDS = 0.02
_GRACE_SECONDS = 30.0
# What a worker loads when it starts.
_OF_A_WORKER = (
    "celery.app.amqp",
    "celery.app.control",
    "celery.app.events",
    "celery.app.trace",
    "celery.concurrency.thread",
    "celery.utils.timer2",
    "celery.worker.autoscale",
    "celery.worker.components",
    "celery.worker.consumer",
    "celery.worker.consumer.delayed_delivery",
    "celery.worker.strategy",
    "kombu.transport.redis",
)


@dataclass
class Case:
    """A life that is cut off at one passing; None: at none."""

    scenario: Scenario
    kill_at: Passing | None
    world: World
    restart_after: float
    pid: int = 0
    restarted: bool = False
    killed: bool = False
    wake_at: float = 0.0
    give_up_at: float = 0.0
    result: dict[str, Any] = field(default_factory=dict)
    failures: list[str] = field(default_factory=list)

    @property
    def name(self) -> str:
        return f"{self.scenario.name} {self.kill_at or 'undisturbed'}"

    @property
    def recovery_seconds(self) -> float | None:
        """From the restart until all had ended."""
        return self.result.get("seconds") if self.restarted else None


class Director:
    """Plays cases on one ground. `jobs`: how many processes may live at once."""

    def __init__(self, ground: Ground, folder: Path, jobs: int, seed: int) -> None:
        self._ground = ground
        self._folder = folder
        self._jobs = jobs
        self._random = Random(seed)
        self._made = 0

    def case(self, scenario: Scenario, kill_at: Passing | None) -> Case:
        """A case in a corner of its own."""
        self._made += 1
        name = f"c{self._made:05}"
        folder = self._folder / name
        folder.mkdir(parents=True)
        world = World(
            name,
            self._made,
            folder,
            self._ground,
            scenario.route_options,
            scenario.schedules,
            on_postgres=scenario.on_postgres,
            has_queue=scenario.has_queue,
            budget_pages=scenario.budget_pages,
            more_environ=scenario.environ,
        )
        early = self._random.random() < EARLY_RESTARTS
        return Case(scenario, kill_at, world, 0.0 if early else LATE_RESTART_SECONDS)

    def play(self, cases: Sequence[Case], until: float | None = None) -> Iterator[Case]:
        """Play them; gives each back when it is over. After `until` no further one is begun."""
        waiting = list(reversed(cases))
        living: list[Case] = []
        dead: list[Case] = []
        try:
            yield from self._play(waiting, living, dead, until)
        finally:
            for case in living:
                os.kill(case.pid, signal.SIGKILL)
                os.waitpid(case.pid, 0)

    def _play(self, waiting: list[Case], living: list[Case], dead: list[Case], until: float | None) -> Iterator[Case]:
        while waiting or living or dead:
            now = time.monotonic()
            if until is not None and now > until:
                waiting.clear()
            for case in [case for case in dead if case.wake_at <= now][: self._jobs - len(living)]:
                dead.remove(case)
                case.restarted = True
                case.pid = life.restart(case.world, case.scenario, SECOND_LIFE_SECONDS)
                case.give_up_at = now + SECOND_LIFE_SECONDS + _GRACE_SECONDS
                living.append(case)
            while waiting and len(living) < self._jobs:
                case = waiting.pop()
                case.pid = life.begin(case.world, case.scenario, case.kill_at, FIRST_LIFE_SECONDS)
                case.give_up_at = now + FIRST_LIFE_SECONDS + _GRACE_SECONDS
                living.append(case)
            for case in list(living):
                status = _ended(case)
                if status is None:
                    continue
                living.remove(case)
                if status == -signal.SIGKILL and not case.restarted and time.monotonic() < case.give_up_at:
                    case.killed = True
                    case.wake_at = time.monotonic() + case.restart_after
                    dead.append(case)
                else:
                    _read_result(case, status)
                    yield case
            time.sleep(_TICK_SECONDS)


def _ended(case: Case) -> int | None:
    """How its process ended, as an exit code or a negative signal; None while it lives."""
    if time.monotonic() > case.give_up_at:
        os.kill(case.pid, signal.SIGKILL)
        os.waitpid(case.pid, 0)
        return -signal.SIGKILL
    pid, status = os.waitpid(case.pid, os.WNOHANG)
    return os.waitstatus_to_exitcode(status) if pid else None


def _read_result(case: Case, status: int) -> None:
    try:
        case.result = json.loads((case.world.folder / life.RESULT).read_text(encoding="utf-8"))
    except FileNotFoundError:
        case.failures.append(f"its process ended with {status} and told nothing")


@contextmanager
def ground(servers: Servers, folder: Path) -> Iterator[Ground]:
    """What every case is made from; no connection is left when it is given out."""
    client = s3_client(servers.s3.endpoint, servers.s3.region, servers.s3.access_key, SecretStr(servers.s3.secret_key))
    for bucket in (INBOX, OUT, PRIVATE):
        client.create_bucket(Bucket=bucket)
    _warm(client)
    client.close()
    template = folder / "template.db"
    _migrate(f"sqlite:///{template}")
    made = Ground(servers, S3Store(client), template, _app(servers))
    if servers.postgres_url is not None:
        with psycopg.connect(servers.postgres_url, autocommit=True) as connection:
            connection.execute(f'CREATE DATABASE "{made.postgres_template}"')
        _migrate(servers.postgres(made.postgres_template))
    yield made


def _app(servers: Servers) -> Celery:
    """The app with all its tasks; each case gives it its own broker and services."""
    app = make_app(load_settings({"HEADRACE_BROKER_URL": servers.broker_url}))
    # Looking for it takes each of a worker's threads as long as a step.
    app.conf.result_backend_thread_safe = True
    app.finalize()
    _ = app.backend
    # Else each life would load them anew.
    app.loader.import_default_modules()
    for module in _OF_A_WORKER:
        import_module(module)
    return app


def _warm(client: "S3Client") -> None:
    """Have the client load all that it loads with the first call of a kind."""
    client.put_object(Bucket=INBOX, Key="warm", Body=b"warm", IfNoneMatch="*")
    client.head_object(Bucket=INBOX, Key="warm")
    client.get_object(Bucket=INBOX, Key="warm")["Body"].read()
    for _ in client.get_paginator("list_objects_v2").paginate(Bucket=INBOX):
        client.list_objects_v2(Bucket=INBOX)
    client.delete_object(Bucket=INBOX, Key="warm")
    # Filling one with certificates, which nobody here asks for, takes longer than many a step.
    ssl.create_default_context = functools.cache(ssl.create_default_context)
    ssl.create_default_context(cafile=certifi.where())


def _migrate(url: str) -> None:
    ledger = Ledger(url, SystemClock())
    ledger.migrate()
    ledger.close()


def trace_of(case: Case) -> list[Passing]:
    """What a case's first life passed."""
    return read_trace(case.world.trace)
