"""The words of a page and where they stand: in a FullText answer, and in the raw OCR of a stored page."""

from typing import Any

from headrace.prediction import Word
from headrace.providers.nanonets.entries import Entry
from headrace.providers.nanonets.links import Part


def words_in(value: Any) -> tuple[Word, ...] | None:
    """The words of a list that holds nothing but texts with their boxes; None for anything else."""
    if not isinstance(value, list):
        return None
    words = []
    for item in value:
        word = _word(item) if isinstance(item, dict) else None
        if word is None:
            return None
        words.append(word)
    return tuple(words)


def _word(item: dict[str, Any]) -> Word | None:
    entry = Entry(item, Part.BOX)
    text = entry.word("text" if "text" in item else "ocr_text")
    if text is None or not entry.has_edges():
        return None
    return Word(text=text, box=entry.box(), details=entry.rest())
