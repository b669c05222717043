"""What holds for a lane: how much may go out, how much be in flight, and what a page costs."""

from decimal import Decimal
from typing import Literal, Self

from pydantic import BaseModel, ConfigDict, Field, field_validator, model_validator

from config.mistakes import did_you_mean, shown
from config.presets import PRESETS
from headrace.limits.rate import Rate
from headrace.routing import Lane

DEFAULT_IN_FLIGHT = 16


class LaneSettings(BaseModel):
    """What holds for one lane: a model of an account of a provider."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    provider: str = Field(description="The lane's provider, as in its routes.")
    account: str = Field(default="", description="The lane's account; the provider's name unless given.")
    model: str = Field(
        default="", description="The lane's model; empty for the local provider, and for routes with text_only."
    )
    in_flight: int = Field(
        default=DEFAULT_IN_FLIGHT,
        strict=True,
        ge=1,
        le=1_000_000,
        description="How many runs may be on their way at once.",
    )
    preset: str = Field(
        default="",
        description="A vendor's published limits, by a name of the table below; "
        "a rate that is written beside it counts instead.",
    )
    pages_per_minute: int | None = Field(
        default=None,
        strict=True,
        ge=1,
        le=10_000_000,
        description="The most pages that all workers together send in any minute; without it there is no limit.",
    )
    requests_per_second: float | None = Field(
        default=None,
        strict=True,
        gt=0,
        le=10_000,
        allow_inf_nan=False,
        description="The most documents that all workers together send in a second; without it there is no limit.",
    )
    poll_by: Literal["file", "window"] = Field(
        default="file",
        description="How asynchronous jobs are asked for: each by itself, or all that are due in one listing of their "
        "days, which pays while a day has few documents (docs/limits.md).",
    )
    price_per_page: Decimal | None = Field(
        default=None, ge=0, allow_inf_nan=False, description="What a page costs; without one no cost is shown."
    )
    currency: str = Field(
        default="USD", pattern=r"^[A-Z]{3}$", description="The price's currency, as three capital letters."
    )

    @field_validator("preset")
    @classmethod
    def _preset_is_known(cls, name: str) -> str:
        if name and name not in PRESETS:
            known = did_you_mean(name, PRESETS) or f" There are {', '.join(PRESETS)}."
            raise ValueError(f"{shown(name)} is no preset.{known}")
        return name

    @model_validator(mode="after")
    def _account_defaults_to_provider(self) -> Self:
        if not self.account:
            object.__setattr__(self, "account", self.provider)
        return self

    @property
    def rate(self) -> Rate:
        """What may be sent: what is written, else what the preset says."""
        published = PRESETS[self.preset].rate if self.preset else Rate()
        pages, requests = self.pages_per_minute, self.requests_per_second
        return Rate(
            published.pages_per_minute if pages is None else pages,
            published.requests_per_second if requests is None else requests,
        )

    @property
    def lane(self) -> Lane:
        return Lane(self.provider, self.account, self.model)
