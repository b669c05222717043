"""The whole of `headrace verify`: what is looked at, in which order, and once more where something is amiss."""

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from datetime import timedelta
from random import Random

from config.routes import RouteTable
from headrace.clock import Clock
from headrace.errors import ForeignLedger
from headrace.ledger import Ledger
from headrace.ledger.inspections import ObjectRecord
from headrace.ledger.marker import Marker
from headrace.ledger.records import Run, RunFilter, StuckRuns
from headrace.states import State
from headrace.storage import Location, ObjectStore
from workers.verify.checks import check_object
from workers.verify.drawing import IDS, Draw, listed_prefixes
from workers.verify.facts import ObjectFacts
from workers.verify.findings import Code, Finding
from workers.verify.gathering import Gathering
from workers.verify.strangers import Listed, Strangers

AT_ONCE = 8
BATCH = 100
MOST_TOLD = 1000
LOOK_AGAIN_SECONDS = 5.0
STUCK = timedelta(minutes=10)
# So long a listener may take to hear of an object.
TOLD_WITHIN = timedelta(minutes=5)


@dataclass(frozen=True)
class Scope:
    """What is looked at: every S3 key that `which` means, or `sample` of them, half the newest and half by `seed`."""

    which: RunFilter
    sample: int | None
    seed: int


@dataclass
class Report:
    """What was looked at, and what does not add up."""

    keys: int = 0
    keys_meant: int = 0
    documents: int = 0
    under_way: int = 0
    listed: Counter[str] = field(default_factory=Counter)
    """How many objects of listings were compared: documents, notes, manifests."""
    findings: list[Finding] = field(default_factory=list)

    @property
    def wrong(self) -> int:
        return sum(not finding.code.is_notice for finding in self.findings)


class Verification:
    """Compares an installation's parts, which are only read; `progress` is told how many keys are done, of how many.

    What is found amiss is looked at once more after some seconds, and told only if it is so still: what is under way
    while we look is in one place before it is in the other.
    """

    def __init__(
        self,
        ledger: Ledger,
        store: ObjectStore,
        routes: RouteTable,
        clock: Clock,
        progress: Callable[[int, int], None] = lambda _done, _of: None,
    ) -> None:
        self._ledger = ledger
        self._store = store
        self._routes = routes
        self._clock = clock
        self._progress = progress
        self._gathering = Gathering(ledger, store)

    def verify(self, scope: Scope) -> Report:
        """Look at all of the scope. Raises what the ledger and the store raise where they cannot be asked."""
        report = Report(keys_meant=self._ledger.object_count(scope.which))
        draw = Random(scope.seed)  # noqa: S311  a sample that can be drawn again
        sample = None if scope.sample is None or scope.sample >= report.keys_meant else scope.sample
        told_before = self._clock.now() - TOLD_WITHIN
        report.findings += self._markers(scope.which)
        stuck = self._stuck(scope.which)
        suspects: dict[str, list[Finding]] = {}
        seen: list[ObjectRecord] = []
        for ids in self._chosen(scope.which, sample, draw):
            records = self._ledger.object_records(ids)
            suspects |= self._looked_at(records, report)
            if sample is not None:
                seen += records
            self._progress(report.keys, report.keys_meant if sample is None else min(sample, report.keys_meant))
        strangers = Strangers(self._ledger, self._store, self._routes, scope.which, told_before)
        unknown = self._strangers(strangers, scope.which, None if sample is None else Draw(draw, seen), report)
        report.findings += self._once_more(suspects, stuck, unknown, scope.which)
        report.findings += self._in_doubt(scope.which)
        report.findings += self._shared_jobs()
        report.findings = list({finding.place: finding for finding in report.findings}.values())
        return report

    def _chosen(self, which: RunFilter, sample: int | None, draw: Random) -> Iterator[Sequence[str]]:
        """The ids of the S3 keys to look at, in pieces."""
        if sample is None:
            last = ""
            while ids := self._ledger.objects_after(last, which, BATCH):
                yield ids
                last = ids[-1]
            return
        newest = self._ledger.newest_objects(which, sample // 2)
        points = [f"{draw.randrange(IDS):032x}" for _ in range(sample - len(newest))]
        chosen = list(dict.fromkeys([*newest, *self._ledger.objects_at(points, which)]))
        for start in range(0, len(chosen), BATCH):
            yield chosen[start : start + BATCH]

    def _looked_at(self, records: Sequence[ObjectRecord], report: Report) -> dict[str, list[Finding]]:
        """What is amiss, by S3 key; what was looked at is counted."""
        facts = self._gathered(records)
        report.keys += len(records)
        report.documents += sum(len(record.documents) for record in records)
        amiss: dict[str, list[Finding]] = {}
        for one in facts:
            report.under_way += not one.is_quiet
            findings = check_object(one, self._clock.now() - TOLD_WITHIN)
            if findings:
                amiss[one.record.id] = findings
        return amiss

    def _gathered(self, records: Sequence[ObjectRecord]) -> Iterator[ObjectFacts]:
        """The facts of each; no more of them are in memory than are gathered at once."""
        with ThreadPoolExecutor(AT_ONCE) as threads:
            for start in range(0, len(records), AT_ONCE):
                yield from threads.map(self._gathering.facts, records[start : start + AT_ONCE])

    def _once_more(
        self,
        suspects: Mapping[str, Sequence[Finding]],
        stuck: Sequence[Finding],
        unknown: Sequence[Finding],
        which: RunFilter,
    ) -> Iterator[Finding]:
        """What is amiss still, after a while, of what was amiss before."""
        if not (suspects or stuck or unknown):
            return
        self._clock.sleep(LOOK_AGAIN_SECONDS)
        before = {finding.place for findings in suspects.values() for finding in findings}
        ids = list(suspects)
        for start in range(0, len(ids), BATCH):
            for one in self._gathered(self._ledger.object_records(ids[start : start + BATCH])):
                findings = check_object(one, self._clock.now() - TOLD_WITHIN)
                yield from (finding for finding in findings if finding.place in before)
        still = {finding.place for finding in self._stuck(which)}
        yield from (finding for finding in stuck if finding.place in still)
        known = self._ledger.documents_by_id({one.document for one in unknown if one.document is not None})
        yield from (finding for finding in unknown if finding.document not in known)

    def _markers(self, which: RunFilter) -> Iterator[Finding]:
        marker = Marker(self._store, self._ledger, self._clock)
        routes = [route for route in self._routes.routes if which.route in {None, route.name}]
        for private in sorted({Location.parse(route.private) for route in routes}):
            try:
                marker.check(private)
            except ForeignLedger as error:
                yield Finding(Code.MARKER, f"{private}/ledger.json", str(error), "the marker of this ledger")

    def _stuck(self, which: RunFilter) -> list[Finding]:
        since = self._clock.now() - STUCK
        kinds = self._ledger.stuck_runs(since, bucket=which.bucket, prefix=which.prefix or "")
        never = self._ledger.never_due_runs(which, MOST_TOLD)
        return [*(_stuck(kind) for kind in kinds), *(_never_due(run) for run in never)]

    def _in_doubt(self, which: RunFilter) -> Iterator[Finding]:
        for submission, run in self._ledger.submissions_in_doubt(which, MOST_TOLD):
            until = run.due_at if run.state is State.WAITING else None
            found = f"in doubt ({submission.reason}); the run is {run.state}"
            if until is not None:
                found += f", and what became of it is looked for until {until:%Y-%m-%d %H:%M:%S} UTC at least"
            yield Finding(
                Code.IN_DOUBT, str(submission.key), found, "a certain outcome", run.document.id, submission.run_id
            )

    def _shared_jobs(self) -> Iterator[Finding]:
        for job, keys in self._ledger.jobs_under_several_keys(MOST_TOLD):
            found = f"the job {job} is that of {len(keys)} submissions: {', '.join(keys[:5])}"
            yield Finding(Code.SHARED_JOB, keys[0], found, "a job for each submission")

    def _strangers(self, strangers: Strangers, which: RunFilter, drawn: Draw | None, report: Report) -> list[Finding]:
        """What the bucket holds and the ledger does not know: in all of each listing, or in a few pages of it."""
        routes = [route for route in self._routes.routes if which.route in {None, route.name}]
        found: list[Finding] = []

        def count(kind: str, pages: Iterable[Listed]) -> None:
            for page in pages:
                report.listed[kind] += page.objects
                found.extend(page.findings)

        for bucket, prefix in listed_prefixes(self._routes.watched(), which):
            for after, pages in (("", None),) if drawn is None else drawn.keys(bucket, prefix):
                count("documents", strangers.objects(bucket, prefix, start_after=after, pages=pages))
        for private in sorted({Location.parse(route.private) for route in routes}):
            for after, pages in (("", None),) if drawn is None else drawn.ids():
                count("notes", strangers.notes(private, start_after=after, pages=pages))
        for output in sorted({Location.parse(route.output) for route in routes}):
            for after, pages in (("", None),) if drawn is None else drawn.manifests():
                count("manifests", strangers.manifests(output, start_after=after, pages=pages))
        return found


def _stuck(kind: StuckRuns) -> Finding:
    longest = kind.first[0]
    state = f"{kind.state} ({kind.reason})" if kind.reason is not None else str(kind.state)
    found = f"{kind.runs} of the runs that are {state}: nothing has come of them for {STUCK.seconds // 60} minutes"
    return Finding(Code.STUCK, longest.document.url, found, "their next step", longest.document.id, longest.id)


def _never_due(run: Run) -> Finding:
    found = f"the run is {run.state}, its manifest is not published, and it is never due"
    return Finding(Code.STUCK, run.document.url, found, "a time at which it is due", run.document.id, run.id)
