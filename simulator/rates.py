"""How much is allowed, of each API key and model; kept in a file."""

from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Literal, Self

from pydantic import BaseModel, ConfigDict, Field, TypeAdapter, ValidationError, model_validator

from simulator.kept import replace

WHAT_IS_ABOVE = ("slower", "refused", "noted")


class RatesMistake(Exception):
    """The kept rates cannot be read; the text says why."""


class Rate(BaseModel):
    """What each API key may send to a model (None: to every one that has no rate of its own) in a minute and a second.

    `above`: what is above it is `refused` with 429; or `slower`, as Nanonets has it: sync calls are refused, async ones
    are taken and take longer; or only `noted`. `retry_after`: the seconds that a refusal asks to wait, if it says so.
    `since`: from when on it counts, in seconds since 1970.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    model: str | None = None
    pages_per_minute: int | None = Field(default=None, ge=1)
    requests_per_second: float | None = Field(default=None, gt=0, allow_inf_nan=False)
    above: Literal["slower", "refused", "noted"] = "slower"
    retry_after: int | None = Field(default=None, ge=0, le=3600)
    since: float = 0.0

    @model_validator(mode="after")
    def _limits_something(self) -> Self:
        if self.pages_per_minute is None and self.requests_per_second is None:
            raise ValueError("a rate has pages_per_minute, requests_per_second or both")
        return self

    def refuses(self, *, asynchronous: bool) -> bool:
        """Whether a call above it is refused."""
        return self.above == "refused" or (self.above == "slower" and not asynchronous)


_RATES = TypeAdapter(list[Rate])


class Rates:
    """The rates that hold now: what was ordered, else the one of the start.

    `refused` counts the calls, by key and model, that were refused as too much since the process started.
    """

    def __init__(self, at_start: Rate | None, path: Path) -> None:
        """RatesMistake where the file holds something else."""
        self._at_start = at_start
        self._path = path
        self.refused: Counter[tuple[str, str]] = Counter()
        try:
            self._ordered = _RATES.validate_json(path.read_bytes()) if path.exists() else []
        except ValidationError as error:
            raise RatesMistake(f"{path} holds no rates of this simulator; delete it.") from error

    def of(self, model: str) -> Rate | None:
        """What holds for a model: the rate of its own, else that of all."""
        fitting = [rate for rate in self.all() if rate.model in {None, model}]
        return max(fitting, key=lambda rate: rate.model is not None, default=None)

    def all(self) -> Sequence[Rate]:
        """Every rate that holds; an ordered one for all models takes the place of the start's."""
        is_replaced = any(rate.model is None for rate in self._ordered)
        at_start = [] if self._at_start is None or is_replaced else [self._at_start]
        return [*at_start, *self._ordered]

    def order(self, rate: Rate, now: float) -> None:
        """Have this hold from now on, in place of what held for the same model. On return it outlasts a kill."""
        others = [known for known in self._ordered if known.model != rate.model]
        self._ordered = [*others, rate.model_copy(update={"since": now})]
        self._keep()

    def clear(self) -> None:
        """Forget what was ordered."""
        self._ordered = []
        self._keep()

    def _keep(self) -> None:
        replace(self._path, _RATES.dump_json(self._ordered))
