"""Whole answers, in the vendor's shapes; long ones are made while they are sent."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import chain

from simulator.boxes import text, words
from simulator.journal import File
from simulator.kept_pages import KeptPages
from simulator.links import signed_urls
from simulator.page_records import accepted_page, failed, pending_page, predicted_page, seen, spelt, stored_page
from simulator.streaming import Body, Json, Listing
from simulator.variants import Variants


@dataclass(frozen=True)
class Shown:
    """A file as it is to be shown: `pages` is None while it is not ready; `places` are its pages' places, as listed."""

    file: File
    pages: KeptPages | None
    variants: Variants
    places: Sequence[int]


@dataclass(frozen=True)
class BadLink:
    """A link that led to nothing usable."""

    url: str
    reason: str


def accepted(shown: Sequence[Shown], bad: Sequence[BadLink]) -> Body:
    """The answer to an async predict call: nested as documented, or flat as clients read it."""
    variants = shown[0].variants
    success = spelt("Success", variants)
    pages = [accepted_page(one.file, index, one.variants) for one in shown for index in range(len(one.file.pages))]
    failures = list(_failures(bad))
    if variants.accept_shape == "nested":
        return {"message": success, "simulated": True, "result": [{"message": success, "result": pages}, *failures]}
    return {
        "message": success,
        "simulated": True,
        "result": pages + failures,
        "signed_urls": {} if variants.signed_urls == "map" else signed_urls((), variants.signed_urls),
    }


def predicted(shown: Sequence[Shown], bad: Sequence[BadLink]) -> Body:
    """The answer to a sync predict call: one element a page."""
    variants = shown[0].variants
    return {
        "message": spelt("Success", variants),
        "simulated": True,
        "result": Listing(chain(chain.from_iterable(map(_predicted_pages, shown)), _failures(bad))),
        "signed_urls": signed_urls((one.file for one in shown), variants.signed_urls),
    }


def stored(shown: Sequence[Shown], usual: Variants) -> Body:
    """The answer to get by file, and to a window: approved pages in the first list, all others in the second."""
    listed = [one for one in shown if one.pages is not None or one.variants.pending == "pages"]
    approved = [one for one in listed if _is_approved(one)]
    others = [one for one in listed if not _is_approved(one)]
    variants = shown[0].variants if len(shown) == 1 else usual
    return {
        "simulated": True,
        "moderated_images_count": sum(len(one.places) for one in approved),
        "unmoderated_images_count": sum(len(one.places) for one in others),
        "moderated_images": Listing(chain.from_iterable(map(_stored_pages, approved))),
        "unmoderated_images": Listing(chain.from_iterable(map(_stored_pages, others))),
        "signed_urls": signed_urls((one.file for one in shown if one.pages is not None), variants.signed_urls),
    }


def one_page(shown: Shown) -> Body:
    """The answer to get by page."""
    (record,) = _stored_pages(shown)
    word = spelt(record["status"].title(), shown.variants)
    live = {"message": word, "input": shown.file.name, "prediction": record["predicted_boxes"]}
    links = signed_urls([shown.file], shown.variants.signed_urls)
    return {"message": word, "simulated": True, "result": [record | live], "signed_urls": links}


def full_text(shown: Sequence[Shown], bad: Sequence[BadLink]) -> Body:
    """The answer to a full text call: one element a file; a page that failed is missing."""
    variants = shown[0].variants
    failures = (failure | {"filename": failure["input"], "page_data": []} for failure in _failures(bad))
    return {
        "message": spelt("Success", variants),
        "simulated": True,
        variants.full_text: Listing(chain(map(_file_text, shown), failures)),
    }


def error(status: int, message: str) -> Json:
    """The body of a refusal."""
    return {
        "message": message,
        "code": status,
        "simulated": True,
        "errors": [{"reason": "simulated", "message": message}],
    }


def _is_approved(shown: Shown) -> bool:
    return shown.file.approved and shown.pages is not None


def _failures(bad: Sequence[BadLink]) -> Iterator[Json]:
    return ({"message": f"Failure: {link.reason}", "input": link.url} for link in bad)


def _predicted_pages(shown: Shown) -> Iterator[Json]:
    assert shown.pages is not None  # noqa: S101  a sync call waits for them
    places = range(len(shown.file.pages))
    for index, page in zip(places, shown.pages.each(places), strict=True):
        yield predicted_page(shown.file, index, page, shown.variants)


def _stored_pages(shown: Shown) -> Iterator[Json]:
    if shown.pages is None:
        return (pending_page(shown.file, index, shown.variants) for index in shown.places)
    pages = zip(shown.places, shown.pages.each(shown.places), strict=True)
    return (stored_page(shown.file, index, page, shown.variants) for index, page in pages)


def _file_text(shown: Shown) -> Json:
    assert shown.pages is not None  # noqa: S101  the call waits for them
    file = shown.file
    pages = (page for page in shown.pages.each(range(len(file.pages))) if not failed(file, page))
    return {
        "filename": file.name,
        "page_data": Listing(
            {"page": page.number - 1, "raw_text": text(seen(file, page)), "words": words(seen(file, page))}
            for page in pages
        ),
    }
