"""What the page counter and its child say to each other, and how the child is started."""

import sys
from collections.abc import Iterable, Sequence
from typing import Annotated, Literal

from pydantic import Field, TypeAdapter

from headrace.children.process import ChildMessage, ChildProcess, Failed, OutOfMemory, Ready, Wanted
from headrace.clock import Clock
from headrace.counting.spooled_copy import SpooledCopy
from headrace.errors import StorageUnavailable


class Counted(ChildMessage):
    """A PageCount."""

    kind: Literal["counted"]
    pages: int = Field(ge=1)
    source: Literal["walked", "declared"]
    media_type: Literal["application/pdf", "image/heic", "image/jpeg", "image/png", "image/tiff", "image/webp"]
    at_least: bool
    protected: bool
    rotated: bool


class Refused(ChildMessage):
    """A PermanentError."""

    kind: Literal["refused"]
    reason: Literal["empty_file", "encrypted", "no_pages", "unreadable", "unsupported_type"]
    text: str = Field(max_length=1000)


class CopyWanted(ChildMessage):
    """The whole document, please, in the file that we share."""

    kind: Literal["copy_wanted"]


Message = Ready | Failed | Wanted | CopyWanted | Counted | Refused | OutOfMemory
_MESSAGES: TypeAdapter[Message] = TypeAdapter(Annotated[Message, Field(discriminator="kind")])


def child_command(memory_bytes: int, seconds: float) -> list[str]:
    """The command line of a child with these limits."""
    return [sys.executable, "-m", "headrace.counting.child", str(memory_bytes), str(seconds)]


class CountingProcess(ChildProcess[Message]):
    """One child that counts, and a file that it can read and we can fill.

    Few documents need the file, so a child also works where this machine has no room for one.
    """

    def __init__(self, command: Sequence[str], clock: Clock) -> None:
        self._copy: SpooledCopy | None = None
        self._no_copy: StorageUnavailable | None = None
        try:
            self._copy = SpooledCopy()
        except StorageUnavailable as error:
            self._no_copy = error
        try:
            super().__init__(command, clock, _MESSAGES, files=[] if self._copy is None else [self._copy.descriptor])
        except BaseException:
            self._close_copy()
            raise

    def fill_copy(self, pieces: Iterable[bytes]) -> int:
        """The child's descriptor of the file, with these pieces in it; StorageUnavailable where it takes them not."""
        if self._copy is None:
            raise StorageUnavailable(str(self._no_copy)) from self._no_copy
        self._copy.fill(pieces)
        return self._copy.descriptor

    def clear_copy(self) -> None:
        """Give the disk back what the file holds."""
        if self._copy is not None:
            self._copy.clear()

    def kill(self) -> None:
        """End it at once, whatever it does."""
        super().kill()
        self._close_copy()

    def _close_copy(self) -> None:
        if self._copy is not None:
            self._copy.close()
