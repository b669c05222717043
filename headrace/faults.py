"""Named places where a proof may stop the process: before and after each commit, publish, write and paid call."""

from collections.abc import Callable

_handler: Callable[[str], None] | None = None


def fault_point(name: str) -> None:
    """Say that execution is here. Does nothing unless a proof has set a handler."""
    if _handler is not None:
        _handler(name)


def set_fault_handler(handler: Callable[[str], None] | None) -> None:
    """Have `handler` called with the name of every fault point that is passed; None stops it."""
    global _handler  # noqa: PLW0603  one process, one handler
    _handler = handler
