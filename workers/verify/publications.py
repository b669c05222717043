"""Manifests, rows and the object itself of one S3 key: does what came out say what the ledger says?"""

import gzip
import json
import zlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from headrace.exports.files import OutputFile, files_of
from headrace.exports.keys import OutputKeys
from headrace.exports.manifest import Manifest, PublishedFile
from headrace.exports.order import Age, Order
from headrace.flattening import SCHEMA_VERSION, merge, storable
from headrace.ledger.records import Run
from headrace.prediction import Prediction
from headrace.routing import Route, metadata_of
from headrace.states import State, SubmissionState
from headrace.storage import Location
from workers.verify.facts import ManifestFacts, ObjectFacts, PublishedObject, RunFacts, Unread
from workers.verify.findings import Code, Finding


@dataclass(frozen=True)
class _Publisher:
    """A run that has published, and by which route."""

    run: Run
    route: Route
    facts: RunFacts

    @property
    def order(self) -> Order:
        return Order.of(self.run)


def check_publications(facts: ObjectFacts) -> Iterator[Finding]:
    """All that does not add up in what was published of the key, once none of its runs is under way."""
    if not facts.is_quiet:
        return
    yield from _check_run_facts(facts)
    for place, publishers in _by_place(facts).items():
        there = facts.manifests[place]
        top = _newest(publishers, facts)
        exported = [one for one in publishers if one.run.state is State.EXPORTED]
        yield from _check_manifest(there, top)
        if exported and isinstance(there.manifest, Manifest):
            yield from _check_rows(facts, there, there.manifest, _newest(exported, facts))


def places_of(runs: Sequence[RunFacts]) -> set[Location]:
    """Where the manifests of these runs belong: bucket and key."""
    return {_place(one.run, one.route) for one in runs if one.route is not None}


def _by_place(facts: ObjectFacts) -> dict[Location, list[_Publisher]]:
    places: dict[Location, list[_Publisher]] = {}
    for one in facts.runs:
        if one.route is not None:
            publisher = _Publisher(one.run, one.route, one)
            places.setdefault(_place(one.run, one.route), []).append(publisher)
    return places


def _place(run: Run, route: Route) -> Location:
    keys = OutputKeys.of(run, route)
    return Location(keys.location.bucket, keys.manifest)


def _newest(publishers: Sequence[_Publisher], facts: ObjectFacts) -> _Publisher:
    newest = publishers[0]
    for other in publishers[1:]:
        age = other.order.compare(newest.order)
        if age is Age.UNDECIDED:
            age = other.order.settle(newest.order, None if facts.there is None else facts.there.etag)
        if age is not Age.OLDER:
            newest = other
    return newest


def _check_run_facts(facts: ObjectFacts) -> Iterator[Finding]:
    for one in facts.runs:
        if one.private is not None and not one.has_facts:
            subject = f"s3://{one.private.bucket}/{run_facts_key(one.private, one.run)}"
            yield _finding(Code.RUN_FACTS_MISSING, subject, "nothing", "the facts of the run", one.run)


def run_facts_key(private: Location, run: Run) -> str:
    """Where a run's own facts lie."""
    return private.key("runs", run.document.id, str(run.number), "run.json")


def _check_manifest(there: ManifestFacts, top: _Publisher) -> Iterator[Finding]:
    run = top.run
    if there.manifest is None:
        yield _finding(Code.MANIFEST_MISSING, there.url, "nothing", f"the manifest of run {run.number}", run)
    elif isinstance(there.manifest, Unread):
        yield _finding(Code.MANIFEST_DAMAGED, there.url, "no manifest can be read", "what headrace writes", run)
    else:
        found, expected = _facts_of(there.manifest), _facts_told(top)
        differing = [name for name, value in expected.items() if found[name] != value]
        if differing:
            yield _finding(
                Code.MANIFEST_DIFFERS,
                there.url,
                ", ".join(f"{name} {_shown(found[name])}" for name in differing),
                ", ".join(f"{name} {_shown(expected[name])}" for name in differing),
                run,
            )


def _facts_of(manifest: Manifest) -> dict[str, object]:
    names = ("document", "etag", "run", "state", "reason", "route", "revision", "provider", "model", "pages", "cost")
    return {name: getattr(manifest, name) for name in names}


def _facts_told(publisher: _Publisher) -> dict[str, object]:
    run, lane = publisher.run, publisher.run.lane
    return {
        "document": run.document.id,
        "etag": storable(run.document.etag),
        "run": run.number,
        "state": run.state,
        "reason": run.reason,
        "route": publisher.route.name,
        "revision": run.revision,
        "provider": None if lane is None else lane.provider,
        "model": None if lane is None else lane.model,
        "pages": run.pages,
        "cost": run.cost,
    }


def _check_rows(facts: ObjectFacts, there: ManifestFacts, manifest: Manifest, newest: _Publisher) -> Iterator[Finding]:
    run = newest.run
    rows = manifest.published
    whose = None if rows is None else (rows.document, rows.run)
    if rows is None or whose != (run.document.id, run.number):
        found = "no rows" if rows is None else f"the rows of run {rows.run} of the document {rows.document}"
        expected = f"those of run {run.number} of the document {run.document.id}"
        yield _finding(Code.MANIFEST_DIFFERS, there.url, found, expected, run)
        return
    exact = _expected_files(facts, newest) if manifest.schema_version == SCHEMA_VERSION else None
    for file in rows.files:
        yield from _check_file(there, file, run, exact)


def _expected_files(facts: ObjectFacts, newest: _Publisher) -> Mapping[str, OutputFile] | None:
    """What the stored answers make of the run, by key; None where one of them is not there, which is told elsewhere."""
    answered = [one.key for one in newest.facts.submissions if one.state is SubmissionState.ANSWERED]
    predictions = [found for key in answered if isinstance(found := facts.answers.get(key), Prediction)]
    if not predictions or len(predictions) < len(answered):
        return None
    prediction = merge(predictions)
    metadata = {**prediction.metadata, **metadata_of(newest.route, newest.run.document.key, {})}
    return {file.facts.key: file for file in files_of(newest.run, newest.route, prediction, metadata)}


def _check_file(
    there: ManifestFacts, file: PublishedFile, run: Run, exact: Mapping[str, OutputFile] | None
) -> Iterator[Finding]:
    subject = f"s3://{there.bucket}/{file.key}"
    published = there.files.get(file.key)
    if published is None:
        yield _finding(Code.FILE_MISSING, subject, "nothing", f"the {file.kind} of run {run.number}", run)
        return
    order = published.order
    if order is None or (order.document, order.run) != (run.document.id, run.number):
        found = "a file of nobody" if order is None else f"a file of run {order.run} of the document {order.document}"
        yield _finding(Code.FILE_OF_ANOTHER_RUN, subject, found, f"one of run {run.number} of {run.document.id}", run)
    elif exact is not None and file.key in exact:
        yield from _check_body(subject, file, published, exact[file.key].body, run)


def _check_body(
    subject: str, file: PublishedFile, published: PublishedObject, expected: bytes, run: Run
) -> Iterator[Finding]:
    if published.body == expected:
        return
    if file.format == "json":
        found_rows, expected_rows = _rows(file.key, published.body), _rows(file.key, expected)
        if found_rows == expected_rows:
            return  # The same rows, in other bytes.
        if found_rows is not None and expected_rows is not None and len(found_rows) != len(expected_rows):
            yield _finding(
                Code.ROWS_DIFFER,
                subject,
                f"{len(found_rows)} rows",
                f"{len(expected_rows)}, as in the stored answer",
                run,
            )
            return
    found = f"{len(published.body)} bytes that are not those that the stored answer gives"
    yield _finding(Code.ROWS_DIFFER, subject, found, f"{len(expected)} bytes, as in the stored answer", run)


def _rows(key: str, body: bytes) -> list[Any] | None:
    """The rows of a file of JSON Lines; None where it is none."""
    try:
        text = gzip.decompress(body) if key.endswith(".gz") else body
        return [json.loads(line) for line in text.splitlines()]
    except (ValueError, OSError, EOFError, zlib.error, RecursionError):
        return None


def _shown(value: object) -> str:
    return "none" if value is None else str(value)


def _finding(code: Code, subject: str, found: str, expected: str, run: Run) -> Finding:
    return Finding(code, subject, found, expected, run.document.id, run.id)
