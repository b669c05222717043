"""How a process and the child that it can kill talk: over two pipes, in messages, each under a length.

Each message, both ways, is a length of 4 bytes (big endian) and that much JSON; bytes may follow a message that
tells their length. This is the child's side; `headrace.children.process` has the other.
"""

import json
import os
import struct
import sys
from typing import Any

LENGTH = struct.Struct(">I")


class Talk:
    """A child's two pipes. The process ends, at its next word, once nobody listens any more."""

    def __init__(self, from_parent: int = 0, to_parent: int = 1) -> None:
        self._from_parent = from_parent
        self._to_parent = to_parent

    def say(self, message: dict[str, Any], data: bytes = b"") -> None:
        """Send a message, and the bytes that follow it."""
        text = json.dumps(message).encode()
        for part in (LENGTH.pack(len(text)) + text, data):
            unsent = memoryview(part)
            while unsent:
                unsent = unsent[os.write(self._to_parent, unsent) :]

    def hear(self) -> dict[str, Any]:
        """The next message."""
        (length,) = LENGTH.unpack(self.read(LENGTH.size))
        message: dict[str, Any] = json.loads(self.read(length))
        return message

    def read(self, length: int) -> bytes:
        """So many bytes."""
        data = bytearray(length)
        unread = memoryview(data)
        while unread:
            count = os.readv(self._from_parent, [unread])
            if count == 0:
                sys.exit()  # Nobody asks any more. SystemExit is no Exception, so no library holds it up.
            unread = unread[count:]
        return bytes(data)

    def ask_for(self, start: int, length: int) -> bytes:
        """A range of the document that the parent holds."""
        self.say({"kind": "wanted", "start": start, "length": length})
        return self.read(self.hear()["length"])
