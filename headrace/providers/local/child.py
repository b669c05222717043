"""The process in which pages are read: `python -m headrace.providers.local.child MEMORY_BYTES SECONDS`.

It is given nothing but two pipes and its limits: it asks for ranges of the document, answers with its pages as JSON,
and takes the next order. It ends when standard input does. `headrace.children.talk` has the form of the messages.
"""

import os
import sys
from typing import Any

from pydantic import TypeAdapter

from headrace.children.limits import limit, limit_cpu
from headrace.children.talk import Talk
from headrace.labels import LabelRule
from headrace.prediction import Page

LONGEST_ANSWER_BYTES = 16 * 1024 * 1024
"""A word or a cell takes about 200 bytes of JSON, so ten pages of 8,000 each fit: more than time allows to read."""

_PAGES = TypeAdapter(tuple[Page, ...])
# OpenCV and numpy work on several cores at once, each second of which counts.
_MOST_CORES = 8
# camelot is given a file, without a name, with the pages of the part.
_LONGEST_FILE_BYTES = 2 * 1024**3


def main() -> None:
    """Set the limits, load the engine, then read one part after another."""
    memory_bytes, seconds = int(sys.argv[1]), float(sys.argv[2])
    # What the engine's libraries print must not stand between the messages.
    talk = Talk(to_parent=os.dup(1))
    os.dup2(2, 1)
    limit(memory_bytes, file_bytes=_LONGEST_FILE_BYTES)
    try:
        # Loaded here, so that the first document does not pay for it.
        import camelot.io  # noqa: F401
        import pypdfium2  # noqa: F401
    except Exception as error:  # Whoever started us has to know, whatever it was.
        talk.say({"kind": "failed", "text": f"{type(error).__name__}: {error}"[:500]})
        return
    talk.say({"kind": "ready"})
    while True:
        order = talk.hear()
        limit_cpu(seconds * _MOST_CORES)
        talk.say(*_answer(talk, order))


def _answer(talk: Talk, order: dict[str, Any]) -> tuple[dict[str, Any], bytes]:
    from headrace.errors import PermanentError, StorageUnavailable
    from headrace.providers.local.distant_file import DistantFile
    from headrace.providers.local.reading import read_document

    rules = [LabelRule.model_validate(rule) for rule in order["rules"]]
    pages = None if order["pages"] is None else (order["pages"][0], order["pages"][1])
    try:
        read = _PAGES.dump_json(read_document(DistantFile(talk.ask_for, order["size"]), rules, pages=pages))
    except PermanentError as error:
        return {"kind": "refused", "reason": error.reason, "text": str(error)}, b""
    except StorageUnavailable as error:
        return {"kind": "no_room", "text": str(error)}, b""
    except MemoryError:
        return {"kind": "out_of_memory"}, b""
    if len(read) > LONGEST_ANSWER_BYTES:
        text = "The pages hold more words and tables than can be taken at once. Split the document."
        return {"kind": "refused", "reason": "unreadable", "text": text}, b""
    return {"kind": "read", "length": len(read)}, read


if __name__ == "__main__":
    main()
