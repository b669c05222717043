"""What may be spent in a day or a month: by a route, or by an account of a provider."""

from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from typing import Annotated, Literal, NamedTuple, Self

from pydantic import BaseModel, ConfigDict, Field, model_validator

from headrace.routing import Lane, Name


class Amount(NamedTuple):
    """Pages, and what they cost in the currency of their lane's price."""

    pages: int
    cost: float = 0.0

    def __add__(self, other: object) -> "Amount":
        if not isinstance(other, Amount):
            return NotImplemented
        return Amount(self.pages + other.pages, self.cost + other.cost)

    def __neg__(self) -> "Amount":
        return Amount(-self.pages, -self.cost)


NOTHING = Amount(0)


class Period(NamedTuple):
    """Days of UTC from `first` up to, and without, `next`."""

    first: date
    next: date

    @property
    def ends_at(self) -> datetime:
        return datetime(self.next.year, self.next.month, self.next.day, tzinfo=UTC)


class Budget(BaseModel):
    """The most pages, and the most money, that a route or an account may spend in a day or a month of UTC."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    name: Name = Field(description="The budget's name: in `headrace budget`, and in what a waiting run says.")
    route: str = Field(default="", description="The route that it is for; or else:")
    account: str = Field(default="", description="The account that it is for, with all of its models and routes.")
    period: Literal["day", "month"] = Field(description="How long it lasts: a day or a month, of UTC.")
    pages: Annotated[int, Field(strict=True, ge=0)] | None = Field(default=None, description="The most pages.")
    cost: Decimal | None = Field(
        default=None,
        ge=0,
        allow_inf_nan=False,
        description="The most money, in the currency of its lanes' prices, which each of them must have.",
    )

    @model_validator(mode="after")
    def _limits_something(self) -> Self:
        if bool(self.route) == bool(self.account):
            raise ValueError("is for either a route or an account: name one of them.")
        if self.pages is None and self.cost is None:
            raise ValueError("limits nothing: write pages, cost or both.")
        return self

    @property
    def words(self) -> str:
        """The budget in words, the same whatever is left of it."""
        amounts = [] if self.pages is None else [f"{self.pages} pages"]
        amounts += [] if self.cost is None else [f"{self.cost:f} in money"]
        return f"the budget {self.name} ({' and '.join(amounts)} a {self.period})"

    def covers(self, route: str, lane: Lane) -> bool:
        """Whether what this route sends in this lane counts against it."""
        return route == self.route if self.route else lane.account == self.account

    def period_of(self, at: datetime) -> Period:
        """The period in which a moment lies.

        >>> budget = Budget(name="b", route="r", period="month", pages=1)
        >>> budget.period_of(datetime(2026, 12, 24, tzinfo=UTC)).next.isoformat()
        '2027-01-01'
        """
        day = at.astimezone(UTC).date()
        if self.period == "day":
            return Period(day, day + timedelta(days=1))
        first = day.replace(day=1)
        # The 28th and four days lie in the next month, whichever it is.
        return Period(first, (first.replace(day=28) + timedelta(days=4)).replace(day=1))

    def allows(self, used: Amount, more: Amount, raised: Amount = NOTHING) -> bool:
        """Whether so much more fits into what is left of it."""
        total = used + more
        fits = self.pages is None or total.pages <= self.pages + raised.pages
        # What binary fractions lose is less than the smallest coin.
        return fits and (self.cost is None or total.cost <= float(self.cost) + raised.cost + 1e-9)
