"""What a route says about a field: how it is called on the page, where its value stands, what kind it is."""

from typing import Literal

from pydantic import BaseModel, ConfigDict, Field

Kind = Literal["text", "date", "amount"]
Where = Literal["right", "below", "either"]


class LabelRule(BaseModel):
    """One field that the local provider looks for."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    label: str = Field(min_length=1, description="The name of the field in the rows.")
    synonyms: tuple[str, ...] = Field(
        default=(), description="How pages call it; the label itself (underscores as spaces) always counts."
    )
    where: Where = Field(default="either", description="Where its value stands: right of the words, or below them.")
    kind: Kind = Field(default="text", description="What the value is: it decides how it is normalised.")
