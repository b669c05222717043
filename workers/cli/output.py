"""How commands speak: facts on stdout (tables, or one JSON document), everything else on stderr."""

import json
import sys
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

import typer

# Wide enough that a pipe gets one line a row.
_PIPE_WIDTH = 240


def shown(text: str) -> str:
    """Text of unknown origin (a key, a detail) with nothing in it that a terminal would obey."""
    return "".join(char if char.isprintable() else char.encode("unicode_escape").decode("ascii") for char in text)


def say(text: str = "") -> None:
    """A line for the reader, on stdout."""
    typer.echo(text)


def note(text: str) -> None:
    """A line that is not part of the result, on stderr."""
    typer.echo(text, err=True)


def say_json(document: Any) -> None:
    """One JSON document on stdout."""
    typer.echo(as_json(document))


def as_json(document: Any) -> str:
    """A document of plain values, enums and times (ISO 8601, UTC)."""
    # Escaped to ASCII: whatever a key holds, every pipe and terminal takes it.
    return json.dumps(document, indent=2, default=_time_as_json)


def say_table(columns: Sequence[str], rows: Sequence[Sequence[object]]) -> None:
    """A table; columns of numbers stand to the right, long text is folded, never cut."""
    from rich import box
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    table = Table(box=box.SIMPLE_HEAD, pad_edge=False)
    for index, column in enumerate(columns):
        numbers = all(isinstance(row[index], int | float | None) for row in rows) and bool(rows)
        table.add_column(column, justify="right" if numbers else "left", overflow="fold")
    for row in rows:
        table.add_row(*(Text(in_cell(value)) for value in row))
    terminal = sys.stdout.isatty()
    Console(file=sys.stdout, width=None if terminal else _PIPE_WIDTH, highlight=False).print(table)


def in_cell(value: object) -> str:
    """A value as a table shows it: nothing for None, times to the second in UTC."""
    match value:
        case None:
            return ""
        case datetime():
            return value.astimezone(UTC).strftime("%Y-%m-%d %H:%M:%S")
        case float():
            return f"{value:.4f}".rstrip("0").rstrip(".")
        case _:
            return shown(str(value))


def with_until(reason: object, until: datetime | None, now: datetime) -> str:
    """A reason, and until when it is one: in_doubt, until 12:31 UTC; with the date where that is another day."""
    if until is None:
        return in_cell(reason)
    until, today = until.astimezone(UTC), now.astimezone(UTC).date()
    return f"{in_cell(reason)}, until {until:{'%H:%M' if until.date() == today else '%Y-%m-%d %H:%M'}} UTC"


def in_words(duration: timedelta) -> str:
    """A duration as people say it: 4.2 s, 3 min 10 s, 2 h 5 min, 3 d 4 h."""
    seconds = duration.total_seconds()
    if seconds < 60:
        return f"{seconds:.1f} s"
    minutes, hours, days = int(seconds // 60), int(seconds // 3600), int(seconds // 86_400)
    if hours == 0:
        return f"{minutes} min {int(seconds % 60)} s"
    if days == 0:
        return f"{hours} h {minutes % 60} min"
    return f"{days} d {hours % 24} h"


def several(number: int, thing: str) -> str:
    """1 run, 2 runs."""
    return f"{number} {thing}" if number == 1 else f"{number} {thing}s"


def _time_as_json(value: object) -> str:
    if isinstance(value, datetime):
        return value.astimezone(UTC).isoformat().replace("+00:00", "Z")
    raise TypeError(f"{type(value).__name__} has no form in JSON.")
