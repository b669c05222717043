"""Documents are read one after the other in a thread of their own, begun when they are taken."""

import queue
import threading
from collections.abc import Callable, Iterable
from concurrent.futures import Future
from pathlib import Path

import structlog

from headrace.prediction import Page
from simulator.invented import invent_pages
from simulator.journal import File
from simulator.kept_pages import KeptPages, keep
from simulator.local_engine import CannotRead, LocalEngine
from simulator.models import Models, Rules

log = structlog.get_logger()

Engine = Callable[[File, Path, Rules], Iterable[Page]]


class Reader:
    """Reads what lies in a folder as `{id}.content` and keeps the pages there as `{id}.pages.jsonl`."""

    def __init__(self, folder: Path, models: Models, *, engine: str, seed: int) -> None:
        self._folder = folder
        self._models = models
        self._engine = _reading(LocalEngine()) if engine == "local" else _inventing(seed)
        self._begun: dict[str, Future[None]] = {}
        self._waiting: queue.SimpleQueue[tuple[File, Future[None]]] = queue.SimpleQueue()
        self._thread: threading.Thread | None = None

    def content(self, file_id: str) -> Path:
        """Where the bytes of a file belong."""
        return self._folder / f"{file_id}.content"

    def pages(self, file: File) -> KeptPages | None:
        """The file's pages, as many as it has and in its order; None until they are read."""
        kept = self._kept(file.id)
        return KeptPages(kept) if kept.exists() else None

    def begin(self, file: File) -> Future[None]:
        """Read the file, unless that is under way or done; the future ends with it. Called by one thread only."""
        reading = self._begun.get(file.id)
        if reading is None:
            reading = Future()
            if self._kept(file.id).exists():
                reading.set_result(None)
            else:
                self._begun[file.id] = reading
                self._waiting.put((file, reading))
                self._start()
        return reading

    def _start(self) -> None:
        if self._thread is None:
            # A daemon: a document that takes long must not keep the simulator from stopping.
            self._thread = threading.Thread(target=self._work, name="reader", daemon=True)
            self._thread.start()

    def _work(self) -> None:
        while True:
            file, reading = self._waiting.get()
            try:
                self._read(file)
            # Whoever waits for the pages is told; the next one who asks has them read again.
            except Exception as error:
                del self._begun[file.id]
                reading.set_exception(error)
            else:
                del self._begun[file.id]
                reading.set_result(None)

    def _read(self, file: File) -> None:
        content = self.content(file.id)
        rules = self._models.rules(file.model)
        try:
            keep(self._kept(file.id), self._engine(file, content, rules))
        except CannotRead as error:
            log.warning("document unreadable", file=file.id, detail=str(error)[:200])
            keep(self._kept(file.id), (Page(number=page + 1, failure="unreadable") for page in file.pages))
        content.unlink(missing_ok=True)

    def _kept(self, file_id: str) -> Path:
        return self._folder / f"{file_id}.pages.jsonl"


def _inventing(seed: int) -> Engine:
    return lambda file, _content, rules: invent_pages(file.digest, file.pages, rules, seed)


def _reading(engine: LocalEngine) -> Engine:
    def read(file: File, content: Path, rules: Rules) -> Iterable[Page]:
        read_pages = {page.number: page for page in engine.read(content, file.pages, rules)}
        # Readers may disagree about how many pages a damaged document has.
        return (read_pages.get(page + 1, Page(number=page + 1, failure="not found")) for page in file.pages)

    return read
