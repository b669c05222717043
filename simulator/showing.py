"""An accepted file -> how far it is, and in which variant it is shown."""

import asyncio
from collections.abc import Mapping
from typing import Any

from simulator.bodies import Shown
from simulator.chances import Chances
from simulator.clock import now
from simulator.journal import File
from simulator.reading import Reader
from simulator.variants import Variants, choose


class Showing:
    """Every file keeps its variants: they follow from the options, the seed, its content, and what was ordered."""

    def __init__(self, reader: Reader, chances: Chances, fixed: Mapping[str, Any], *, awkward: bool) -> None:
        self._reader = reader
        self._chances = chances
        self._fixed = fixed
        self._awkward = awkward
        self.usual = choose(fixed)

    def show(self, file: File) -> Shown:
        """The file as it is now. Called by one thread only."""
        # After a restart nobody reads it yet.
        self._reader.begin(file)
        return self._shown(file, is_ready=now() >= file.ready_at)

    async def show_when_read(self, file: File, *, waits: bool) -> Shown:
        """The file with its pages, however long it was to take; without `waits` as it was taken."""
        if waits:
            await asyncio.wrap_future(self._reader.begin(file))
        return self._shown(file, is_ready=waits)

    def _shown(self, file: File, *, is_ready: bool) -> Shown:
        variants = self._variants(file)
        pages = self._reader.pages(file) if is_ready else None
        return Shown(file, pages, variants, self._places(file, variants.page_order))

    def _variants(self, file: File) -> Variants:
        random = self._chances.random("variants", file.digest, file.turn) if self._awkward else None
        return choose({**self._fixed, **file.variants}, random) if random or file.variants else self.usual

    def _places(self, file: File, order: str) -> range | list[int]:
        places = range(len(file.pages))
        if order == "shuffled":
            shuffled = list(places)
            self._chances.random("order", file.digest, file.turn).shuffle(shuffled)
            return shuffled
        return places if order == "ordered" else places[::-1]
