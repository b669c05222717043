"""Drawing sample documents, and writing down at the same time what a reader should find in them."""

import io
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Self

from reportlab.lib.pdfencrypt import StandardEncryption
from reportlab.pdfbase import pdfmetrics
from reportlab.pdfbase.ttfonts import TTFont
from reportlab.pdfgen.canvas import Canvas

A4_PT = (595.0, 842.0)
FONT = "DejaVuSans"
FONT_FILE = Path(__file__).parent / "fonts" / "DejaVuSans-subset.ttf"
_LINE_HEIGHT = 1.3


def visual(text: str) -> str:
    """Text as it is drawn from left to right: Hebrew and Arabic turned round."""
    drawn, run = "", ""
    for character in text:
        if "\u0590" <= character <= "\u06ff" or (run and character == " "):
            run += character
        else:
            drawn += _turned_round(run) + character
            run = ""
    return drawn + _turned_round(run)


def _turned_round(run: str) -> str:
    spaces = len(run) - len(run.rstrip())
    return run.rstrip()[::-1] + " " * spaces


@dataclass
class Sample:
    """One document under way. Lengths are in pt; y is measured from the top of the page."""

    name: str
    size: tuple[float, float] = A4_PT
    password: str | None = None
    pages: int = 0
    fields: list[dict[str, Any]] = field(default_factory=list)
    cells: list[dict[str, Any]] = field(default_factory=list)

    def __post_init__(self) -> None:
        if FONT not in pdfmetrics.getRegisteredFontNames():
            pdfmetrics.registerFont(TTFont(FONT, str(FONT_FILE)))
        self._buffer = io.BytesIO()
        encrypt = StandardEncryption(self.password, strength=128) if self.password is not None else None
        self._canvas = Canvas(self._buffer, pagesize=self.size, invariant=1, encrypt=encrypt)
        self._canvas.setTitle(self.name)
        self._tables = 0
        self._open = False

    def page(self, rotation: int = 0) -> Self:
        """Start the next page. A turned page is drawn turned back, so that it reads upright."""
        self._close_page()
        self.pages, self._open = self.pages + 1, True
        if rotation == 90:
            self._canvas.setPageRotation(90)
            self._canvas.translate(self.size[1], 0)
            self._canvas.rotate(90)
        return self

    def text(self, x: float, y: float, text: str, *, size: float = 10) -> Self:
        """One line of text."""
        self._canvas.setFont(FONT, size)
        self._canvas.drawString(x, self.size[1] - y, visual(text))
        return self

    def lines(self, x: float, y: float, lines: list[str], *, size: float = 10, spacing: float = 13) -> Self:
        for number, line in enumerate(lines):
            self.text(x, y + number * spacing, line, size=size)
        return self

    def rule(self, x: float, y: float, width: float) -> Self:
        """A thin horizontal line."""
        self._canvas.setLineWidth(0.7)
        self._canvas.line(x, self.size[1] - y, x + width, self.size[1] - y)
        return self

    def labelled(
        self,
        at: tuple[float, float],
        words: str,
        text: str,
        *,
        label: str,
        kind: str = "text",
        value: str | None = None,
        offset: tuple[float, float] = (120, 0),
    ) -> Self:
        """A label on the page, its value `offset` from it; a value that means what it says needs no `value`."""
        x, y = at
        self.text(x, y, words).text(x + offset[0], y + offset[1], text)
        self.fields.append(
            {"page": self.pages, "label": label, "kind": kind, "text": text, "value": text if value is None else value}
        )
        return self

    def table(
        self,
        at: tuple[float, float],
        widths: list[float],
        headings: list[str],
        rows: list[list[str]],
        *,
        ruled: bool = True,
        row_height: float = 20,
        columns_to_the_right: tuple[int, ...] = (),
    ) -> float:
        """Draw a table and note its cells; returns the y of its lower edge.

        A text with line breaks is drawn as lines, and its row is as much higher.
        """
        x, y = at
        self._tables += 1
        edges = [x + sum(widths[:count]) for count in range(len(widths) + 1)]
        tops = [y]
        for row in [headings, *rows]:
            lines = max(text.count("\n") + 1 for text in row)
            tops.append(tops[-1] + row_height + (lines - 1) * 10 * _LINE_HEIGHT)
        self._lines_of_table(edges, tops, ruled=ruled)
        for number, row in enumerate([headings, *rows]):
            for column, text in enumerate(row):
                to_the_right = column in columns_to_the_right
                corner = (edges[column + 1] - 6 if to_the_right else edges[column] + 6, tops[number] + 14)
                self._cell_text(corner, text, to_the_right=to_the_right)
                if number > 0:
                    self._note_cell(number, column + 1, headings[column], text)
        return tops[-1]

    def _lines_of_table(self, edges: list[float], tops: list[float], *, ruled: bool) -> None:
        for top in tops if ruled else (tops[0], tops[1], tops[-1]):
            self.rule(edges[0], top, edges[-1] - edges[0])
        if ruled:
            for edge in edges:
                self._canvas.line(edge, self.size[1] - tops[0], edge, self.size[1] - tops[-1])

    def _cell_text(self, corner: tuple[float, float], text: str, *, to_the_right: bool) -> None:
        self._canvas.setFont(FONT, 9)
        for number, line in enumerate(text.split("\n")):
            draw = self._canvas.drawRightString if to_the_right else self._canvas.drawString
            draw(corner[0], self.size[1] - corner[1] - number * 10 * _LINE_HEIGHT, visual(line))

    def _note_cell(self, row: int, column: int, label: str, text: str) -> None:
        self.cells.append(
            {
                "page": self.pages,
                "table": self._tables,
                "row": row,
                "column": column,
                "label": label,
                "text": text,
            }
        )

    def _close_page(self) -> None:
        if self._open:
            self._canvas.showPage()

    def finish(self) -> bytes:
        """The document's bytes."""
        self._close_page()
        self._canvas.save()
        return self._buffer.getvalue()

    def truth(self) -> dict[str, Any]:
        """What a reader should find; tables are numbered from 1 through the whole document."""
        return {
            "document": self.name,
            "pages": self.pages,
            "failure": None,
            "fields": self.fields,
            "cells": self.cells,
        }
