"""A paid provider that does what a test tells it to, and remembers what it was asked."""

import json
from collections import deque

from headrace.prediction import Cell, Field, Page, Prediction, Table
from headrace.providers import Absent, Answer, Capabilities, Job, Listing, Pending, Unknown


def prediction(
    pages: int = 1, *, job: str | None = "job-1", failed: tuple[int, ...] = (), cost: float | None = None
) -> Prediction:
    """A plausible answer with a field and a table on each page."""
    return Prediction(
        provider="nanonets",
        model="m",
        job=job,
        cost=cost,
        pages=tuple(
            Page(number=number, failure="it would not")
            if number in failed
            else Page(
                number=number,
                width=100,
                height=100,
                unit="px",
                fields=(Field(label="total", text=f"{number}.00", score=0.9),),
                tables=(Table(cells=(Cell(row=1, column=1, text="a", label="Item"),)),),
            )
            for number in range(1, pages + 1)
        ),
    )


def answer(pages: int = 1, **more) -> Answer:
    found = prediction(pages, **more)
    return Answer(found, json.dumps({"pages": pages}).encode())


def afresh(error):
    """The error without where it was raised before: one that many tests raise would keep all of their worlds."""
    return error.with_traceback(None)


class ScriptedProvider:
    """`submits` and `polls` are what the calls return, or raise, one after the other."""

    def __init__(self, submits=(), polls=(), listings=(), *, paid=True, part_pages=None) -> None:
        self.capabilities = Capabilities(
            paid=paid,
            asynchronous=paid,
            urls=paid,
            media_types=frozenset({"application/pdf"}),
            part_pages=part_pages,
            find=paid,
            window=paid,
        )
        self.submits = deque(submits)
        self.polls = deque(polls)
        self.listings = deque(listings)
        self.looked = []
        self.jobs = {}
        self.windows = deque()
        self.windows_asked = []
        self.fetched = []
        self.requests = []
        self.sources = []

    def submit(self, source, request):
        self.requests.append(request)
        self.sources.append(source)
        result = self.submits.popleft() if self.submits else answer()
        if callable(result):
            result = result(source, request)
        if isinstance(result, Exception):
            raise afresh(result)
        return result

    def fetch(self, jobs, *, deadline_seconds):
        self.fetched.append([job.id for job in jobs])
        return {job: (self.polls.popleft() if self.polls else Pending("in the queue")) for job in jobs}

    def listed(self, model, jobs, since, until, *, deadline_seconds):
        """`windows` are what listings bring, by the id of the job, or raise; a job that is not named is not in it."""
        self.windows_asked.append((since, until, len(jobs)))
        result = self.windows.popleft() if self.windows else {}
        if isinstance(result, Exception):
            raise afresh(result)
        told = {job: result.get(job.id, Absent()) for job in jobs}
        return {job: said for job, said in told.items() if said is not None}

    def find(self, model, sought, since, until, *, deadline_seconds):
        """`listings` are what looking brings, or raises, one after the other; without one, nothing is known."""
        self.looked.append((model, list(sought), since, until))
        result = self.listings.popleft() if self.listings else None
        if isinstance(result, Exception):
            raise afresh(result)
        return result or Listing({one.key: Unknown("it is not asked") for one in sought}, echoed=False)

    def known(self, job, *, deadline_seconds):
        """`jobs` are what is known of which job; an error among them is raised."""
        found = self.jobs.get(job.id)
        if isinstance(found, Exception):
            raise afresh(found)
        return found

    def read(self, raw, model):
        raise NotImplementedError


def accepted(job: str = "job-1", pages: int | None = 1) -> Job:
    return Job(job, "m", pages)
