"""A FullText answer -> pages with their text and words."""

from collections.abc import Iterator

from headrace.prediction import Page
from headrace.providers.nanonets import answers
from headrace.providers.nanonets.answers import Record, UnreadableBody
from headrace.providers.nanonets.entries import Entry
from headrace.providers.nanonets.links import Part
from headrace.providers.nanonets.pages import page_number, page_size
from headrace.providers.nanonets.words import words_in


def is_text_answer(body: Record) -> bool:
    """Whether this can only be what FullText answers: it lists text, and nothing that a predict call or a page has."""
    return not answers.lists_boxes(body) and any(
        isinstance(element.get("page_data"), list) or isinstance(element.get("raw_text"), str)
        for element in text_files(body)
    )


def text_files(body: Record) -> list[Record]:
    """The files that a FullText answer tells of."""
    # Published is `result`; the vendor's own client reads `results`.
    return [*answers.objects(body.get("result")), *answers.objects(body.get("results"))]


def text_records(body: Record) -> list[Record]:
    """The page records of a FullText answer, in its order."""
    found: list[Record] = []
    for element in text_files(body):
        if "page_data" in element:
            found += answers.objects(element["page_data"])
        elif "raw_text" in element:
            found.append(element)
    return found


def beside_pages(body: Record) -> list[Record]:
    """What the answer says of its files beside their pages."""
    return [
        {name: value for name, value in element.items() if name != "page_data"}
        for element in text_files(body)
        if "page_data" in element
    ]


def text_pages(body: Record) -> Iterator[Page]:
    """The pages in the answer's order; UnreadableBody where one has no place, or two the same."""
    seen: set[int] = set()
    for position, record in enumerate(text_records(body)):
        page = _page(record, position)
        if page.number in seen:
            raise UnreadableBody("The body has a page twice, or the pages of several files; one was sent.")
        seen.add(page.number)
        yield page


def _page(record: Record, position: int) -> Page:
    entry = Entry(record, Part.PAGE)
    number = page_number(record, position)
    entry.skip("page", "page_no")
    width, height = page_size(entry, record)
    words = words_in(record.get("words"))
    if words is not None:
        entry.skip("words")
    in_pixels = bool(width and height) or any(word.box is not None for word in words or ())
    return Page(
        number=number,
        width=width,
        height=height,
        unit="px" if in_pixels else None,
        text=entry.text("raw_text"),
        words=words or (),
        failure=answers.failure(record),
        page_id=entry.id("id"),
        file_id=entry.id("request_file_id"),
        details=entry.rest(),
    )
