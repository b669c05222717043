"""One chaos from beginning to end: start, drop and break, wait for calm, check, report."""

import contextlib
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Self

import structlog
from rich.console import Console

from headrace.states import Reason
from simulator.models import Rules
from tests.chaos.breaking import Breaker
from tests.chaos.checking import (
    Findings,
    Truth,
    billed_twice,
    check_documents,
    check_limits,
    read_journal,
    wrongly_priced,
)
from tests.chaos.documents import plan_documents
from tests.chaos.dropping import Dropper
from tests.chaos.faults import Fault, plan_faults
from tests.chaos.installation import MODEL, Installation, Pace, installation
from tests.chaos.ledger_view import LastRun, LedgerAway, LedgerView
from tests.chaos.limits import SCARCE_BUDGET, SCARCE_PAGES, Rates
from tests.chaos.operating import Operator
from tests.chaos.recovery import by_kind, by_run, longest_stands
from tests.chaos.report import Report, states_of

log = structlog.get_logger()

_TICK_SECONDS = 0.1
_LOOK_SECONDS = 1.0
_TELL_SECONDS = 10.0
# Once the faults are over: after so long without a move nothing will come any more. Doubt takes two listings, and after
# each of a busy day the provider is left alone for minutes.
STILL_SECONDS = 100.0
STILL_SETTLES = 5
LONGEST_CALM_SECONDS = 1800.0
LONGEST_START_SECONDS = 60.0
# What is still to end when faults without a set time stop: the last ones must be able to end in peace.
_LAST_SHARE = 0.03
_FEW_DOCUMENTS = 1000
# How quickly documents are dropped: about as quickly as two cores take them in.
_DROPS_PER_SECOND = 12
# In so many steps the scarce budget is raised to what is needed.
RAISES = 3


@dataclass(frozen=True)
class Chaos:
    """What is to be done. Without `seconds` faults go on until nearly all documents have ended."""

    documents: int
    seed: int
    seconds: float | None = None
    postgres: bool = False
    every_seconds: float = 2.5
    drop_seconds: float | None = None
    pace: Pace = field(default_factory=Pace)

    @classmethod
    def of_size(cls, documents: int, seed: int, *, seconds: float | None, postgres: bool) -> Self:
        """One whose faults leave the machine time to do so much work.

        Each restart of a worker takes seconds of a core, and each listing of thousands of keys most of one; faults last
        up to 20 s, so that every 7 s they left no moment without one. The provider's list of ten thousand documents is
        250 MB, which take a minute: settling must not ask for it every few seconds.
        """
        if documents <= _FEW_DOCUMENTS:
            return cls(documents, seed, seconds, postgres)
        return cls(
            documents, seed, seconds, postgres, every_seconds=15.0, pace=Pace(watch_seconds=15.0, settle_seconds=120.0)
        )


def run(chaos: Chaos, folder: Path, console: Console) -> Report:
    """Do it, in an empty folder; the report is also written there, as report.json."""
    began = time.monotonic()
    with installation(folder, chaos.seed, chaos.pace, postgres=chaos.postgres) as installed:
        truth = Truth(plan_documents(chaos.documents, chaos.seed), _rules(installed), chaos.seed)
        session = _Session(chaos, installed, truth, console)
        console.print(f"Starting {chaos.documents} documents, seed {chaos.seed}, under {folder} …", soft_wrap=True)
        with installed.running():
            console.print(f"Up after {time.monotonic() - began:.0f} s.")
            session.drop_and_break()
            session.wait_for_calm()
            report = session.check()
        console.print(f"Stopped after {time.monotonic() - began:.0f} s.")
    report.write(folder / "report.json")
    report.show(console)
    return report


def _rules(installed: Installation) -> Rules:
    return next(route.fields for route in installed.routes.routes if route.model == MODEL)


class _Session:
    """A chaos under way."""

    def __init__(self, chaos: Chaos, installed: Installation, truth: Truth, console: Console) -> None:
        self._chaos = chaos
        self._installed = installed
        self._truth = truth
        self._console = console
        self._view = LedgerView(installed.ledger_url)
        scarce = sum(planned.pages * len(set(planned.versions)) for planned in truth.documents if planned.scarce)
        self._operator = Operator(installed, self._view, max(SCARCE_PAGES, -(-scarce // RAISES)))
        self._breaker = Breaker(installed, self._view, self._operator)
        window = chaos.drop_seconds if chaos.drop_seconds is not None else chaos.documents / _DROPS_PER_SECOND
        self._dropper = Dropper(installed.services.store, installed.spool, truth.documents, window)
        self._newest = [planned.document(planned.versions[-1]).id for planned in truth.documents]
        self._began = time.monotonic()
        self._faults_from = self._began
        self._chaos_seconds = 0.0
        self._ended_at: float | None = None
        self._trouble: list[str] = []
        self._told_at = 0.0
        self._looked_at = 0.0
        self._left = len(truth.documents)

    def drop_and_break(self) -> None:
        """Drop all documents, and carry out the faults in their time."""
        self._began = time.monotonic()
        self._operator.start()
        self._dropper.start()
        try:
            self._wait_for_work()
            for fault in self._faults():
                self._breaker.begin(fault)
            while not self._dropper.done:
                self._look()
                time.sleep(_TICK_SECONDS)
        finally:
            self._dropper.stop()
        self._breaker.wait()
        self._chaos_seconds = time.monotonic() - self._faults_from

    def _wait_for_work(self) -> None:
        """Return once the workers are at it and the account was seen to tell a key of ours.

        Before that its list proves nothing to be absent, so what is in doubt then is rightly held for a person.
        """
        lanes = {route.lane for route in self._installed.routes.routes if route.model == MODEL}
        deadline = time.monotonic() + LONGEST_START_SECONDS
        while time.monotonic() < deadline:
            if all(self._installed.services.ledger.is_echoed(lane) for lane in lanes):
                break
            time.sleep(_TICK_SECONDS)
        self._faults_from = time.monotonic()

    def _faults(self) -> Iterator[Fault]:
        """Each fault of the plan when its time has come, until it is enough."""
        plan = plan_faults(self._chaos.seed, every_seconds=self._chaos.every_seconds, postgres=self._chaos.postgres)
        for fault in plan:
            while time.monotonic() - self._faults_from < fault.at_seconds:
                self._look()
                if self._is_enough():
                    return
                time.sleep(_TICK_SECONDS)
            yield fault

    def _is_enough(self) -> bool:
        if self._installed.trouble() is not None:
            return True
        if self._chaos.seconds is not None:
            return time.monotonic() - self._faults_from >= self._chaos.seconds
        return self._dropper.done and self._left <= len(self._truth.documents) * _LAST_SHARE

    def wait_for_calm(self) -> None:
        """Return once every document has ended, or nothing moves any more."""
        begun = still_since = time.monotonic()
        longest = STILL_SECONDS + STILL_SETTLES * self._chaos.pace.settle_seconds
        moves = -1
        while not self._all_ended():
            with contextlib.suppress(LedgerAway):
                if (made := self._view.moves_made()) != moves:
                    moves, still_since = made, time.monotonic()
            now = time.monotonic()
            if self._installed.trouble() is not None or now - still_since > longest:
                self._trouble.append(self._installed.trouble() or f"Nothing moved for {longest:.0f} s.")
                return
            if now - begun > LONGEST_CALM_SECONDS:
                self._trouble.append(f"Not all had ended {LONGEST_CALM_SECONDS:.0f} s after the last fault.")
                return
            time.sleep(_LOOK_SECONDS)

    def _all_ended(self) -> bool:
        self._look(at_once=True)
        if self._left:
            return False
        try:
            all_known = len(self._view.known(self._newest)) == len(self._newest)
        except LedgerAway:
            return False
        if all_known and self._ended_at is None:
            self._ended_at = time.monotonic()
        return all_known

    def _look(self, *, at_once: bool = False) -> None:
        """Count what is left, once in a while, and say so."""
        now = time.monotonic()
        if not at_once and now - self._looked_at < _LOOK_SECONDS:
            return
        self._looked_at = now
        try:
            counts = self._view.counts()
        except LedgerAway:
            return
        unpublished = sum(number for (_, _, published), number in counts.items() if not published)
        ended = sum(counts.values()) - unpublished
        self._left = max(unpublished, len(self._truth.documents) - ended)
        if now - self._told_at > _TELL_SECONDS:
            self._told_at = now
            states: dict[str, int] = {}
            for (state, _, _), number in counts.items():
                states[state] = states.get(state, 0) + number
            told = ", ".join(f"{number} {state}" for state, number in sorted(states.items()))
            self._console.print(
                f"{now - self._began:6.0f} s  {len(self._breaker.happened)} faults; {told}", highlight=False
            )

    def check(self) -> Report:
        """Hold all against the truth."""
        self._operator.stop()
        seconds = (self._ended_at or time.monotonic()) - self._began
        begun = time.monotonic()
        findings, accepted = Findings(), read_journal(self._installed.journal)
        findings.billed_twice += [*billed_twice(accepted), *wrongly_priced(accepted, self._truth)]
        last_runs, moves = self._view.last_runs(), self._view.moves()
        check_documents(self._installed.services.store, self._truth, last_runs, findings)
        self._older(last_runs, findings)
        rates = Rates.of(accepted)
        check_limits(accepted, self._truth, self._view, rates, findings)
        raises = len(self._view.raised(SCARCE_BUDGET))
        bad = {what["run"] for some in vars(findings).values() for what in some if "run" in what}
        billed = [*findings.billed_twice, *findings.over_budget]
        bad |= {key.rsplit("-", 3)[0] for what in billed for key in what["submissions"] if key}
        details = self._view.told(sorted(bad)[:100])
        self._view.close()
        self._console.print(f"Checked in {time.monotonic() - begun:.0f} s.")
        return Report(
            documents=len(self._truth.documents),
            contents=sum(len(set(planned.versions)) for planned in self._truth.documents),
            seed=self._chaos.seed,
            ledger="postgres" if self._chaos.postgres else "sqlite",
            chaos_seconds=self._chaos_seconds,
            seconds=seconds,
            states=states_of(last_runs),
            billed_requests=len(accepted),
            billed_pages=sum(request.pages for request in accepted),
            rates=rates,
            raises=raises,
            findings=findings,
            faults=self._breaker.happened,
            recoveries=by_kind(self._breaker.happened, by_run(moves)),
            longest_stands=longest_stands(moves),
            restarts=self._installed.restarts(),
            trouble=self._trouble,
            details=details,
        )

    def _older(self, last_runs: Mapping[str, LastRun], findings: Findings) -> None:
        """Contents that were replaced must have ended as well, or never been seen."""
        newest = set(self._newest)
        for run in last_runs.values():
            if run.document in newest:
                continue
            facts = {"key": run.key, "document": run.document, "run": run.run, "state": run.state, "reason": run.reason}
            if run.reason is Reason.IN_DOUBT:
                findings.in_doubt.append(facts)
            elif not (run.state.is_end and run.published):
                findings.not_ended.append(facts)
