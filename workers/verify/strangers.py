"""What the bucket holds and the ledger does not know: objects that were dropped, notes, manifests.

A whole listing is compared with the ledger page by page; of a sample, pages are drawn at random places.
"""

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from itertools import islice

from pydantic import ValidationError

from config.routes import RouteTable
from headrace.document import Document, is_keepable
from headrace.errors import NoRoute, ObjectNotFound
from headrace.exports.manifest import Manifest
from headrace.ledger import Ledger
from headrace.ledger.records import RunFilter
from headrace.storage import Location, ObjectHead, ObjectStore
from headrace.storage.notes import SubmissionNotes
from workers.verify.findings import Code, Finding
from workers.verify.gathering import submission_key

_MANIFEST = re.compile(r"received=[0-9]{4}-[0-9]{2}-[0-9]{2}/(?P<id>[0-9a-f]{32})\.json")


@dataclass(frozen=True)
class Listed:
    """A page of a listing that was compared: how many objects, and what is unknown among them."""

    objects: int
    findings: tuple[Finding, ...] = ()


class Strangers:
    """Looks for what the ledger does not know. Of the filter bucket, prefix and route count. Nothing is written.

    `told_before`: what was written later the ledger need not know yet.
    """

    def __init__(
        self, ledger: Ledger, store: ObjectStore, routes: RouteTable, which: RunFilter, told_before: datetime
    ) -> None:
        self._ledger = ledger
        self._store = store
        self._routes = routes
        self._which = which
        self._told_before = told_before
        self._notes = SubmissionNotes(store)

    def objects(self, bucket: str, prefix: str, *, start_after: str = "", pages: int | None = None) -> Iterator[Listed]:
        """Documents below a watched prefix that no ledger row knows."""
        for heads in self._pages(bucket, prefix, start_after, pages):
            wanted = [head for head in heads if self._is_meant(bucket, head.key) and self._is_old(head)]
            documents = [Document(bucket, head.key, head.etag) for head in wanted if is_keepable(head.key)]
            known = self._ledger.documents_by_id([one.id for one in documents])
            yield Listed(len(heads), tuple(_unknown_object(one) for one in documents if one.id not in known))

    def notes(self, private: Location, *, start_after: str = "", pages: int | None = None) -> Iterator[Listed]:
        """Notes of documents that the ledger does not know; those of the documents that it knows are no strangers."""
        folder = private.key("submissions", "")
        for heads in self._pages(private.bucket, folder, start_after and folder + start_after, pages):
            keys = {head.key: submission_key(head.key) for head in heads if self._is_old(head)}
            known = self._ledger.documents_by_id({key.document for key in keys.values() if key is not None})
            findings = []
            for path, key in keys.items():
                subject = f"s3://{private.bucket}/{path}"
                if key is None:
                    findings += self._stranger(subject, "an object that is no note", "notes alone")
                elif key.document not in known and self._note_is_meant(private, str(key)):
                    found = "a note of a document that the ledger does not know"
                    findings.append(
                        Finding(Code.NOTE_UNKNOWN, str(key), found, "the document in the ledger", key.document)
                    )
            yield Listed(len(heads), tuple(findings))

    def manifests(self, output: Location, *, start_after: str = "", pages: int | None = None) -> Iterator[Listed]:
        """Manifests of S3 keys, or documents, that the ledger does not know."""
        folder = output.key("documents", "")
        for heads in self._pages(output.bucket, folder, start_after, pages):
            ids = {head.key: _MANIFEST.fullmatch(head.key.removeprefix(folder)) for head in heads if self._is_old(head)}
            named = [match["id"] for match in ids.values() if match is not None]
            known = self._ledger.known_objects(named) | self._ledger.documents_by_id(named).keys()
            findings = []
            for path, match in ids.items():
                subject = f"s3://{output.bucket}/{path}"
                if match is None:
                    findings += self._stranger(subject, "an object that is no manifest", "manifests alone")
                elif match["id"] not in known and self._manifest_is_meant(output.bucket, path):
                    found = "a manifest of a document that the ledger does not know"
                    findings.append(Finding(Code.MANIFEST_UNKNOWN, subject, found, "the document in the ledger"))
            yield Listed(len(heads), tuple(findings))

    def _pages(self, bucket: str, prefix: str, start_after: str, pages: int | None) -> Iterator[Sequence[ObjectHead]]:
        try:
            yield from islice(self._store.list(bucket, prefix, start_after=start_after), pages)
        except ObjectNotFound:
            return  # No such bucket yet: there are no strangers in it.

    def _is_old(self, head: ObjectHead) -> bool:
        return head.last_modified <= self._told_before

    def _is_meant(self, bucket: str, key: str) -> bool:
        if key.endswith("/"):
            return False
        try:
            route = self._routes.for_key(bucket, key)
        except NoRoute:
            return False
        return self._which.route in {None, route.name} and self._is_below(bucket, key)

    def _is_below(self, bucket: str, key: str) -> bool:
        return self._which.bucket in {None, bucket} and key.startswith(self._which.prefix or "")

    @property
    def _means_all(self) -> bool:
        return self._which.bucket is None and self._which.route is None

    def _stranger(self, subject: str, found: str, expected: str) -> list[Finding]:
        """Of what cannot be read nobody knows whether it is meant, so it is told where all are."""
        return [Finding(Code.STRANGER, subject, found, expected)] if self._means_all else []

    def _manifest_is_meant(self, bucket: str, path: str) -> bool:
        if self._means_all:
            return True
        try:
            there = Manifest.model_validate_json(self._store.read(bucket, path))
        except (ObjectNotFound, ValidationError):
            return False
        return self._which.route in {None, there.route} and self._is_below(there.bucket, there.key)

    def _note_is_meant(self, private: Location, key: str) -> bool:
        if self._means_all:
            return True
        note = self._notes.read(private, key)
        if note is None:
            return False
        there = note.document
        return self._which.route in {None, note.route} and self._is_below(there.bucket, there.key)


def _unknown_object(document: Document) -> Finding:
    found = f"eTag {document.etag}, of which the ledger does not know"
    return Finding(Code.OBJECT_UNKNOWN, document.url, found, "the document in the ledger", document.id)
