"""What may come of a paid request, and what each outcome means: the one table that code, tests and docs share."""

from dataclasses import dataclass
from enum import StrEnum

from headrace.errors import HeadraceError, InDoubt, NotSent, PredictionRejected, ProviderUnavailable, RateLimited
from headrace.states import Reason


class Body(StrEnum):
    """What an answer's body is made of."""

    JSON = "a JSON object"
    HTML = "HTML"
    EMPTY = "nothing"
    OTHER = "something else"


@dataclass(frozen=True)
class Outcome:
    """One row: `seen` is what happened on the wire, `meaning` is told to people."""

    seen: str
    error: type[HeadraceError]
    reason: Reason
    meaning: str

    def as_error(self, detail: str = "", *, after_seconds: float | None = None) -> HeadraceError:
        """The error to raise; `detail` must be free of secrets, `after_seconds` is how long to wait, if told."""
        message = f"Nanonets {self.meaning}{f' ({detail})' if detail else ''}"
        if issubclass(self.error, PredictionRejected | InDoubt):
            return self.error(message, self.reason)
        if issubclass(self.error, RateLimited):
            return self.error(message, after_seconds)
        return self.error(message)


REFUSALS = {
    400: Outcome(
        "400, JSON",
        PredictionRejected,
        Reason.BAD_REQUEST,
        "refused the request: it misses a part, or the file is of a kind that it does not take.",
    ),
    401: Outcome(
        "401, JSON", PredictionRejected, Reason.KEY_REFUSED, "refused the API key: set the right one, and restart."
    ),
    402: Outcome(
        "402, JSON",
        PredictionRejected,
        Reason.QUOTA_USED_UP,
        "says that the account's calls are used up: buy more.",
    ),
    403: Outcome(
        "403, JSON", PredictionRejected, Reason.FORBIDDEN, "says that the API key has no right to use this model."
    ),
    404: Outcome(
        "404, JSON",
        PredictionRejected,
        Reason.MODEL_NOT_FOUND,
        "does not know this model: correct the route's `model` and reprocess (a retry asks for the same model again).",
    ),
    429: Outcome(
        "429, JSON",
        RateLimited,
        Reason.RATE_LIMITED,
        "says that this model took its pages of the minute: it is tried again later.",
    ),
}
OTHER_REFUSAL = Outcome(
    "any other 4xx, JSON", PredictionRejected, Reason.REFUSED, "refused the request for a reason of its own."
)
PREDICTION_FAILED = Outcome(
    "200, every page failed",
    PredictionRejected,
    Reason.PREDICTION_FAILED,
    "could not read any page of the document.",
)
LINK_UNUSABLE = Outcome(
    "200, 202 or 206 to a link, with nothing but its failure: no file, no page",
    PredictionRejected,
    Reason.LINK_UNUSABLE,
    "could not use the link to the document.",
)
UNREACHABLE = Outcome(
    "no connection (refused, no address, TLS, connect or pool timeout, proxy)",
    ProviderUnavailable,
    Reason.UNREACHABLE,
    "cannot be reached; no byte was sent.",
)
NOT_SENT = Outcome(
    "we stopped before the last piece: `send_before` or the call's time was past",
    NotSent,
    Reason.NOT_SENT,
    "did not get the whole request: its time was up before the last piece, which was kept back.",
)
SERVER_ERROR = Outcome(
    "5xx, with any body", InDoubt, Reason.SERVER_ERROR, "had a fault of its own; it may have taken the document."
)
HTML_ANSWER = Outcome(
    "200, 3xx or 4xx with HTML",
    InDoubt,
    Reason.HTML_ANSWER,
    "was answered for with a web page, perhaps by a proxy; the document may have been taken.",
)
EMPTY_ANSWER = Outcome(
    "200, 3xx or 4xx with no body",
    InDoubt,
    Reason.EMPTY_ANSWER,
    "answered nothing; it may have taken the document.",
)
UNREADABLE_ANSWER = Outcome(
    "200, 3xx or 4xx that cannot be understood (no JSON object, no usable page or file id, too large)",
    InDoubt,
    Reason.UNREADABLE_ANSWER,
    "gave an answer that cannot be understood; it may have taken the document.",
)
TIMED_OUT = Outcome(
    "the call's time was up after the last piece, or a wait timed out",
    InDoubt,
    Reason.TIMED_OUT,
    "did not answer in time; it may have taken the document.",
)
CONNECTION_CUT = Outcome(
    "the connection broke once sending had begun",
    InDoubt,
    Reason.CONNECTION_CUT,
    "broke the connection after sending began; it may have taken the document.",
)

OUTCOMES = (
    *REFUSALS.values(),
    OTHER_REFUSAL,
    PREDICTION_FAILED,
    LINK_UNUSABLE,
    UNREACHABLE,
    NOT_SENT,
    SERVER_ERROR,
    HTML_ANSWER,
    EMPTY_ANSWER,
    UNREADABLE_ANSWER,
    TIMED_OUT,
    CONNECTION_CUT,
)

_UNPARSED = {Body.HTML: HTML_ANSWER, Body.EMPTY: EMPTY_ANSWER, Body.OTHER: UNREADABLE_ANSWER}


def outcome_of(status: int, body: Body) -> Outcome | None:
    """What an answer to a paid request means; None where it is a 2xx whose JSON is to be read.

    Only a refusal that we can parse is certain. A 4xx that is no JSON object was not written by
    Nanonets: a proxy that inspects answers may write it after the document was taken.
    """
    if status >= 500:
        return SERVER_ERROR
    if body is not Body.JSON:
        return _UNPARSED[body]
    if status >= 400:
        return REFUSALS.get(status, OTHER_REFUSAL)
    return None if 200 <= status < 300 else UNREADABLE_ANSWER


def outcomes_table() -> str:
    """The table as Markdown, for docs/providers/nanonets.md."""
    rows = ["| What comes back | Certain | Error | Reason | Nanonets … |", "|---|---|---|---|---|"]
    rows += [
        f"| {row.seen} | {'no' if row.error is InDoubt else 'yes'} | `{row.error.__name__}` | `{row.reason}` "
        f"| {row.meaning} |"
        for row in OUTCOMES
    ]
    return "\n".join(rows) + "\n"
