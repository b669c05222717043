"""Which of two publications of one S3 key is newer."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from enum import Enum, auto
from typing import Self
from urllib.parse import quote, unquote

from headrace import sequencer
from headrace.document import Document
from headrace.ledger.records import Run

_SPELLING = "%Y-%m-%dT%H:%M:%SZ"
_UNSEEN = "unseen"
_PREFIX = "headrace-"


class Age(Enum):
    """How one publication stands to another."""

    OLDER = auto()
    EQUAL = auto()
    NEWER = auto()
    UNDECIDED = auto()
    """Only the bucket can tell: the content that it holds now is the newest. Where it holds none, the ledger tells
    which was told of last."""


@dataclass(frozen=True, slots=True)
class Order:
    """What decides: LastModified (whole seconds, UTC), sequencer, run, fencing token; and of which content.

    LastModified is None for a content that was told of and that nobody saw: when it was told of does not say when it
    was put there.
    """

    last_modified: datetime | None
    sequencer: str | None
    run: int
    token: int
    document: str
    etag: str

    @classmethod
    def of(cls, run: Run) -> Self:
        """The order of what this run publishes."""
        document = run.document
        return cls(
            last_modified=_whole_seconds(document.last_modified),
            sequencer=sequencer.spelled(document.sequencer),
            run=run.number,
            token=run.token,
            document=document.id,
            etag=document.etag,
        )

    def as_known(self, document: Document | None) -> Self:
        """The same publication where the ledger knows its content's place now: it may have come back since."""
        if document is None or document.last_modified is None:
            return self
        moment = _whole_seconds(document.last_modified)
        if self.last_modified is not None and moment is not None and moment < self.last_modified:
            return self
        known = sequencer.spelled(document.sequencer)
        same_drop = moment == self.last_modified
        return replace(self, last_modified=moment, sequencer=known or (self.sequencer if same_drop else None))

    def compare(self, other: Self) -> Age:
        """How this one stands to the other."""
        if self.last_modified != other.last_modified and None not in (self.last_modified, other.last_modified):
            return _age(self.last_modified, other.last_modified)
        mine, theirs = sequencer.place(self.sequencer), sequencer.place(other.sequencer)
        if mine is not None and theirs is not None:
            if mine != theirs:
                return _age(mine, theirs)
        elif self.document != other.document:
            return Age.UNDECIDED
        return _age((self.run, self.token, self.document), (other.run, other.token, other.document))

    def may_be_of_one_moment(self, other: Self) -> bool:
        """Whether the two are of different contents and LastModified does not tell which was put there later.

        Sequencers tell of the drops that events came for. Each content may have come back in another one since.
        """
        same = self.last_modified == other.last_modified or None in (self.last_modified, other.last_modified)
        return same and self.document != other.document

    def settle(self, other: Self, current_etag: str | None, told_last: str | None = None) -> Age:
        """Decide what LastModified does not, by the content that the bucket holds now (None: nothing).

        Where it holds neither of them `compare` does; where that cannot, `told_last`: the document that, as far as
        was told, lies or lay there last.
        """
        if current_etag == self.etag != other.etag:
            return Age.NEWER
        if current_etag == other.etag != self.etag:
            return Age.OLDER
        age = self.compare(other)
        if age is not Age.UNDECIDED:
            return age
        if told_last == self.document != other.document:
            return Age.NEWER
        if told_last == other.document != self.document:
            return Age.OLDER
        # Neither is there any more. Whichever stands will be replaced by what is there, or is the last
        # that is known; all that matters is that every worker decides alike.
        return _age((self.run, self.token, self.document), (other.run, other.token, other.document))

    def metadata(self) -> dict[str, str]:
        """As metadata of an S3 object: ASCII, whatever the store or an event told."""
        facts = {
            "last-modified": _spelled(self.last_modified),
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
                last_modified=_moment(facts["last-modified"]),
                sequencer=sequencer.spelled(facts.get("sequencer")),
                run=int(facts["run"]),
                token=int(facts["token"]),
                document=unquote(facts["document"]),
                etag=unquote(facts["etag"]),
            )
        except (KeyError, ValueError):
            return None


def _whole_seconds(moment: datetime | None) -> datetime | None:
    return None if moment is None else moment.astimezone(UTC).replace(microsecond=0)


def _spelled(moment: datetime | None) -> str:
    return _UNSEEN if moment is None else moment.strftime(_SPELLING)


def _moment(text: str) -> datetime | None:
    """What `_spelled` wrote; ValueError for anything else."""
    return None if text == _UNSEEN else datetime.strptime(text, _SPELLING).replace(tzinfo=UTC)


def _age(mine: object, theirs: object) -> Age:
    if mine == theirs:
        return Age.EQUAL
    return Age.NEWER if mine > theirs else Age.OLDER  # type: ignore[operator]
