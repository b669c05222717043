"""Faults and oddities on demand: what was ordered for the next calls."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, TypeAdapter, ValidationError, model_validator

from simulator.kept import replace
from simulator.variants import Variants

Call = Literal["submit", "fetch", "window", "models"]

_FOR_SUBMITS = {"fail", "blank", "approve", "vary", "lag"}
_FOR_WINDOWS = {"omit", "break"}


class OrdersMistake(Exception):
    """The kept orders cannot be read; the text says why."""


class Order(BaseModel):
    """What shall happen to the next `times` calls that fit, or to all that fit within `for_seconds`.

    `answer`: this status with this body. `cut`: close the connection without an answer. `slow`:
    wait first. `fail`, `blank`: the prediction fails, or finds nothing, on all pages or on some
    (numbers from 1). `approve`: somebody corrects and approves the file. `vary`: its answers take
    these of the variants, as those of a submit that is `cut` or `slow` may. `lag`: windows have the file only so much
    later. `omit`: a window lacks the files of this name; the newer half of all, where none is given.
    `break`: a window ends before its end. `retry_after`: the seconds that an `answer` asks to wait. `until`: when
    `for_seconds` are over, in seconds since 1970.
    `billed` says whether an uploaded document is taken, and billed, before the fault shows.
    """

    model_config = ConfigDict(extra="forbid")

    do: Literal["answer", "cut", "slow", "fail", "blank", "approve", "vary", "lag", "omit", "break"]
    on: Call = "submit"
    times: int = Field(default=1, ge=1, le=1_000_000)
    model: str | None = None
    file: str | None = None
    status: int = Field(default=503, ge=200, le=599)
    body: Literal["json", "html", "empty"] = "json"
    billed: bool | None = None
    seconds: float = Field(default=0.0, ge=0, le=600)
    for_seconds: float | None = Field(default=None, gt=0, le=3600)
    until: float | None = None
    retry_after: int | None = Field(default=None, ge=0, le=3600)
    pages: tuple[int, ...] | None = None
    variants: dict[str, Any] = Field(default_factory=dict)

    @model_validator(mode="after")
    def _is_possible(self) -> Self:
        if self.do in _FOR_SUBMITS and self.on != "submit":
            raise ValueError(f'"{self.do}" is ordered for the submit of the document that it is about')
        if self.do in _FOR_WINDOWS and self.on != "window":
            raise ValueError(f'"{self.do}" is ordered for a window: add "on": "window"')
        if self.do == "vary" and not self.variants:
            raise ValueError('"vary" comes with "variants"')
        if self.variants and (self.do not in {"vary", "cut", "slow"} or self.on != "submit"):
            raise ValueError('"variants" come with "vary", or with a submit that is "cut" or "slow"')
        Variants.model_validate(self.variants)
        return self

    @property
    def takes_document(self) -> bool:
        """Whether the document is accepted and billed all the same."""
        if self.billed is not None:
            return self.billed
        return self.do != "answer" or not 400 <= self.status < 500

    def pages_of(self, do: str, pages: tuple[int, ...]) -> tuple[int, ...]:
        """Those of these pages (from 0) that this order does this to: all, unless some are named."""
        if self.do != do:
            return ()
        return pages if self.pages is None else tuple(page for page in pages if page + 1 in self.pages)

    def fits(self, call: Call, model: str, file: str) -> bool:
        named = None if self.do == "omit" else self.file
        return self.on == call and self.model in {None, model} and named in {None, file}

    def is_over(self, now: float) -> bool:
        return self.until is not None and self.until <= now

    def left_in(self, names: Sequence[str]) -> list[int]:
        """Of the files with these names, oldest first, the places of those that a window has."""
        if self.do != "omit":
            return list(range(len(names)))
        if self.file is None:
            return list(range(len(names) // 2))
        return [place for place, name in enumerate(names) if name != self.file]


_ORDERS = TypeAdapter(list[Order])


class Orders:
    """The open orders, oldest first, kept in a file. Called by one thread only."""

    def __init__(self, path: Path) -> None:
        """OrdersMistake where the file holds something else."""
        self._path = path
        try:
            self._open = _ORDERS.validate_json(path.read_bytes()) if path.exists() else []
        except ValidationError as error:
            raise OrdersMistake(f"{path} holds no orders of this simulator; delete it.") from error

    def add(self, order: Order, now: float) -> None:
        if order.for_seconds is not None:
            order.until = now + order.for_seconds
        self._open.append(order)
        self._keep()

    def clear(self) -> None:
        self._open.clear()
        self._keep()

    def take(self, call: Call, model: str, file: str, now: float) -> Order | None:
        """The order that this call fulfils, if any; it counts as fulfilled once more."""
        self._open = [order for order in self._open if not order.is_over(now)]
        for order in self._open:
            if order.fits(call, model, file):
                if order.until is None:
                    order.times -= 1
                    self._open = [left for left in self._open if left.times]
                    self._keep()
                return order
        return None

    def describe(self) -> list[dict[str, object]]:
        return [order.model_dump(exclude_none=True, exclude_defaults=True) | {"do": order.do} for order in self._open]

    def _keep(self) -> None:
        replace(self._path, _ORDERS.dump_json(self._open))
