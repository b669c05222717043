"""A page record -> a Page: where it stands, how large it is, and what was found on it."""

from headrace.prediction import Page
from headrace.providers.nanonets import answers
from headrace.providers.nanonets.answers import Record, UnreadableBody
from headrace.providers.nanonets.boxes import Setting, by_id, read_boxes
from headrace.providers.nanonets.entries import Entry, as_whole
from headrace.providers.nanonets.envelope import unseal
from headrace.providers.nanonets.links import Part
from headrace.providers.nanonets.scores import Scales
from headrace.providers.nanonets.words import words_in

# Far beyond any document; what claims more would only fill memory further on.
MOST_PAGES = 100_000

_ROTATIONS = frozenset({0, 90, 180, 270})


def read_page(record: Record, position: int, scales: Scales) -> Page:
    """The page of a record that is listed at `position`; UnreadableBody where a page or cell has no place."""
    entry = Entry(record, Part.PAGE)
    number = page_number(record, position)
    entry.skip(*(name for name in ("page", "page_no") if as_whole(record.get(name)) == number - 1))
    width, height = page_size(entry, record)
    page = Page(
        number=number,
        width=width,
        height=height,
        unit="px" if width and height else None,
        rotation=_rotation(entry, record),
        failure=answers.failure(record),
        page_id=entry.id("id"),
        file_id=entry.id("request_file_id"),
        moderated=entry.flag("is_moderated"),
    )
    if unseal(record.get("request_metadata")).key is not None:
        entry.skip("request_metadata")
    content = _content(entry, record, number - 1, scales) if page.failure is None else {}
    return page.model_copy(update={**content, "details": entry.rest()})


def page_number(record: Record, position: int) -> int:
    """From 1; the vendor counts from 0. Where neither the record nor its boxes name a page, the position does."""
    page = next((record[name] for name in ("page", "page_no") if record.get(name) is not None), None)
    if page is None:
        page = _page_of_boxes(record, position)
    number = as_whole(page)
    if number is None or not 0 <= number < MOST_PAGES:
        raise UnreadableBody("A page's number is no number from 0.")
    return number + 1


def page_size(entry: Entry, record: Record) -> tuple[float | None, float | None]:
    """Width and height in pixels; None for what is no length."""
    size = record.get("size")
    if not isinstance(size, dict):
        return None, None
    inner = Entry(size)
    width, height = (number if number and number > 0 else None for number in map(inner.number, ("width", "height")))
    if width and height and not inner.rest():
        entry.skip("size")
    return width, height


def _page_of_boxes(record: Record, position: int) -> object:
    named = {
        box[name] for box in answers.all_boxes(record) for name in ("page_no", "page") if isinstance(box.get(name), int)
    }
    return named.pop() if len(named) == 1 else position


def _rotation(entry: Entry, record: Record) -> int | None:
    rotation = as_whole(record.get("rotation"))
    if rotation not in _ROTATIONS:
        return None
    entry.skip("rotation")
    return rotation


def _content(entry: Entry, record: Record, page: int, scales: Scales) -> dict[str, object]:
    """What was found, ticked off; what was predicted before a person corrected it stands beside it."""
    corrected, predicted = answers.moderated_boxes(record), answers.predicted_boxes(record)
    as_predicted = Setting(page, scales[answers.predicted_list(record)], False if corrected else _moderated(record))
    as_said = Setting(page, scales["moderated_boxes"], True) if corrected else as_predicted
    fields, tables = read_boxes(corrected or predicted, as_said, originals=by_id(predicted) if corrected else {})
    content: dict[str, object] = {"fields": fields, "tables": tables}
    if corrected:
        before = read_boxes(predicted, as_predicted, originals={})
        content |= {"predicted_fields": before[0], "predicted_tables": before[1]}
    entry.skip("predicted_boxes")
    # Where a person approved no box, that is said: it may mean that every box was deleted.
    if corrected or not record.get("is_moderated"):
        entry.skip("moderated_boxes")
    # Some stored pages have both names; what stands under the second one is kept where it differs.
    if answers.objects(record.get("prediction")) in ([], predicted):
        entry.skip("prediction")
    words = words_in(record.get("raw_ocr"))
    if words is not None:
        entry.skip("raw_ocr")
        content["words"] = words
    return content | {"text": entry.word("raw_text")}


def _moderated(record: Record) -> bool | None:
    """Whether a person stands for what was predicted; None where that is not known.

    A live answer says nothing about it. An approved page that has no box of a person's may be one that was approved
    as it is, or one on which every box was deleted.
    """
    if record.get("is_moderated") is True:
        return None
    return False if record.get("is_moderated") is False or "moderated_boxes" in record else None
