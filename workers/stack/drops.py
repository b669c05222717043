"""What the stack looks after until it has ended: its samples, dropped once, or what lies under the user's routes."""

from collections.abc import Iterable, Sequence
from hashlib import md5
from mimetypes import guess_type
from pathlib import Path

import structlog

from config.routes import RouteTable
from headrace.document import Document
from headrace.errors import NoRoute, ObjectNotFound
from headrace.faults import fault_point
from headrace.routing import Route, choose_route
from headrace.storage import ObjectStore

log = structlog.get_logger()


def sample_files(folder: Path) -> list[Path]:
    """The project's sample documents, good and bad."""
    return sorted(path for path in folder.iterdir() if path.is_file() and not path.name.startswith("."))


def drop_samples(store: ObjectStore, files: Iterable[Path], routes: Sequence[Route]) -> list[Document]:
    """Put each file under each route, unless the same bytes lie there: the same content is not paid again."""
    return [_drop(store, path, route) for route in routes for path in files]


def _drop(store: ObjectStore, path: Path, route: Route) -> Document:
    key, body = route.prefix + path.name, path.read_bytes()
    # An eTag of a whole upload is the MD5 of its bytes.
    etag = md5(body, usedforsecurity=False).hexdigest()
    if _etag_at(store, route.bucket, key) != etag:
        fault_point("samples.put.before")
        etag = store.put(route.bucket, key, body, content_type=guess_type(path.name)[0] or "application/octet-stream")
        fault_point("samples.put.after")
        log.info("sample dropped", bucket=route.bucket, key=key)
    return Document(route.bucket, key, etag)


def _etag_at(store: ObjectStore, bucket: str, key: str) -> str | None:
    try:
        return store.head(bucket, key).etag
    except ObjectNotFound:
        return None


def lying_documents(store: ObjectStore, table: RouteTable, most: int) -> list[Document]:
    """Up to `most` objects that lie under the watched prefixes and that a route takes."""
    found: list[Document] = []
    for bucket, prefix in table.watched():
        for page in store.list(bucket, prefix):
            for head in page:
                if _is_document(bucket, head.key, table):
                    found.append(Document(bucket, head.key, head.etag))
                if len(found) >= most:
                    return found
    return found


def _is_document(bucket: str, key: str, table: RouteTable) -> bool:
    try:
        choose_route(bucket, key, table.routes)
    except NoRoute:
        return False
    return True
