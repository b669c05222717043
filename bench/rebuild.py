"""How many documents a second `headrace rebuild` puts back, on a store that answers at once.

    python -m bench.rebuild --documents 20000

Each document has what an exported one leaves: a note, run.json, two stored answers (by name), and a manifest. The store
stands in memory, so what is measured is our own work and SQLite's; a real store adds three requests a document, 24 of
them at once.
"""

import argparse
import json
import tempfile
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from pathlib import Path

from headrace.clock import SystemClock
from headrace.document import Document, SubmissionKey, run_id
from headrace.errors import ObjectNotFound
from headrace.exports.jsonl import to_json
from headrace.exports.keys import OutputKeys
from headrace.exports.manifest import Manifest, PublishedRows
from headrace.ledger import Ledger
from headrace.ledger.records import Run, Submission
from headrace.prediction import Page, Prediction
from headrace.rebuilding.rebuild import Rebuild
from headrace.routing import Route
from headrace.states import Mode, State, SubmissionState
from headrace.storage import Location, ObjectHead, ObjectStore
from headrace.storage.answers import run_facts
from headrace.storage.notes import Note

NOW = datetime(2026, 11, 20, 12, 0, tzinfo=UTC)
ROUTE = Route(
    name="bench",
    bucket="inbox",
    provider="nanonets",
    model="m",
    output="s3://bench/rows",
    private="s3://bench/private",
)
PLACE = Location.parse(ROUTE.private)
ANSWER = Prediction(provider="nanonets", model="m", pages=(Page(number=1),))


class Shelf:
    """As much of an object store as a rebuild uses, in a dict that is sorted once."""

    def __init__(self, objects: dict[str, bytes]) -> None:
        self._objects = objects
        self._keys = sorted(objects)

    def head(self, bucket: str, key: str) -> ObjectHead:
        return ObjectHead(key, f"{len(self.read(bucket, key))}", len(self._objects[key]), NOW)

    def read(self, _bucket: str, key: str, **_: object) -> bytes:
        try:
            return self._objects[key]
        except KeyError as error:
            raise ObjectNotFound(f"There is nothing at {key}.") from error

    def put(self, _bucket: str, key: str, body: bytes, **_: object) -> str:
        self._objects[key] = body
        return f"{len(body)}"

    def list(self, _bucket: str, prefix: str) -> Iterator[list[ObjectHead]]:
        from bisect import bisect_left

        start, end = bisect_left(self._keys, prefix), bisect_left(self._keys, prefix + "\x7f")
        for first in range(start, end, 1000):
            keys = self._keys[first : min(first + 1000, end)]
            yield [ObjectHead(key, "e", len(self._objects[key]), NOW) for key in keys]


def left_behind(number: int) -> Iterator[tuple[str, bytes]]:
    """The files of one exported document."""
    document = Document("inbox", f"invoices/{number:09}.pdf", f"{number:032x}", 50_000, NOW)
    key = SubmissionKey(document.id, 1, "nanonets", "all", 1)
    run = Run(
        run_id(document.id, 1),
        document,
        1,
        State.PREDICTED,
        route=ROUTE.name,
        revision=ROUTE.revision,
        lane=ROUTE.lane,
        mode=Mode.SYNC,
        pages=1,
        token=3,
        received_at=NOW,
        received_on="2026-11-20",
        created_at=NOW,
        updated_at=NOW + timedelta(seconds=1),
    )
    sent = Submission(key, run.id, ROUTE.lane, Mode.SYNC, SubmissionState.ANSWERED, 1, 2, NOW + timedelta(minutes=2))
    note = Note.of(sent, run=run, route=ROUTE, nonce="0", at=NOW).model_copy(update={"outcome": "accepted", "job": "j"})
    yield PLACE.key("submissions", f"{key}.json"), note.model_dump_json().encode()
    folder = PLACE.key("runs", document.id, "1")
    yield f"{folder}/run.json", to_json(run_facts(run, [sent])).encode()
    for name in ("prediction.json.gz", "raw.json.gz"):
        yield f"{folder}/nanonets-all-1/{name}", b""
    manifest = Manifest.of(run, ROUTE, ANSWER, PublishedRows.of(run, ANSWER, ()))
    yield OutputKeys.of(run, ROUTE).manifest, manifest.model_copy(update={"state": State.EXPORTED}).to_bytes()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--documents", type=int, default=20_000)
    parser.add_argument("--ledger", help="the URL of an empty, migrated ledger; a new SQLite file unless given")
    options = parser.parse_args()
    objects = dict(file for number in range(options.documents) for file in left_behind(number))
    objects[PLACE.key("ledger.json")] = json.dumps({"ledger": "lost", "sequence": 7}).encode()
    objects[PLACE.key("revisions", f"{ROUTE.revision}.json")] = ROUTE.model_dump_json().encode()
    store: ObjectStore = Shelf(objects)  # type: ignore[assignment]  # what a rebuild uses of it
    with tempfile.TemporaryDirectory() as folder, ThreadPoolExecutor(24) as threads:
        ledger = Ledger(options.ledger or f"sqlite:///{Path(folder) / 'ledger.db'}", SystemClock())
        ledger.migrate()
        rebuild = Rebuild(store, ledger, SystemClock(), routes=[ROUTE], threads=threads)
        began = time.perf_counter()
        plan = rebuild.plan()
        if plan is None:
            raise SystemExit("There is nothing to rebuild.")
        planned = time.perf_counter()
        summary = rebuild.run(plan, lambda _progress: None)
        ended = time.perf_counter()
        ledger.close()
    print(f"{plan.runs} runs found in {planned - began:.1f} s")
    for one in summary.restored:
        print(f"{one.runs} {one.state}")
    seconds = ended - planned
    print(f"put back in {seconds:.1f} s: {options.documents / seconds:.0f} documents/s")


if __name__ == "__main__":
    main()
