"""Grids that a table finder drew over a page: which of them are tables, and what their cells hold."""

from bisect import bisect_right
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from headrace.prediction import Box, Cell, Table
from headrace.providers.local.geometry import area, around, middle, share_inside
from headrace.providers.local.layout import Placed, lines_of, text_of

# An unruled grid is a guess from how text is aligned; these tell tables from letters and forms.
_FEWEST_FILLED = 0.5
# Once cut to its table, descriptions of several lines may still leave most squares empty.
_FEWEST_FILLED_ONCE_CUT = 0.3
_MOST_WORDS_PER_CELL = 5.0
_MOST_OF_FIELDS = 0.5
# A grid that lies in another to this share repeats it.
_INSIDE = 0.8


@dataclass(frozen=True, slots=True)
class Square:
    """One meeting of a row and a column, with its text; `right` and `bottom` say where a rule bounds it."""

    box: Box
    text: str
    right: bool = True
    bottom: bool = True


@dataclass(frozen=True, slots=True)
class Grid:
    """Rows of squares from the top left; `ruled` where lines on the page draw them. Accuracy is 0 to 100."""

    rows: tuple[tuple[Square, ...], ...]
    ruled: bool
    accuracy: float

    @property
    def box(self) -> Box:
        return around(square.box for row in self.rows for square in row)


@dataclass(frozen=True, slots=True)
class _Area:
    """A cell: the squares that it covers, from the top left one."""

    row: int
    column: int
    row_span: int
    column_span: int
    box: Box
    text: str


def tables_among(grids: Sequence[Grid]) -> list[Grid]:
    """The grids that are tables, from the top: at least two rows and columns of text, no prose, none twice.

    Where two lie on each other, ruled lines are believed before aligned text, and more before less.
    """
    kept: list[Grid] = []
    for grid in sorted(map(_without_gaps, grids), key=lambda grid: (grid.ruled, _size(grid)), reverse=True):
        if _is_table(grid) and not any(_lie_on_each_other(grid.box, other.box) for other in kept):
            kept.append(grid)
    return sorted(kept, key=lambda grid: (grid.box.ymin, grid.box.xmin))


def is_made_of_fields(grid: Grid, words: Sequence[Placed], field_boxes: Sequence[Box]) -> bool:
    """Whether an unruled grid is only a block of labelled values, such as a sum below a table."""
    if grid.ruled:
        return False
    inside = [word.box for word in words if share_inside(word.box, grid.box) > 0.5]
    of_fields = set(map(_edges, field_boxes))
    return sum(_edges(box) in of_fields for box in inside) >= _MOST_OF_FIELDS * max(1, len(inside))


def _edges(box: Box) -> tuple[float, float, float, float]:
    return box.xmin, box.ymin, box.xmax, box.ymax


def _lie_on_each_other(box: Box, other: Box) -> bool:
    return max(share_inside(box, other), share_inside(other, box)) > _INSIDE


def _size(grid: Grid) -> float:
    return area(grid.box) if grid.rows else 0.0


def _without_gaps(grid: Grid) -> Grid:
    """An unruled grid without rows and columns that hold no text, and without a letterhead above its table.

    The finder takes text that happens to be aligned into the grid. Where that leaves most squares
    empty, the table is from the first to the last of the rows that fill most columns.
    """
    if grid.ruled:
        return grid
    rows = _without_empty_columns(grid.rows)
    if rows and _filled(rows) < _FEWEST_FILLED:
        full = [number for number, row in enumerate(rows) if _filled([row]) > _FEWEST_FILLED]
        rows = _without_empty_columns(rows[full[0] : full[-1] + 1]) if full else ()
    return Grid(rows, ruled=False, accuracy=grid.accuracy)


def _without_empty_columns(rows: Sequence[tuple[Square, ...]]) -> tuple[tuple[Square, ...], ...]:
    rows = [row for row in rows if _filled([row])]
    columns = range(len(rows[0]) if rows else 0)
    kept = [column for column in columns if any(row[column].text.strip() for row in rows)]
    return tuple(tuple(row[column] for column in kept) for row in rows)


def _filled(rows: Sequence[tuple[Square, ...]]) -> float:
    """The share of squares that hold text: 0 to 1."""
    texts = [square.text.strip() for row in rows for square in row]
    return sum(map(bool, texts)) / len(texts) if texts else 0.0


def _is_table(grid: Grid) -> bool:
    texts = [[square.text.strip() for square in row] for row in grid.rows]
    filled = [text for row in texts for text in row if text]
    rows_with_text = sum(any(row) for row in texts)
    columns_with_text = sum(any(column) for column in zip(*texts, strict=True))
    if rows_with_text < 2 or columns_with_text < 2:
        return False
    if grid.ruled:
        return True
    words_per_cell = sum(len(text.split()) for text in filled) / len(filled)
    return _filled(grid.rows) >= _FEWEST_FILLED_ONCE_CUT and words_per_cell < _MOST_WORDS_PER_CELL


def heading_box(grid: Grid) -> Box | None:
    """The row that names the columns; None where the first row is like any other."""
    return around(square.box for square in grid.rows[0]) if _headings(grid) is not None else None


def _headings(grid: Grid) -> list[str] | None:
    """The names of the columns, where the first row gives them.

    It does where none holds a digit, all differ, at most one is empty, no cell spans others, and
    rows follow.
    """
    first = grid.rows[0]
    texts = [" ".join(square.text.split()) for square in first]
    named = [text for text in texts if text]
    bounded = all(square.bottom for square in first) and all(square.right for square in first)
    are_headings = (
        len(grid.rows) > 1
        and bounded
        and len(named) >= max(2, len(texts) - 1)
        and len({text.casefold() for text in named}) == len(named)
        and not any(character.isdigit() for text in named for character in text)
    )
    return texts if are_headings else None


def as_table(grid: Grid, words: Sequence[Placed]) -> Table:
    """The table of a grid, its cells row by row.

    Headings become the labels of their columns' cells and are no row of their own. A cell that
    spans several squares is given once.
    """
    headings = _headings(grid)
    skipped = 0 if headings is None else 1
    rows = grid.rows[skipped:]
    score = min(1.0, max(0.0, grid.accuracy / 100))
    cells = tuple(
        Cell(
            row=cell.row + 1,
            column=cell.column + 1,
            row_span=cell.row_span,
            column_span=cell.column_span,
            text=cell.text,
            label="" if headings is None else headings[cell.column],
            score=round(score, 4),
            score_raw=round(grid.accuracy, 2),
            box=cell.box,
        )
        for cell in _areas(rows, _words_by_square(rows, words))
    )
    return Table(cells=cells, box=grid.box, score=round(score, 4), score_raw=round(grid.accuracy, 2))


def _areas(rows: Sequence[Sequence[Square]], inside: dict[tuple[int, int], list[Placed]]) -> Iterator[_Area]:
    covered: set[tuple[int, int]] = set()
    for number, row in enumerate(rows):
        for column, square in enumerate(row):
            if (number, column) in covered:
                continue
            row_span, column_span = _span(rows, number, column, covered)
            places = [(number + down, column + along) for down in range(row_span) for along in range(column_span)]
            covered.update(places)
            squares = [rows[down][along] for down, along in places]
            yield _Area(
                number,
                column,
                row_span,
                column_span,
                around(part.box for part in squares) if len(squares) > 1 else square.box,
                _text([part.text for part in squares], [word for place in places for word in inside.get(place, ())]),
            )


def _span(rows: Sequence[Sequence[Square]], number: int, column: int, covered: set[tuple[int, int]]) -> tuple[int, int]:
    """How many rows and columns belong to the cell that starts here: as far as no rule ends it."""
    row = rows[number]
    last = column
    while last + 1 < len(row) and not row[last].right and (number, last + 1) not in covered:
        last += 1
    lowest = number
    while lowest + 1 < len(rows) and not any(square.bottom for square in rows[lowest][column : last + 1]):
        lowest += 1
    return lowest - number + 1, last - column + 1


def _words_by_square(rows: Sequence[Sequence[Square]], words: Sequence[Placed]) -> dict[tuple[int, int], list[Placed]]:
    """The words whose middle lies in a square, by row and column."""
    tops = [row[0].box.ymin for row in rows]
    lefts = [square.box.xmin for square in rows[0]]
    found: dict[tuple[int, int], list[Placed]] = {}
    for word in words:
        x, y = middle(word.box)
        row, column = bisect_right(tops, y) - 1, bisect_right(lefts, x) - 1
        if row >= 0 and column >= 0 and y <= rows[row][column].box.ymax and x <= rows[row][column].box.xmax:
            found.setdefault((row, column), []).append(word)
    return found


def _text(found: Sequence[str], words: Sequence[Placed]) -> str:
    """The text of a cell, its lines apart.

    Two engines read it. Where they saw the same characters, the words' order counts: it puts
    right-to-left text in reading order. Else the finder's text does: it knows to which of two
    columns a long text belongs.
    """
    text = "\n".join(filter(None, (line.strip() for part in found for line in part.splitlines())))
    by_words = "\n".join(
        text_of([word for phrase in line.phrases for word in phrase.words]) for line in lines_of(words)
    )
    return by_words if _characters(by_words) == _characters(text) else text


def _characters(text: str) -> Counter[str]:
    return Counter(character for character in text if not character.isspace())
