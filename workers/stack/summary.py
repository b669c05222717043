"""The last words of a run of the stack: what came out, what it cost, where it lies."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from pathlib import Path
from typing import Any

from rich import box
from rich.console import Console
from rich.table import Table
from rich.text import Text

from workers.cli.output import in_cell, shown
from workers.stack.results import Outcome

FIELD_PREVIEW = ("page", "label", "text", "value", "score")
# The first columns say where a table row comes from; the preview is about what it says.
NUMBERS = frozenset({"seconds", "pages", "page", "fields", "table rows", "cost", "score", "table", "row"})
TABLE_PREVIEW_LEFT_OUT = frozenset(
    {"document", "run", "bucket", "key", "route", "provider", "model", "metadata", "schema_version"}
)


def print_outcomes(console: Console, outcomes: Sequence[Outcome], started_at: datetime) -> None:
    """One row a document, and the sums: all that was paid, and what of it since this start."""
    table = _table("document", "state", "seconds", "pages", "fields", "table rows", "cost")
    for one in outcomes:
        run = one.run
        reason = f" ({run.reason})" if run.reason is not None else ""
        table.add_row(
            *_cells(
                run.document.key,
                run.state + reason,
                None if one.seconds is None else round(one.seconds, 1),
                run.pages,
                one.rows("fields"),
                one.rows("table_rows"),
                run.cost,
            )
        )
    console.print(table)
    new = [one for one in outcomes if one.run.created_at is not None and one.run.created_at >= started_at]
    console.print(
        f"{len(outcomes)} documents, {sum(one.run.pages or 0 for one in outcomes)} pages, "
        f"{sum(one.rows('fields') for one in outcomes)} fields, "
        f"{sum(one.rows('table_rows') for one in outcomes)} table rows, "
        f"cost {in_cell(_cost(outcomes))}, of which {in_cell(_cost(new))} in this start.",
        highlight=False,
    )


def _cost(outcomes: Sequence[Outcome]) -> float:
    return float(sum(one.run.cost or 0 for one in outcomes))


def print_rows(console: Console, title: str, rows: Sequence[Mapping[str, Any]], columns: Sequence[str]) -> None:
    """The first rows of one file."""
    if not rows:
        return
    console.print(Text(f"\n{shown(title)}"), soft_wrap=True)
    table = _table(*columns)
    for row in rows:
        table.add_row(*_cells(*(row.get(column) for column in columns)))
    console.print(table)


def table_row_columns(rows: Sequence[Mapping[str, Any]]) -> list[str]:
    """The columns that say something to a person about these rows."""
    filled = {column for row in rows for column, value in row.items() if value not in (None, "", {})}
    return [column for column in (rows[0] if rows else ()) if column in filled - TABLE_PREVIEW_LEFT_OUT]


def print_places(console: Console, outbox: Path | None, output: str, simulated: Sequence[str]) -> None:
    """Where the files are, and what they are not."""
    copied = f", and copied to {outbox}" if outbox is not None else ""
    console.print(Text(f"The files are in {output}{copied}."), soft_wrap=True)
    if simulated:
        console.print(
            Text(
                f"SIMULATED: the rows of {', '.join(simulated)}. Without NANONETS_API_KEY no API is asked; a simulator "
                "reads with the local engine, and the cost is invented."
            ),
            soft_wrap=True,
        )


def _table(*columns: str) -> Table:
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False)
    for column in columns:
        # Text, never markup: the columns of table rows are the user's own words.
        table.add_column(Text(shown(column)), overflow="fold", justify="right" if column in NUMBERS else "left")
    return table


def _cells(*values: object) -> list[Text]:
    return [Text(in_cell(value)) for value in values]
