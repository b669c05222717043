"""Invented pages: the same for the same content and seed, and as awkward as the real API's can be."""

from collections.abc import Iterable, Iterator
from random import Random

from headrace.prediction import Box, Cell, Field, Page, Table
from simulator.models import Rules

WIDTH, HEIGHT = 1240, 1754
_HEADINGS = ("Description", "Quantity", "", "Amount")
_GOODS = ("Oak board", "Brass hinge", "Wood oil, 1 l", "Delivery\nand fitting", "Sandpaper")


def invent_pages(digest: str, pages: Iterable[int], rules: Rules, seed: int) -> Iterator[Page]:
    """Pages of these numbers (from 0), one at a time, for the content with this digest."""
    return (_page(Random(f"{seed}:{digest}:{page}"), page + 1, rules) for page in pages)  # noqa: S311  no secret


def _page(random: Random, number: int, rules: Rules) -> Page:
    # Nothing found is a legitimate result; the first page always has something to show.
    if number > 1 and random.random() < 0.1:
        return Page(number=number, width=WIDTH, height=HEIGHT, unit="px", rotation=0)
    fields = [_field(random, rule.label, line) for line, rule in enumerate(rules)]
    if fields:
        fields.append(_field(random, fields[-1].label, len(fields)))
    fields.append(
        Field(label="not_found", text="", score=0.0, validation_status="failed", validation_message="required field")
    )
    return Page(
        number=number,
        width=WIDTH,
        height=HEIGHT,
        unit="px",
        rotation=random.choice((0, 0, 0, 0, 90, 180, 270)),
        fields=tuple(fields),
        tables=(_table(random),),
    )


def _field(random: Random, label: str, line: int) -> Field:
    if "address" in label:
        text = f"{random.randint(1, 99)} Mill Lane\nWatertown"
    elif "date" in label:
        text = f"{random.randint(1, 28):02}.{random.randint(1, 12):02}.2026"
    elif "total" in label or "amount" in label:
        text = _amount(random)
    else:
        text = f"{label[:3].upper()}-{random.randint(1, 9999):04}"
    top = 118 + 40 * line
    return Field(label=label, text=text, score=_score(random), box=Box(xmin=431, ymin=top, xmax=540, ymax=top + 23))


def _table(random: Random) -> Table:
    rows = random.randint(1, 5)
    cells = [
        _cell(random, row, column, heading)
        for row in range(1, rows + 1)
        for column, heading in enumerate(_HEADINGS, start=1)
    ]
    return Table(cells=tuple(cells), label="table", box=Box(xmin=40, ymin=300, xmax=980, ymax=620), score=1.0)


def _cell(random: Random, row: int, column: int, heading: str) -> Cell:
    texts = (random.choice(_GOODS), str(random.randint(1, 20)), "", _amount(random))
    # The real API's first cells stick out of the page by a pixel or two.
    left = -2 if column == 1 else 240 * (column - 1)
    top = 310 + 40 * row
    return Cell(
        row=row,
        column=column,
        text=texts[column - 1],
        label=heading,
        score=_score(random),
        box=Box(xmin=left, ymin=top, xmax=240 * column, ymax=top + 32),
    )


def _amount(random: Random) -> str:
    return f"{random.randint(0, 9999)}.{random.randint(0, 99):02}"


def _score(random: Random) -> float:
    return round(random.uniform(0.5, 1.0), 4)
