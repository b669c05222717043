"""A multipart form (RFC 7578) around one file that is streamed, so that its length is known before its bytes."""

import re
import secrets
from collections.abc import Mapping
from dataclasses import dataclass

_MEDIA_TYPE = re.compile(r"[\w.+-]+/[\w.+-]+", re.ASCII)
# Quotes and line ends are escaped as the HTML standard does. Servers differ on backslashes and cut names
# at other control characters, so those are escaped likewise.
_UNSAFE = re.compile(r'[\x00-\x1f"\\\x7f]')


@dataclass(frozen=True)
class Form:
    """What stands before and after the file's bytes."""

    content_type: str
    head: bytes
    tail: bytes

    def content_length(self, file_bytes: int) -> int:
        return len(self.head) + file_bytes + len(self.tail)


def file_form(fields: Mapping[str, str], *, file_field: str, file_name: str, media_type: str) -> Form:
    """A form of text fields, then one file. The file name may be anything; it cannot leave its quotes."""
    boundary = f"headrace-{secrets.token_hex(16)}"
    parts = [
        f'--{boundary}\r\nContent-Disposition: form-data; name="{name}"\r\n\r\n{value}\r\n'
        for name, value in fields.items()
    ]
    parts.append(
        f'--{boundary}\r\nContent-Disposition: form-data; name="{file_field}"; filename="{quoted_name(file_name)}"\r\n'
        f"Content-Type: {media_type if _MEDIA_TYPE.fullmatch(media_type) else 'application/octet-stream'}\r\n\r\n"
    )
    return Form(
        content_type=f"multipart/form-data; boundary={boundary}",
        head="".join(parts).encode("utf-8", "replace"),
        tail=f"\r\n--{boundary}--\r\n".encode(),
    )


def quoted_name(name: str) -> str:
    """A file name as it may stand between quotes: "a\\"b.pdf" becomes a%22b.pdf; an empty one, "document"."""
    return _UNSAFE.sub(lambda match: f"%{ord(match[0]):02X}", name) or "document"
