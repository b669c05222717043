"""The parts that a process of a case works with: the real ones, but for two that would only cost time."""

from functools import cached_property

from celery import Celery

from config.routes import RouteTable
from config.settings import Settings
from headrace.errors import CountOutOfMemory
from headrace.page_count import PageCount
from headrace.pages import count_pages
from headrace.prediction import Cell, Field, Page, Prediction, Table
from headrace.providers import Answer, Capabilities
from headrace.storage.s3 import S3Store
from workers.factory import WorkerServices


class CountsHere:
    """Counts pages in this process: our documents are harmless, and a process for each case is not for nothing."""

    def count(self, read, size, *, most_pages, passwords=()) -> PageCount:
        try:
            return count_pages(
                read, size, most_pages=most_pages, passwords=[password.get_secret_value() for password in passwords]
            )
        except MemoryError as error:
            raise CountOutOfMemory("Counting the pages takes more memory than there is.") from error


class FreeProvider:
    """Stands where the local provider does: free, answers at once, takes few pages at a time."""

    capabilities = Capabilities(
        paid=False, asynchronous=False, urls=False, media_types=frozenset({"application/pdf"}), part_pages=2
    )

    def submit(self, source, request):
        first, last = request.pages
        size = sum(len(chunk) for chunk in source.chunks())
        pages = tuple(
            Page(
                number=number,
                width=100,
                height=100,
                unit="px",
                fields=(Field(label="size", text=str(size), score=0.5),),
                tables=(Table(cells=(Cell(row=1, column=1, text=f"cell of {number}", label="Item"),)),),
            )
            for number in range(first, last + 1)
        )
        prediction = Prediction(provider="local", model="", key=str(request.key), pages=pages)
        return Answer(prediction, prediction.model_dump_json().encode())

    def fetch(self, jobs, *, deadline_seconds):
        raise NotImplementedError("it has no jobs")

    def find(self, model, sought, since, until, *, deadline_seconds):
        raise NotImplementedError("nobody doubts what is free")

    def read(self, raw, model):
        return Prediction.model_validate_json(raw)


class CaseServices(WorkerServices):
    """A worker's services; the store's client was made, and never used, before the fork."""

    def __init__(self, settings: Settings, app: Celery, table: RouteTable, store: S3Store) -> None:
        super().__init__(settings, app)
        self._table = table
        self._store = store

    @cached_property
    def routes(self) -> RouteTable:
        return self._table

    @cached_property
    def store(self) -> S3Store:
        return self._store

    @cached_property
    def counter(self):
        return CountsHere()

    def _make_provider(self, lane):
        return FreeProvider() if lane.provider == "local" else super()._make_provider(lane)
