"""Comparing what came out for a sample with its truth, in both directions."""

import json
from collections import Counter
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

TRUTH = Path(__file__).parent / "truth"


def truth_of(document: str) -> dict[str, Any]:
    """The truth of a sample by its file name.

    `pages` is their number, or None where `failure` holds the reason for which it has to fail.
    `fields` have page, label, kind, text and value; `cells` have page, table (from 1 through the
    document), row, column, label and text.
    """
    truth: dict[str, Any] = json.loads((TRUTH / document).with_suffix(".json").read_text(encoding="utf-8"))
    return truth


def differences(
    truth: Mapping[str, Any], fields_rows: Iterable[Mapping[str, Any]], cells_rows: Iterable[Mapping[str, Any]]
) -> list[str]:
    """What is missing and what was invented, a sentence each; nothing where rows and truth agree.

    The rows are those of the JSON Lines of one document: all its fields, all its cells. White space
    counts as one space. The value of a field is compared where the row says of which kind it is,
    since not every provider reads values out of texts.
    """
    rows = list(fields_rows)
    return [
        *_compare("field", map(_field, truth["fields"]), map(_field, rows)),
        *_compare("value", _values(truth["fields"], rows), _values(rows, rows)),
        *_compare("cell", map(_cell, truth["cells"]), map(_cell, cells_rows)),
    ]


def _field(row: Mapping[str, Any]) -> tuple[Any, ...]:
    return row["page"], row["label"], _text(row["text"])


def _values(wanted: Iterable[Mapping[str, Any]], rows: Iterable[Mapping[str, Any]]) -> list[tuple[Any, ...]]:
    """The kinds and values of the fields whose rows tell a kind."""
    told = {_field(row) for row in rows if row.get("kind") is not None}
    return [(*_field(row), row["kind"], row["value"]) for row in wanted if _field(row) in told]


def _cell(row: Mapping[str, Any]) -> tuple[Any, ...]:
    return row["page"], row["table"], row["row"], row["column"], row["label"] or "", _text(row["text"])


def _text(text: str | None) -> str:
    return " ".join((text or "").split())


def _compare(what: str, expected: Iterable[tuple[Any, ...]], found: Iterable[tuple[Any, ...]]) -> list[str]:
    wanted, got = Counter(expected), Counter(found)
    return [f"{what} missing: {one}" for one in (wanted - got).elements()] + [
        f"{what} not in the truth: {one}" for one in (got - wanted).elements()
    ]
