"""Rows -> files in the bucket: CSV, JSON Lines, text, words, and the manifest of every end."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

import structlog
from pydantic import JsonValue

from headrace.exports.files import OutputFile, files_of
from headrace.exports.keys import OutputKeys
from headrace.exports.manifest import Manifest, PublishedFile, PublishedRows
from headrace.exports.order import Order
from headrace.exports.publishing import Publication, Written
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

    `manifest` is what stands afterwards, at `manifest_key`; it may be another run's.
    """

    outcome: Literal["written", "kept newer"]
    files: tuple[PublishedFile, ...]
    manifest_key: str
    manifest: Manifest


class Exporter:
    """Publishes runs. Every method raises StorageUnavailable and StorageError; all may be called again."""

    def __init__(self, store: ObjectStore) -> None:
        self._store = store

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
        document = run.document
        publication = Publication(
            self._store, Location.parse(route.output).bucket, document.bucket, document.key, Order.of(run)
        )
        standing = publication.manifest(keys.manifest)
        files: tuple[PublishedFile, ...] | None = None
        published: PublishedRows | None = None
        if run.state is State.EXPORTED:
            if prediction is None:
                raise ValueError(f"Run {run.id} is exported: its prediction is needed.")
            known: dict[str, JsonValue] = {**prediction.metadata, **metadata_of(route, document.key, {})}
            outputs = list(files_of(run, route, prediction, known if metadata is None else metadata))
            files = _put_all(publication, outputs, expect_none=standing is None)
            published = PublishedRows.of(run, prediction, files) if files is not None else None
        ours = Manifest.of(run, route, prediction if run.state is State.EXPORTED else None, published)
        stands = publication.put_manifest(keys.manifest, ours, standing)
        newer = stands.order != ours.order or (run.state is State.EXPORTED and files is None)
        outcome: Literal["written", "kept newer"] = "kept newer" if newer else "written"
        log.info("run published", run=run.id, state=run.state, outcome=outcome, files=len(files or ()))
        return Published(outcome, files or (), keys.manifest, stands)


def _put_all(
    publication: Publication, outputs: Sequence[OutputFile], *, expect_none: bool
) -> tuple[PublishedFile, ...] | None:
    """Put all files; None as soon as a newer one stands: whoever wrote it writes the others too."""
    written = []
    for output in outputs:
        outcome = publication.put_file(output, expect_none=expect_none)
        if outcome is Written.KEPT_NEWER:
            return None
        # Rows are written in one order, text and words last: where the rows were not there, nor are they.
        expect_none = expect_none and outcome is not Written.REPLACED
        if outcome is not Written.LEFT_OUT:
            written.append(output.facts)
    return tuple(written)
