"""What came out: the manifests, the first rows, and a copy of the files on disk for people."""

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta
from hashlib import md5
from pathlib import Path
from typing import Any

import structlog
from pydantic import ValidationError

from headrace.errors import ObjectNotFound
from headrace.exports.keys import OutputKeys
from headrace.exports.manifest import Manifest, PublishedFile
from headrace.ledger.records import Run
from headrace.routing import Route
from headrace.states import State
from headrace.storage import Location, ObjectHead, ObjectStore

log = structlog.get_logger()

# What most file systems take as one name.
LONGEST_NAME_BYTES = 255
LARGEST_PREVIEW_BYTES = 1_000_000


@dataclass(frozen=True)
class Outcome:
    """One document's end: its run and the files whose rows stand."""

    run: Run
    files: tuple[PublishedFile, ...]
    bucket: str

    @property
    def seconds(self) -> float | None:
        """From when it was first recorded to its end."""
        if self.run.ended_at is None or self.run.created_at is None:
            return None
        return (self.run.ended_at - self.run.created_at) / timedelta(seconds=1)

    def rows(self, kind: str) -> int:
        """How many rows of a kind stand; 0 where this run published none."""
        return sum(file.rows or 0 for file in self.files if file.kind == kind and file.format == "json")

    def file(self, kind: str) -> PublishedFile | None:
        """The exact file of a kind of row."""
        return next((file for file in self.files if file.kind == kind and file.format == "json"), None)


def outcome(store: ObjectStore, run: Run, route: Route) -> Outcome:
    """What a run that has ended left in its output."""
    manifest = _manifest(store, OutputKeys.of(run, route))
    bucket = Location.parse(route.output).bucket
    if manifest is None or manifest.published is None or run.state is not State.EXPORTED:
        return Outcome(run, (), bucket)
    return Outcome(run, manifest.published.files, bucket)


def _manifest(store: ObjectStore, keys: OutputKeys) -> Manifest | None:
    try:
        return Manifest.model_validate_json(store.read(keys.location.bucket, keys.manifest))
    except ObjectNotFound:
        return None
    except ValidationError:
        log.warning("manifest unreadable", key=keys.manifest)
        return None


def telling(outcomes: Sequence[Outcome]) -> Outcome | None:
    """The one to show rows of: most fields a page, among those that have table rows if any has."""
    with_fields = [one for one in outcomes if one.rows("fields")]
    with_tables = [one for one in with_fields if one.rows("table_rows")]
    return max(
        with_tables or with_fields, key=lambda one: one.rows("fields") / max(one.run.pages or 1, 1), default=None
    )


def first_rows(store: ObjectStore, shown: Outcome, kind: str, most: int) -> list[Mapping[str, Any]]:
    """The first rows of this kind."""
    file = shown.file(kind)
    if file is None:
        return []
    body = store.read(shown.bucket, file.key, length=LARGEST_PREVIEW_BYTES)
    return [json.loads(line) for line in body.splitlines()[:most]]


def copy_outputs(store: ObjectStore, location: Location, folder: Path) -> int:
    """Make `folder` hold what lies below `location`; returns how many files were written."""
    written = 0
    for head in _below(store, location):
        target = _path_of(head.key, folder)
        if target is None:
            log.warning("output not copied: no file can have this name", key=head.key)
        elif not _holds(target, head):
            body = store.read(location.bucket, head.key)
            target.parent.mkdir(parents=True, exist_ok=True)
            new = target.with_name(f".{target.name[:100]}.new")
            new.write_bytes(body)
            new.replace(target)
            written += 1
    return written


def _below(store: ObjectStore, location: Location) -> Iterator[ObjectHead]:
    for page in store.list(location.bucket, location.key("")):
        yield from page


def _path_of(key: str, folder: Path) -> Path | None:
    """Where a key's copy lies: always below the folder, whatever the key says; None where that cannot be."""
    parts = key.split("/")
    for part in parts:
        if part in ("", ".", "..") or "\0" in part or len(part.encode("utf-8", "replace")) > LONGEST_NAME_BYTES:
            return None
    return folder.joinpath(*parts)


def _holds(path: Path, head: ObjectHead) -> bool:
    if not path.is_file() or path.stat().st_size != head.size:
        return False
    return md5(path.read_bytes(), usedforsecurity=False).hexdigest() == head.etag
