"""What travels in `request_metadata`: our submission key and the user's own metadata, and back."""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from pydantic import JsonValue

from headrace.document import SubmissionKey


@dataclass(frozen=True)
class Envelope:
    """What came back; no key where the metadata is not ours."""

    key: str | None = None
    metadata: dict[str, JsonValue] = field(default_factory=dict)


def seal(key: SubmissionKey, metadata: Mapping[str, str]) -> str:
    """The text that is sent."""
    return json.dumps({"headrace": str(key), "metadata": dict(metadata)}, separators=(",", ":"))


def unseal(text: Any) -> Envelope:
    """What `seal` wrote; an empty envelope for anything blank, foreign or damaged."""
    if not isinstance(text, str):
        return Envelope()
    try:
        content = json.loads(text)
    except (ValueError, RecursionError):
        return Envelope()
    if not isinstance(content, dict) or not isinstance(content.get("headrace"), str):
        return Envelope()
    metadata = content.get("metadata")
    known = metadata.items() if isinstance(metadata, dict) else ()
    # Texts alone were sealed; anything else was put there by others, and may be of any depth.
    return Envelope(content["headrace"], {name: text for name, text in known if isinstance(text, str)})
