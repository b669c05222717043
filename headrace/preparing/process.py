"""What the child that prepares a copy may say, and how it is started."""

import sys
from collections.abc import Sequence
from typing import Annotated, Literal

from pydantic import Field, TypeAdapter

from headrace.children.process import ChildMessage, ChildProcess, Failed, OutOfMemory, Ready
from headrace.clock import Clock
from headrace.states import Preparation

CHILD = (sys.executable, "-m", "headrace.preparing.child")


class Prepared(ChildMessage):
    """The copy is written, and has so many pages."""

    kind: Literal["prepared"]
    pages: int = Field(ge=1)


class Refused(ChildMessage):
    """There is no copy; why is a word, for a text might be the document's."""

    kind: Literal["refused"]
    why: Literal["encrypted", "unreadable", "too_large", "machine"]


Message = Ready | Failed | Prepared | Refused | OutOfMemory
_MESSAGES: TypeAdapter[Message] = TypeAdapter(Annotated[Message, Field(discriminator="kind")])


class PreparingProcess(ChildProcess[Message]):
    """One child for one copy: it reads the file `original` and writes the file `copy`."""

    def __init__(
        self,
        child: Sequence[str],
        clock: Clock,
        preparation: Preparation,
        *,
        memory_bytes: int,
        seconds: float,
        most_bytes: int,
        original: int,
        copy: int,
    ) -> None:
        arguments = [str(preparation), *map(str, (memory_bytes, seconds, most_bytes, original, copy))]
        super().__init__([*child, *arguments], clock, _MESSAGES, files=(original, copy))
