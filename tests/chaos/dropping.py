"""Putting the documents into the bucket, and noting that an event is due for each."""

import itertools
import json
import threading
import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from headrace.errors import StorageUnavailable
from headrace.storage import ObjectStore
from tests.chaos.documents import INBOX, Planned

THREADS = 4
_AGAIN_SECONDS = 0.5


class Dropper:
    """Drops documents, spread over some time; a store that is away is asked until it takes them."""

    def __init__(self, store: ObjectStore, spool: Path, documents: Sequence[Planned], window_seconds: float) -> None:
        self._store = store
        self._spool = spool
        self._documents = documents
        self._window_seconds = window_seconds
        self._sequence = itertools.count(1)
        self._lock = threading.Lock()
        self._stop = threading.Event()
        self._pool = ThreadPoolExecutor(THREADS, thread_name_prefix="drop")
        self._begun = 0.0
        self._results = []

    def start(self) -> None:
        """Begin; returns at once."""
        self._begun = time.monotonic()
        self._results = [
            self._pool.submit(self._drop_each, self._documents[first::THREADS]) for first in range(THREADS)
        ]

    @property
    def done(self) -> bool:
        """Whether all are dropped; raises what went wrong."""
        return all(result.done() and result.result() is None for result in self._results)

    def stop(self) -> None:
        """Drop no more."""
        self._stop.set()
        self._pool.shutdown()

    def _drop_each(self, documents: Sequence[Planned]) -> None:
        """Drop these, each version in its time. One key belongs to one thread, so its versions come in their order."""
        drops = []
        for place, planned in enumerate(documents):
            at = self._window_seconds * place / len(documents)
            for version, pause in zip(planned.versions, (0.0, *planned.pauses_seconds), strict=True):
                at += pause
                drops.append((at, place, version, planned))
        # Sorting is stable: what comes without a pause stays in its order.
        for at, _, version, planned in sorted(drops, key=lambda drop: drop[:1]):
            if self._stop.wait(max(0.0, self._begun + at - time.monotonic())):
                return
            self._drop(planned, version)

    def _drop(self, planned: Planned, version: int) -> None:
        body = planned.content(version)
        while not self._stop.is_set():
            try:
                etag = self._store.put(INBOX, planned.key, body, content_type="application/pdf")
            except StorageUnavailable:
                self._stop.wait(_AGAIN_SECONDS)
            else:
                self._note(planned.key, etag, len(body))
                return

    def _note(self, key: str, etag: str, size: int) -> None:
        with self._lock, self._spool.open("a", encoding="utf-8") as spool:
            sequencer = f"{next(self._sequence):016X}"
            spool.write(json.dumps({"key": key, "etag": etag, "size": size, "sequencer": sequencer}) + "\n")
