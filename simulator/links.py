"""Signed links to the pictures and files of documents, by their storage path; they lead nowhere."""

import base64
from collections.abc import Iterable, Iterator, Mapping
from hashlib import md5, sha256
from uuid import UUID

from simulator.journal import File
from simulator.streaming import Entries

ORIGINAL_SECONDS = 4 * 3600
LONG_SECONDS = 180 * 24 * 3600
RAW_SECONDS = 7 * 24 * 3600

_OF_PICTURES_ONLY = (
    "original_compressed",
    "thumbnail",
    "acw_rotate_90",
    "acw_rotate_180",
    "acw_rotate_270",
    "original_with_long_expiry",
)


def signed_urls(files: Iterable[File], shape: str) -> Entries | list[None]:
    """The member of a body: a map of links, [] or [null]."""
    if shape == "map":
        return Entries(_links(files))
    return [] if shape == "list" else [None]


def picture(file: File, page: int) -> str:
    """Where the picture of a page is stored."""
    return f"uploadedfiles/{file.model}/PredictionImages/{int(UUID(file.id)) % 10**9}{page:04}.jpeg"


def raw_file(file: File) -> str:
    """Where the file is stored as it was sent."""
    return f"uploadedfiles/{file.model}/RawPredictions/{file.id}{file.suffix}"


def _links(files: Iterable[File]) -> Iterator[tuple[str, Mapping[str, str]]]:
    for file in files:
        for page in file.pages:
            yield picture(file, page), _of_picture(picture(file, page), file)
        signature = sha256(file.id.encode()).hexdigest()
        signed = f"X-Amz-Algorithm=AWS4-HMAC-SHA256&X-Amz-Expires={RAW_SECONDS}&X-Amz-Signature={signature}"
        original = f"https://s3.invalid/{raw_file(file)}?{signed}"
        yield raw_file(file), {"original": original, **dict.fromkeys(_OF_PICTURES_ONLY, "")}


def _of_picture(path: str, file: File) -> dict[str, str]:
    return {
        "original": _link(path, file, ORIGINAL_SECONDS),
        "original_compressed": _link(path, file, ORIGINAL_SECONDS, "&auto=compress"),
        "thumbnail": _link(path, file, ORIGINAL_SECONDS, "&w=240"),
        "acw_rotate_90": _link(path, file, ORIGINAL_SECONDS, "&or=270"),
        "acw_rotate_180": _link(path, file, ORIGINAL_SECONDS, "&or=180"),
        "acw_rotate_270": _link(path, file, ORIGINAL_SECONDS, "&or=90"),
        "original_with_long_expiry": _link(path, file, LONG_SECONDS),
    }


def _link(path: str, file: File, seconds: int, options: str = "") -> str:
    signature = md5(f"{path}{seconds}{options}".encode(), usedforsecurity=False).hexdigest()
    name = base64.urlsafe_b64encode(path.encode()).decode().rstrip("=")
    return f"https://imgix.invalid/{name}?expires={int(file.accepted_at) + seconds}{options}&s={signature}"
