"""The process in which a copy is prepared:
`python -m headrace.preparing.child PREPARATION MEMORY_BYTES SECONDS FILE_BYTES SOURCE TARGET`.

It is given its limits, two open files without a name (the document, and where the copy goes) and, through its
pipe, what the document is and the passwords. It makes one copy, says how that went in a word, and ends.
"""

import errno
import os
import sys
from collections.abc import Callable
from typing import Any, BinaryIO

from headrace.children.limits import limit, limit_cpu
from headrace.children.talk import Talk
from headrace.states import Preparation

_TALK = Talk()
_Make = Callable[[BinaryIO, BinaryIO, dict[str, Any]], None]


def main() -> None:
    """Set the limits, load what prepares, make the copy."""
    preparation = Preparation(sys.argv[1])
    memory_bytes, seconds, file_bytes, source, target = int(sys.argv[2]), float(sys.argv[3]), *map(int, sys.argv[4:])
    limit(memory_bytes, file_bytes=file_bytes)
    try:
        make = _decrypting() if preparation is Preparation.DECRYPT else _converting()
    except Exception as error:  # Whoever started us has to know, whatever it was.
        said = str(error).partition("\n")[0]
        _TALK.say({"kind": "failed", "text": f"{type(error).__name__}: {said}"[:500]})
        return
    _TALK.say({"kind": "ready"})
    order = _TALK.hear()
    limit_cpu(seconds)
    with os.fdopen(source, "rb") as document, os.fdopen(target, "w+b") as copy:
        _TALK.say(_answer(make, document, copy, order))


def _decrypting() -> _Make:
    from headrace.preparing.decrypting import decrypt

    return lambda document, copy, order: decrypt(document, copy, order["passwords"])


def _converting() -> _Make:
    from headrace.preparing.converting import convert

    return lambda document, copy, order: convert(document, order["media_type"], copy)


def _answer(make: _Make, document: BinaryIO, copy: BinaryIO, order: dict[str, Any]) -> dict[str, Any]:
    """How it went; never in a text of the document's, or of a library's, making."""
    from headrace.errors import EncryptedDocument

    try:
        make(document, copy, order)
        copy.flush()
        return {"kind": "prepared", "pages": _pages(copy)}
    except MemoryError:
        return {"kind": "out_of_memory"}
    except EncryptedDocument:
        return {"kind": "refused", "why": "encrypted"}
    except OSError as error:
        # The libraries' own have no number.
        if error.errno is None:
            return {"kind": "refused", "why": "unreadable"}
        return {"kind": "refused", "why": "too_large" if error.errno == errno.EFBIG else "machine"}
    except Exception:  # On damaged files the libraries raise whatever there is.
        return {"kind": "refused", "why": "unreadable"}


def _pages(copy: BinaryIO) -> int:
    """How many pages the copy has, which must open for whoever is sent it."""
    import pikepdf

    with pikepdf.open(copy, access_mode=pikepdf.AccessMode.stream) as made:
        return len(made.pages)


if __name__ == "__main__":
    main()
