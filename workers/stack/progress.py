"""Where each document is, as a table that moves on a terminal and as lines where there is none."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from types import TracebackType
from typing import Protocol, Self

from rich import box
from rich.console import Console
from rich.live import Live
from rich.table import Table
from rich.text import Text

from headrace.document import Document
from headrace.ledger.records import Run
from headrace.states import State
from workers.cli.output import shown, with_until

COLOURS = {State.EXPORTED: "green", State.FAILED: "red", State.HELD: "yellow"}


@dataclass(frozen=True)
class Seen:
    """One document as people see it: where its newest run is."""

    place: str
    pages: str
    route: str
    mode: str
    state: str
    colour: str
    has_ended: bool
    """Whether nothing more will happen by itself: the run ended and its manifest is published."""
    in_doubt_since: datetime | None = None
    """When it began to wait for its doubt to end, if it does."""

    @classmethod
    def of(cls, document: Document, run: Run | None, now: datetime) -> Self:
        """What to show of a document `now`; `run` is None until the listener has recorded it."""
        place = shown(document.key)
        if run is None:
            return cls(place, "", "", "", "dropped", "", has_ended=False)
        reason = f" ({with_until(run.reason, run.waits_until, now)})" if run.reason is not None else ""
        return cls(
            place,
            "" if run.pages is None else str(run.pages),
            run.route or "",
            run.mode or "",
            run.state + reason,
            COLOURS.get(run.state, ""),
            has_ended=run.state.is_end and run.published,
            in_doubt_since=None if run.in_doubt_until is None else run.updated_at,
        )

    @property
    def line(self) -> str:
        """The same in a line of text."""
        facts = (
            f"{self.pages} page{'' if self.pages == '1' else 's'}" if self.pages else "",
            f"route {self.route}" if self.route else "",
            self.mode,
            self.state,
        )
        return f"{self.place}: {', '.join(fact for fact in facts if fact)}"


class Progress(Protocol):
    """Shows what is seen, as often as it is told."""

    def show(self, seen: Sequence[Seen], restarts: Mapping[str, int]) -> None: ...
    def __enter__(self) -> Self: ...
    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None: ...


def progress_on(console: Console) -> Progress:
    """A table that moves where a person looks on; lines in a pipe or a log."""
    return _Moving(console) if console.is_terminal else Lines(console)


class Lines:
    """Prints what changed, and nothing twice."""

    def __init__(self, console: Console) -> None:
        self._console = console
        self._printed: dict[str, str] = {}

    def show(self, seen: Sequence[Seen], restarts: Mapping[str, int]) -> None:
        for one in seen:
            self._print(one.place, one.line)
        for name, times in restarts.items():
            self._print(f"restart of {name}", _restarted(name, times))

    def _print(self, subject: str, line: str) -> None:
        if self._printed.get(subject) != line:
            self._printed[subject] = line
            self._console.print(Text(line), soft_wrap=True)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        return None


class _Moving:
    def __init__(self, console: Console) -> None:
        self._live = Live(console=console, refresh_per_second=4)

    def show(self, seen: Sequence[Seen], restarts: Mapping[str, int]) -> None:
        table = table_of(seen)
        if restarts:
            table.caption = "\n".join(_restarted(name, times) for name, times in restarts.items())
        self._live.update(table)

    def __enter__(self) -> Self:
        self._live.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._live.stop()


def table_of(seen: Sequence[Seen]) -> Table:
    """One row a document."""
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False)
    for column in ("document", "pages", "route", "mode", "state"):
        table.add_column(column, justify="right" if column == "pages" else "left", overflow="fold")
    for one in seen:
        # Text, never markup: a key may hold [brackets].
        cells = (one.place, one.pages, one.route, one.mode)
        table.add_row(*(Text(cell) for cell in cells), Text(one.state, style=one.colour))
    return table


def _restarted(name: str, times: int) -> str:
    return f"{name} ended by itself and was started again ({times} {'time' if times == 1 else 'times'})"
