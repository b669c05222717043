"""Predictions for tests: a plain one, and strategies for hostile ones."""

from datetime import UTC, datetime

from hypothesis import strategies as st

from headrace.document import Document
from headrace.flattening import RowContext
from headrace.ledger.records import Run
from headrace.prediction import Box, Cell, Field, Page, Prediction, Table, Word
from headrace.routing import Lane, Route
from headrace.states import Mode, State

LAST_MODIFIED = datetime(2026, 11, 20, 12, 0, tzinfo=UTC)
CONTEXT = RowContext("d" * 32, 1, "inbox", "in/a.pdf", "invoices", "nanonets", "m", {"vendor": "acme"})
ROUTE = Route(
    name="invoices",
    bucket="inbox",
    prefix="in/",
    provider="nanonets",
    model="m",
    output="s3://outbox/rows",
    private="s3://private/headrace",
    columns=("Description", "Amount"),
)


def document(etag: str = "etag-a", *, modified: datetime = LAST_MODIFIED, sequencer: str | None = None) -> Document:
    return Document("inbox", "in/a.pdf", etag, 1000, modified, sequencer=sequencer)


def run(of: Document | None = None, *, state: State = State.EXPORTED, number: int = 1, token: int = 1, **facts) -> Run:
    of = of if of is not None else document()
    known = {
        "route": "invoices",
        "revision": ROUTE.revision,
        "lane": Lane("nanonets", "nanonets", "m"),
        "mode": Mode.SYNC,
        "pages": 1,
        "cost": 0.1,
        "received_on": "2026-11-20",
        "received_at": LAST_MODIFIED,
    }
    return Run(f"{of.id}-{number}", of, number, state, token=token, **(known | facts))


def prediction(total: str = "12.50", *, text: str | None = None) -> Prediction:
    box = Box(xmin=-2.0, ymin=1.0, xmax=3.5, ymax=4.0)
    table = Table(
        cells=(
            Cell(row=1, column=1, text="Oak board", label="Description", box=box),
            Cell(row=1, column=2, text="-12.50", label="Amount", score=0.93, score_raw=93),
            Cell(row=2, column=1, text='=HYPERLINK("x")', label="Description"),
            Cell(row=2, column=3, text=None, label=""),
        )
    )
    fields = (
        Field(label="total", text=total, value=total, kind="amount", score=0.98, score_raw=0.98, box=box),
        Field(label="note", text="", status="correctly_predicted"),
    )
    words = (Word(text="Oak", box=box), Word(text="board")) if text is not None else ()
    page = Page(
        number=1, width=1240, height=1754, unit="px", rotation=0, fields=fields, tables=(table,), text=text, words=words
    )
    return Prediction(provider="nanonets", model="m", pages=(page,))


# Everything that may stand in a text: controls, quotes, separators, right-to-left marks, lone surrogates.
any_text = st.one_of(
    st.text(st.characters(exclude_categories=()), max_size=8),
    st.sampled_from(["=1+1", "+49 30", "-12.50", "-", "@x", "'=1", "''", "a\r\nb", "\r", "\t=1", '"', "", "\0", "1e5"]),
)
_maybe_text = st.none() | any_text
_number = st.none() | st.floats() | st.integers(-5, 5).map(float)
_box = st.none() | st.builds(Box, xmin=st.floats(), ymin=st.floats(-9, 9), xmax=st.just(1.0), ymax=st.just(2.5))
_label = st.sampled_from(["Description", " description ", "Amount", "column_2", "", "other", "=x"]) | any_text

fields = st.builds(
    Field,
    label=_label,
    text=_maybe_text,
    value=st.none() | any_text | st.integers() | st.booleans() | st.lists(any_text, max_size=2) | st.floats(),
    score=_number,
    score_raw=_number | any_text,
    box=_box,
    validation_message=_maybe_text,
    moderated=st.none() | st.booleans(),
)
cells = st.builds(
    Cell,
    row=st.integers(1, 4),
    column=st.integers(1, 4),
    row_span=st.integers(1, 2),
    text=_maybe_text,
    label=st.none() | _label,
    score=_number,
    box=_box,
)
tables = st.builds(Table, cells=st.lists(cells, max_size=7).map(tuple))


def _pages(numbers: list[int]) -> st.SearchStrategy[tuple[Page, ...]]:
    return st.tuples(
        *(
            st.builds(
                Page,
                number=st.just(number),
                width=_number,
                fields=st.lists(fields, max_size=4).map(tuple),
                tables=st.lists(tables, max_size=2).map(tuple),
                text=_maybe_text,
                failure=st.none(),
            )
            for number in numbers
        )
    )


predictions = (
    st.lists(st.integers(1, 5), unique=True, max_size=3)
    .flatmap(_pages)
    .map(lambda pages: Prediction(provider="nanonets", model="m", pages=pages))
)
