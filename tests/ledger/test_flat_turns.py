"""What a turn asks of the ledger does not grow with the jobs in flight.

That is told of SQLite, which chooses its indexes without knowing the rows.
"""

import shutil

import pytest
from sqlalchemy import event

from headrace.ledger import Ledger
from headrace.ledger.durations import Took
from headrace.ledger.records import Advance, Postponed, SubmissionChange
from headrace.states import Reason, State, SubmissionState
from tests.ledger.lives import LANE, accepted

WHOLE_TABLES = {f"SCAN {table}" for table in ("runs", "submissions", "poll_groups", "history", "documents")}


@pytest.fixture
def on_sqlite(migrated_sqlite, tmp_path, clock):
    shutil.copyfile(migrated_sqlite, tmp_path / "ledger.db")
    ledger = Ledger(f"sqlite:///{tmp_path / 'ledger.db'}", clock)
    yield ledger
    ledger.close()


def every_call_of_a_turn(ledger, clock):
    hint = accepted(ledger, clock, "a", due_in=0)[2]
    accepted(ledger, clock, "b", due_in=0)
    turn = ledger.take_turn(hint.group_id, hint.generation)
    first, second = ledger.due_jobs(turn)
    ledger.begin_polls(turn, [first, second])
    ledger.heartbeat(turn)
    ledger.postpone(turn, [Postponed(first, clock.now()), Postponed(second, clock.now(), heard=False)])
    ledger.put_off_landing(turn, first, Reason.STORAGE, "The bucket does not answer.")
    ledger.land(turn, second, Advance(State.PREDICTED), SubmissionChange(second.key, SubmissionState.ANSWERED))
    ledger.note_durations(LANE, [Took(1, 5.0)])
    ledger.finish_turn(turn)
    ledger.wake_groups()


def test_no_call_of_a_turn_reads_a_table_or_all_rows_that_are_in_a_state(on_sqlite, clock):
    asked = set()

    def keep(_connection, _cursor, statement, *_):
        if statement.startswith(("SELECT", "UPDATE", "DELETE")):
            asked.add(statement)

    event.listen(on_sqlite._engine, "before_cursor_execute", keep)
    every_call_of_a_turn(on_sqlite, clock)
    event.remove(on_sqlite._engine, "before_cursor_execute", keep)
    steps = []
    with on_sqlite._reading() as connection:
        for statement in asked:
            values = (None,) * statement.count("?")
            rows = connection.exec_driver_sql(f"EXPLAIN QUERY PLAN {statement}", values)
            steps += [(row.detail, statement) for row in rows]
    assert len(steps) > 20
    assert [step for step in steps if step[0] in WHOLE_TABLES or "(state=?)" in step[0]] == []
