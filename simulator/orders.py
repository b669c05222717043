"""Faults on demand: what was ordered for the next calls."""

from typing import Literal, Self

from pydantic import BaseModel, ConfigDict, Field, model_validator

Call = Literal["submit", "fetch"]


class Order(BaseModel):
    """What shall happen to the next `times` calls that fit.

    `answer`: this status with this body. `cut`: close the connection without an answer. `slow`:
    wait first. `fail`: the prediction fails, wholly or for some pages (numbers from 1). `billed`
    says whether an uploaded document is taken, and billed, before the fault shows.
    """

    model_config = ConfigDict(extra="forbid")

    do: Literal["answer", "cut", "slow", "fail"]
    on: Call = "submit"
    times: int = Field(default=1, ge=1, le=1_000_000)
    model: str | None = None
    file: str | None = None
    status: int = Field(default=503, ge=200, le=599)
    body: Literal["json", "html", "empty"] = "json"
    billed: bool | None = None
    seconds: float = Field(default=0.0, ge=0, le=600)
    pages: tuple[int, ...] | None = None

    @model_validator(mode="after")
    def _is_possible(self) -> Self:
        if self.do == "fail" and self.on == "fetch":
            raise ValueError('"fail" is ordered for the submit whose prediction shall fail')
        return self

    @property
    def takes_document(self) -> bool:
        """Whether the document is accepted and billed all the same."""
        if self.billed is not None:
            return self.billed
        return self.do != "answer" or not 400 <= self.status < 500

    def fits(self, call: Call, model: str, file: str) -> bool:
        return self.on == call and self.model in {None, model} and self.file in {None, file}


class Orders:
    """The open orders, oldest first."""

    def __init__(self) -> None:
        self._open: list[Order] = []

    def add(self, order: Order) -> None:
        self._open.append(order)

    def clear(self) -> None:
        self._open.clear()

    def take(self, call: Call, model: str, file: str) -> Order | None:
        """The order that this call fulfils, if any; it counts as fulfilled once more."""
        for order in self._open:
            if order.fits(call, model, file):
                order.times -= 1
                if order.times == 0:
                    self._open.remove(order)
                return order
        return None

    def describe(self) -> list[dict[str, object]]:
        return [order.model_dump(exclude_none=True) for order in self._open]
