"""Stored pages: by file, by page, and by a window of days. They cost nothing."""

from collections.abc import Iterator, Mapping
from dataclasses import replace
from functools import partial

from starlette.requests import Request
from starlette.responses import Response

from simulator.bodies import Shown, one_page, stored
from simulator.calls import Caller, Endpoint, Faults, Refusal, answer, broken_off, instead
from simulator.clock import now
from simulator.dialects import BadWindow, Call, window_days
from simulator.journal import File, Journal
from simulator.page_records import day_of
from simulator.showing import Showing

_WINDOWS: tuple[Call, ...] = ("window_of_days", "window_back_from_day", "window_back_from_today")


class Retrieval:
    """The calls that look at what was taken."""

    def __init__(self, journal: Journal, showing: Showing, faults: Faults) -> None:
        self._journal = journal
        self._showing = showing
        self._faults = faults

    def endpoints(self) -> Mapping[Call, Endpoint]:
        return {
            "by_file": self._by_file,
            "by_page": self._by_page,
            "page_as_file": self._page_as_file,
            **{call: partial(self._window, call=call) for call in _WINDOWS},
        }

    async def _by_file(self, request: Request, caller: Caller) -> Response:
        file = self._journal.file(caller.model, request.path_params["file"])
        if file is None:
            raise Refusal(404, "There is no such file.")
        return await self._faultless(request, file) or answer(stored([self._showing.show(file)], self._showing.usual))

    async def _by_page(self, request: Request, caller: Caller) -> Response:
        file = self._journal.file_of_page(caller.model, request.path_params["page"])
        if file is None:
            raise Refusal(404, "There is no such page.")
        return await self._faultless(request, file) or answer(one_page(self._only(request, file)))

    async def _page_as_file(self, request: Request, caller: Caller) -> Response:
        file = self._journal.file_of_page(caller.model, request.path_params["page"])
        if file is None or file.id != request.path_params["file"]:
            raise Refusal(404, "There is no such page.")
        only = self._only(request, file)
        return await self._faultless(request, file) or answer(stored([only], self._showing.usual))

    def _only(self, request: Request, file: File) -> Shown:
        """The file with the one page that is asked for."""
        return replace(self._showing.show(file), places=[file.page_ids.index(request.path_params["page"])])

    async def _window(self, request: Request, caller: Caller, *, call: Call) -> Response:
        try:
            first, last = window_days(call, request.query_params, int(now() // 86_400))
        except BadWindow as bad:
            raise Refusal(400, str(bad)) from bad
        order = self._faults.of_window(caller.model)
        fault = None if order is None else await instead(request, order)
        if fault is not None:
            return fault
        files = [file for file in self._listed(caller.model) if first <= day_of(file) <= last]
        if order is not None:
            files = [files[place] for place in order.left_in([file.name for file in files])]
        usual = self._showing.usual
        shown = [self._showing.show(file) for file in (files if usual.page_order == "ordered" else reversed(files))]
        body = stored(shown, usual)
        return broken_off(body, request) if order is not None and order.do == "break" else answer(body)

    def _listed(self, model: str) -> Iterator[File]:
        """The files that windows have by now; each can be asked for by its id from the beginning."""
        return (file for file in self._journal.files(model) if file.listed_at <= now())

    async def _faultless(self, request: Request, file: File) -> Response | None:
        subject = f"{file.digest}:{file.turn}"
        return await self._faults.of_free_call("fetch", request, file.model, file.name, subject)
