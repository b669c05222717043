"""A document: one content of one object in a bucket, and the ids that follow from it."""

import re
from dataclasses import dataclass
from datetime import datetime
from hashlib import sha256
from typing import Self

UNKEEPABLE = re.compile("[\0\ud800-\udfff]")
"""NUL and half of a surrogate pair: no S3 key has them, and PostgreSQL keeps neither."""


def is_keepable(text: str | None) -> bool:
    """Whether every engine of the ledger can keep this text as it is."""
    return text is None or UNKEEPABLE.search(text) is None


def _digest(*parts: str) -> str:
    # NUL cannot stand in a bucket's name or an eTag, so no two lists of parts read the same.
    return sha256("\0".join(parts).encode("utf-8", "surrogatepass")).hexdigest()[:32]


def object_id(bucket: str, key: str) -> str:
    """The id of an S3 key, whatever its content: 32 hex digits."""
    return _digest(bucket, key)


@dataclass(frozen=True, slots=True)
class Document:
    """One content of one object, as an event or a listing told of it.

    `etag` has no quotes. `last_modified` is in whole seconds, as HEAD gives it. `version_id` and
    `sequencer` are None where the store gives none; the sequencer is hexadecimal and only orders
    drops of one key.
    """

    bucket: str
    key: str
    etag: str
    size: int | None = None
    last_modified: datetime | None = None
    version_id: str | None = None
    sequencer: str | None = None

    @property
    def id(self) -> str:
        """32 hex digits from bucket, key and eTag: what every event and every listing gives."""
        return _digest(self.bucket, self.key, self.etag.strip('"'))

    @property
    def object_id(self) -> str:
        """The id of its S3 key, shared by all contents that lay there."""
        return object_id(self.bucket, self.key)

    @property
    def is_keepable(self) -> bool:
        """Whether all that was told of it is text that the ledger can keep; else no such object can be."""
        told = (self.bucket, self.key, self.etag, self.version_id, self.sequencer)
        return all(is_keepable(text) for text in told)

    @property
    def name(self) -> str:
        """The last part of the key: what people call the file."""
        return self.key.rstrip("/").rsplit("/", 1)[-1]

    @property
    def url(self) -> str:
        return f"s3://{self.bucket}/{self.key}"


@dataclass(frozen=True, slots=True)
class SubmissionKey:
    """Names one paid request: the n-th of one part of one run to one provider.

    `part` is "all", or "A_B" for the pages A to B (from 1, both included).
    """

    document: str
    run: int
    provider: str
    part: str
    n: int

    def __str__(self) -> str:
        return f"{self.document}-{self.run}-{self.provider}-{self.part}-{self.n}"

    @classmethod
    def parse(cls, text: str) -> Self:
        """Read what `str` wrote; ValueError for anything else."""
        document, run, provider, part, n = text.split("-")
        return cls(document, int(run), provider, part, int(n))


def part_name(first: int, last: int) -> str:
    """The part that holds the pages `first` to `last`."""
    return f"{first}_{last}"


def part_pages(part: str) -> tuple[int, int] | None:
    """First and last page of a part, both included; None for the whole document."""
    if part == "all":
        return None
    first, last = part.split("_")
    return int(first), int(last)


def run_id(document_id: str, number: int) -> str:
    """The id of a document's run: what a message carries."""
    return f"{document_id}-{number}"
