"""Rows -> files in the bucket: CSV, JSON Lines, text, words, and the manifest of every end."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

import structlog
from pydantic import JsonValue

from headrace.errors import PreconditionFailed
from headrace.exports.files import OutputFile, files_of
from headrace.exports.keys import OutputKeys
from headrace.exports.manifest import Manifest, PublishedFile, PublishedRows
from headrace.exports.order import Order
from headrace.exports.publishing import TRIES, KnownContents, NothingKnown, Overtaken, Publication, Written
from headrace.ledger.records import Run
from headrace.prediction import Prediction
from headrace.routing import Route, metadata_of
from headrace.states import State
from headrace.storage import Location, ObjectStore

log = structlog.get_logger()

__all__ = ["Exporter", "Published"]


@dataclass(frozen=True)
class Published:
    """What came of publishing a run: its files, or the knowledge that newer ones stand.

    `manifest` is what stands afterwards, at `manifest_key`; it may be another run's. `overtaken_by` is the order of
    the newer rows that stand, where these rows were to be published: some of these may have got among them.
    """

    outcome: Literal["written", "kept newer"]
    files: tuple[PublishedFile, ...]
    manifest_key: str
    manifest: Manifest
    overtaken_by: Order | None = None


class Exporter:
    """Publishes runs, where `contents` is what the ledger knows of the contents of their keys.

    Every method raises StorageUnavailable, StorageError and LedgerUnavailable; all may be called again.
    """

    def __init__(self, store: ObjectStore, contents: KnownContents | None = None) -> None:
        self._store = store
        self._contents = contents if contents is not None else NothingKnown()

    def publish(
        self,
        run: Run,
        route: Route,
        prediction: Prediction | None,
        *,
        metadata: Mapping[str, JsonValue] | None = None,
    ) -> Published:
        """Publish an ended run: rows, text and words where it is exported, and in every case the manifest.

        `prediction` is needed for an exported run and is left alone for every other. `metadata` is the
        user's own; without it, what came back with the prediction, and what the route says of this key. Rows of a newer
        publication stay, and so does its manifest.
        """
        if not run.state.is_end:
            raise ValueError(f"Run {run.id} is {run.state}: it has not ended, so it has nothing to publish.")
        keys = OutputKeys.of(run, route)
        document, outputs = run.document, list[OutputFile]()
        if run.state is State.EXPORTED:
            if prediction is None:
                raise ValueError(f"Run {run.id} is exported: its prediction is needed.")
            known: dict[str, JsonValue] = {**prediction.metadata, **metadata_of(route, document.key, {})}
            outputs += files_of(run, route, prediction, known if metadata is None else metadata)
        bucket = Location.parse(route.output).bucket
        publication = Publication(
            self._store, self._contents, bucket, document.bucket, document.key, Order.of(run), keys.manifest
        )
        for _ in range(TRIES):
            try:
                published = _publish(publication, run, route, prediction, outputs)
            except PreconditionFailed:
                # Somebody else published meanwhile, and may have written what we left out.
                continue
            log.info(
                "run published", run=run.id, state=run.state, outcome=published.outcome, files=len(published.files)
            )
            return published
        raise publication.contended(keys.manifest)


def _publish(
    publication: Publication, run: Run, route: Route, prediction: Prediction | None, outputs: Sequence[OutputFile]
) -> Published:
    """Put the files, then the manifest; PreconditionFailed where another manifest appeared since the first file."""
    standing = publication.manifest()
    files: tuple[PublishedFile, ...] = ()
    rows: PublishedRows | None = None
    overtaken_by: Order | None = None
    if prediction is not None and run.state is State.EXPORTED:
        try:
            files = _put_all(publication, outputs, expect_none=standing is None)
            rows = PublishedRows.of(run, prediction, files)
        except Overtaken as overtaken:
            overtaken_by = overtaken.order
    ours = Manifest.of(run, route, prediction if run.state is State.EXPORTED else None, rows)
    stands = publication.put_manifest(ours, standing)
    if rows is not None and stands.published is not None and stands.published.order != rows.order:
        overtaken_by = stands.published.order
    newer = overtaken_by is not None or stands.order != ours.order
    return Published("kept newer" if newer else "written", files, publication.manifest_key, stands, overtaken_by)


def _put_all(
    publication: Publication, outputs: Sequence[OutputFile], *, expect_none: bool
) -> tuple[PublishedFile, ...]:
    """Put all files; Overtaken as soon as a newer one stands: whoever wrote it writes the others too."""
    written = []
    for output in outputs:
        outcome = publication.put_file(output, expect_none=expect_none)
        # Rows are written in one order, text and words last: where the rows were not there, nor are they.
        expect_none = expect_none and outcome is not Written.REPLACED
        if outcome is not Written.LEFT_OUT:
            written.append(output.facts)
    return tuple(written)
