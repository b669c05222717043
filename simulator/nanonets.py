"""Nanonets' calls: predict, and get by file, page and window."""

import asyncio
import base64
import binascii
import json
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from functools import partial
from typing import NamedTuple
from uuid import uuid1, uuid4

import structlog
from starlette.concurrency import run_in_threadpool
from starlette.datastructures import FormData
from starlette.exceptions import HTTPException
from starlette.formparsers import MultiPartException
from starlette.requests import Request
from starlette.responses import HTMLResponse, JSONResponse, Response
from starlette.routing import Route

from headrace.prediction import Page
from simulator.bodies import Bodies, Json, day_of, error
from simulator.dialects import BadWindow, Call, ways, window_days
from simulator.journal import Accepted, File, Journal, account_of
from simulator.models import Models
from simulator.options import Options
from simulator.orders import Order, Orders
from simulator.pace import Pace
from simulator.reading import Reader
from simulator.server import cut_connection
from simulator.uploads import BadUpload, Upload, form_of_json, take

log = structlog.get_logger()

MOST_FIELD_BYTES = 64 * 1024 * 1024
# Page ids are UUIDs of version 1. A node with this first bit is nobody's network card (RFC 9562, section 6.10).
_NODE = 0x01_73_69_6D_75_6C
_HTML = "<html><head><title>502 Bad Gateway</title></head><body><h1>Bad Gateway</h1>simulated</body></html>"


class Caller(NamedTuple):
    """Who calls, and for which model."""

    account: str
    model: str


class Refusal(Exception):
    """The call ends with this status and a JSON body."""

    def __init__(self, status: int, message: str) -> None:
        super().__init__(message)
        self.status = status


Endpoint = Callable[[Request, Caller], Awaitable[Response]]


class Nanonets:
    """The API, over one journal."""

    def __init__(self, options: Options, models: Models, journal: Journal, reader: Reader, orders: Orders) -> None:
        self._options = options
        self._models = models
        self._journal = journal
        self._reader = reader
        self._orders = orders
        self._pace = Pace(options.pages_per_minute)
        self._bodies = Bodies(score_scale=options.score_scale)

    def routes(self) -> list[Route]:
        """With and without the slash at the end, where working clients use both."""
        endpoints: dict[Call, Endpoint] = {
            "label_file": partial(self._predict, by_link=False),
            "label_urls": partial(self._predict, by_link=True),
            "label_file_later": partial(self._predict, by_link=False, asynchronous=True),
            "label_urls_later": partial(self._predict, by_link=True, asynchronous=True),
            "by_file": self._by_file,
            "by_page": self._by_page,
            "page_as_file": self._page_as_file,
            "window_of_days": partial(self._window, call="window_of_days"),
            "window_back_from_day": partial(self._window, call="window_back_from_day"),
            "window_back_from_today": partial(self._window, call="window_back_from_today"),
        }
        paths = [(way.method, way.path, endpoints[way.call]) for way in ways(self._options.dialects)]
        return [
            Route(path + slash, self._checked(endpoint), methods=[method])
            for method, path, endpoint in [("GET", "/OCR/Model/{model}", self._model), *paths]
            for slash in ("", "/")
        ]

    def _checked(self, endpoint: Endpoint) -> Callable[[Request], Awaitable[Response]]:
        async def call(request: Request) -> Response:
            try:
                return await endpoint(request, self._caller(request))
            except Refusal as refusal:
                return JSONResponse(error(refusal.status, str(refusal)), refusal.status)

        return call

    def _caller(self, request: Request) -> Caller:
        key = _api_key(request.headers.get("Authorization", ""))
        if not key or (self._options.keys and key not in self._options.keys):
            raise Refusal(401, "The API key is missing or wrong.")
        model = request.path_params["model"]
        if self._models.rules(model) is None:
            raise Refusal(404, "There is no such model.")
        return Caller(account_of(key), model)

    async def _model(self, _request: Request, caller: Caller) -> Response:
        """The model's own record: what a client asks to see whether its key is right, at no cost."""
        labels = [rule.label for rule in self._models.rules(caller.model) or ()]
        return JSONResponse(
            {
                "model_id": caller.model,
                "model_type": "ocr",
                "state": 5,
                "status": "live, simulated",
                "categories": [{"name": label, "count": 0} for label in labels],
            }
        )

    async def _predict(
        self, request: Request, caller: Caller, *, by_link: bool, asynchronous: bool = False
    ) -> Response:
        try:
            async with self._form(request, by_link=by_link) as form:
                metadata = form.get("request_metadata")
                asynchronous = (
                    asynchronous or _is_true(request.query_params.get("async")) or _is_true(form.get("async"))
                )
                uploads = await run_in_threadpool(take, form, self._journal.folder, by_link=by_link)
        except (BadUpload, MultiPartException, HTTPException) as trouble:
            raise Refusal(400, getattr(trouble, "detail", "") or str(trouble)) from trouble
        order = self._orders.take("submit", caller.model, uploads.good[0].name)
        pages = sum(len(upload.pages) for upload in uploads.good)
        try:
            if order is not None and not order.takes_document:
                return await self._ordered(request, order)
            if not asynchronous and self._pace.refuses_sync(caller.model, pages, time.monotonic()):
                raise Refusal(429, "The model's pages of this minute are used up.")
            text = metadata if isinstance(metadata, str) else ""
            files = self._accept(caller, uploads.good, text, order, asynchronous=asynchronous)
        finally:
            for upload in uploads.good:
                upload.path.unlink(missing_ok=True)
        if order is not None and order.do in {"answer", "cut"}:
            return await self._ordered(request, order)
        if order is not None:
            await asyncio.sleep(order.seconds)
        body = await self._answer(files, asynchronous=asynchronous)
        body["result"] += [{"message": f"Failure: {reason}", "input": name} for name, reason in uploads.bad]
        return JSONResponse(body, 202 if uploads.bad else 200)

    @asynccontextmanager
    async def _form(self, request: Request, *, by_link: bool) -> AsyncIterator[FormData]:
        """The call's form, or the JSON that the guide sends in its place."""
        if by_link and "guide" in self._options.dialects and _is_json(request):
            yield form_of_json(await request.body())
        else:
            async with request.form(max_files=20, max_part_size=MOST_FIELD_BYTES) as form:
                yield form

    def _accept(
        self, caller: Caller, uploads: Sequence[Upload], metadata: str, order: Order | None, *, asynchronous: bool
    ) -> list[File]:
        """Take and bill the documents, and begin to read them."""
        now = time.time()
        later = self._options.async_seconds if asynchronous else 0.0
        later += self._pace.take(caller.model, sum(len(upload.pages) for upload in uploads), time.monotonic())
        files = [
            File(
                id=str(uuid4()),
                model=caller.model,
                name=upload.name,
                suffix=upload.suffix,
                metadata=metadata,
                asynchronous=asynchronous,
                pages=upload.pages,
                page_ids=tuple(str(uuid1(_NODE)) for _ in upload.pages),
                failing=_failing(order, upload),
                accepted_at=now,
                ready_at=now + later,
            )
            for upload in uploads
        ]
        for file, upload in zip(files, uploads, strict=True):
            upload.path.replace(self._reader.content(file.id))
        accepted = Accepted(account=caller.account, submission=_submission(metadata), files=tuple(files))
        self._journal.append(accepted)
        log.info("document billed", submission=accepted.submission, pages=accepted.pages, asynchronous=asynchronous)
        for file in files:
            self._reader.begin(file)
        return files

    async def _answer(self, files: Sequence[File], *, asynchronous: bool) -> Json:
        if asynchronous:
            return self._bodies.accepted(files, self._options.accept_shape)
        await asyncio.sleep(max(self._options.sync_seconds, files[0].ready_at - time.time()))
        for file in files:
            await asyncio.wrap_future(self._reader.begin(file))
        return self._bodies.predicted([(file, self._reader.pages(file) or ()) for file in files])

    async def _by_file(self, request: Request, caller: Caller) -> Response:
        file = self._journal.file(caller.model, request.path_params["file"])
        if file is None:
            raise Refusal(404, "There is no such file.")
        order = self._orders.take("fetch", caller.model, file.name)
        if order is not None:
            if order.do != "slow":
                return await self._ordered(request, order)
            await asyncio.sleep(order.seconds)
        return JSONResponse(self._bodies.stored([(file, self._ready_pages(file))], pending=self._options.pending))

    async def _by_page(self, request: Request, caller: Caller) -> Response:
        page_id = request.path_params["page"]
        for file in self._journal.files(caller.model):
            if page_id in file.page_ids:
                pages = self._ready_pages(file)
                return JSONResponse(self._bodies.one_page(file, file.page_ids.index(page_id), pages))
        raise Refusal(404, "There is no such page.")

    async def _page_as_file(self, request: Request, caller: Caller) -> Response:
        file = self._journal.file(caller.model, request.path_params["file"])
        page_id = request.path_params["page"]
        if file is None or page_id not in file.page_ids:
            raise Refusal(404, "There is no such page.")
        pages = [(file, self._ready_pages(file))]
        only = file.page_ids.index(page_id)
        return JSONResponse(self._bodies.stored(pages, pending=self._options.pending, only=only))

    async def _window(self, request: Request, caller: Caller, *, call: Call) -> Response:
        try:
            first, last = window_days(call, request.query_params, int(time.time() // 86_400))
        except BadWindow as bad:
            raise Refusal(400, str(bad)) from bad
        files = [file for file in self._journal.files(caller.model) if first <= day_of(file) <= last]
        pages = [(file, self._ready_pages(file)) for file in files]
        return JSONResponse(self._bodies.stored(pages, pending=self._options.pending))

    def _ready_pages(self, file: File) -> tuple[Page, ...] | None:
        """The file's pages; None while it takes its time."""
        # After a restart nobody reads it yet.
        self._reader.begin(file)
        return self._reader.pages(file) if time.time() >= file.ready_at else None

    async def _ordered(self, request: Request, order: Order) -> Response:
        """The fault that was ordered."""
        if order.do == "cut":
            await cut_connection(request)
            return Response()
        if order.do == "slow":
            await asyncio.sleep(order.seconds)
            raise Refusal(503, "Slow, and then not taken, as ordered.")
        if order.body == "html":
            return HTMLResponse(_HTML, order.status)
        if order.body == "empty":
            return Response(status_code=order.status)
        return JSONResponse(error(order.status, "As ordered."), order.status)


def _is_true(value: object) -> bool:
    return isinstance(value, str) and value.lower() == "true"


def _is_json(request: Request) -> bool:
    return request.headers.get("Content-Type", "").partition(";")[0].strip().lower() == "application/json"


def _api_key(authorization: str) -> str:
    scheme, _, credentials = authorization.partition(" ")
    if scheme.lower() != "basic":
        return ""
    try:
        key, _, password = base64.b64decode(credentials, validate=True).decode().partition(":")
    except (binascii.Error, UnicodeDecodeError):
        return ""
    return "" if password else key


def _submission(metadata: str) -> str | None:
    """headrace's own key in the metadata that came along, if it is there."""
    try:
        content = json.loads(metadata)
    except (ValueError, RecursionError):
        return None
    key = content.get("headrace") if isinstance(content, dict) else None
    return key if isinstance(key, str) else None


def _failing(order: Order | None, upload: Upload) -> tuple[int, ...]:
    """The pages (from 0) that were ordered to fail: all, unless some are named."""
    if order is None or order.do != "fail":
        return ()
    if order.pages is None:
        return upload.pages
    return tuple(page - 1 for page in order.pages)
