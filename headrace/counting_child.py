"""The process in which documents are opened: `python -m headrace.counting_child MEMORY_BYTES SECONDS`.

It is given nothing but two pipes and its limits. It asks for ranges of the document on standard output, is given
them on standard input, answers, and takes the next document; it ends when standard input does. Each message, both
ways, is a length of 4 bytes (big endian) and that much JSON; the bytes of a range follow the message that tells
their length.
"""

import json
import logging
import os
import resource
import signal
import struct
import sys
from typing import Any

LENGTH = struct.Struct(">I")


def main() -> None:
    """Set the limits, load the readers, then count one document after another."""
    memory_bytes, seconds = int(sys.argv[1]), float(sys.argv[2])
    _limit(memory_bytes)
    try:
        import headrace.pages  # noqa: F401  loaded here, so that the first document does not pay for it
    except Exception as error:  # Whoever started us has to know, whatever it was.
        _say({"kind": "failed", "text": f"{type(error).__name__}: {error}"[:500]})
        return
    _say({"kind": "ready"})
    while True:
        document = _hear()
        _limit_cpu(seconds)
        _say(_answer(document["size"], document["most_pages"]))


def _limit(memory_bytes: int) -> None:
    logging.disable(logging.CRITICAL)
    # A stop that is meant for the worker must not look like a document that kills its reader.
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_AS, (memory_bytes, memory_bytes))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    resource.setrlimit(resource.RLIMIT_FSIZE, (0, 0))


def _limit_cpu(seconds: float) -> None:
    """Stop us where nobody is left to do it; the limit counts from the start of the process."""
    used = resource.getrusage(resource.RUSAGE_SELF)
    _, hard = resource.getrlimit(resource.RLIMIT_CPU)
    resource.setrlimit(resource.RLIMIT_CPU, (int(used.ru_utime + used.ru_stime + seconds) + 2, hard))


def _answer(size: int, most_pages: int) -> dict[str, Any]:
    from headrace.errors import PermanentError
    from headrace.pages import count_pages

    try:
        count = count_pages(_ask, size, most_pages=most_pages)
    except PermanentError as error:
        return {"kind": "refused", "reason": error.reason, "text": str(error)}
    except MemoryError:
        return {"kind": "out_of_memory"}
    return {
        "kind": "counted",
        "pages": count.pages,
        "source": count.source,
        "media_type": count.media_type,
        "at_least": count.at_least,
    }


def _ask(start: int, length: int) -> bytes:
    _say({"kind": "wanted", "start": start, "length": length})
    return _read(_hear()["length"])


def _say(message: dict[str, Any]) -> None:
    text = json.dumps(message).encode()
    unsent = memoryview(LENGTH.pack(len(text)) + text)
    while unsent:
        unsent = unsent[os.write(1, unsent) :]


def _hear() -> dict[str, Any]:
    (length,) = LENGTH.unpack(_read(LENGTH.size))
    message: dict[str, Any] = json.loads(_read(length))
    return message


def _read(length: int) -> bytes:
    data = bytearray(length)
    unread = memoryview(data)
    while unread:
        count = os.readv(0, [unread])
        if count == 0:
            sys.exit()  # Nobody asks any more. SystemExit is no Exception, so no library holds it up.
        unread = unread[count:]
    return bytes(data)


if __name__ == "__main__":
    main()
