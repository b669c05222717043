"""The process in which documents are read: `python -m simulator.reading_child`.

It is given one JSON object a line on standard input, {"content": path, "fields": [label rules]}, and answers each
with one line, {"pages": [...]} or {"failure": text}. It ends when standard input does, even in the middle of a
document: whoever started it may have been killed.
"""

import json
import os
import queue
import signal
import sys
import threading
from pathlib import Path
from typing import Any

from headrace.providers.local import LabelRule, read_document


def main() -> None:
    """Read one document after another."""
    # A stop that is meant for the simulator must not look like a document that kills its reader.
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    # What the engine's libraries print must not stand between the answers.
    answers = os.fdopen(os.dup(1), "w", encoding="utf-8")
    os.dup2(2, 1)
    orders: queue.SimpleQueue[str] = queue.SimpleQueue()
    threading.Thread(target=_listen, args=(orders,), daemon=True).start()
    while True:
        answers.write(json.dumps(_read(json.loads(orders.get()))) + "\n")
        answers.flush()


def _listen(orders: "queue.SimpleQueue[str]") -> None:
    for line in sys.stdin:
        orders.put(line)
    os._exit(0)


def _read(order: dict[str, Any]) -> dict[str, Any]:
    rules = [LabelRule.model_validate(field) for field in order["fields"]]
    try:
        with Path(order["content"]).open("rb") as content:
            pages = read_document(content, rules)
    # A document may break its reader in any way; then its pages fail.
    except Exception as error:
        return {"failure": f"{type(error).__name__}: {error}"}
    return {"pages": [page.model_dump(mode="json") for page in pages]}


if __name__ == "__main__":
    main()
