"""`python -m tests.fault_points`: kill at every point, restart, and see that nothing came of it."""

import argparse
import gc
import itertools
import os
import shutil
import signal
import sys
import tempfile
import time
from collections.abc import Sequence
from fnmatch import fnmatch
from pathlib import Path
from random import Random

from tests.architecture.fault_points import fault_point_names
from tests.fault_points.cases import Pair, new_or_in_focus, pairs, thorough, unpassed
from tests.fault_points.director import Case, Director, ground, trace_of
from tests.fault_points.judgement import failures, miscounted
from tests.fault_points.lives import SCENARIOS
from tests.fault_points.passings import Passing
from tests.fault_points.report import Report
from tests.fault_points.scenarios import Scenario
from tests.fault_points.servers import running_servers

JOBS_A_CORE = 5
_TERMINATED = 128 + signal.SIGTERM
_LIVES_OF_A_SAMPLE = 1
_ALWAYS = ("sync", "async")
# Nobody pulls the plug here: what a killed process wrote is kept by the kernel, and a disk would only be waited for.
_IN_MEMORY = Path("/dev/shm")
_ROOM_BYTES = 1_000_000_000


def main(arguments: Sequence[str]) -> int:
    """Play what was asked for; 0 where all of it holds."""
    options = _options(arguments)
    wanted = [SCENARIOS[name] for name in options.scenario or _all_or_some(options)]
    postgres, queues = (any(getattr(each, what) for each in wanted) for what in ("on_postgres", "has_queue"))
    began = time.monotonic()
    # Who is told to end stops its servers first.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(_TERMINATED))
    with (
        tempfile.TemporaryDirectory(prefix="headrace-fault-points-", dir=_roomy_folder()) as folder,
        running_servers(Path(folder) / "servers", with_postgres=postgres, with_queues=queues) as servers,
        ground(servers, Path(folder)) as made,
    ):
        gc.collect()
        gc.freeze()
        director = Director(made, Path(folder) / "cases", options.jobs, options.seed)
        return _Proof(director, wanted, options, began).run()


def _all_or_some(options: argparse.Namespace) -> list[str]:
    """Every life; of a sample a few, for each has to be lived undisturbed first."""
    names = list(SCENARIOS)
    if options.sample is None:
        return names
    few = Random(options.seed).sample(names, _LIVES_OF_A_SAMPLE)
    return [name for name in names if name in few or name in _ALWAYS]


def _roomy_folder() -> Path | None:
    """A folder in memory, where there is one with room; else None, for the usual one."""
    if _IN_MEMORY.is_dir() and shutil.disk_usage(_IN_MEMORY).free > _ROOM_BYTES:
        return _IN_MEMORY
    return None


class _Proof:
    def __init__(
        self, director: Director, scenarios: Sequence[Scenario], options: argparse.Namespace, began: float
    ) -> None:
        self._director = director
        self._scenarios = scenarios
        self._options = options
        self._began = began
        self._undisturbed: dict[str, Case] = {}

    def run(self) -> int:
        needed = dict.fromkeys(name for scenario in self._scenarios for name in (scenario.name, *scenario.may_end_as))
        first = [self._director.case(SCENARIOS[name], None) for name in needed]
        for case in self._director.play(first):
            self._undisturbed[case.scenario.name] = case
            self._judge_undisturbed(case)
        traces = {name: trace_of(case) for name, case in self._undisturbed.items() if case.result}
        passed = {pair for trace in traces.values() for pair in pairs(trace)}
        chosen = [case for scenario in self._scenarios for case in self._cases(scenario, traces)]
        if self._options.list:
            sys.stdout.writelines(f"{scenario.name} {passing}\n" for scenario, passing in chosen)
            return 0
        sys.stdout.write(f"{len(chosen)} cases, after {time.monotonic() - self._began:.0f} s.\n")
        sys.stdout.flush()
        played = self._play(chosen)
        everything = not self._options.scenario and self._options.sample is None
        killed = {(case.kill_at.step, case.kill_at.point) for case in played if case.killed and case.kill_at}
        whole = everything and not self._options.point
        report = Report(
            seconds=time.monotonic() - self._began,
            points=len(fault_point_names()),
            cases=[*self._undisturbed.values(), *played],
            unpassed=unpassed(passed) if everything else (),
            never_killed=unpassed(killed) if whole else (),
        )
        sys.stdout.write(f"{report.text()}\n")
        return 0 if report.holds else 1

    def _cases(self, scenario: Scenario, traces: dict[str, list[Passing]]) -> list[tuple[Scenario, Passing]]:
        trace = traces.get(scenario.name, [])
        if self._options.point:
            everywhere = dict.fromkeys(trace)
            return [(scenario, one) for one in everywhere if any(fnmatch(str(one), at) for at in self._options.point)]
        known: set[Pair] = set()
        for name in itertools.takewhile(lambda name: name != scenario.name, SCENARIOS):
            known |= pairs(traces.get(name, ()))
        picked = (
            thorough(trace) if scenario.thorough else new_or_in_focus(trace, known, scenario.focus, scenario.focus_on)
        )
        return [(scenario, passing) for passing in picked]

    def _play(self, chosen: list[tuple[Scenario, Passing]]) -> list[Case]:
        # The order in which they are played is the seed's, so that a sample is one of all of them.
        Random(self._options.seed).shuffle(chosen)
        until = None if self._options.sample is None else time.monotonic() + self._options.sample
        played = []
        for case in self._director.play([self._director.case(*one) for one in chosen], until):
            case.failures += self._failures(case)
            played.append(case)
            if case.failures:
                self._keep(case)
            case.world.clear()
            if self._options.verbose or case.failures:
                sys.stdout.write(f"{'FAILED' if case.failures else 'ok'} {case.name} {case.failures[:3] or ''}\n")
                sys.stdout.flush()
        return played

    def _failures(self, case: Case) -> list[str]:
        """What is wrong with it, measured by its own undisturbed life, unless it is as good as another one's."""
        names = (case.scenario.name, *case.scenario.may_end_as)
        found = [failures(case.result, self._undisturbed[name].result) for name in names]
        return (found[0] if all(found) else []) + _miscounted(case)

    def _judge_undisturbed(self, case: Case) -> None:
        if case.result and (not case.result["ended"] or (case.result["open"] and not case.scenario.may_stay_open)):
            case.failures += [f"undisturbed, and not ended: {entry}" for entry in case.result["open"] or ["in time"]]
        case.failures += _miscounted(case)
        if case.failures:
            self._keep(case)
            sys.stdout.write(f"FAILED {case.name}: {case.failures}\n")

    def _keep(self, case: Case) -> None:
        """Show where what a failed case wrote is kept, where somebody wants it."""
        if self._options.keep is not None:
            kept = self._options.keep / case.world.name
            shutil.copytree(case.world.folder, kept, dirs_exist_ok=True)
            sys.stdout.write(f"kept in {kept}\n")


def _miscounted(case: Case) -> list[str]:
    return [] if case.scenario.may_stay_open else miscounted(case.result, case.scenario.spent_to_billed)


def _options(arguments: Sequence[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m tests.fault_points", description=__doc__)
    add = parser.add_argument
    add("--scenario", action="append", choices=SCENARIOS, help="only this life; repeatable")
    add("--point", action="append", help="only at passings like this (step:point#number, * for anything); repeatable")
    add("--sample", type=float, metavar="SECONDS", help="a few lives only, and no case begun after so many seconds")
    add("--jobs", type=int, default=JOBS_A_CORE * (os.cpu_count() or 1), help="processes at once (%(default)s)")
    add("--seed", type=int, default=1, help="another order, and other moments of restart (%(default)s)")
    add("--list", action="store_true", help="only say which cases there are")
    add("--keep", type=Path, help="an existing folder to keep what failed cases wrote in")
    add("--verbose", action="store_true", help="tell of each case when it is over")
    return parser.parse_args(arguments)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
