"""A ledger that an earlier version left in the midst of its work is brought to this one, and all of it goes on.

ledger_0005.json holds what a ledger of the version 0005 wrote: a run in each state, one of them for the second time.
"""

import json
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from alembic import command
from sqlalchemy import Boolean, DateTime, MetaData, insert, select

from headrace.budgets import Budget
from headrace.document import SubmissionKey
from headrace.faults import set_fault_handler
from headrace.ledger import Ledger, versions
from headrace.ledger.records import Advance, RunFilter, SubmissionChange
from headrace.ledger.schema import documents, runs
from headrace.states import Mode, Precedence, Reason, State, SubmissionState
from tests.ledger.lives import LANE, SomeRules, claimed

EARLIER = json.loads(Path(__file__).with_name("ledger_0005.json").read_text(encoding="utf-8"))
DAILY = Budget(name="daily", route="invoices", period="day", pages=100)
NOTHING_LEFT = SomeRules(budgets=(DAILY.model_copy(update={"pages": 5}),))
AMPLE = SomeRules(price=0.1, budgets=(DAILY,))


@pytest.fixture
def earlier(bare_url, clock):
    """A ledger of the version 0005, in the midst of its work."""
    ledger = Ledger(bare_url, clock)
    with ledger._transaction("earlier") as tx:
        config = versions._alembic()
        config.attributes["connection"] = tx
        command.upgrade(config, "0005")
        tables = MetaData()
        tables.reflect(tx)
        for name, rows in EARLIER.items():
            tx.execute(insert(tables.tables[name]), [_row(tables.tables[name], row) for row in _alike(rows)])
    clock.pass_(timedelta(seconds=10))
    yield ledger
    ledger.close()


@pytest.fixture
def upgraded(earlier):
    earlier.migrate()
    earlier.check()
    return earlier


def _alike(rows):
    """Rows of the same columns, for one statement; numbers that the database gives are left to it."""
    names = {name for row in rows for name in row}
    return [{name: row.get(name) for name in names if name != "id" or isinstance(row[name], str)} for row in rows]


def _row(table, row):
    return {name: _value(table.c[name], value) for name, value in row.items()}


def _value(column, value):
    if isinstance(column.type, DateTime) and value is not None:
        return datetime.fromisoformat(value).replace(tzinfo=UTC)
    return bool(value) if isinstance(column.type, Boolean) else value


def named(ledger, name):
    """The latest run of the document of this name."""
    with ledger._reading() as connection:
        query = select(runs.c.id).join(documents, documents.c.id == runs.c.document_id)
        query = query.where(documents.c.key == f"in/{name}.pdf").order_by(runs.c.number.desc()).limit(1)
        return ledger.run(connection.execute(query).scalar_one())


def key_of(run):
    return SubmissionKey(run.document.id, run.number, "nanonets", "all", 1)


def used(ledger):
    (found,) = ledger.budgets_used([DAILY])
    return found.reserved.pages, found.spent.pages


def answer(ledger, run):
    """Send a run that is admitted, and have it answered."""
    claim = claimed(ledger, run.id)
    send_before = ledger._clock.now() + timedelta(seconds=120)
    intent = ledger.intend(claim, key_of(run), LANE, Mode.SYNC, pages=5, send_before=send_before)
    assert intent.state is SubmissionState.INTENDED
    ledger.advance(claim, Advance(State.PREDICTED), SubmissionChange(intent.key, SubmissionState.ANSWERED, pages=5))
    return intent


def test_every_run_stays_where_it_was(upgraded):
    states = {name: (named(upgraded, name).state, named(upgraded, name).reason) for name in ("received", "admitted")}
    assert states == {"received": (State.RECEIVED, None), "admitted": (State.ADMITTED, None)}
    assert named(upgraded, "submitted").state is State.SUBMITTED
    assert (named(upgraded, "in-doubt").state, named(upgraded, "in-doubt").reason) == (State.WAITING, Reason.IN_DOUBT)
    assert sum(count.runs for count in upgraded.counts(RunFilter())) == len(EARLIER["documents"])
    assert sum(count.runs for count in upgraded.counts(RunFilter(latest=False))) == len(EARLIER["runs"])
    assert used(upgraded) == (0, 0)


def test_what_waits_is_told_by_its_queue_and_goes_the_fresh_drops_first(upgraded):
    fresh = [named(upgraded, name) for name in ("waiting", "waiting-for-room")]
    again = named(upgraded, "exported")
    assert {run.reason for run in (*fresh, again)} == {None}
    assert (again.number, again.precedence) == (2, Precedence.BATCH)
    assert {run.precedence for run in fresh} == {Precedence.FRESH}
    admitted = [hint.run_id for hint in upgraded.admit(AMPLE)]
    assert admitted[0] == fresh[0].id
    assert set(admitted) == {run.id for run in (*fresh, again)}
    assert used(upgraded) == (15, 0)


def test_what_was_admitted_is_sent_and_what_was_begun_is_its_next_attempt(upgraded):
    assert answer(upgraded, named(upgraded, "admitted")).attempt == 1
    upgraded._clock.pass_(timedelta(seconds=15))
    assert answer(upgraded, named(upgraded, "begun")).attempt == 2
    assert used(upgraded) == (0, 0), "nobody promised them"


def test_a_job_at_the_provider_is_polled_and_lands(upgraded):
    submitted = named(upgraded, "submitted")
    upgraded._clock.pass_(timedelta(seconds=30))
    (hint,) = upgraded.wake_groups()
    turn = upgraded.take_turn(hint.group_id, hint.generation)
    (job,) = upgraded.due_jobs(turn)
    assert (job.run.id, job.job.id) == (submitted.id, "job-submitted")
    upgraded.land(turn, job, Advance(State.PREDICTED), SubmissionChange(job.key, SubmissionState.ANSWERED, pages=5))
    upgraded.finish_turn(turn)
    assert named(upgraded, "submitted").state is State.PREDICTED


def test_doubt_is_looked_for_and_ends(upgraded):
    upgraded._clock.pass_(timedelta(minutes=3))
    assert upgraded.lanes_in_doubt() == [LANE]
    (doubtful,) = upgraded.due_doubts(LANE)
    not_taken = SubmissionChange(doubtful.submission.key, SubmissionState.REJECTED, reason=Reason.NOT_TAKEN)
    upgraded.end_doubt(doubtful.submission, not_taken, Advance(State.WAITING), "It was not taken.")
    admitted = [hint.run_id for hint in upgraded.admit(AMPLE)]
    assert named(upgraded, "in-doubt").id in admitted
    assert answer(upgraded, named(upgraded, "in-doubt")).attempt == 2
    assert used(upgraded) == (15, 5)


def test_a_job_that_was_given_up_is_asked_for_again_and_no_budget_keeps_it(upgraded):
    given_up = named(upgraded, "given-up")
    upgraded.retry(RunFilter(state=State.FAILED), by="ann")
    admitted = [hint.run_id for hint in upgraded.admit(NOTHING_LEFT)]
    assert given_up.id in admitted
    assert len(admitted) == 2, "one more fits into the budget"
    claim = claimed(upgraded, given_up.id)
    known = SubmissionChange(key_of(given_up), SubmissionState.ACCEPTED, job="job-given-up")
    upgraded.accept(claim, known, due_at=upgraded._clock.now() + timedelta(seconds=5))
    assert named(upgraded, "given-up").state is State.SUBMITTED


def test_an_upgrade_that_stops_before_its_end_leaves_the_ledger_as_it_was(earlier):
    def stop(name):
        if name == "ledger.migrate.before_commit":
            raise KeyboardInterrupt

    set_fault_handler(stop)
    try:
        with pytest.raises(KeyboardInterrupt):
            earlier.migrate()
    finally:
        set_fault_handler(None)
    with earlier._reading() as connection:
        assert versions.version_of(connection) == "0005"
    earlier.migrate()
    assert named(earlier, "submitted").state is State.SUBMITTED
