"""What the proof found, for people: how much was tried, what failed and how to repeat it, what was slow."""

import sys
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field

from tests.fault_points.cases import UNKILLABLE
from tests.fault_points.director import Case

MOST_TOLD = 30
_MOST_FAILURES_OF_A_CASE = 6


@dataclass
class Report:
    """All that is known at the end."""

    seconds: float
    points: int
    cases: Sequence[Case]
    unpassed: Sequence[str] = ()
    never_killed: Sequence[str] = ()
    told: list[str] = field(default_factory=list)

    @property
    def failed(self) -> list[Case]:
        return [case for case in self.cases if case.failures]

    @property
    def holds(self) -> bool:
        """Whether nothing failed, and every point was tried."""
        return not self.failed and not self.unpassed and not self.never_killed

    def text(self) -> str:
        """The whole of it."""
        killed = [case for case in self.cases if case.killed]
        head = (
            f"{self.points} fault points are in the code; {len(killed)} cases were killed, at "
            f"{len({case.kill_at.point for case in killed if case.kill_at})} points and boundaries, "
            f"in {self.seconds:.0f} s."
        )
        lines = [
            head,
            *_by_scenario(self.cases),
            *self._slowest(),
            *(f"Not killed at {name}: {why}" for name, why in sorted(UNKILLABLE.items())),
            *(f"Never passed: {name}. A scenario that passes it is wanted." for name in self.unpassed),
            *(f"Never killed at: {name}." for name in self.never_killed),
            *(f"Not reached, and ended all the same: {case.name}" for case in self.cases if _missed(case)),
        ]
        for case in self.failed[:MOST_TOLD]:
            lines += [f"FAILED {case.name}", *(f"    {text}" for text in case.failures[:_MOST_FAILURES_OF_A_CASE])]
            lines.append(f"    again: {repeat_command(case)}")
        if len(self.failed) > MOST_TOLD:
            lines.append(f"… and {len(self.failed) - MOST_TOLD} more.")
        lines.append("All of it holds." if self.holds else f"{len(self.failed)} cases failed.")
        return "\n".join(lines)

    def _slowest(self) -> list[str]:
        timed = sorted((case.recovery_seconds, case.name) for case in self.cases if case.recovery_seconds is not None)
        if not timed:
            return []
        middle, (worst, name) = timed[len(timed) // 2][0], timed[-1]
        return [f"From restart to end: half within {middle:.1f} s, the slowest {worst:.1f} s ({name})."]


def repeat_command(case: Case) -> str:
    """What to type to see this case once more."""
    point = f" --point '{case.kill_at}'" if case.kill_at else ""
    return f"{sys.executable.rpartition('/')[2]} -m tests.fault_points --scenario {case.scenario.name}{point}"


def _missed(case: Case) -> bool:
    return case.kill_at is not None and not case.killed and not case.failures


def _by_scenario(cases: Sequence[Case]) -> list[str]:
    all_, bad = Counter(case.scenario.name for case in cases), Counter(c.scenario.name for c in cases if c.failures)
    return [f"  {name}: {number} cases, {bad[name]} failed" for name, number in all_.items()]
