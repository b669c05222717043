"""The object store: each bucket reachable, each right there, and conditional writes that really refuse."""

from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING
from uuid import uuid4

from headrace.errors import HeadraceError, ObjectNotFound, PreconditionFailed, StorageRefused
from headrace.faults import fault_point
from headrace.storage import Location, ObjectStore
from workers.doctor.findings import Finding, ok, wrong

if TYPE_CHECKING:
    from headrace.routing import Route

_CHECK_ADDRESS = "Check HEADRACE_S3_ENDPOINT, HEADRACE_S3_REGION and that the server runs."
_NO_BUCKET = "Create the bucket, or correct its name in headrace.toml."


def examine_store(store: ObjectStore, routes: "Iterable[Route]") -> Iterator[Finding]:
    """Read where documents are dropped; write where files and notes go."""
    routes = list(routes)
    for bucket, prefix in sorted({(route.bucket, route.prefix) for route in routes}):
        yield examine_reading(store, bucket, prefix)
    written = {Location.parse(place) for route in routes for place in (route.private, route.output)}
    for location in sorted(written):
        yield examine_writing(store, location)


def examine_reading(store: ObjectStore, bucket: str, prefix: str) -> Finding:
    """List the prefix, and read a byte of the first object that is no folder's placeholder."""
    subject = f"reading s3://{bucket}/{prefix}"
    rights = "Allow s3:ListBucket on the bucket and s3:GetObject on what lies in it (docs/operations.md has a policy)."
    try:
        first = next((head for page in store.list(bucket, prefix) for head in page if head.size), None)
        if first is not None:
            store.read(bucket, first.key, start=0, length=1)
    except StorageRefused as error:
        return wrong(subject, str(error), rights)
    except ObjectNotFound as error:
        return wrong(subject, str(error), _NO_BUCKET)
    except HeadraceError as error:
        return wrong(subject, str(error), _CHECK_ADDRESS)
    return ok(subject, "It can be listed and read." if first is not None else "It can be listed; it holds no document.")


def examine_writing(store: ObjectStore, location: Location) -> Finding:
    """Write a small object there, see every condition refuse and hold, and remove it."""
    subject = f"writing {location}"
    rights = "Allow s3:PutObject, s3:GetObject and s3:DeleteObject below it (docs/operations.md has a policy)."
    try:
        ignored = ignored_conditions(store, location)
    except StorageRefused as error:
        return wrong(subject, str(error), rights)
    except ObjectNotFound as error:
        return wrong(subject, str(error), _NO_BUCKET)
    except HeadraceError as error:
        return wrong(subject, str(error), _CHECK_ADDRESS)
    if ignored:
        return wrong(
            subject,
            f"The store does not keep to the condition of a write: {', '.join(ignored)}. "
            "Two workers could pay for one document, or publish one over the other.",
            "Use a store with conditional PUT: AWS S3, SeaweedFS 4, MinIO, Ceph 19 or newer.",
        )
    return ok(subject, "It can be written, read and removed, and conditional writes refuse as they should.")


def ignored_conditions(store: ObjectStore, location: Location) -> list[str]:
    """Which conditions of a PUT this store gets wrong; nothing is left behind."""
    key = location.key(f"headrace-doctor-{uuid4().hex}")
    ignored = []
    try:
        etag = _put(store, location.bucket, key, if_none_match=True)
        if not _refuses(store, location.bucket, key, if_none_match=True):
            ignored.append("If-None-Match: * wrote over an object")
        if not _refuses(store, location.bucket, key, if_match="0" * 32):
            ignored.append("If-Match with another eTag wrote over an object")
        # A store that wrote in spite of a condition has another eTag by now.
        if not ignored and _refuses(store, location.bucket, key, if_match=etag):
            ignored.append("If-Match with the right eTag was refused")
        store.read(location.bucket, key)
    finally:
        _delete(store, location.bucket, key)
    return ignored


def _refuses(
    store: ObjectStore, bucket: str, key: str, *, if_match: str | None = None, if_none_match: bool = False
) -> bool:
    try:
        _put(store, bucket, key, if_match=if_match, if_none_match=if_none_match)
    except PreconditionFailed:
        return True
    return False


def _put(store: ObjectStore, bucket: str, key: str, *, if_match: str | None = None, if_none_match: bool = False) -> str:
    fault_point("doctor.put.before")
    etag = store.put(bucket, key, uuid4().bytes, if_match=if_match, if_none_match=if_none_match)
    fault_point("doctor.put.after")
    return etag


def _delete(store: ObjectStore, bucket: str, key: str) -> None:
    fault_point("doctor.delete.before")
    store.delete(bucket, key)
    fault_point("doctor.delete.after")
