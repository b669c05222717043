"""A document, its pages and the routes -> which route, sync or async; or a refusal."""

from collections.abc import Collection, Mapping, Sequence
from datetime import timedelta
from hashlib import sha256
from typing import Annotated, Literal, NamedTuple, Self

from pydantic import BaseModel, ConfigDict, Field, StringConstraints, field_validator, model_validator

from headrace.document import Document
from headrace.errors import DocumentTooLarge, DocumentTooLong, NoPages, NoRoute, UnreadableDocument
from headrace.key_pattern import names_in
from headrace.labels import LabelRule
from headrace.page_count import PageCount
from headrace.polling import PollSchedule
from headrace.states import Mode

SEND_WITHIN = timedelta(seconds=120)
"""A paid request leaves this long after its intent was noted at the latest; a setting may allow less."""

DEFAULT_SUFFIXES = (".pdf", ".png", ".jpg", ".jpeg", ".tif", ".tiff", ".webp", ".heic", ".heif")

Name = Annotated[str, StringConstraints(pattern=r"^[a-z0-9][a-z0-9_-]{0,62}$")]
Place = Annotated[str, StringConstraints(pattern=r"^s3://[^/]+/(?:[^/]+/)*[^/]+/?$")]


class Lane(NamedTuple):
    """What limits are kept for: one model of one account of one provider."""

    provider: str
    account: str
    model: str

    def __str__(self) -> str:
        return "/".join(self)


class Route(BaseModel):
    """One row of the route table: which objects, where to, what comes out."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    name: Name = Field(description="The route's name: in rows, in `headrace status`, in logs.")
    bucket: str = Field(min_length=3, description="The bucket that is watched.")
    prefix: str = Field(default="", description="Keys that start with it are the route's; the longest match wins.")
    suffixes: tuple[str, ...] = Field(
        default=DEFAULT_SUFFIXES, description="Endings (in any case) that make an object a document."
    )
    provider: Literal["nanonets", "local"] = Field(description="Who reads the documents.")
    model: str = Field(default="", description="The provider's model id; the local provider has none.")
    account: str = Field(default="", description="The named API key to use; the provider's name unless given.")
    send: Literal["stream", "url", "base64"] = Field(
        default="stream",
        description="How the document reaches the provider: streamed through the worker as a file, or as base64 text "
        "(nanonets only), or as a presigned URL where the object has a versionId (the provider must reach the bucket); "
        "without one, and where a copy is prepared, it is streamed.",
    )
    convert: bool = Field(
        default=False,
        strict=True,
        description="Whether a picture that the provider does not take, or that lies on its side, goes out as an "
        "upright PDF made of it; else the former is refused and the latter sent as it is.",
    )
    passwords: tuple[Name, ...] = Field(
        default=(),
        description="Names of passwords in HEADRACE_PASSWORDS to open protected PDFs with; the provider gets an "
        "unprotected copy, which is stored nowhere.",
    )
    language: str = Field(
        default="", pattern=r"^([a-z]{2,3})?$", description="The documents' language for the provider (ISO 639), as en."
    )
    text_only: bool = Field(
        default=False,
        strict=True,
        description="Ask for the full text only, without fields and tables (nanonets only, no model).",
    )
    pages_to_process: tuple[Annotated[int, Field(strict=True, ge=1)], ...] = Field(
        default=(),
        description="Send and pay these pages only (from 1), where a document has them; all unless given "
        "(nanonets only).",
    )
    sync_page_limit: int = Field(
        default=3, strict=True, ge=0, description="Up to this many pages go sync, more go async."
    )
    most_pages: int = Field(default=500, strict=True, ge=1, description="Longer documents are refused.")
    most_bytes: int = Field(default=100_000_000, strict=True, ge=1, description="Larger objects are refused.")
    output: Place = Field(description="Where rows and manifests go: s3://bucket/prefix.")
    private: Place = Field(description="Where answers, notes and the marker go: s3://bucket/prefix.")
    versions: Literal["current", "keep"] = Field(
        default="current",
        description='"current": new content under a key replaces its rows; "keep": each content keeps its own.',
    )
    csv: Literal["safe", "exact"] = Field(
        default="safe", description='"safe" makes text inert that a spreadsheet would run; "exact" leaves it alone.'
    )
    columns: tuple[str, ...] = Field(
        default=(), description="Table headings that get a column of their own in table_rows."
    )
    weight: float = Field(
        default=1.0,
        strict=True,
        gt=0,
        le=1000,
        allow_inf_nan=False,
        description="The route's share of its lane, beside other routes of the same lane that have documents waiting.",
    )
    poll: PollSchedule = Field(default=PollSchedule(), description="When to ask for an asynchronous answer.")
    on_doubt: Literal["hold", "resubmit"] = Field(
        default="hold",
        description='What becomes of a paid request of which the provider cannot say whether it took it: "hold" lets a '
        'person decide; "resubmit" sends it again, which may pay it a second time.',
    )
    fields: tuple[LabelRule, ...] = Field(
        default=(),
        description="What the local provider looks for; for every provider, of which kind a label's values are.",
    )
    metadata: dict[str, str] = Field(default={}, description="Comes back on every row.")
    key_pattern: str = Field(
        default="", description="Names parts of the key below the prefix as metadata: {vendor}/{po}.pdf"
    )

    @model_validator(mode="after")
    def _account_defaults_to_provider(self) -> Self:
        if not self.account:
            object.__setattr__(self, "account", self.provider)
        return self

    @field_validator("pages_to_process")
    @classmethod
    def _each_page_once_in_order(cls, numbers: tuple[int, ...]) -> tuple[int, ...]:
        return tuple(sorted(set(numbers)))

    @property
    def lane(self) -> Lane:
        return Lane(self.provider, self.account, self.model)

    @property
    def definition(self) -> str:
        """The route as JSON, without its weight, which makes no other rows: what is kept of a revision."""
        return self.model_dump_json(exclude={"weight"})

    @property
    def revision(self) -> str:
        """12 hex digits that change whenever the definition does."""
        return sha256(self.definition.encode()).hexdigest()[:12]

    @property
    def link_time(self) -> timedelta:
        """How long a link that the provider reads must be valid: from the intent to the last poll."""
        return SEND_WITHIN + self.poll.whole_time

    def takes(self, bucket: str, key: str) -> bool:
        """Whether an object of this name is a document of this route (a folder placeholder never is)."""
        return (
            bucket == self.bucket
            and key.startswith(self.prefix)
            and not key.endswith("/")
            and key.lower().endswith(tuple(suffix.lower() for suffix in self.suffixes))
        )


def choose_route(bucket: str, key: str, routes: Sequence[Route]) -> Route:
    """The route with the longest prefix that takes this key; NoRoute where none does."""
    taking = [route for route in routes if route.takes(bucket, key)]
    if not taking:
        raise NoRoute(
            f"No route takes s3://{bucket}/{key}: neither bucket and prefix nor suffix fit. "
            "Add a route for it to headrace.toml."
        )
    return max(taking, key=lambda route: len(route.prefix))


def choose_mode(pages: int, route: Route) -> Mode:
    """Sync while the provider answers at once, async for what is longer; the text alone is always answered at once.

    Raises DocumentTooLong past the limit, which is for the whole document, and NoPages like `page_numbers`.
    """
    if pages > route.most_pages:
        raise DocumentTooLong(pages, most=route.most_pages)
    at_once = route.text_only or pages_sent(pages, route) <= route.sync_page_limit
    return Mode.SYNC if at_once else Mode.ASYNC


def page_numbers(pages: int, route: Route) -> tuple[int, ...]:
    """The only pages to read of a document that has so many, from 1; none where all are to be read.

    NoPages where the route asks only for pages that the document does not have.
    """
    chosen = tuple(number for number in route.pages_to_process if number <= pages)
    if route.pages_to_process and not chosen:
        has = "1 page" if pages == 1 else f"{pages} pages"
        raise NoPages(
            f"The document has {has}, and pages_to_process of the route begins with page {route.pages_to_process[0]}: "
            "there is nothing to send. Name other pages, or send it by another route."
        )
    return chosen


def pages_sent(pages: int, route: Route) -> int:
    """How many pages the provider is to read, and charges for, of a document that has so many; raises NoPages."""
    return len(page_numbers(pages, route)) or pages


def refuse_lower_bound(count: PageCount, route: Route) -> None:
    """Refuse a document of which only a lower bound is known: no limit could be kept, and no page numbers be trusted.

    DocumentTooLong where the bound breaks the limit, else UnreadableDocument.
    """
    if not count.at_least:
        return
    if count.pages > route.most_pages:
        raise DocumentTooLong(count.pages, most=route.most_pages, at_least=True)
    raise UnreadableDocument(
        f"The document has at least {count.pages} pages; how many more is not known, because the last ones lie beyond "
        "what counting reads. Nothing is sent, for what it would cost is not known. Save it anew, or split it."
    )


def pages_missing(answered: Collection[int], walked: int | None, route: Route) -> tuple[int, ...]:
    """Which pages were sent and are not among those answered, of a document that was walked to have so many.

    None are where it was not: what else is known of a document's length is no certainty. Nobody published by which
    numbers a provider calls the pages of pages_to_process, so as many of them as were sent are all.
    """
    if walked is None:
        return ()
    sent = page_numbers(walked, route) or range(1, walked + 1)
    if route.pages_to_process and len(answered) >= len(sent):
        return ()
    return tuple(number for number in sent if number not in answered)


def refuse_large(document: Document, route: Route) -> None:
    """DocumentTooLarge where the object has more bytes than the route allows."""
    if document.size is not None and document.size > route.most_bytes:
        raise DocumentTooLarge(
            f"The document has {document.size} bytes; the route accepts at most {route.most_bytes}. "
            "Split it, or raise most_bytes of the route."
        )


def metadata_of(route: Route, key: str, object_metadata: Mapping[str, str]) -> dict[str, str]:
    """The user's own metadata: the route's, what its pattern names in the key, and the object's (x-amz-meta-*).

    Where two give the same name the earlier stands: an uploader adds to what the route says, never overrules it.
    """
    named = names_in(route.key_pattern, key.removeprefix(route.prefix)) if route.key_pattern else {}
    return {**object_metadata, **named, **route.metadata}
