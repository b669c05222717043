"""What every provider's answer becomes: pages with fields and tables, with boxes and scores.

`details` of a part are what its provider said beyond the fields that all providers share, under the provider's
own names. Every field that is not needed has a default, so that what was stored before a field came is read.
"""

from typing import Literal

from pydantic import BaseModel, ConfigDict, JsonValue

# What box edges and page sizes are measured in; "pt" is 1/72 inch, "fraction" runs from 0 to 1.
Unit = Literal["px", "pt", "fraction"]


class _Value(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class Box(_Value):
    """A rectangle on a page: from the top left, in the page's unit; edges may be negative."""

    xmin: float
    ymin: float
    xmax: float
    ymax: float


class Word(_Value):
    """One word of the page's text and where it stands."""

    text: str
    box: Box | None = None
    details: dict[str, JsonValue] = {}


class Field(_Value):
    """One labelled value found on a page.

    `text` is what stands there, `value` what it means (a number, an ISO date, a text), `kind` says
    which: "text", "date" or "amount". `score` is 0 to 1, `score_raw` as the provider gave it.
    """

    label: str
    text: str | None = None
    value: JsonValue = None
    kind: str | None = None
    type: str | None = None
    score: float | None = None
    score_raw: float | str | None = None
    box: Box | None = None
    box_id: str | None = None
    label_id: str | None = None
    status: str | None = None
    validation_status: str | None = None
    validation_message: str | None = None
    moderated: bool | None = None
    original_text: str | None = None
    details: dict[str, JsonValue] = {}


class Cell(_Value):
    """One cell of a table; rows and columns count from 1. `label` is the heading of its column."""

    row: int
    column: int
    row_span: int = 1
    column_span: int = 1
    text: str | None = None
    label: str | None = None
    row_label: str | None = None
    score: float | None = None
    score_raw: float | str | None = None
    box: Box | None = None
    box_id: str | None = None
    label_id: str | None = None
    status: str | None = None
    verification_status: str | None = None
    failed_validation: str | None = None
    moderated: bool | None = None
    details: dict[str, JsonValue] = {}


class Table(_Value):
    """One table on one page, its cells in the provider's order."""

    cells: tuple[Cell, ...] = ()
    label: str | None = None
    label_id: str | None = None
    box_id: str | None = None
    box: Box | None = None
    score: float | None = None
    score_raw: float | str | None = None
    status: str | None = None
    validation_status: str | None = None
    validation_message: str | None = None
    details: dict[str, JsonValue] = {}


class Page(_Value):
    """One page, numbered from 1 in the whole document. `failure` says why it has no content.

    `fields` and `tables` are what a person corrected where somebody did; `predicted_fields` and
    `predicted_tables` then are what the provider had read before, and empty where nobody did.
    """

    number: int
    width: float | None = None
    height: float | None = None
    unit: Unit | None = None
    rotation: int | None = None
    fields: tuple[Field, ...] = ()
    tables: tuple[Table, ...] = ()
    text: str | None = None
    words: tuple[Word, ...] = ()
    failure: str | None = None
    page_id: str | None = None
    file_id: str | None = None
    moderated: bool | None = None
    predicted_fields: tuple[Field, ...] = ()
    predicted_tables: tuple[Table, ...] = ()
    details: dict[str, JsonValue] = {}


class Prediction(_Value):
    """A provider's whole answer to one submission, its pages in order.

    `metadata` is the user's own, as it came back; `key` the submission key that came back, if any;
    `cost` what the provider itself says it charged, in its own unit.
    """

    provider: str
    model: str
    job: str | None = None
    key: str | None = None
    pages: tuple[Page, ...] = ()
    metadata: dict[str, JsonValue] = {}
    cost: float | None = None
    details: dict[str, JsonValue] = {}

    @property
    def page_numbers(self) -> frozenset[int]:
        """The numbers of all its pages, read or not."""
        return frozenset(page.number for page in self.pages)

    @property
    def failed_pages(self) -> tuple[int, ...]:
        """The numbers of the pages that the provider could not read, each once."""
        read = {page.number for page in self.pages if page.failure is None}
        return tuple(dict.fromkeys(page.number for page in self.pages if page.number not in read))
