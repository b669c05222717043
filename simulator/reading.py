"""Documents are read one after the other in a thread of their own, begun when they are taken."""

import queue
import threading
from collections.abc import Callable
from concurrent.futures import Future
from pathlib import Path

import structlog
from pydantic import TypeAdapter

from headrace.prediction import Page
from simulator.invented import invent_pages
from simulator.journal import File
from simulator.local_engine import CannotRead, LocalEngine
from simulator.models import Models, Rules

log = structlog.get_logger()

Pages = tuple[Page, ...]
Engine = Callable[[Path, tuple[int, ...], Rules], Pages]

_PAGES = TypeAdapter(Pages)


class Reader:
    """Reads what lies in a folder as `{id}.content` and keeps the pages there as `{id}.pages.json`."""

    def __init__(self, folder: Path, models: Models, *, engine: str, seed: int) -> None:
        self._folder = folder
        self._models = models
        self._engine = LocalEngine().read if engine == "local" else _inventing(seed)
        self._begun: dict[str, Future[None]] = {}
        self._waiting: queue.SimpleQueue[tuple[File, Future[None]]] = queue.SimpleQueue()
        self._thread: threading.Thread | None = None

    def content(self, file_id: str) -> Path:
        """Where the bytes of a file belong."""
        return self._folder / f"{file_id}.content"

    def pages(self, file: File) -> Pages | None:
        """The file's pages, in order; None until they are read."""
        try:
            return _PAGES.validate_json(self._kept(file.id).read_bytes())
        except FileNotFoundError:
            return None

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
        try:
            pages = self._engine(content, file.pages, self._models.rules(file.model) or ())
        except CannotRead as error:
            log.warning("document unreadable", file=file.id, detail=str(error)[:200])
            pages = tuple(Page(number=page + 1, failure="unreadable") for page in file.pages)
        unfinished = self._kept(file.id).with_suffix(".part")
        unfinished.write_bytes(_PAGES.dump_json(pages))
        unfinished.replace(self._kept(file.id))
        content.unlink(missing_ok=True)

    def _kept(self, file_id: str) -> Path:
        return self._folder / f"{file_id}.pages.json"


def _inventing(seed: int) -> Engine:
    return lambda content, pages, rules: invent_pages(content.read_bytes(), pages, rules, seed)
