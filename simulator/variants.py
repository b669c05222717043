"""The ways in which the same answer was seen, or was published: one value says which are meant."""

from collections.abc import Mapping
from random import Random
from typing import Any, Literal, get_args

from pydantic import BaseModel, ConfigDict, Field


class Variants(BaseModel):
    """One choice of every way. The defaults are what was captured last; the descriptions are the options' help."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    accept_shape: Literal["nested", "flat"] = Field(
        "nested", description="an async accept: pages two levels deep, as published, or one, as clients read it"
    )
    pending: Literal["empty", "pages"] = Field(
        "empty", description="a job that is not ready: no pages at all, or pages that say pending"
    )
    signed_urls: Literal["map", "list", "null"] = Field(
        "map", description="links by storage path, or [], or [null] in their place"
    )
    processing_type: Literal["sync", "empty"] = Field("sync", description='a sync page says "sync", or ""')
    score_scale: Literal[1, 100] = Field(1, description="the highest score")
    letter_case: Literal["usual", "lower", "title", "upper"] = Field(
        "usual",
        description='of the word success: "Success" in predictions and "success" in stored pages, or one for all',
    )
    bodies: Literal["full", "2021"] = Field(
        "full", description="2021: predictions without many of the keys, as they were captured that year"
    )
    first_cell: Literal[1, 0] = Field(1, description="the number of a table's first row and column")
    page_order: Literal["reversed", "ordered", "shuffled"] = Field(
        "reversed", description="how stored pages are listed; the real API promises nothing"
    )
    partly_bad: Literal[202, 206] = Field(202, description="the status where some of several links lead nowhere")
    full_text: Literal["result", "results"] = Field("result", description="the name of the list in a full text")
    raw_ocr: Literal["empty", "words"] = Field(
        "empty", description="stored pages with an empty list of words, or with all of them"
    )
    model_list: Literal["object", "list"] = Field(
        "object", description='the list of models as {"models": [...]}, or bare'
    )
    costs: Literal["zero", "charged", "waived", "some", "missing", "odd"] = Field(
        "zero",
        description="what a stored page says it cost: nothing, 0.1, 0.1 of which nothing is to be paid, 0.1 for every "
        "other page, no word, or what is no amount",
    )
    metadata: Literal["echoed", "blank"] = Field(
        "echoed", description='request_metadata comes back as it was sent, or as "" (which --awkward never draws)'
    )


# What nobody has seen happen.
_NEVER_DRAWN = frozenset({"metadata"})


def values_of(name: str) -> tuple[str | int, ...]:
    """What one of the ways can be."""
    return get_args(Variants.model_fields[name].annotation)


def choose(fixed: Mapping[str, Any], random: Random | None = None) -> Variants:
    """These ways; those that are not named as usual, or, with `random`, any."""
    ways = [] if random is None else [name for name in Variants.model_fields if name not in _NEVER_DRAWN]
    drawn = {} if random is None else {name: random.choice(values_of(name)) for name in ways}
    return Variants.model_validate({**drawn, **fixed})
