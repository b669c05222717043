"""Which of two publications of one S3 key is newer."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from enum import Enum, auto
from typing import Self
from urllib.parse import quote, unquote

from headrace import sequencer
from headrace.ledger.records import Run

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_PREFIX = "headrace-"


class Age(Enum):
    """How one publication stands to another."""

    OLDER = auto()
    EQUAL = auto()
    NEWER = auto()
    UNDECIDED = auto()
    """Only the bucket can tell: the content that it holds now is the newest."""


@dataclass(frozen=True, slots=True)
class Order:
    """What decides: LastModified (whole seconds, UTC), sequencer, run, fencing token; and of which content."""

    last_modified: datetime
    sequencer: str | None
    run: int
    token: int
    document: str
    etag: str

    @classmethod
    def of(cls, run: Run) -> Self:
        """The order of what this run publishes.

        A document whose object nobody has seen any more has no LastModified: when it was first heard of stands in.
        """
        document = run.document
        moment = document.last_modified or run.received_at or _EPOCH
        return cls(
            last_modified=moment.astimezone(UTC).replace(microsecond=0),
            sequencer=sequencer.spelled(document.sequencer),
            run=run.number,
            token=run.token,
            document=document.id,
            etag=document.etag,
        )

    def compare(self, other: Self) -> Age:
        """How this one stands to the other."""
        if self.last_modified != other.last_modified:
            return _age(self.last_modified, other.last_modified)
        mine, theirs = sequencer.place(self.sequencer), sequencer.place(other.sequencer)
        if mine is not None and theirs is not None:
            if mine != theirs:
                return _age(mine, theirs)
        elif self.document != other.document:
            return Age.UNDECIDED
        return _age((self.run, self.token, self.document), (other.run, other.token, other.document))

    def settle(self, other: Self, current_etag: str | None) -> Age:
        """Decide what `compare` could not, by the content that the bucket holds now (None: nothing)."""
        if current_etag == self.etag != other.etag:
            return Age.NEWER
        if current_etag == other.etag != self.etag:
            return Age.OLDER
        # Neither is there any more. Whichever stands will be replaced by what is there, or is the last
        # that is known; all that matters is that every worker decides alike.
        return _age((self.run, self.token, self.document), (other.run, other.token, other.document))

    def metadata(self) -> dict[str, str]:
        """As metadata of an S3 object: ASCII, whatever the store or an event told."""
        facts = {
            "last-modified": self.last_modified.strftime("%Y-%m-%dT%H:%M:%SZ"),
            "run": str(self.run),
            "token": str(self.token),
            "document": quote(self.document, safe=""),
            "etag": quote(self.etag, safe=""),
        }
        if self.sequencer is not None:
            facts["sequencer"] = self.sequencer
        return {_PREFIX + name: value for name, value in facts.items()}

    @classmethod
    def read(cls, metadata: Mapping[str, str]) -> Self | None:
        """What `metadata` wrote; None where somebody else wrote the object."""
        facts = {name.removeprefix(_PREFIX): value for name, value in metadata.items() if name.startswith(_PREFIX)}
        try:
            return cls(
                last_modified=datetime.strptime(facts["last-modified"], "%Y-%m-%dT%H:%M:%SZ").replace(tzinfo=UTC),
                sequencer=sequencer.spelled(facts.get("sequencer")),
                run=int(facts["run"]),
                token=int(facts["token"]),
                document=unquote(facts["document"]),
                etag=unquote(facts["etag"]),
            )
        except (KeyError, ValueError):
            return None


def _age(mine: object, theirs: object) -> Age:
    if mine == theirs:
        return Age.EQUAL
    return Age.NEWER if mine > theirs else Age.OLDER  # type: ignore[operator]
