"""How a command ends: the exit codes that scripts may rely on."""

from enum import IntEnum

from headrace.errors import (
    ConfigurationError,
    ForeignLedger,
    HeadraceError,
    LedgerUnavailable,
    PredictionRejected,
    ProviderUnavailable,
    RateLimited,
    StorageRefused,
    StorageUnavailable,
)
from headrace.states import Reason


class Exit(IntEnum):
    """The exit codes, each with what it says."""

    def __new__(cls, code: int, meaning: str) -> "Exit":
        member = int.__new__(cls, code)
        member._value_ = code
        member.meaning = meaning
        return member

    meaning: str

    OK = 0, "what was asked was done"
    FAILED = 1, "it was not done, nothing was found, or a check found something wrong"
    USAGE = 2, "the command was called wrongly"
    CONFIGURATION = 3, "the settings or headrace.toml are wrong, or the ledger is not the bucket's own"
    UNREACHABLE = 4, "a server cannot be reached, or refuses us"
    UNEXPECTED = 70, "a fault in headrace itself"
    INTERRUPTED = 130, "stopped by Ctrl-C"


def exit_for(error: HeadraceError) -> Exit:
    """The code that tells a script what kind of error ended the command."""
    match error:
        case ConfigurationError() | ForeignLedger():
            return Exit.CONFIGURATION
        case LedgerUnavailable() | StorageUnavailable() | StorageRefused() | ProviderUnavailable() | RateLimited():
            return Exit.UNREACHABLE
        case PredictionRejected(reason=Reason.KEY_REFUSED | Reason.FORBIDDEN):
            return Exit.UNREACHABLE
        case _:
            return Exit.FAILED
