"""Rows -> CSV that people double-click: RFC 4180, UTF-8, and no cell that a spreadsheet would run."""

import csv
import io
import re
from collections.abc import Mapping, Sequence
from typing import Any, Literal

from headrace.exports.jsonl import to_json

# What makes a spreadsheet read a cell as a formula when it stands first (OWASP, "CSV Injection"); the wide
# forms too, because East Asian editions take them for the plain ones.
_FORMULA_STARTS = frozenset("=+-@\t\r\n＝＋－＠")
_NUMBER = re.compile(r"[+-]?[0-9.,]*[0-9][0-9.,]*(?:[eE][+-]?[0-9]{1,3})?%?", re.ASCII)
# Spaces, and the marks of no width that hostile text hides behind.
_BLANK = " \u00a0\u200b\u200c\u200d\u2060\u3000\ufeff\u200e\u200f\x00"


def write_csv(columns: Sequence[str], rows: Sequence[Mapping[str, Any]], mode: Literal["safe", "exact"]) -> bytes:
    """A header and one record for each row, lines ended by CRLF; null is an empty field.

    "safe" puts an apostrophe before text that a spreadsheet would run; "exact" leaves all text alone.
    """
    spell = inert if mode == "safe" else str
    buffer = io.StringIO(newline="")
    writer = csv.writer(buffer, lineterminator="\r\n")
    writer.writerow([spell(column) for column in columns])
    for row in rows:
        writer.writerow([_spelled(row[column], spell) for column in columns])
    return buffer.getvalue().encode()


def inert(text: str) -> str:
    """The text, after an apostrophe where a spreadsheet would run it. Plain numbers stay as they are.

    Text that has such an apostrophe already gets another one, so `exact_text` finds every text again.
    """
    return "'" + text if _would_run(text.lstrip("'")) else text


def exact_text(cell: str) -> str:
    """What `inert` was given."""
    return cell[1:] if cell.startswith("'") and _would_run(cell.lstrip("'")) else cell


def _would_run(text: str) -> bool:
    start = text.lstrip(_BLANK)[:1]
    # A lone dash is how tables say "nothing".
    return start in _FORMULA_STARTS and start != "" and text != "-" and _NUMBER.fullmatch(text) is None


def _spelled(value: Any, spell: Any) -> str:
    match value:
        case None:
            return ""
        case bool():
            return "true" if value else "false"
        case int() | float():
            return repr(value)
        case str():
            return str(spell(value))
        case _:
            return str(spell(to_json(value)))
