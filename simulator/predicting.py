"""The calls that cost: predict files or links for a model, and read a full text."""

import asyncio
from collections.abc import Mapping, Sequence
from functools import partial
from pathlib import Path

from starlette.requests import Request
from starlette.responses import Response

from simulator import bodies
from simulator.bodies import BadLink
from simulator.calls import Caller, Endpoint, Faults, Refusal, answer, ordered
from simulator.clock import now
from simulator.dialects import Call
from simulator.journal import File
from simulator.models import Models
from simulator.options import Options
from simulator.receiving import Asked, receive
from simulator.showing import Showing
from simulator.till import Till
from simulator.uploads import BadUpload, Uploads


class Predicting:
    """Takes documents, and answers at once or later. `folder` is where they are written first."""

    def __init__(
        self, options: Options, models: Models, folder: Path, *, till: Till, showing: Showing, faults: Faults
    ) -> None:
        self._options = options
        self._models = models
        self._folder = folder
        self._till = till
        self._showing = showing
        self._faults = faults

    def endpoints(self) -> Mapping[Call, Endpoint]:
        return {
            "label_file": partial(self._predict, by_link=False),
            "label_urls": partial(self._predict, by_link=True),
            "label_file_later": partial(self._predict, by_link=False, later=True),
            "label_urls_later": partial(self._predict, by_link=True, later=True),
            "full_text": self._full_text,
        }

    async def _predict(self, request: Request, caller: Caller, *, by_link: bool, later: bool = False) -> Response:
        model = self._models.find(caller.model)
        if model is None or not model.is_live:
            raise Refusal(400, "The model is not live: it was created, and never trained.")
        uploads, asked = await self._received(request, by_link=by_link)
        return await self._taken(request, caller, uploads, asked._replace(asynchronous=later or asked.asynchronous))

    async def _full_text(self, request: Request, caller: Caller) -> Response:
        uploads, asked = await self._received(request, by_link=None)
        return await self._taken(request, caller, uploads, asked._replace(asynchronous=False))

    async def _received(self, request: Request, *, by_link: bool | None) -> tuple[Uploads, Asked]:
        takes_json = "guide" in self._options.dialects and by_link is not False
        try:
            return await receive(request, self._folder, by_link=by_link, takes_json=takes_json)
        except BadUpload as bad:
            raise Refusal(400, str(bad)) from bad

    async def _taken(self, request: Request, caller: Caller, uploads: Uploads, asked: Asked) -> Response:
        """Refuse the documents, or take, bill and answer them; or meet a fault on the way."""
        turned = [(upload, self._faults.turn_of(upload.digest)) for upload in uploads.good]
        first, turn = turned[0]
        order = self._faults.of_submit(caller.model, first.name, first.digest, turn)
        try:
            if order is not None and not order.takes_document:
                return await ordered(request, order)
            self._till.check_limits(caller, uploads.good, asked)
            files = self._till.accept(caller, asked, turned, order)
        finally:
            for upload in uploads.good:
                upload.path.unlink(missing_ok=True)
        if order is not None and order.do in {"answer", "cut"}:
            return await ordered(request, order)
        if order is not None and order.do == "slow":
            await asyncio.sleep(order.seconds)
        return await self._answer(files, [BadLink(url, reason) for url, reason in uploads.bad], asked)

    async def _answer(self, files: Sequence[File], bad: Sequence[BadLink], asked: Asked) -> Response:
        if not asked.asynchronous:
            await asyncio.sleep(max(self._options.sync_seconds, files[0].ready_at - now()))
        shown = [await self._showing.show_when_read(file, waits=not asked.asynchronous) for file in files]
        if asked.asynchronous:
            body = bodies.accepted(shown, bad)
        elif files[0].model:
            body = bodies.predicted(shown, bad)
        else:
            body = bodies.full_text(shown, bad)
        return answer(body, shown[0].variants.partly_bad if bad else 200)
