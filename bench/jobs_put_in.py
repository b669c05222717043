"""Puts jobs in flight into the ledger and the simulator, as if every one of them had come by itself."""

import uuid
from collections.abc import Callable, Iterable, Iterator
from dataclasses import asdict, dataclass, field
from datetime import datetime, timedelta
from itertools import islice
from pathlib import Path
from typing import Any

from sqlalchemy import Connection, create_engine, insert

from bench.jobs_in_flight import PAGES, Job, Population
from headrace.document import Document, SubmissionKey, run_id
from headrace.ledger import Ledger
from headrace.ledger.records import Claim
from headrace.ledger.schema import GroupState, documents, durations, history, objects, poll_groups, runs, submissions
from headrace.providers.nanonets.envelope import seal
from headrace.routing import Lane, Route
from headrace.states import Mode, State, SubmissionState
from simulator.invented import invent_pages
from simulator.journal import Accepted, File, account_of
from simulator.kept_pages import keep

BUCKET, MODEL = "inbox", "flights"
LANE = Lane("nanonets", "nanonets", MODEL)
# The measurement itself looks after a group of this one, to time the ledger's part of a turn.
TIMED = Lane("nanonets", "nanonets", "timed")
TIMED_JOBS, TIMED_DUE = 100, 8
WAITING = 200

_PIECE = 2_000
_NEVER = timedelta(days=30)
_TOKEN = 1


@dataclass
class PutIn:
    """What was put in. `began` is the moment 0 of its jobs, which are here by the id of their runs."""

    began: datetime
    jobs: dict[str, Job] = field(default_factory=dict)
    timed_group: int = 0

    def moment(self, seconds: float) -> datetime:
        return self.began + timedelta(seconds=seconds)


def routes_file(polls: int, in_flight: int, poll_by: str | None) -> str:
    """The configuration of a lane that may have so many in flight."""
    return f"""
[[routes]]
name = "flights"
bucket = "{BUCKET}"
prefix = "{MODEL}/"
provider = "nanonets"
model = "{MODEL}"
sync_page_limit = 0
output = "s3://outbox/rows"
private = "s3://outbox-private/headrace"
poll = {{ polls = {polls} }}

[[lanes]]
provider = "nanonets"
model = "{MODEL}"
in_flight = {in_flight}
{"" if poll_by is None else f'poll_by = "{poll_by}"'}
"""


def claim_of(ledger: Ledger, job: Job) -> Claim:
    """The hold on a job's run, as the step has it whose request was just taken."""
    run = ledger.run(run_id(_document(job.number).id, 1))
    if run is None or run.lease_until is None:
        raise LookupError(f"The run of job {job.number} was not put in.")
    return Claim(run, _TOKEN, run.lease_until)


def key_of(number: int) -> SubmissionKey:
    """The request of a job."""
    return SubmissionKey(_document(number).id, 1, LANE.provider, "all", 1)


def job_id(number: int) -> str:
    """The provider's id of a job."""
    return str(uuid.UUID(int=number, version=4))


def fill(url: str, route: Route, population: Population, began: datetime) -> PutIn:
    """Write the rows; the ledger's tables are there, and empty."""
    put_in = PutIn(began)
    ours = [*population.jobs, *population.arrivals]
    put_in.jobs = {run_id(_document(job.number).id, 1): job for job in ours}
    number = 1 + max(job.number for job in ours)
    engine = create_engine(url.replace("postgresql://", "postgresql+psycopg://", 1))
    with engine.begin() as tx:
        _insert(tx, poll_groups, _groups(population, put_in))
        known = ({**LANE._asdict(), "size": size, **asdict(one)} for size, one in population.times.known().items())
        _insert(tx, durations, known)
        group = _group(TIMED, {"open_jobs": TIMED_JOBS, "due_at": began + _NEVER, "created_at": began})
        put_in.timed_group = tx.execute(insert(poll_groups).values(group).returning(poll_groups.c.id)).scalar_one()
        timed = [Job(n, 1, -60.0, 1e6, group=put_in.timed_group) for n in range(number, number + TIMED_JOBS)]
        waits = [Job(n, 1, -60.0, 1e6) for n in range(number + TIMED_JOBS, number + TIMED_JOBS + WAITING)]
        _write(tx, population.jobs, lambda job: _flying(job, put_in), route, put_in, LANE)
        _write(tx, population.arrivals, lambda job: _sent(job, put_in), route, put_in, LANE)
        for job in timed[TIMED_DUE:]:
            job.due = _NEVER.total_seconds()
        _write(tx, timed, lambda job: _flying(job, put_in), route, put_in, TIMED)
        _write(tx, waits, lambda _job: {"state": State.WAITING, "due_at": began}, route, put_in, LANE)
    if engine.dialect.name == "postgresql":
        with engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
            connection.exec_driver_sql("ANALYZE")
    engine.dispose()
    return put_in


def write_journal(path: Path, population: Population, put_in: PutIn, key: str) -> None:
    """What the simulator has taken, or will have: it knows what each job's time is, and invents their pages once."""
    folder = path.with_name(path.name + ".files")
    folder.mkdir()
    for pages in PAGES:
        keep(folder / f"{pages}.template", invent_pages("bench", range(pages), (), 1))
    account = account_of(key)
    with path.open("w", encoding="utf-8") as lines:
        for job in (*population.jobs, *population.arrivals):
            file = _file(job, put_in)
            (folder / f"{file.id}.pages.jsonl").symlink_to(f"{job.pages}.template")
            taken = Accepted(account=account, submission=str(key_of(job.number)), files=(file,))
            lines.write(taken.model_dump_json() + "\n")


def _file(job: Job, put_in: PutIn) -> File:
    return File(
        id=job_id(job.number),
        model=MODEL,
        name=f"{job.number:07}.pdf",
        suffix=".pdf",
        metadata=seal(key_of(job.number), {}),
        asynchronous=True,
        pages=tuple(range(job.pages)),
        page_ids=tuple(str(uuid.uuid1(1, page)) for page in range(job.pages)),
        digest=f"{job.number:064x}",
        accepted_at=put_in.moment(job.accepted).timestamp(),
        ready_at=put_in.moment(job.ready).timestamp(),
        listed_at=put_in.moment(job.accepted).timestamp(),
    )


def _document(number: int) -> Document:
    return Document(BUCKET, f"{MODEL}/{number:07}.pdf", f"{number:032x}", 40_000)


def _groups(population: Population, put_in: PutIn) -> Iterator[dict[str, Any]]:
    for group in population.groups:
        yield {
            "id": group.id,
            **_group(
                LANE,
                {
                    "open_jobs": len(group.jobs),
                    "due_at": put_in.moment(min(job.due for job in group.jobs)),
                    "created_at": put_in.moment(group.opened),
                },
            ),
        }


def _group(lane: Lane, more: dict[str, Any]) -> dict[str, Any]:
    """They all rest: no message is under way before there is a worker."""
    return {**lane._asdict(), "generation": 1, "state": GroupState.CLOSED, "resting": True, **more}


def _flying(job: Job, put_in: PutIn) -> dict[str, Any]:
    return {"state": State.SUBMITTED, "due_at": put_in.moment(job.due)}


def _sent(job: Job, put_in: PutIn) -> dict[str, Any]:
    """It is being sent, and nobody looks whether its sender lives."""
    never = put_in.began + _NEVER
    return {"state": State.ADMITTED, "due_at": never, "lease_until": never, "claimed_at": put_in.moment(job.accepted)}


def _write(
    tx: Connection,
    jobs: Iterable[Job],
    standing: Callable[[Job], dict[str, Any]],
    route: Route,
    put_in: PutIn,
    lane: Lane,
) -> None:
    rest = iter(jobs)
    while some := list(islice(rest, _PIECE)):
        dropped = {job.number: put_in.moment(job.accepted) - timedelta(seconds=10) for job in some}
        contents = [(job, _document(job.number), dropped[job.number]) for job in some]
        stands = [standing(job) for job in some]
        day = put_in.began.date().isoformat()
        _insert(
            tx,
            objects,
            ({"id": one.object_id, "received_on": day, "current": one.id} for _, one, _ in contents),
        )
        _insert(tx, documents, (_document_row(one, at, day) for _, one, at in contents))
        _insert(
            tx,
            runs,
            (_run_row(job, route, lane, at) | stand for (job, _, at), stand in zip(contents, stands, strict=True)),
        )
        _insert(tx, history, (line for job, _, at in contents for line in _past(job, at)))
        sent = [job for job, stand in zip(some, stands, strict=True) if stand["state"] is not State.WAITING]
        if sent:
            _insert(tx, submissions, (_submission_row(job, lane, put_in, stands[0]["state"]) for job in sent))


def _document_row(one: Document, at: datetime, day: str) -> dict[str, Any]:
    return {
        "id": one.id,
        "object_id": one.object_id,
        "bucket": one.bucket,
        "key": one.key,
        "etag": one.etag,
        "size": one.size,
        "last_modified": at,
        "received_at": at,
        "received_on": day,
    }


def _run_row(job: Job, route: Route, lane: Lane, at: datetime) -> dict[str, Any]:
    document = _document(job.number)
    return {
        "id": run_id(document.id, 1),
        "document_id": document.id,
        "number": 1,
        "route": route.name,
        "revision": route.revision,
        **lane._asdict(),
        "mode": Mode.ASYNC,
        "media_type": "application/pdf",
        "pages": job.pages,
        "pages_source": "walked",
        "walked_pages": job.pages,
        "token": _TOKEN,
        "created_at": at,
        "updated_at": at,
    }


def _past(job: Job, at: datetime) -> Iterator[dict[str, Any]]:
    """The lines of history that a run has by the time it is sent."""
    of_run = {"at": at, "run_id": run_id(_document(job.number).id, 1), "detail": ""}
    for step, state in (("intake", State.RECEIVED), ("route", State.WAITING), ("admit", State.ADMITTED)):
        yield of_run | {"step": step, "event": state.value, "state": state}


def _submission_row(job: Job, lane: Lane, put_in: PutIn, state: State) -> dict[str, Any]:
    at = put_in.moment(job.accepted)
    flies = state is State.SUBMITTED
    return {
        "key": str(key_of(job.number)),
        "run_id": run_id(_document(job.number).id, 1),
        **lane._asdict(),
        "part": "all",
        "n": 1,
        "mode": Mode.ASYNC,
        "paid": True,
        "state": SubmissionState.ACCEPTED if flies else SubmissionState.INTENDED,
        "attempt": 1,
        "token": _TOKEN,
        "send_before": at + timedelta(seconds=120),
        "pages": job.pages,
        "job": job_id(job.number) if flies else None,
        "polls": job.polls,
        "due_at": put_in.moment(job.due) if flies else None,
        "group_id": job.group if flies else None,
        "created_at": at,
        "accepted_at": at if flies else None,
        "updated_at": at,
    }


def _insert(tx: Connection, table: Any, rows: Iterable[dict[str, Any]]) -> None:
    tx.execute(insert(table), list(rows))
