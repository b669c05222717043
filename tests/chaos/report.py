"""What a chaos came to: as JSON for machines, as tables for people."""

import json
import math
from collections import Counter
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any

from rich import box
from rich.console import Console
from rich.table import Table

from tests.chaos.breaking import Happened
from tests.chaos.checking import Findings
from tests.chaos.limits import Rates
from tests.chaos.recovery import Spread

# Nobody reads more on a terminal; the file has all.
_MOST_SHOWN = 10

_RIGHT = "Right: nothing lost, nothing billed twice, every row right, every limit kept."


@dataclass
class Report:
    """The whole of it. `states` counts the last runs of all documents by state and reason."""

    documents: int
    contents: int
    seed: int
    ledger: str
    chaos_seconds: float
    seconds: float
    states: Mapping[str, int]
    billed_requests: int
    billed_pages: int
    rates: Rates
    raises: int
    """How often a budget was used up, and raised."""
    findings: Findings
    faults: list[Happened]
    recoveries: Mapping[str, Spread]
    longest_stands: Mapping[str, tuple[float, str]]
    restarts: Mapping[str, int]
    trouble: list[str]
    """What kept the chaos itself from going on."""
    details: Mapping[str, Any] = field(default_factory=dict)
    """All that the ledger says of the runs with findings."""

    @property
    def documents_per_second(self) -> float:
        return self.contents / self.seconds if self.seconds else 0.0

    @property
    def is_right(self) -> bool:
        """Whether nothing was lost, billed twice or wrong, every run has ended or is held, and every limit was kept."""
        found = self.findings
        is_kept = not (found.rate_passed or found.over_budget or found.wrongly_counted)
        is_whole = not (found.lost or found.billed_twice or found.wrong_rows or found.not_ended)
        return is_kept and is_whole and not self.trouble

    def write(self, path: Path) -> None:
        """As JSON."""
        told = asdict(self) | {"right": self.is_right, "documents_per_second": round(self.documents_per_second, 2)}
        for happened in told["faults"]:
            happened["under_way"] = len(happened["under_way"])
        path.write_text(json.dumps(_plain(told), indent=1, default=_as_text) + "\n", encoding="utf-8")

    def show(self, console: Console) -> None:
        """The tables."""
        console.print(
            f"{self.documents} documents ({self.contents} contents, seed {self.seed}, {self.ledger}), "
            f"{len(self.faults)} faults in {self.chaos_seconds:.0f} s; all over after {self.seconds:.0f} s: "
            f"{self.documents_per_second:.1f} contents a second. "
            f"Billed: {self.billed_requests} requests, {self.billed_pages} pages.",
            highlight=False,
        )
        console.print(f"{self.rates.told} The scarce budget was raised {self.raises} times.", highlight=False)
        self._show_sums(console)
        self._show_recoveries(console)
        self._show_findings(console)
        console.print(_RIGHT if self.is_right else "NOT RIGHT.")

    def _show_sums(self, console: Console) -> None:
        found = self.findings
        sums = _table("what", "documents")
        for name, number in sorted(self.states.items(), key=lambda state: -state[1]):
            sums.add_row(name, str(number))
        for name, some in asdict(found).items():
            sums.add_row(name.replace("_", " "), str(len(some)), style="bold" if some else "")
        console.print(sums)

    def _show_recoveries(self, console: Console) -> None:
        table = _table("fault", "times", "next move: p50", "worst", "all moved: p50", "worst")
        for kind, spread in self.recoveries.items():
            figures = (spread.first_p50, spread.first_worst, spread.all_p50, spread.all_worst)
            table.add_row(kind, str(spread.times), *(_seconds(figure) for figure in figures))
        console.print(table)
        stands = _table("longest in one state", "seconds", "run")
        for state, (seconds, run) in sorted(self.longest_stands.items(), key=lambda stand: -stand[1][0]):
            stands.add_row(state, _seconds(seconds), run)
        console.print(stands)

    def _show_findings(self, console: Console) -> None:
        for name, some in asdict(self.findings).items():
            for what in some[:_MOST_SHOWN]:
                console.print(f"{name.replace('_', ' ')}: {_plain(what)}", markup=False, soft_wrap=True)
        for what in self.trouble:
            console.print(f"trouble: {what}", markup=False, soft_wrap=True)


def states_of(runs: Mapping[str, Any]) -> dict[str, int]:
    """How many documents ended how."""
    return dict(Counter(f"{run.state} ({run.reason})" if run.reason else str(run.state) for run in runs.values()))


def _table(*columns: str) -> Table:
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False)
    for place, column in enumerate(columns):
        table.add_column(column, justify="left" if place == 0 else "right", no_wrap=True)
    return table


def _seconds(figure: float | None) -> str:
    if figure is None:
        return "-"
    return "never" if math.isinf(figure) else f"{figure:.1f}"


def _plain(value: Any) -> Any:
    """The value with nothing in it that JSON has no word for."""
    if isinstance(value, Mapping):
        return {str(name): _plain(member) for name, member in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(member) for member in value]
    if isinstance(value, float) and math.isinf(value):
        return "never"
    return value


def _as_text(value: Any) -> str:
    return value.isoformat() if isinstance(value, datetime) else str(value)
