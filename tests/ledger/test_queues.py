"""Queues of waiting runs: only their heads are read, in the order of an index, on both engines."""

import re
from contextlib import contextmanager

import pytest
from sqlalchemy import event, text

from headrace.budgets import Budget
from headrace.ledger.records import Advance, Count, Hint, RunFilter
from headrace.routing import Lane
from headrace.states import Reason, State
from tests.ledger.lives import (
    FREE_LANE,
    LANE,
    ROUTED,
    SomeRules,
    advanced,
    claimed,
    document,
    received,
    waiting,
)

OTHER_LANE = Lane("nanonets", "emea", "model-1")


@contextmanager
def asked(ledger):
    """What is asked of the table of runs within the block: statements, each with its values."""
    found = []

    def keep(_connection, _cursor, statement, values, *_):
        if statement.startswith("SELECT") and "FROM runs" in statement:
            found.append((statement, values))

    event.listen(ledger._engine, "before_cursor_execute", keep)
    try:
        yield found
    finally:
        event.remove(ledger._engine, "before_cursor_execute", keep)


def plan(ledger, statement, values):
    """How the engine goes about it, as it would with many rows."""
    with ledger._engine.connect() as connection:
        if connection.dialect.name == "sqlite":
            rows = connection.exec_driver_sql(f"EXPLAIN QUERY PLAN {statement}", values)
        else:
            # Of a few rows it would read all, and sort them.
            for way in ("seqscan", "bitmapscan", "hashagg", "sort", "incremental_sort"):
                connection.execute(text(f"SET enable_{way} = off"))
            rows = connection.exec_driver_sql(f"EXPLAIN {statement}", values)
        return "\n".join(str(row[-1]) for row in rows)


@pytest.fixture
def backlog(ledger):
    """Runs that wait in several queues, some of them behind others that were recorded in the same moment."""
    for number in range(6):
        waiting(ledger, f"{number}")
        waiting(ledger, f"other-{number}", OTHER_LANE, route=f"route-{number % 2}")
    waiting(ledger, "free", FREE_LANE)
    return ledger


def test_a_dispatch_and_a_sweep_read_waiting_runs_in_the_order_of_their_index(backlog):
    with asked(backlog) as statements:
        backlog.admit(SomeRules(2))
        backlog.sweep()
    of_queues = [one for one in statements if "waiting" in one[0]]
    assert len(of_queues) > 10
    for statement, values in of_queues:
        told = plan(backlog, statement, values)
        assert "ix_runs_queue" in told, statement
        assert "TEMP B-TREE" not in told, statement
        assert "Sort" not in told, statement
        assert "Seq Scan" not in told, statement


def test_no_more_is_read_of_a_queue_than_may_go_and_one(backlog):
    with asked(backlog) as statements:
        assert len(backlog.admit(SomeRules(2))) == 5
    assert _most_read(statements) == 3


def test_of_a_lane_that_stands_still_no_run_is_read(backlog):
    backlog.admit(SomeRules(1))
    with asked(backlog) as statements:
        assert backlog.admit(SomeRules(1)) == []
    assert _most_read(statements) == 0
    told = {(count.route, count.reason) for count in backlog.counts(RunFilter(state=State.WAITING))}
    assert told == {(route, Reason.IN_FLIGHT) for route in ("invoices", "route-0", "route-1")}


def test_a_broker_that_has_more_than_enough_gets_nothing(backlog):
    assert backlog.admit(SomeRules(), lambda _lane: -3) == []


def test_many_that_no_budget_takes_are_passed_by_for_one_that_it_takes(ledger):
    for number in range(20):
        waiting(ledger, f"large-{number}", pages=5)
    small = waiting(ledger, "small", pages=1)
    spent = Budget(name="b", route="invoices", period="day", pages=5)
    first = ledger.admit(SomeRules(1, budgets=(spent.model_copy(update={"pages": 6}),)))
    assert len(first) == 1
    assert ledger.run(first[0].run_id).pages == 5
    assert ledger.admit(SomeRules(2, budgets=(spent.model_copy(update={"pages": 6}),))) == [
        Hint(small, State.ADMITTED, "nanonets")
    ]


def test_what_waits_longest_goes_first_also_behind_many_that_are_passed_by(ledger, clock):
    """Several were recorded in one moment, and are read in several pieces: none is left out, none comes twice."""
    for number in range(9):
        waiting(ledger, f"{number}", pages=1 + number % 3)
    budget = Budget(name="b", route="invoices", period="day", pages=3)
    went = [hint.run_id for hint in ledger.admit(SomeRules(3, budgets=(budget,)))]
    assert len(set(went)) == len(went)
    assert sum(ledger.run(run_id).pages for run_id in went) == 3


def test_all_runs_are_counted_from_one_index(backlog):
    with asked(backlog) as statements:
        backlog.counts(RunFilter())
    ((statement, values),) = statements
    told = plan(backlog, statement, values)
    assert "COVERING INDEX ix_runs_count" in told or "Index Only Scan using ix_runs_count" in told, told
    assert "ix_runs_rerun" in told, told


def test_counts_tell_when_the_last_doubt_of_a_route_ends(ledger, clock):
    ends = [clock.now().replace(hour=hour) for hour in (20, 22, 21)]
    for number, due_at in enumerate(ends):
        run_id = received(ledger, f"{number}")
        doubt = Advance(State.WAITING, Reason.IN_DOUBT, due_at=due_at, facts={**ROUTED, "route": f"r{number // 2}"})
        ledger.advance(claimed(ledger, run_id), doubt)
    waiting(ledger, "other", LANE)
    assert [(one.route, one.reason, one.runs, one.until) for one in ledger.counts(RunFilter(bucket="inbox"))] == [
        ("invoices", None, 1, None),
        ("r0", Reason.IN_DOUBT, 2, ends[1]),
        ("r1", Reason.IN_DOUBT, 1, ends[2]),
    ]


def test_of_a_document_that_is_read_again_only_the_latest_run_is_counted(ledger):
    for name in ("a", "b", "c"):
        advanced(ledger, received(ledger, name), State.EXPORTED, **{**ROUTED, "cost": 0.1})
    ledger.reprocess([document("a").id, document("b").id], by="ann")
    advanced(ledger, f"{document('b').id}-2", State.EXPORTED, **{**ROUTED, "cost": 0.2, "pages": 1})
    assert ledger.counts(RunFilter()) == [
        Count(State.EXPORTED, None, "invoices", 2, 6, 0.3),
        Count(State.RECEIVED, None, None, 1, 0, None),
    ]


def _most_read(statements):
    """How many runs a statement reads at most of those that read the head of a queue."""
    of_heads = [one for one in statements if "reserved_on IS NOT NULL" in one[0]]
    return max((_limit(statement, values) for statement, values in of_heads), default=0)


def _limit(statement, values):
    named = re.search(r"LIMIT %\((\w+)\)s", statement)
    # SQLite's are a limit and an offset, the last of all.
    return values[-2] if named is None else values[named[1]]
