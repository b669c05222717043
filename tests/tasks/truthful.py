"""A paid provider that keeps books: what it took, when, under which key. Its list may lag, fail, or tell nothing."""

from collections import Counter, defaultdict, deque
from dataclasses import dataclass
from datetime import datetime, timedelta

from headrace.document import SubmissionKey
from headrace.errors import InDoubt, NotSent, PredictionRejected, ProviderUnavailable, RateLimited
from headrace.prediction import Prediction
from headrace.providers import Absent, Capabilities, Found, Job, Listing, Pending, Refused, Unknown
from headrace.states import Mode, Reason
from tests.clocks import ManualClock
from tests.tasks.scripted import answer

LAG = timedelta(minutes=10)
"""So long a job may be missing from the list; less than doubt is given to be settled."""


class Killed(BaseException):
    """Stands for SIGKILL: nothing of ours catches it."""


@dataclass
class Taken:
    """A job that was taken, and billed."""

    job: Job
    key: SubmissionKey
    at: datetime
    listed_at: datetime
    polls: int
    is_given_up: bool = False


class TruthfulProvider:
    """Does what `plans` say of the next request, else answers well. `frozen` is called where a worker stands still.

    A plan is a word: `refused`, `limited`, `unreachable`: certainly not taken. `doubt taken`, `doubt not
    taken`: the connection broke. `killed taken`, `killed not taken`: the worker died. `frozen before`, `frozen after`:
    it stopped, and went on later. `given up`: taken, and later given up.
    """

    def __init__(self, clock: ManualClock) -> None:
        self.capabilities = Capabilities(
            paid=True,
            asynchronous=True,
            urls=True,
            media_types=frozenset({"application/pdf"}),
            part_pages=None,
            find=True,
        )
        self.clock = clock
        self.plans: deque[str] = deque()
        self.looks: deque[str] = deque()
        self.books: list[Taken] = []
        self.lags: deque[timedelta] = deque()
        self.frozen = lambda: None
        self.may_take = lambda _key: True

    @property
    def billed(self) -> Counter[SubmissionKey]:
        return Counter(taken.key for taken in self.books if not taken.is_given_up)

    def submit(self, source, request):
        plan = self.plans.popleft() if self.plans else ""
        if plan == "frozen before":
            self.frozen()
        if self.clock.now() >= request.send_before:
            raise NotSent("It is too late to send it.")
        match plan:
            case "refused":
                raise PredictionRejected("No.", Reason.BAD_REQUEST)
            case "limited":
                raise RateLimited("too fast")
            case "unreachable":
                raise ProviderUnavailable("down")
            case "doubt not taken":
                raise InDoubt("The connection broke.", Reason.CONNECTION_CUT)
            case "killed not taken":
                raise Killed
        taken = self._take(request, given_up=plan == "given up")
        match plan:
            case "doubt taken":
                raise InDoubt("The connection broke.", Reason.CONNECTION_CUT)
            case "killed taken":
                raise Killed
            case "frozen after":
                self.frozen()
        if request.mode is Mode.ASYNC or taken.is_given_up:
            return taken.job
        return answer(1, job=taken.job.id)

    def fetch(self, jobs, *, deadline_seconds):
        found = {taken.job.id: taken for taken in self.books}
        return {job: self._fetched(found.get(job.id)) for job in jobs}

    def find(self, model, sought, since, until, *, deadline_seconds):
        look = self.looks.popleft() if self.looks else ""
        if look == "unreachable":
            raise ProviderUnavailable("the list is down")
        if look == "killed":
            raise Killed
        if look == "unknown":
            return Listing({one.key: Unknown("its list tells no keys") for one in sought}, echoed=False)
        listed: defaultdict[SubmissionKey, list[Job]] = defaultdict(list)
        for taken in self.books:
            if taken.listed_at <= self.clock.now():
                listed[taken.key].append(taken.job)
        findings = {one.key: Found(tuple(jobs)) if (jobs := listed.get(one.key)) else Absent() for one in sought}
        return Listing(findings, echoed=True)

    def read(self, raw, model) -> Prediction:
        raise NotImplementedError

    def _take(self, request, *, given_up: bool) -> Taken:
        assert self.may_take(request.key), f"{request.key} goes out though nobody may send it"
        now = self.clock.now()
        lag = self.lags.popleft() if self.lags else timedelta()
        job = Job(f"job-{len(self.books)}", request.model, 1)
        self.books.append(Taken(job, request.key, now, now + lag, polls=len(self.books) % 3, is_given_up=given_up))
        return self.books[-1]

    def _fetched(self, taken: Taken | None):
        if taken is None:
            return Pending("it is not known")
        if taken.is_given_up:
            return Refused(Reason.PREDICTION_FAILED, "no page could be read")
        if taken.polls:
            taken.polls -= 1
            return Pending("in the queue")
        return answer(1, job=taken.job.id)
