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
from simulator.models import Models, Rules

log = structlog.get_logger()

Pages = tuple[Page, ...]

_PAGES = TypeAdapter(Pages)


class Reader:
    """Reads what lies in a folder as `{id}.content` and keeps the pages there as `{id}.pages.json`."""

    def __init__(self, folder: Path, models: Models, *, engine: str, seed: int) -> None:
        self._folder = folder
        self._models = models
        self._engine = engine
        self._seed = seed
        self._results: dict[str, Future[Pages]] = {}
        self._waiting: queue.SimpleQueue[tuple[File, Future[Pages]]] = queue.SimpleQueue()
        self._thread: threading.Thread | None = None

    def content(self, file_id: str) -> Path:
        """Where the bytes of a file belong."""
        return self._folder / f"{file_id}.content"

    def read(self, file: File) -> Future[Pages]:
        """The file's pages, in order; reading begins now unless it did before. Called by one thread only."""
        result = self._results.get(file.id)
        if result is None:
            result = self._results[file.id] = Future()
            if self._kept(file.id).exists():
                result.set_result(_PAGES.validate_json(self._kept(file.id).read_bytes()))
            else:
                self._waiting.put((file, result))
                self._start()
        return result

    def _start(self) -> None:
        if self._thread is None:
            # A daemon: a document that takes long must not keep the simulator from stopping.
            self._thread = threading.Thread(target=self._work, name="reader", daemon=True)
            self._thread.start()

    def _work(self) -> None:
        while True:
            file, result = self._waiting.get()
            result.set_result(self._pages(file))

    def _pages(self, file: File) -> Pages:
        content = self.content(file.id)
        try:
            pages = self._engine_for()(content.read_bytes(), file.pages, self._models.rules(file.model) or ())
        # A document may break its reader in any way; then its pages fail.
        except Exception as error:
            log.warning("reading failed", file=file.id, error=type(error).__name__)
            pages = tuple(Page(number=page + 1, failure=type(error).__name__) for page in file.pages)
        unfinished = self._kept(file.id).with_suffix(".part")
        unfinished.write_bytes(_PAGES.dump_json(pages))
        unfinished.replace(self._kept(file.id))
        content.unlink(missing_ok=True)
        return pages

    def _engine_for(self) -> Callable[[bytes, tuple[int, ...], Rules], Pages]:
        if self._engine == "local":
            return _read_locally
        return lambda content, pages, rules: invent_pages(content, pages, rules, self._seed)

    def _kept(self, file_id: str) -> Path:
        return self._folder / f"{file_id}.pages.json"


def _read_locally(content: bytes, pages: tuple[int, ...], rules: Rules) -> Pages:
    # Loads the heavy packages, which only this engine needs.
    from headrace.providers.local import LabelRule, read_document

    label_rules = [LabelRule.model_validate(rule.model_dump()) for rule in rules]
    numbers = {page + 1 for page in pages}
    return tuple(page for page in read_document(content, label_rules) if page.number in numbers)
