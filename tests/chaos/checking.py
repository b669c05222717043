"""What came out, held against what must: nothing lost, nothing billed twice, every row right, every limit kept."""

import csv
import io
import json
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from headrace.document import object_id
from headrace.errors import ObjectNotFound
from headrace.exports.keys import ROW_KINDS
from headrace.exports.manifest import Manifest
from headrace.states import Reason, State
from headrace.storage import ObjectStore
from simulator.journal import Accepted
from simulator.models import Rules
from tests.chaos.documents import FAILS_WITH, INBOX, Planned
from tests.chaos.installation import OUTPUT
from tests.chaos.ledger_view import LastRun, LedgerView
from tests.chaos.limits import (
    SCARCE_BUDGET,
    SCARCE_PAGES,
    Raise,
    Rates,
    over_budget,
    rate_passed,
    routes_by_digest,
    wrongly_counted,
)
from tests.chaos.truth import expected_rows, published_rows

READERS = 4
_ROW_FORMATS = ("json", "csv")


@dataclass
class Findings:
    """Everything that does not add up, by what it is; each tells of one document or submission."""

    lost: list[dict[str, Any]] = field(default_factory=list)
    billed_twice: list[dict[str, Any]] = field(default_factory=list)
    wrong_rows: list[dict[str, Any]] = field(default_factory=list)
    in_doubt: list[dict[str, Any]] = field(default_factory=list)
    not_ended: list[dict[str, Any]] = field(default_factory=list)
    rate_passed: list[dict[str, Any]] = field(default_factory=list)
    over_budget: list[dict[str, Any]] = field(default_factory=list)
    wrongly_counted: list[dict[str, Any]] = field(default_factory=list)


@dataclass(frozen=True)
class Truth:
    """What is known beforehand: the documents, and what the simulator invents for them."""

    documents: Sequence[Planned]
    rules: Rules
    seed: int


def read_journal(path: Path) -> list[Accepted]:
    """What the simulator billed."""
    if not path.exists():
        return []
    return [Accepted.model_validate_json(line) for line in path.read_bytes().splitlines()]


def billed_twice(accepted: Iterable[Accepted]) -> list[dict[str, Any]]:
    """The contents that were billed more than once, under whatever key; each content is one document's alone."""
    of_content: dict[str, list[Accepted]] = defaultdict(list)
    for request in accepted:
        for file in request.files:
            of_content[file.digest].append(request)
    return [
        {
            "submissions": [request.submission for request in requests],
            "pages": sum(request.pages for request in requests),
            "jobs": [file.id for request in requests for file in request.files],
        }
        for requests in of_content.values()
        if len(requests) > 1
    ]


def wrongly_priced(accepted: Iterable[Accepted], truth: Truth) -> list[dict[str, Any]]:
    """The contents for which more or fewer pages were billed than they have."""
    pages = {planned.digest(version): planned.pages for planned in truth.documents for version in set(planned.versions)}
    return [
        {"submissions": [request.submission], "pages": len(file.pages), "has": pages.get(file.digest)}
        for request in accepted
        for file in request.files
        if len(file.pages) != pages.get(file.digest)
    ]


def check_limits(
    accepted: Sequence[Accepted], truth: Truth, view: LedgerView, rates: Rates, findings: Findings
) -> None:
    """Look at what was billed: was it at the allowed rate, within budgets, and did the ledger count just that?

    The documents were looked at already.
    """
    route_of = routes_by_digest(truth.documents)
    raises = [Raise(*row) for row in view.raised(SCARCE_BUDGET)]
    in_doubt = {what["document"] for what in findings.in_doubt}
    pages = {planned.document(v).id: planned.pages for planned in truth.documents for v in planned.versions}
    findings.rate_passed += rate_passed(rates)
    findings.over_budget += over_budget(accepted, route_of, {SCARCE_BUDGET: SCARCE_PAGES}, raises)
    findings.wrongly_counted += wrongly_counted(
        accepted, route_of, view.counted(), sum(pages.get(document, 0) for document in in_doubt)
    )


def check_documents(store: ObjectStore, truth: Truth, last_runs: Mapping[str, LastRun], findings: Findings) -> None:
    """Look at every key: is its newest content in the ledger, has it ended, and do its rows stand?"""
    lying = {head.key: head.etag for page in store.list(INBOX, "") for head in page}
    checked = _Check(store, truth, last_runs)
    with ThreadPoolExecutor(READERS) as readers:
        for found in readers.map(lambda planned: checked.look_at(planned, lying.get(planned.key)), truth.documents):
            for kind, what in found:
                getattr(findings, kind).append(what)


class _Check:
    def __init__(self, store: ObjectStore, truth: Truth, last_runs: Mapping[str, LastRun]) -> None:
        self._store = store
        self._truth = truth
        self._runs = last_runs

    def look_at(self, planned: Planned, etag: str | None) -> list[tuple[str, dict[str, Any]]]:
        """What does not add up for this key."""
        newest = next((version for version in planned.versions if planned.document(version).etag == etag), None)
        if newest is None:
            return [("lost", {"key": planned.key, "why": "It does not lie in the bucket.", "etag": etag})]
        document = planned.document(newest)
        facts = {"key": planned.key, "document": document.id, "kind": planned.kind, "version": newest}
        run = self._runs.get(document.id)
        if run is None:
            return [("lost", facts | {"why": "The ledger does not know what lies in the bucket."})]
        facts |= {"run": run.run, "state": run.state, "reason": run.reason, "detail": run.detail}
        if run.reason is Reason.IN_DOUBT:
            return [("in_doubt", facts)]
        if not (run.state.is_end and run.published):
            return [("not_ended", facts)]
        return [(kind, facts | {"why": why}) for kind, why in self._ended(planned, newest, run)]

    def _ended(self, planned: Planned, version: int, run: LastRun) -> list[tuple[str, str]]:
        expected = FAILS_WITH.get(planned.kind)
        manifest = self._manifest(planned)
        if manifest is None:
            return [("lost", "It ended, and has no manifest.")]
        if (manifest.document, manifest.state, manifest.reason) != (run.document, run.state, run.reason):
            return [("wrong_rows", f"The manifest tells of {manifest.document}: {manifest.state} ({manifest.reason}).")]
        if expected is not None:
            right = run.state is State.FAILED and run.reason is expected
            return [] if right else [("lost", f"It should have failed as {expected}.")]
        if run.state is not State.EXPORTED:
            return [("lost", "It can be read, and was not exported.")]
        wrong = self._rows(planned, version, manifest)
        return [("wrong_rows", " ".join(wrong))] if wrong else []

    def _manifest(self, planned: Planned) -> Manifest | None:
        # The day on which it was first seen is part of the key, and the chaos may last past midnight.
        name = f"{object_id(INBOX, planned.key)}.json"
        for day in self._days():
            try:
                body = self._store.read(OUTPUT.bucket, OUTPUT.key("documents", f"received={day}", name))
            except ObjectNotFound:
                continue
            return Manifest.model_validate_json(body)
        return None

    def _rows(self, planned: Planned, version: int, manifest: Manifest) -> list[str]:
        published = manifest.published
        if published is None or published.document != manifest.document:
            return [f"The rows that stand are those of {published and published.document}."]
        wrong = []
        truth = expected_rows(planned, version, self._truth.rules, self._truth.seed)
        for file in published.files:
            if file.kind not in ROW_KINDS:
                continue
            body = self._store.read(OUTPUT.bucket, file.key)
            rows = list(read_rows(body, file.format))
            if {row["document"] for row in rows} - {manifest.document}:
                wrong.append(f"{file.key} holds rows of another document.")
            elif len(rows) != file.rows:
                wrong.append(f"{file.key} has {len(rows)} rows, and its manifest says {file.rows}.")
            elif file.kind in truth and (difference := _difference(published_rows(file.kind, rows), truth[file.kind])):
                wrong.append(f"{file.key}: {difference}")
        missing = {(kind, form) for kind in truth for form in _ROW_FORMATS}
        missing -= {(file.kind, file.format) for file in published.files}
        return [*wrong, *(f"There is no file of {kind} as {form}." for kind, form in sorted(missing))]

    def _days(self) -> list[str]:
        if not hasattr(self, "_known_days"):
            place = OUTPUT.key("documents", "")
            keys = (head.key for page in self._store.list(OUTPUT.bucket, place) for head in page)
            self._known_days = sorted({key.removeprefix(place).split("/")[0].removeprefix("received=") for key in keys})
        return self._known_days


def read_rows(body: bytes, form: str) -> Iterable[Mapping[str, Any]]:
    """The rows of a published file."""
    if form == "json":
        return (json.loads(line) for line in body.splitlines())
    return csv.DictReader(io.StringIO(body.decode(), newline=""))


def _difference(found: Counter[Any], wanted: Counter[Any]) -> str:
    """In words, what is missing and what is too much; empty where they are the same."""
    missing, surplus = wanted - found, found - wanted
    if not missing and not surplus:
        return ""
    examples = f"{list(missing)[:1]} and {list(surplus)[:1]}"
    return f"{missing.total()} rows are missing and {surplus.total()} too many, as {examples}."
