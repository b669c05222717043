"""Why the local stack does not start, or does not go on."""

import errno
from pathlib import Path

from headrace.errors import HeadraceError


class StackError(HeadraceError):
    """The local stack cannot start or go on; the text says what is in the way and what to do."""


class AlreadyRunning(StackError):
    """Another instance works on the same data folder."""


class StopAsked(StackError):
    """A person (or a service manager) asked for an end while the stack was starting or at work."""


def disk_full(error: OSError, folder: Path) -> StackError | None:
    """What to say where a write failed because there is no room left; None for any other error."""
    if error.errno not in (errno.ENOSPC, errno.EDQUOT):
        return None
    return StackError(
        f"There is no room left on the disk that holds {folder}. "
        "Free some space there, or set HEADRACE_DATA_FOLDER to a folder on another disk."
    )
