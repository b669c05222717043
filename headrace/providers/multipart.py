"""A multipart form (RFC 7578) around contents that are streamed, so that its length is known before their bytes."""

import re
import secrets
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

_MEDIA_TYPE = re.compile(r"[\w.+-]+/[\w.+-]+", re.ASCII)
# Quotes and line ends are escaped as the HTML standard does. Servers differ on backslashes and cut names
# at other control characters, so those are escaped likewise.
_UNSAFE = re.compile(r'[\x00-\x1f"\\\x7f]')


@dataclass(frozen=True)
class Part:
    """A part whose content is streamed: a file where it has a file name, else a text.

    The file name may be anything; it cannot leave its quotes.
    """

    field: str
    file_name: str | None = None
    media_type: str = ""


@dataclass(frozen=True)
class Form:
    """What stands before each content, one after the other, and after the last one."""

    content_type: str
    heads: tuple[bytes, ...]
    tail: bytes

    def content_length(self, content_bytes: int) -> int:
        """The whole form's, with so many bytes of content in all."""
        return sum(map(len, self.heads)) + content_bytes + len(self.tail)


def streamed_form(fields: Mapping[str, str], parts: Sequence[Part]) -> Form:
    """A form of short text fields, then the parts (at least one)."""
    boundary = f"headrace-{secrets.token_hex(16)}"
    short = [
        f'--{boundary}\r\nContent-Disposition: form-data; name="{name}"\r\n\r\n{value}\r\n'
        for name, value in fields.items()
    ]
    first, *others = (f"--{boundary}\r\n{_headers(part)}\r\n" for part in parts)
    return Form(
        content_type=f"multipart/form-data; boundary={boundary}",
        heads=tuple(
            text.encode("utf-8", "replace") for text in ("".join([*short, first]), *("\r\n" + o for o in others))
        ),
        tail=f"\r\n--{boundary}--\r\n".encode(),
    )


def quoted_name(name: str) -> str:
    """A file name as it may stand between quotes: "a\\"b.pdf" becomes a%22b.pdf; an empty one, "document"."""
    return _UNSAFE.sub(lambda match: f"%{ord(match[0]):02X}", name) or "document"


def _headers(part: Part) -> str:
    disposition = f'Content-Disposition: form-data; name="{part.field}"'
    if part.file_name is None:
        return f"{disposition}\r\n"
    kind = part.media_type if _MEDIA_TYPE.fullmatch(part.media_type) else "application/octet-stream"
    return f'{disposition}; filename="{quoted_name(part.file_name)}"\r\nContent-Type: {kind}\r\n'
