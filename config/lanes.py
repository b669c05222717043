"""What holds for a lane: how much may be in flight, and what a page costs."""

from decimal import Decimal
from typing import Self

from pydantic import BaseModel, ConfigDict, Field, model_validator

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
        le=10_000,
        description="How many runs may be on their way at once.",
    )
    price_per_page: Decimal | None = Field(
        default=None, ge=0, allow_inf_nan=False, description="What a page costs; without one no cost is shown."
    )
    currency: str = Field(
        default="USD", pattern=r"^[A-Z]{3}$", description="The price's currency, as three capital letters."
    )

    @model_validator(mode="after")
    def _account_defaults_to_provider(self) -> Self:
        if not self.account:
            object.__setattr__(self, "account", self.provider)
        return self

    @property
    def lane(self) -> Lane:
        return Lane(self.provider, self.account, self.model)
