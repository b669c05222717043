"""Carrying out faults: processes are killed and stopped, connections dropped, servers emptied."""

import contextlib
import shutil
import threading
import time
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime

import httpx
import psutil
import redis
import structlog

from tests.chaos.faults import Fault
from tests.chaos.installation import Installation
from tests.chaos.ledger_view import LedgerAway, LedgerView
from tests.chaos.operating import Operator
from workers.stack.processes_file import Noted

log = structlog.get_logger()

# How long a server is waited for: far longer than it should take to come back.
LONGEST_SECONDS = 60.0
_TICK_SECONDS = 0.05


@dataclass
class Happened:
    """A fault that was carried out: when it began, when the server was back, and which runs were under way then.

    Where no server was away, `back_at` is the time at which it began; None: it did not come back in time.
    """

    fault: Fault
    began_at: datetime
    back_at: datetime | None = None
    under_way: frozenset[str] = field(default_factory=frozenset)
    trouble: str = ""


class Breaker:
    """Carries faults out, each in a thread of its own; what a person does in them the operator does."""

    def __init__(self, installation: Installation, view: LedgerView, operator: Operator) -> None:
        self._installation = installation
        self._view = view
        self._operator = operator
        self._threads: list[threading.Thread] = []
        self.happened: list[Happened] = []

    def begin(self, fault: Fault) -> None:
        """Carry it out; returns at once."""
        happened = Happened(fault, datetime.now(UTC))
        self.happened.append(happened)
        thread = threading.Thread(target=self._carry_out, args=(happened,), name=f"fault {fault.number}", daemon=True)
        self._threads.append(thread)
        thread.start()

    def wait(self) -> None:
        """Return once every fault is over and what it was done to is back; what the provider was to do is withdrawn."""
        for thread in self._threads:
            thread.join(LONGEST_SECONDS * 2)
        # The simulator may be telling what it did in all the day.
        httpx.delete(self._orders, timeout=LONGEST_SECONDS, trust_env=False).raise_for_status()
        # As after every outage: a lane that failed too often would be tried again only some minutes later.
        self._operator.resume()

    def _carry_out(self, happened: Happened) -> None:
        fault = happened.fault
        # A ledger that is away tells nothing; nobody's recovery is measured then.
        with contextlib.suppress(LedgerAway):
            happened.under_way = self._view.under_way()
        log.info("fault begins", number=fault.number, kind=fault.kind, under_way=len(happened.under_way))
        try:
            self._do(fault)
            happened.back_at = self._back_at(happened)
        except (psutil.Error, redis.RedisError, httpx.HTTPError, OSError, TimeoutError) as error:
            happened.trouble = f"{type(error).__name__}: {error}"
        log.info("fault over", number=fault.number, kind=fault.kind, trouble=happened.trouble)

    def _back_at(self, happened: Happened) -> datetime:
        """When the server answers again, the stopped process was woken, or, where nothing was away, the beginning."""
        fault = happened.fault
        if fault.to in self._installation.servers:
            self._wait_until_it_answers(fault.to)
            return datetime.now(UTC)
        return datetime.now(UTC) if fault.do in {"stop", "pause"} else happened.began_at

    def _do(self, fault: Fault) -> None:
        match fault.do:
            case "kill":
                self._kill(fault.to)
            case "kill child":
                self._kill_child(fault.to, fault.number)
            case "stop":
                self._stop(fault.to, fault.lasts_seconds)
            case "empty":
                self._kill(fault.to)
                # Its supervisor waits half a second at least before it starts it again.
                shutil.rmtree(self._installation.folder.valkey / "appendonlydir", ignore_errors=True)
            case "flush":
                with self._broker() as broker:
                    broker.flushall()
            case "drop connections":
                with self._broker() as broker:
                    broker.client_kill_filter(_type="normal", skipme=True)
            case "pause":
                self._operator.pause()
                time.sleep(fault.lasts_seconds)
                self._operator.resume()
            case "order":
                self._order(dict(fault.order))

    def _kill(self, name: str) -> None:
        noted = self._noted(name)
        for process in _family(noted):
            with contextlib.suppress(psutil.NoSuchProcess):
                process.kill()
        self._wait_until(lambda: not noted.is_running, name)

    def _kill_child(self, name: str, number: int) -> None:
        _, *children = _family(self._noted(name))
        if children:
            children[number % len(children)].kill()

    def _stop(self, name: str, seconds: float) -> None:
        """Stop the process and all that it started; only these very processes are woken again."""
        stopped = _family(self._noted(name))
        _signal(stopped, psutil.Process.suspend)
        time.sleep(seconds)
        _signal(stopped, psutil.Process.resume)

    def _order(self, order: dict[str, object]) -> None:
        httpx.post(self._orders, json=order, timeout=LONGEST_SECONDS, trust_env=False).raise_for_status()

    @property
    def _orders(self) -> str:
        return f"http://127.0.0.1:{self._installation.planned.simulator_port}/simulator/faults"

    def _noted(self, name: str) -> Noted:
        """The process as it runs now; one that is being started again is waited for."""
        found: list[Noted] = []

        def runs() -> bool:
            noted = self._installation.process(name)
            if noted is not None and noted.is_running:
                found.append(noted)
            return bool(found)

        self._wait_until(runs, name)
        return found[0]

    def _wait_until_it_answers(self, name: str) -> None:
        self._wait_until(self._installation.servers[name].ready, name)

    def _wait_until(self, so: Callable[[], bool], name: str) -> None:
        deadline = time.monotonic() + LONGEST_SECONDS
        while not so():
            if time.monotonic() > deadline:
                raise TimeoutError(f"{name} did not come back within {LONGEST_SECONDS:.0f} s.")
            time.sleep(_TICK_SECONDS)

    @contextlib.contextmanager
    def _broker(self) -> Iterator[redis.Redis]:
        assert self._installation.planned.valkey is not None
        with redis.Redis.from_url(self._installation.planned.valkey.url, socket_timeout=5) as client:
            yield client


def _family(noted: Noted) -> list[psutil.Process]:
    """The process and all that it started, itself first."""
    process = psutil.Process(noted.pid)
    return [process, *process.children(recursive=True)]


def _signal(processes: Iterable[psutil.Process], send: Callable[[psutil.Process], None]) -> None:
    for process in processes:
        # It may be gone, and its id another's: psutil looks at the start time first.
        with contextlib.suppress(psutil.NoSuchProcess):
            send(process)
