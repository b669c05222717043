"""The manifest: what became of one S3 key, and whose rows stand. One for each key, written last."""

from collections.abc import Callable
from datetime import datetime
from typing import Literal, Self

from pydantic import BaseModel, ConfigDict, Field

from headrace.exports.keys import OutputKeys
from headrace.exports.order import Order
from headrace.flattening import SCHEMA_VERSION, storable
from headrace.ledger.records import Run
from headrace.prediction import Prediction
from headrace.routing import Route, pages_missing
from headrace.states import Mark, Mode, Preparation, Reason, State


class PublishedFile(BaseModel):
    """One file of rows, text or words."""

    model_config = ConfigDict(frozen=True)

    kind: Literal["fields", "table_rows", "cells", "text", "words"]
    format: Literal["csv", "json", "text"]
    key: str = Field(description="In the bucket of the manifest.")
    rows: int | None = Field(description="How many rows it has; null for text.")


class PublishedRows(BaseModel):
    """The run whose rows stand, and their files."""

    model_config = ConfigDict(frozen=True)

    document: str
    etag: str
    run: int
    last_modified: datetime | None
    sequencer: str | None
    token: int
    provider: str
    model: str
    files: tuple[PublishedFile, ...]

    @classmethod
    def of(cls, run: Run, prediction: Prediction, files: tuple[PublishedFile, ...]) -> Self:
        order = Order.of(run)
        return cls(
            document=order.document,
            etag=storable(order.etag),
            run=order.run,
            last_modified=order.last_modified,
            sequencer=order.sequencer,
            token=order.token,
            provider=storable(prediction.provider),
            model=storable(prediction.model),
            files=files,
        )

    @property
    def order(self) -> Order:
        return Order(self.last_modified, self.sequencer, self.run, self.token, self.document, self.etag)


class PageFailure(BaseModel):
    """A page that the provider could not read, and why."""

    model_config = ConfigDict(frozen=True)

    page: int = Field(description="From 1.")
    failure: str


class Manifest(BaseModel):
    """The newest run of one S3 key, in whatever state it ended."""

    model_config = ConfigDict(frozen=True)

    schema_version: int = SCHEMA_VERSION
    document: str = Field(description="The document's id: of bucket, key and eTag.")
    bucket: str
    key: str
    etag: str = Field(description="Without quotes.")
    version_id: str | None
    size: int | None = Field(description="In bytes.")
    last_modified: datetime | None = Field(
        description="Of the object, in whole seconds; null where it was gone or replaced before anybody saw it."
    )
    sequencer: str | None
    token: int = Field(description="The fencing token of the claim that published this.")
    received: str = Field(description="The UTC day on which bucket and key were first seen.")
    received_at: datetime | None = Field(description="When this content was first seen.")
    ended_at: datetime | None
    state: State
    reason: Reason | None = Field(description="Why, where the state is not exported.")
    detail: str = Field(description="The reason in words; where it is exported, which pages are not in its rows.")
    marks: tuple[Mark, ...]
    run: int = Field(description="The run's number, from 1 for each document.")
    route: str
    revision: str | None = Field(description="The revision of the route that the run is pinned to.")
    provider: str | None
    model: str | None
    mode: Mode | None
    media_type: str | None
    preparation: Preparation | None = Field(None, description="What was done to the copy that the provider got.")
    pages: int | None
    pages_source: str | None = Field(description="walked, declared or answered.")
    failed_pages: tuple[int, ...] = Field(description="Pages that the provider could not read.")
    failures: tuple[PageFailure, ...] = Field((), description="Why each of these could not be read.")
    missing_pages: tuple[int, ...] = Field((), description="Pages that were sent and that the answer leaves out.")
    cost: float | None = Field(description="In the currency of the price list.")
    provider_cost: float | None = Field(None, description="What the provider itself says it costs, in its own unit.")
    published: PublishedRows | None = Field(description="Whose rows stand; null while there are none.")

    @classmethod
    def of(cls, run: Run, route: Route, prediction: Prediction | None, published: PublishedRows | None) -> Self:
        """The manifest of a run that has ended."""
        document, order, lane = run.document, Order.of(run), run.lane
        return cls(
            document=document.id,
            bucket=document.bucket,
            key=storable(document.key),
            etag=storable(document.etag),
            version_id=document.version_id,
            size=document.size,
            last_modified=order.last_modified,
            sequencer=order.sequencer,
            token=order.token,
            received=OutputKeys.of(run, route).received,
            received_at=run.received_at,
            ended_at=run.ended_at,
            state=run.state,
            reason=run.reason,
            detail=storable(run.detail),
            marks=run.marks,
            run=run.number,
            route=route.name,
            revision=run.revision,
            provider=lane.provider if lane is not None else None,
            model=lane.model if lane is not None else None,
            mode=run.mode,
            media_type=run.media_type,
            preparation=run.preparation,
            pages=run.pages,
            pages_source=run.pages_source,
            failed_pages=prediction.failed_pages if prediction is not None else (),
            failures=_failures(prediction),
            missing_pages=_missing(run, route, prediction),
            cost=run.cost,
            provider_cost=prediction.cost if prediction is not None else None,
            published=published,
        )

    @property
    def order(self) -> Order:
        return Order(self.last_modified, self.sequencer, self.run, self.token, self.document, self.etag)

    def to_bytes(self) -> bytes:
        return (self.model_dump_json(indent=1) + "\n").encode()


def _failures(prediction: Prediction | None) -> tuple[PageFailure, ...]:
    if prediction is None:
        return ()
    failed = frozenset(prediction.failed_pages)
    why = {page.number: page.failure or "" for page in prediction.pages if page.number in failed}
    return tuple(PageFailure(page=page, failure=storable(failure)) for page, failure in why.items())


def _missing(run: Run, route: Route, prediction: Prediction | None) -> tuple[int, ...]:
    if prediction is None:
        return ()
    return pages_missing(prediction.page_numbers, run.walked_pages, route)


def merged(ours: Manifest, standing: Manifest | None, may_replace: Callable[[Order, Order], bool]) -> Manifest:
    """What belongs in the bucket: the newer one's facts, and the rows of whichever published later.

    The two are decided apart: a newer run may have failed, and then the rows of an older one stand.
    """
    if standing is None:
        return ours
    top = ours if may_replace(ours.order, standing.order) else standing
    rows = [manifest.published for manifest in (ours, standing) if manifest.published is not None]
    if len(rows) == 2 and not may_replace(rows[0].order, rows[1].order):
        rows.reverse()
    return top.model_copy(update={"published": rows[0] if rows else None})
