"""What the rows of a document must be: made from what the simulator invents, without the code that is tested."""

from collections import Counter
from collections.abc import Iterable, Mapping
from typing import Any

from headrace.prediction import Page
from simulator.invented import invent_pages
from simulator.models import Rules
from tests.chaos.documents import Kind, Planned

Facts = Counter[tuple[str, ...]]


def expected_rows(planned: Planned, version: int, rules: Rules, seed: int) -> dict[str, Facts]:
    """The facts of each kind of row that must stand for this content: "fields", "table_rows", "cells"."""
    if planned.kind is Kind.LOCAL:
        found = planned.invoice_number(version)
        return {"fields": _counted((page, "invoice_number", found) for page in range(1, planned.pages + 1))}
    pages = list(invent_pages(planned.digest(version), range(planned.pages), rules, seed))
    return {
        "fields": _counted(_fields(pages)),
        "table_rows": _counted(_table_rows(pages)),
        "cells": _counted(_cells(pages)),
    }


def published_rows(kind: str, rows: Iterable[Mapping[str, Any]]) -> Facts:
    """The same facts of rows as they were published, in whatever format."""
    return Counter(_spelled(row[name] for name in _FACTS[kind]) for row in rows)


def _counted(facts: Iterable[Iterable[object]]) -> Facts:
    return Counter(map(_spelled, facts))


def _spelled(facts: Iterable[object]) -> tuple[str, ...]:
    """As CSV spells them: it has no numbers, and nothing is an empty text."""
    return tuple("" if fact is None else str(fact) for fact in facts)


_FACTS = {
    "fields": ("page", "label", "text"),
    "table_rows": ("page", "row", "Description", "Quantity"),
    "cells": ("page", "row", "column", "label", "text"),
}


def _fields(pages: Iterable[Page]) -> Iterable[tuple[object, ...]]:
    return ((page.number, field.label, field.text) for page in pages for field in page.fields)


def _cells(pages: Iterable[Page]) -> Iterable[tuple[object, ...]]:
    for page in pages:
        for table in page.tables:
            yield from ((page.number, cell.row, cell.column, cell.label, cell.text) for cell in table.cells)


def _table_rows(pages: Iterable[Page]) -> Iterable[tuple[object, ...]]:
    for page in pages:
        for table in page.tables:
            by_row: dict[int, dict[str | None, str | None]] = {}
            for cell in table.cells:
                by_row.setdefault(cell.row, {})[cell.label] = cell.text
            for row, texts in by_row.items():
                yield (page.number, row, texts["Description"], texts["Quantity"])
