"""Every error we raise on purpose.

HeadraceError
├── PermanentError          trying again cannot help: the run ends with the error's reason
│   ├── UnreadableDocument, EncryptedDocument, EmptyDocument, DocumentTooLong, DocumentTooLarge,
│   │   UnsupportedType, NoRoute, NeedsOcr, CountTimedOut, CountOutOfMemory, ReadTimedOut, ReadOutOfMemory
│   ├── DocumentGone, DocumentReplaced      it was removed, or superseded, before it was read
│   ├── AnswerLost          a stored answer is gone or damaged
│   └── PredictionRejected  the provider refused for good (400, 401, 402, 403, 404, other 4xx), or failed
├── TransientError          nothing was paid and trying again may help
│   ├── RateLimited, ProviderUnavailable, NotSent
│   └── StorageUnavailable (StorageFull), QueueUnavailable, LimitsUnavailable
├── InDoubt                 a paid request may have been taken: nobody retries, it is settled (headrace/doubt.py)
├── StorageError            the object store says no: ObjectNotFound, PreconditionFailed, StorageRefused (SourceRefused)
├── LedgerError             StaleClaim: somebody else has the run; LedgerUnavailable, ForeignLedger
├── UnreadableEvent         a message that is no bucket notification
└── ConfigurationError      the process cannot start
"""

from headrace.states import Reason


class HeadraceError(Exception):
    """The root: its text is meant for a person and names no secret."""


class PermanentError(HeadraceError):
    """Trying again cannot help."""

    reason: Reason = Reason.UNEXPECTED


class UnreadableDocument(PermanentError):
    """The bytes are damaged, or are not what they say they are."""

    reason = Reason.UNREADABLE


class EmptyDocument(PermanentError):
    """There are no bytes."""

    reason = Reason.EMPTY_FILE


class NoPages(PermanentError):
    """The file opens and has no page."""

    reason = Reason.NO_PAGES


class EncryptedDocument(PermanentError):
    """A password is needed."""

    reason = Reason.ENCRYPTED


class UnsupportedType(PermanentError):
    """The content is of a kind that the route's provider does not take."""

    reason = Reason.UNSUPPORTED_TYPE


class DocumentTooLong(PermanentError):
    """More pages than the route allows."""

    reason = Reason.TOO_LONG

    def __init__(self, pages: int, most: int, *, at_least: bool = False) -> None:
        super().__init__(
            f"The document has {'at least ' if at_least else ''}{pages} pages; the route accepts at most {most}. "
            "Split it, or raise most_pages of the route."
        )
        self.pages = pages


class DocumentTooLarge(PermanentError):
    """More bytes than the route allows."""

    reason = Reason.TOO_LARGE


class NeedsOcr(PermanentError):
    """A page is a picture, and the provider reads text only."""

    reason = Reason.NEEDS_OCR


class CountTimedOut(PermanentError):
    """Counting the pages took longer than its time limit."""

    reason = Reason.COUNT_TIMED_OUT


class CountOutOfMemory(PermanentError):
    """Counting the pages took more memory than its limit."""

    reason = Reason.COUNT_OUT_OF_MEMORY


class ReadTimedOut(PermanentError):
    """Reading the pages took longer than its time limit."""

    reason = Reason.READ_TIMED_OUT


class ReadOutOfMemory(PermanentError):
    """Reading the pages took more memory than its limit."""

    reason = Reason.READ_OUT_OF_MEMORY


class NoRoute(PermanentError):
    """No route takes this key."""

    reason = Reason.NO_ROUTE


class DocumentGone(PermanentError):
    """The object was removed before it was read."""

    reason = Reason.OBJECT_GONE


class DocumentReplaced(PermanentError):
    """The object holds another content now."""

    reason = Reason.OBJECT_REPLACED


class AnswerLost(PermanentError):
    """A stored answer was deleted, or is damaged."""

    reason = Reason.ANSWER_LOST


class PredictionRejected(PermanentError):
    """The provider refused, or failed for good; nothing more will come."""

    def __init__(self, message: str, reason: Reason) -> None:
        super().__init__(message)
        self.reason = reason


class TransientError(HeadraceError):
    """Nothing was paid; trying again may help."""

    reason: Reason = Reason.UNEXPECTED


class RateLimited(TransientError):
    """The provider said: too much, too fast (429). `after_seconds`: for how long it asks us to wait, if it does."""

    reason = Reason.RATE_LIMITED

    def __init__(self, message: str, after_seconds: float | None = None) -> None:
        super().__init__(message)
        self.after_seconds = after_seconds


class ProviderUnavailable(TransientError):
    """No byte reached the provider, or a free call failed."""

    reason = Reason.UNREACHABLE


class NotSent(TransientError):
    """We stopped before the request was whole: its time was up, or the object could not be read to its end."""

    reason = Reason.NOT_SENT


class StorageUnavailable(TransientError):
    """The object store cannot be reached, or answers with a fault of its own."""

    reason = Reason.STORAGE


class StorageFull(StorageUnavailable):
    """The object store has no room left."""

    reason = Reason.STORAGE_REFUSED


class QueueUnavailable(TransientError):
    """The queue of bucket notifications cannot be reached, is not there, or refuses us."""


class LimitsUnavailable(TransientError):
    """Nobody can say how fast requests may go, so none is sent."""


class InDoubt(HeadraceError):
    """A paid request may have been taken. Never retried; `reason` says how the doubt arose."""

    def __init__(self, message: str, reason: Reason) -> None:
        super().__init__(message)
        self.reason = reason


class StorageError(HeadraceError):
    """The object store answered, and the answer is no."""

    reason: Reason = Reason.STORAGE


class ObjectNotFound(StorageError):
    """No object (or no such version, or no bucket) is there."""


class PreconditionFailed(StorageError):
    """If-Match or If-None-Match did not hold (412), or another write was under way (409)."""


class StorageRefused(StorageError):
    """The store refuses us: a wrong key, or a right that is missing."""

    reason = Reason.STORAGE_REFUSED


class SourceRefused(StorageRefused):
    """The store does not let us read the document."""

    reason = Reason.SOURCE_REFUSED


class LedgerError(HeadraceError):
    """The ledger cannot do what was asked."""


class LedgerUnavailable(LedgerError):
    """The ledger's database cannot be reached."""


class StaleClaim(LedgerError):
    """The run was claimed by somebody else since; this worker's write is refused."""


class ForeignLedger(LedgerError):
    """The marker in the bucket belongs to another ledger, or to a newer copy of this one."""


class ConfigurationError(HeadraceError):
    """What was configured cannot work; the text names each mistake and its remedy."""


class UnreadableEvent(HeadraceError):
    """A message is no bucket notification that we understand; it is kept for a person."""
