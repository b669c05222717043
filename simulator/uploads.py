"""A predict call's body -> the documents in it, on disk."""

import base64
import binascii
import hashlib
import ipaddress
import json
import os
import shutil
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from functools import partial
from pathlib import Path, PurePosixPath
from typing import BinaryIO
from urllib.parse import urlsplit

import httpx
from starlette.datastructures import FormData, UploadFile

from headrace.pages import count_pages

Write = Callable[[BinaryIO], None]

# The vendor's pages disagree about more than these.
MEDIA_TYPES = frozenset({"application/pdf", "image/png", "image/jpeg", "image/tiff"})
MOST_PAGES = 10_000
MOST_LINK_BYTES = 2 * 1024**3


class BadUpload(Exception):
    """The call is refused with 400; the text says why."""


@dataclass(frozen=True)
class Upload:
    """One document whose bytes lie in `path`; `digest` is their SHA-256, `pages` (from 0) are those to process."""

    name: str
    suffix: str
    path: Path
    digest: str
    pages: tuple[int, ...]


@dataclass(frozen=True)
class Uploads:
    """What came, and the links that led to nothing usable, each with its reason."""

    good: tuple[Upload, ...]
    bad: tuple[tuple[str, str], ...] = ()


def take(form: FormData, folder: Path, *, by_link: bool) -> Uploads:
    """Write each document of the form into the folder and count its pages; BadUpload where none is usable."""
    wanted = _wanted_pages(form)
    good: list[Upload] = []
    bad: list[tuple[str, str]] = []
    with ExitStack() as on_trouble:
        for name, write in _documents(form, by_link=by_link):
            path = folder / f"upload-{os.urandom(16).hex()}"
            on_trouble.callback(path.unlink, missing_ok=True)
            try:
                with path.open("wb") as file:
                    # Written, not synced: this outlasts the process, and that is enough for invented pages.
                    write(file)
                good.append(_counted(name, path, wanted))
            except BadUpload as error:
                # Only in a list of links is one bad document not the end of all.
                if not by_link:
                    raise
                bad.append((name, str(error)))
        if not good:
            raise BadUpload("; ".join(reason for _, reason in bad) or "The request has no file, urls or base64_data.")
        on_trouble.pop_all()
    return Uploads(tuple(good), tuple(bad))


def form_of_json(body: bytes) -> FormData:
    """The JSON object that stands for a form: lists are fields given several times; BadUpload where it is none."""
    try:
        content = json.loads(body)
    except (ValueError, RecursionError) as error:
        raise BadUpload("The body is not JSON.") from error
    if not isinstance(content, dict):
        raise BadUpload("The body is JSON, but not an object.")
    fields: list[tuple[str, UploadFile | str]] = []
    for name, value in content.items():
        values = value if isinstance(value, list) else [value]
        fields += [(name, each if isinstance(each, str) else json.dumps(each)) for each in values]
    return FormData(fields)


def _documents(form: FormData, *, by_link: bool) -> Iterator[tuple[str, Write]]:
    """Each document's name, and how to write its bytes."""
    if by_link:
        for url in form.getlist("urls"):
            if isinstance(url, str):
                yield url, partial(_write_link, url)
    else:
        for upload in form.getlist("file"):
            if isinstance(upload, UploadFile):
                yield upload.filename or "document", partial(shutil.copyfileobj, upload.file)
    for encoded in form.getlist("base64_data"):
        if isinstance(encoded, str):
            yield "document", partial(_write_decoded, encoded)


def _write_decoded(encoded: str, file: BinaryIO) -> None:
    try:
        file.write(base64.b64decode(encoded.rpartition("base64,")[2], validate=True))
    except binascii.Error as error:
        raise BadUpload("base64_data is not Base64.") from error


def _write_link(url: str, file: BinaryIO) -> None:
    """Download a link. Only loopback is asked, so that nobody can use the simulator to look around."""
    if not _is_on_this_machine(url):
        raise BadUpload("The simulator only downloads http and https links of this machine.")
    try:
        with httpx.stream("GET", url, timeout=30, trust_env=False, follow_redirects=False) as response:
            if response.status_code != 200:
                raise BadUpload(f"The link answers {response.status_code}.")
            for piece in response.iter_bytes():
                file.write(piece)
                if file.tell() > MOST_LINK_BYTES:
                    raise BadUpload("The link leads to too many bytes.")
    except (httpx.HTTPError, httpx.InvalidURL) as error:
        raise BadUpload(f"The link cannot be read: {type(error).__name__}.") from error


def _is_on_this_machine(url: str) -> bool:
    try:
        parts = urlsplit(url)
        host = parts.hostname or ""
        return parts.scheme in {"http", "https"} and (host == "localhost" or ipaddress.ip_address(host).is_loopback)
    except ValueError:  # no URL, or a name
        return False


def _counted(name: str, path: Path, wanted: frozenset[int] | None) -> Upload:
    with path.open("rb") as file, ExitStack() as copies:

        def read(start: int, length: int) -> bytes:
            file.seek(start)
            return file.read(length)

        def copy() -> BinaryIO:
            return copies.enter_context(path.open("rb"))

        try:
            count = count_pages(read, path.stat().st_size, most_pages=MOST_PAGES, copy=copy)
        except Exception as error:
            # Every way in which a document can be unreadable is the same refusal on this wire; what the
            # error advises is for people who have routes, and a vendor knows of none.
            why = getattr(error, "reason", "unreadable")
            raise BadUpload(f"The file cannot be read: {why}.") from error
        if count.media_type not in MEDIA_TYPES:
            raise BadUpload(f"{count.media_type} is no type of file that is taken.")
        file.seek(0)
        digest = hashlib.file_digest(file, "sha256").hexdigest()
    pages = tuple(page for page in range(count.pages) if wanted is None or page in wanted)
    if not pages:
        raise BadUpload("pages_to_process names no page of the document.")
    suffix = PurePosixPath(name.partition("?")[0]).suffix
    return Upload(name, suffix, path, digest, pages)


def _wanted_pages(form: FormData) -> frozenset[int] | None:
    """The pages (from 0) that pages_to_process names; None for all."""
    text = form.get("pages_to_process")
    if not isinstance(text, str) or not text.strip():
        return None
    try:
        return frozenset(int(number) - 1 for number in text.split(","))
    except ValueError as error:
        raise BadUpload('pages_to_process is to be like "1,2".') from error
