"""Bodies of Nanonets -> a Prediction. Whatever the vendor leaves out is None; nothing is made up, nothing lost."""

import json
import math
from collections.abc import Sequence
from typing import Any

from pydantic import JsonValue

from headrace.prediction import Page, Prediction
from headrace.providers import Answer
from headrace.providers.nanonets import answers, bodies, texts
from headrace.providers.nanonets.answers import Record, UnreadableBody
from headrace.providers.nanonets.entries import Entry, as_number
from headrace.providers.nanonets.envelope import Envelope, unseal
from headrace.providers.nanonets.links import Part, without_signed_links
from headrace.providers.nanonets.pages import read_page
from headrace.providers.nanonets.scores import scales_of

_COSTS = ("payable_cost", "cost")


def prediction_of(body: Record, model: str) -> Prediction:
    """What a stored body says, of which nobody knows any more what was asked: see `texts.is_text_answer`.

    Whoever knows the call uses `prediction_of_pages` or `prediction_of_text`. UnreadableBody as they do.
    """
    return prediction_of_text(body, model) if texts.is_text_answer(body) else prediction_of_pages(body, model)


def answer(body: Record, model: str) -> Answer:
    """What a whole body of a predict call or by file says, and that body without its signed links."""
    stored = without_signed_links(body)
    return Answer(prediction_of_pages(stored, model), raw(stored))


def raw(stored: Any) -> bytes:
    """A body as it is stored."""
    return json.dumps(stored, ensure_ascii=False, separators=(",", ":")).encode()


def prediction_of_pages(body: Record, model: str) -> Prediction:
    """What a whole body of a predict call, by file or by page says, whatever text stands beside its boxes.

    UnreadableBody where a page or cell has no place.
    """
    with bodies.turn(is_large=bodies.has_many_parts(body)):
        found = prediction(answers.records(body), model)
        return found.model_copy(update={"details": _details(body, answers.beside_pages(body))})


def prediction(pages: Sequence[Record], model: str) -> Prediction:
    """What these records of one file's pages say, in page order.

    UnreadableBody where a page or cell has no place, or two pages have the same.
    """
    scales = scales_of(pages)
    read = [read_page(record, position, scales) for position, record in enumerate(pages)]
    if len({page.number for page in read}) < len(read):
        raise UnreadableBody("The body has a page twice.")
    return _prediction(read, pages, model)


def prediction_of_text(body: Record, model: str) -> Prediction:
    """What the answer to a FullText call says, text and words page by page; UnreadableBody where there is no page."""
    with bodies.turn(is_large=bodies.has_many_parts(body)):
        read = list(texts.text_pages(body))
        if not read:
            raise UnreadableBody("The body has no page with text.")
        found = _prediction(read, [*texts.text_files(body), *texts.text_records(body)], model)
        return found.model_copy(update={"details": _details(body, texts.beside_pages(body))})


def _prediction(read: Sequence[Page], records: Sequence[Record], model: str) -> Prediction:
    envelopes = (unseal(record.get("request_metadata")) for record in records)
    envelope = next((found for found in envelopes if found.key is not None), Envelope())
    files = [record.get("request_file_id") for record in records]
    return Prediction(
        provider="nanonets",
        model=model,
        job=next((file for file in files if isinstance(file, str) and file), None),
        key=envelope.key,
        pages=tuple(sorted(read, key=lambda page: page.number)),
        metadata=envelope.metadata,
        cost=_cost(records),
    )


def _details(body: Record, elements: Sequence[Record]) -> dict[str, JsonValue]:
    """What a body says beside its pages; `elements` are what its list of results says beside them."""
    entry = Entry(body, Part.ANSWER)
    entry.skip(*answers.PAGE_LISTS)
    beside = [rest for element in elements if (rest := Entry(element, Part.PAGE).rest())]
    return entry.rest() | ({"result": list(beside)} if beside else {})


def _cost(pages: Sequence[Record]) -> float | None:
    """What the stored pages say they cost together, in the vendor's unit; live ones say nothing.

    What is to be paid counts before what was charged; what is no amount counts as not said.
    """
    costs = [next(filter(_is_amount, (as_number(page.get(name)) for name in _COSTS)), None) for page in pages]
    known = [cost for cost in costs if cost is not None]
    total = sum(known)
    return total if known and math.isfinite(total) else None


def _is_amount(number: float | None) -> bool:
    return number is not None and number >= 0
