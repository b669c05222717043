"""What the page counter and its child say to each other, and how the child is started."""

import sys
from collections.abc import Sequence
from typing import Annotated, Literal

from pydantic import Field, TypeAdapter

from headrace.child_process import ChildMessage, ChildProcess, Failed, OutOfMemory, Ready, Wanted
from headrace.clock import Clock
from headrace.spooled_copy import SpooledCopy


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
    return [sys.executable, "-m", "headrace.counting_child", str(memory_bytes), str(seconds)]


class CountingProcess(ChildProcess[Message]):
    """One child that counts, and `copy`, a file that it can read and we can fill."""

    def __init__(self, command: Sequence[str], clock: Clock) -> None:
        self.copy = SpooledCopy()
        try:
            super().__init__(command, clock, _MESSAGES, files=[self.copy.descriptor])
        except BaseException:
            self.copy.close()
            raise

    def kill(self) -> None:
        """End it at once, whatever it does."""
        super().kill()
        self.copy.close()
