"""The last words of a run of the stack: what came out, what it cost, where it lies."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from rich import box
from rich.console import Console
from rich.table import Table
from rich.text import Text

from workers.cli.output import in_cell, shown
from workers.stack.results import Outcome

FIELD_PREVIEW = ("key", "page", "label", "text", "value", "score")
# The first columns say where a table row comes from; the preview is about what it says.
TABLE_PREVIEW_LEFT_OUT = frozenset(
    {"document", "run", "bucket", "route", "provider", "model", "metadata", "schema_version"}
)


def print_outcomes(console: Console, outcomes: Sequence[Outcome]) -> None:
    """One row a document, and the sums."""
    table = _table("document", "state", "seconds", "pages", "fields", "table rows", "cost")
    for one in outcomes:
        run = one.run
        reason = f" ({run.reason})" if run.reason is not None else ""
        table.add_row(
            *_cells(
                f"{run.document.bucket}/{run.document.key}",
                run.state + reason,
                None if one.seconds is None else round(one.seconds, 1),
                run.pages,
                one.rows("fields"),
                one.rows("table_rows"),
                run.cost,
            )
        )
    console.print(table)
    console.print(
        f"{len(outcomes)} documents, {sum(one.run.pages or 0 for one in outcomes)} pages, "
        f"{sum(one.rows('fields') for one in outcomes)} fields, "
        f"{sum(one.rows('table_rows') for one in outcomes)} table rows, "
        f"cost {in_cell(float(sum(one.run.cost or 0 for one in outcomes)))}.",
        highlight=False,
    )


def print_rows(console: Console, title: str, rows: Sequence[Mapping[str, Any]], columns: Sequence[str]) -> None:
    """The first rows of one file."""
    if not rows:
        return
    console.print(f"\n{title}", highlight=False)
    table = _table(*columns)
    for row in rows:
        table.add_row(*_cells(*(row.get(column) for column in columns)))
    console.print(table)


def table_row_columns(rows: Sequence[Mapping[str, Any]]) -> list[str]:
    """The columns of a table row that say something to a person."""
    return [column for column in (rows[0] if rows else ()) if column not in TABLE_PREVIEW_LEFT_OUT]


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
        table.add_column(shown(column), overflow="fold")
    return table


def _cells(*values: object) -> list[Text]:
    return [Text(in_cell(value)) for value in values]
