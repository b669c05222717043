"""The labelled boxes of a page -> fields and tables."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from headrace.prediction import Field, Table
from headrace.providers.nanonets.answers import Record
from headrace.providers.nanonets.entries import Entry, as_text, as_whole
from headrace.providers.nanonets.links import Part
from headrace.providers.nanonets.scores import Scale, score_in
from headrace.providers.nanonets.tables import read_table


@dataclass(frozen=True)
class Setting:
    """What the boxes of one list share: their page's number as the vendor counts it, and their scale.

    `moderated` says whether a person stands for them, None where that is not known.
    """

    page: int
    scale: Scale
    moderated: bool | None


def read_boxes(
    boxes: Sequence[Record], setting: Setting, *, originals: Mapping[str, Record]
) -> tuple[tuple[Field, ...], tuple[Table, ...]]:
    """The fields and the tables among these boxes, in their order.

    `originals` are the predicted boxes by id, where these are the corrected ones.
    """
    fields: list[Field] = []
    tables: list[Table] = []
    for box in boxes:
        entry = Entry(box, Part.BOX)
        for name in ("page", "page_no"):
            if as_whole(box.get(name)) == setting.page:
                entry.skip(name)
        if _is_table(box):
            tables.append(read_table(entry, box, setting.scale, moderated=setting.moderated))
        else:
            original = originals.get(as_text(box.get("id")) or "", {})
            fields.append(_field(entry, original, setting.scale, moderated=setting.moderated))
    return tuple(fields), tuple(tables)


def by_id(boxes: Sequence[Record]) -> dict[str, Record]:
    """The boxes that have an id; old answers have none."""
    return {known: box for box in boxes if (known := as_text(box.get("id")))}


def _is_table(box: Record) -> bool:
    kind, cells = box.get("type"), box.get("cells")
    if isinstance(kind, str) and kind.strip():
        return kind.strip().lower() == "table" or bool(cells)
    return isinstance(cells, list)


def _field(entry: Entry, original: Record, scale: Scale, *, moderated: bool | None) -> Field:
    text, original_text = entry.text("ocr_text"), as_text(original.get("ocr_text"))
    score, score_raw = score_in(entry, scale)
    return Field(
        label=entry.text("label") or "",
        text=text,
        type=entry.id("type"),
        score=score,
        score_raw=score_raw,
        box=entry.box(),
        box_id=entry.id("id"),
        label_id=entry.id("label_id"),
        status=entry.text("status"),
        validation_status=entry.text("validation_status"),
        validation_message=entry.text("validation_message"),
        moderated=moderated,
        original_text=original_text if original_text != text else None,
        details=entry.rest(),
    )
