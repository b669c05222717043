"""A child process that is ready to work; or why there is none, and whether it may start later."""

import errno
import signal
from collections.abc import Callable
from typing import Any, TypeVar

from headrace.children.process import ChildDied, ChildProcess, ChildTalksNonsense, ChildTooSlow, Ready
from headrace.errors import ConfigurationError, TransientError

Child = TypeVar("Child", bound=ChildProcess[Any])

# What an installation is wrong by: every start ends so. Anything else is a machine that is short of something now.
_LASTING_ERRORS = {errno.ENOENT, errno.EACCES, errno.ENOTDIR, errno.ENOEXEC}
# What a process does to itself; all other signals come from outside, as that of a machine short of memory.
_LASTING_SIGNALS = {signal.SIGSEGV, signal.SIGBUS, signal.SIGILL, signal.SIGFPE, signal.SIGABRT, signal.SIGSYS}


def started(start: Callable[[], Child], end: Callable[[], float], what: str, memory_bytes: int) -> Child:
    """The child that `start` gives, once it has said that it is ready; `end` is asked then how long that may take.

    `what` names it in the errors: ConfigurationError where it will not start before somebody mends something,
    TransientError where it may.
    """
    child = None
    try:
        child = start()
        message = child.hear(end())
        if isinstance(message, Ready):
            return child
        trouble: Exception | None = None
        found = getattr(message, "text", message.kind)
    except (ChildDied, ChildTooSlow, ChildTalksNonsense, OSError) as error:
        # Nothing of a document was read yet.
        trouble = error
        found = f"{type(error).__name__} {error}".strip()
    except BaseException:
        if child is not None:
            child.kill()
        raise
    if child is not None:
        child.kill()
    if trouble is not None and _may_pass(trouble):
        raise TransientError(
            f"{what} could not be started ({found}): this machine is short of memory, processes or open files, or "
            "very busy. It is tried again."
        ) from trouble
    raise ConfigurationError(
        f"{what} does not start ({found}). It may use {memory_bytes // 1024**2} MB of memory; give it more, "
        "or mend the installation, then retry."
    ) from trouble


def _may_pass(trouble: Exception) -> bool:
    match trouble:
        case OSError():
            return trouble.errno not in _LASTING_ERRORS
        case ChildDied(signal_number=number):
            return number is not None and number not in _LASTING_SIGNALS
        case _:
            return isinstance(trouble, ChildTooSlow)
