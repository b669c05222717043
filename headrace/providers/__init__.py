"""The seam to the prediction APIs: one module a provider, all of them speaking these values."""

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Protocol

from headrace.document import SubmissionKey
from headrace.labels import LabelRule
from headrace.prediction import Prediction
from headrace.states import Mode, Reason


@dataclass(frozen=True)
class Capabilities:
    """What a provider can do, so that the pipeline need not know its name.

    `paid`: a request costs money, so it has notes, `send_before` and doubt. `part_pages`: the most
    pages that one submission may hold; None for the whole document. `protected`: takes PDFs that open
    only with a password. `find`: can be asked whether it took a request. `window`: can list all jobs of some days.
    """

    paid: bool
    asynchronous: bool
    urls: bool
    media_types: frozenset[str]
    part_pages: int | None = None
    protected: bool = False
    find: bool = False
    window: bool = False


class Source(Protocol):
    """The document's bytes, as a provider may have them."""

    name: str
    """The object's base name."""
    size: int
    """In bytes."""
    media_type: str
    url: str | None
    """A presigned URL where the provider is to fetch the bytes itself."""

    def chunks(self) -> Iterator[bytes]:
        """The bytes once through, in pieces, from exactly this content.

        Raises DocumentGone or DocumentReplaced where the content is no longer there, and
        StorageUnavailable where the store fails on the way.
        """
        ...

    def read_range(self, start: int, length: int) -> bytes:
        """So many of the bytes, never past the end, for engines that go to and fro; raises like `chunks`."""
        ...


@dataclass(frozen=True)
class Request:
    """What one submission asks. `metadata` is the user's own; `pages` is (first, last) from 1.

    `language` is an ISO 639 code, or empty; `text_only` asks for the full text and nothing else; `page_numbers`
    are the only pages to read (from 1), all where there are none; `as_base64` sends the bytes as text.
    """

    key: SubmissionKey
    model: str
    mode: Mode
    send_before: datetime
    pages: tuple[int, int] | None = None
    metadata: Mapping[str, str] = field(default_factory=dict)
    rules: tuple[LabelRule, ...] = ()
    language: str = ""
    text_only: bool = False
    page_numbers: tuple[int, ...] = ()
    as_base64: bool = False


@dataclass(frozen=True)
class Job:
    """Work that a provider has accepted. `pages` is how many it said it would answer, if it did."""

    id: str
    model: str
    pages: int | None = None


@dataclass(frozen=True)
class Answer:
    """A finished prediction, with the answer's bytes (JSON, its signed links taken out)."""

    prediction: Prediction
    raw: bytes


@dataclass(frozen=True)
class Pending:
    """Not ready yet; `detail` says what the provider told."""

    detail: str = ""


@dataclass(frozen=True)
class Refused:
    """The provider gave this job up, for good."""

    reason: Reason
    detail: str


@dataclass(frozen=True)
class NotTold:
    """The provider did not say how a job is: it could not be asked, or refused to say. The job may be fine.

    `after_seconds` is how long it asks us to wait, where it does.
    """

    reason: Reason
    detail: str
    after_seconds: float | None = None


Told = Answer | Pending | Refused | NotTold
"""What comes of asking for a job."""


@dataclass(frozen=True)
class Sought:
    """A paid request in doubt, as a provider's listing may show it.

    `name` is the name its document went out under, None where it had none on its way (as Base64, as a link);
    `text_only` is what the request was.
    """

    key: SubmissionKey
    name: str | None
    text_only: bool = False


@dataclass(frozen=True)
class Found:
    """The provider took it. `jobs` is all that a listing has under the key, the oldest first: one, if all is well."""

    jobs: tuple[Job, ...]


@dataclass(frozen=True)
class Absent:
    """A listing that came to its end does not have it."""


@dataclass(frozen=True)
class Unknown:
    """The listing cannot tell; `detail` says why, for people."""

    detail: str


Finding = Found | Absent | Unknown


@dataclass(frozen=True)
class Listing:
    """What one look at a provider's own list told.

    `echoed`: it named a key of ours, any key: only of such an account does it say something that a key is absent.
    """

    findings: Mapping[SubmissionKey, Finding]
    echoed: bool


@dataclass(frozen=True)
class Known:
    """A job that the provider has. `keys` are those of ours that it tells of it; it may tell none."""

    keys: frozenset[SubmissionKey] = frozenset()


class Provider(Protocol):
    """A prediction API."""

    @property
    def capabilities(self) -> Capabilities: ...

    def submit(self, source: Source, request: Request) -> Job | Answer:
        """Send one document (this is what is paid).

        Raises PermanentError or TransientError where it certainly was not taken, InDoubt else.
        """
        ...

    def fetch(self, jobs: Sequence[Job], *, deadline_seconds: float) -> Mapping[Job, Told]:
        """Ask for accepted jobs, within so many seconds. Where a call failed it is NotTold: asking again is free."""
        ...

    def listed(
        self, model: str, jobs: Collection[Job], since: datetime, until: datetime, *, deadline_seconds: float
    ) -> Mapping[Job, Answer | Pending | Absent]:
        """Look for jobs that were accepted between two times, all in one listing; it costs nothing.

        A job that the listing has, but not as a whole, or whose end it would be, is left out: it is to be asked for by
        itself. A listing may lag, so what is Absent may be listed later. Each job is read when it is looked up, for all
        answers at once take much memory. Raises as `find`. Only of a provider whose capabilities say `window`.
        """
        ...

    def find(
        self, model: str, sought: Collection[Sought], since: datetime, until: datetime, *, deadline_seconds: float
    ) -> Listing:
        """Look for paid requests that went out between two times, all in one listing; it costs nothing.

        Raises PermanentError, RateLimited or ProviderUnavailable where the listing does not come to its end: then
        nothing is known. A provider whose capabilities lack `find` says Unknown of every one.
        """
        ...

    def known(self, job: Job, *, deadline_seconds: float) -> Known | None:
        """What the provider knows of a job, whoever sent it; None where it has no such job. It costs nothing.

        Raises PermanentError, RateLimited or ProviderUnavailable where it does not say.
        """
        ...

    def read(self, raw: bytes, model: str) -> Prediction:
        """The prediction in a stored answer."""
        ...
