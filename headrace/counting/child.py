"""The process in which documents are opened: `python -m headrace.counting.child MEMORY_BYTES SECONDS`.

It is given nothing but two pipes, a file that its parent writes, and its limits. It asks for ranges of the document, or
for a copy of it in that file, on standard output, is given them on standard input, answers, and takes the next
document; it ends when standard input does. `headrace.children.talk` has the form of the messages.
"""

import sys
from typing import Any, BinaryIO

from headrace.children.limits import limit, limit_cpu
from headrace.children.talk import Talk

_TALK = Talk()


def main() -> None:
    """Set the limits, load the readers, then count one document after another."""
    memory_bytes, seconds = int(sys.argv[1]), float(sys.argv[2])
    limit(memory_bytes)
    try:
        import headrace.pages  # noqa: F401  loaded here, so that the first document does not pay for it
    except Exception as error:  # Whoever started us has to know, whatever it was.
        _TALK.say({"kind": "failed", "text": f"{type(error).__name__}: {error}"[:500]})
        return
    _TALK.say({"kind": "ready"})
    while True:
        document = _TALK.hear()
        limit_cpu(seconds)
        _TALK.say(_answer(document))


def _answer(document: dict[str, Any]) -> dict[str, Any]:
    from headrace.errors import PermanentError
    from headrace.pages import count_pages

    try:
        count = count_pages(
            _TALK.ask_for,
            document["size"],
            most_pages=document["most_pages"],
            passwords=document["passwords"],
            copy=_ask_for_copy,
        )
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
        "protected": count.protected,
        "rotated": count.rotated,
    }


def _ask_for_copy() -> BinaryIO:
    _TALK.say({"kind": "copy_wanted"})
    # The file is ours for as long as we live, with another document in it each time.
    return open(_TALK.hear()["descriptor"], "rb", closefd=False)


if __name__ == "__main__":
    main()
