"""An answer of Nanonets, taken apart: its page records and how far they are, and what became of each input."""

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from headrace.providers.nanonets.excerpts import one_line

Record = Mapping[str, Any]

# Where a body lists pages; everything beside these is said of the answer as a whole.
PAGE_LISTS = ("moderated_images", "unmoderated_images", "result", "results")
# Where a page lists boxes: as a person left them, as stored pages have what was predicted, as live ones have it.
BOX_LISTS = ("moderated_boxes", "predicted_boxes", "prediction")

_FILE_ID = re.compile(r"[A-Za-z0-9_-]{1,200}")
_FIRST_WORD = re.compile(r"[A-Za-z]+")
_FAILED = frozenset({"failure", "failed"})
# What says of which page or file something is told; and what says that there is a file, since it is stored somewhere.
_PLACES = frozenset({"page", "page_no", "id", "request_file_id"})
_STORED = frozenset({"file_url", "filepath"})


class UnreadableBody(ValueError):
    """The text says what was found and is free of the body's content."""


@dataclass(frozen=True)
class Accepted:
    """What an accept body promises: the file's id, and how many pages if it lists their ids."""

    id: str
    pages: int | None


@dataclass(frozen=True)
class Input:
    """What became of one file or URL of a call; `failure` is empty where it was taken.

    `name` is what the vendor calls it, which for a URL is the URL itself: it may be signed, so it belongs in no log.
    """

    name: str
    file_id: str | None
    pages: int
    failure: str


@dataclass(frozen=True)
class Standing:
    """How far a file is: `pending` says what is missing, `failed` that no page could be read."""

    pending: str = ""
    failed: bool = False


def records(body: Record) -> list[Record]:
    """The page records of a predict, accept, by-file or by-page body, in its order, each page once.

    A page that a person approved stands before what was predicted of it. What only tells that an input could
    not be used is no page. UnreadableBody where all that is told is that some stored file failed.
    """
    if _has_buckets(body):
        approved, others = objects(body.get("moderated_images")), objects(body.get("unmoderated_images"))
        found = [*approved, *others]
    else:
        found = [element for element in _elements(body) if not _is_refused_input(element)]
        approved, others = [], []
        for record in found:
            (approved if _is_approved(record) else others).append(record)
    if found and all(is_failed(record) and not _names_any(record, _PLACES) for record in found):
        raise UnreadableBody("The body tells of a failure and a stored file, but not of which page or file id.")
    seen: set[str] = set()
    kept = {id(record) for record in _each_once(approved, others)}
    return [record for record in found if id(record) in kept and _is_new(record.get("id"), seen)]


def inputs(body: Record) -> list[Input]:
    """What became of each file or URL of a predict call, in its order; those of one file's pages once."""
    found: dict[tuple[str, str | None, str], int] = {}
    for element in _elements(body):
        name, file_id = element.get("input"), element.get("request_file_id")
        refused = _is_refused_input(element)
        named = name if isinstance(name, str) else ""
        known = file_id if isinstance(file_id, str) and file_id else None
        place = (named, known, failure(element, of="input") or "" if refused else "")
        found[place] = found.get(place, 0) + (not refused)
    return [Input(name, file_id, pages, why) for (name, file_id, why), pages in found.items()]


def beside_pages(body: Record) -> list[Record]:
    """What the list of results says that is no page: of nested lists, and of inputs that could not be used."""
    if _has_buckets(body):
        return []
    found: list[Record] = []
    for element in objects(body.get("result")):
        if isinstance(element.get("result"), list):
            found.append({name: value for name, value in element.items() if name != "result"})
            found += filter(_is_refused_input, objects(element["result"]))
        elif _is_refused_input(element):
            found.append(element)
    return found


def accepted(pages: Sequence[Record]) -> Accepted:
    """The one file that these page records (at least one) are of; UnreadableBody where that is not clear."""
    file = file_id(pages[0])
    if file is None:
        raise UnreadableBody("The body names no usable file id.")
    if any(record.get("request_file_id") != file for record in pages):
        raise UnreadableBody("The body names several files; one was sent.")
    page_ids = {record["id"] for record in pages if isinstance(record.get("id"), str) and record["id"]}
    return Accepted(file, len(page_ids) or None)


def file_id(record: Record) -> str | None:
    """The id of the file that a page is of; None where it names none by which anybody can ask."""
    found = record.get("request_file_id")
    return found if isinstance(found, str) and _FILE_ID.fullmatch(found) else None


def standing(pages: Sequence[Record], expected_pages: int | None) -> Standing:
    """Whether every page came to an end. Empty boxes are an end too: a blank page."""
    if not pages:
        return Standing(pending="no page is listed yet")
    if expected_pages is not None and len(pages) < expected_pages:
        return Standing(pending=f"{len(pages)} of {expected_pages} pages are listed")
    waiting = sum(is_pending(record) for record in pages)
    if waiting:
        return Standing(pending=f"{waiting} of {len(pages)} pages are pending")
    return Standing(failed=all(is_failed(record) for record in pages))


def is_pending(record: Record) -> bool:
    """Still queued; or without a word and without boxes, which a page that ended never is."""
    word = _word(record)
    return word == "pending" or (word == "" and not boxes(record) and not record.get("is_moderated"))


def is_failed(record: Record) -> bool:
    """The vendor tried three times and gave the page up."""
    return _word(record) in _FAILED


def failure(record: Record, *, of: str = "page") -> str | None:
    """Why there is nothing of a page (or input), in a sentence with the vendor's own words; None where there may be."""
    if not is_failed(record):
        return None
    words = next((text for text in _words(record) if _FIRST_WORD.fullmatch(text.strip()) is None), "")
    told = one_line(words)
    return f"Nanonets could not read this {of}." + (f" It says: {told}" if told else "")


def boxes(record: Record) -> list[Record]:
    """What a person corrected, else what was predicted."""
    return moderated_boxes(record) or predicted_boxes(record)


def moderated_boxes(record: Record) -> list[Record]:
    return objects(record.get("moderated_boxes"))


def predicted_boxes(record: Record) -> list[Record]:
    """The boxes as the model gave them."""
    return objects(record.get(predicted_list(record)))


def predicted_list(record: Record) -> str:
    """Where the boxes stand as the model gave them: under one name in stored pages, under another in live ones."""
    return "predicted_boxes" if objects(record.get("predicted_boxes")) else "prediction"


def all_boxes(record: Record) -> list[Record]:
    """Every box of a page, under whichever names they are listed."""
    return [box for name in BOX_LISTS for box in objects(record.get(name))]


def lists_boxes(body: Record) -> bool:
    """Whether a body has a place for boxes, be it empty: no answer of full text has one."""
    return _has_buckets(body) or any(name in element for element in _elements(body) for name in BOX_LISTS)


def objects(value: Any) -> list[Record]:
    """A list of objects, empty for null; UnreadableBody for anything else."""
    if value is None:
        return []
    if not isinstance(value, list) or not all(isinstance(item, dict) for item in value):
        raise UnreadableBody("The body has something else where a list of objects should be.")
    return value


def _has_buckets(body: Record) -> bool:
    return "moderated_images" in body or "unmoderated_images" in body


def _elements(body: Record) -> list[Record]:
    """The list of results, flat: some answers nest the pages of each file in a list of their own."""
    found: list[Record] = []
    for element in objects(body.get("result")):
        found += objects(element["result"]) if isinstance(element.get("result"), list) else [element]
    return found


def _is_refused_input(element: Record) -> bool:
    """A failure that names neither page nor file: of several URLs, one that could not be fetched."""
    return is_failed(element) and not _names_any(element, _PLACES | _STORED)


def _names_any(record: Record, names: frozenset[str]) -> bool:
    return any(record.get(name) not in (None, "") for name in names)


def _is_approved(record: Record) -> bool:
    return record.get("is_moderated") is True or bool(moderated_boxes(record))


def _each_once(approved: Sequence[Record], others: Sequence[Record]) -> Iterator[Record]:
    """All that are approved, and of the others those whose page of the same file is not among them."""
    yield from approved
    known = {place for record in approved if (place := _place(record)) is not None}
    yield from (record for record in others if _place(record) not in known)


def _place(record: Record) -> tuple[str, float] | None:
    """The file and the page that a record names; None where it names no page."""
    page = next((record[name] for name in ("page", "page_no") if record.get(name) is not None), None)
    if isinstance(page, bool) or not isinstance(page, int | float):
        return None
    file_id = record.get("request_file_id")
    return file_id if isinstance(file_id, str) else "", page


def _word(record: Record) -> str:
    """What is said of a page: the first word, in lower case, because some failures go on with why."""
    said = [text.strip() for text in _words(record)]
    words = [match[0].lower() if (match := _FIRST_WORD.match(text)) is not None else text for text in said]
    if words and not words[0]:
        # Beside a blank status, the message may speak of the whole call; only a failure is the page's own.
        return next((word for word in words if word in _FAILED), "")
    return words[0] if words else ""


def _words(record: Record) -> Iterator[str]:
    # Stored pages have `status`, live ones `message`; the letter case varies between endpoints.
    return (record[name] for name in ("status", "message") if isinstance(record.get(name), str))


def _is_new(page_id: Any, seen: set[str]) -> bool:
    """Whether a page with this id was not seen yet; old answers have none."""
    if not isinstance(page_id, str) or not page_id:
        return True
    if page_id in seen:
        return False
    seen.add(page_id)
    return True
