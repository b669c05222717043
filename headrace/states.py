"""Where a run can be, and why it is there: the words that the ledger, the manifests and people share."""

from enum import IntEnum, StrEnum


class State(StrEnum):
    """The states of a run (the picture is in docs/architecture.md)."""

    RECEIVED = "received"
    WAITING = "waiting"
    ADMITTED = "admitted"
    SUBMITTED = "submitted"
    PREDICTED = "predicted"
    EXPORTED = "exported"
    FAILED = "failed"
    HELD = "held"
    SUPERSEDED = "superseded"
    REMOVED = "removed"
    CANCELLED = "cancelled"

    @property
    def is_end(self) -> bool:
        """Whether nothing but the manifest is left to do."""
        return self in END_STATES


END_STATES = frozenset(
    {
        State.EXPORTED,
        State.FAILED,
        State.HELD,
        State.SUPERSEDED,
        State.REMOVED,
        State.CANCELLED,
    }
)


NEVER_READ = frozenset({State.SUPERSEDED, State.REMOVED})
"""Ends in which the content was never read: told of again, it is there after all."""


class Precedence(IntEnum):
    """Which runs of a lane go first: what was dropped just now, before what was started together with many others."""

    FRESH = 0
    BATCH = 1


class Mode(StrEnum):
    """How a provider is asked."""

    SYNC = "sync"
    ASYNC = "async"


class Preparation(StrEnum):
    """What is done to a copy of a document, which is never stored, before a provider gets it."""

    DECRYPT = "decrypt"
    CONVERT = "convert"


class SubmissionState(StrEnum):
    """What is known about one paid request."""

    INTENDED = "intended"
    ACCEPTED = "accepted"
    ANSWERED = "answered"
    REJECTED = "rejected"
    IN_DOUBT = "in_doubt"
    ABANDONED = "abandoned"
    """A person, or the route, decided not to wait for the truth of it."""


class Mark(StrEnum):
    """What a reader should know about an exported run."""

    PARTIAL = "partial"
    NEEDS_REVIEW = "needs_review"


class Reason(StrEnum):
    """Why a run waits or ended as it did. docs/outputs.md explains each to a person."""

    # The document itself.
    NO_ROUTE = "no_route"
    UNSUPPORTED_TYPE = "unsupported_type"
    TOO_LONG = "too_long"
    TOO_LARGE = "too_large"
    EMPTY_FILE = "empty_file"
    ENCRYPTED = "encrypted"
    UNREADABLE = "unreadable"
    NO_PAGES = "no_pages"
    COUNT_TIMED_OUT = "count_timed_out"
    COUNT_OUT_OF_MEMORY = "count_out_of_memory"
    READ_TIMED_OUT = "read_timed_out"
    READ_OUT_OF_MEMORY = "read_out_of_memory"
    NEEDS_OCR = "needs_ocr"
    OBJECT_REPLACED = "object_replaced"
    OBJECT_GONE = "object_gone"
    # The provider, with certainty.
    BAD_REQUEST = "bad_request"
    KEY_REFUSED = "key_refused"
    QUOTA_USED_UP = "quota_used_up"
    FORBIDDEN = "forbidden"
    MODEL_NOT_FOUND = "model_not_found"
    REFUSED = "refused"
    LINK_UNUSABLE = "link_unusable"
    RATE_LIMITED = "rate_limited"
    UNREACHABLE = "unreachable"
    NOT_SENT = "not_sent"
    PREDICTION_FAILED = "prediction_failed"
    PREDICTION_TIMED_OUT = "prediction_timed_out"
    # The provider, in doubt: the run waits, or is held, as IN_DOUBT; its submission says which of these it was.
    IN_DOUBT = "in_doubt"
    SERVER_ERROR = "server_error"
    HTML_ANSWER = "html_answer"
    EMPTY_ANSWER = "empty_answer"
    UNREADABLE_ANSWER = "unreadable_answer"
    TIMED_OUT = "timed_out"
    CONNECTION_CUT = "connection_cut"
    WORKER_DIED = "worker_died"
    # How doubt ended, where the provider does not have it.
    NOT_TAKEN = "not_taken"
    GIVEN_UP = "given_up"
    # What we allow ourselves, or a person did.
    IN_FLIGHT = "in_flight"
    RATE = "rate"
    BUDGET = "budget"
    OVER_BUDGET = "over_budget"
    PROVIDER_FAILING = "provider_failing"
    PAUSED = "paused"
    # Ourselves.
    POISON = "poison"
    STORAGE = "storage"
    STORAGE_REFUSED = "storage_refused"
    SOURCE_REFUSED = "source_refused"
    ANSWER_LOST = "answer_lost"
    CONFIGURATION = "configuration"
    UNEXPECTED = "unexpected"
