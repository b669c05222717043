"""Which runs' files belong in the bucket, on each engine."""

from headrace.ledger.records import RunFilter
from headrace.states import State
from tests.ledger.lives import document, exported, received

ALL = RunFilter()


def test_a_published_run_is_published_once_more(ledger):
    run_id = exported(ledger, received(ledger))
    (standing,) = ledger.standing_runs(ALL, limit=10)
    assert standing.id == run_id
    (hint,) = ledger.republish([run_id, run_id], by="ann")
    assert (hint.run_id, hint.state) == (run_id, State.EXPORTED)
    again = ledger.run(run_id)
    assert (again.published, again.token) == (False, standing.token + 1)
    assert ledger.history(document().id)[-1].detail == "by ann"
    assert ledger.standing_runs(ALL, limit=10) == []
    assert ledger.republish([run_id], by="ann") == []


def test_the_exported_run_stands_while_a_later_one_is_under_way(ledger):
    run_id = exported(ledger, received(ledger))
    (again,) = ledger.reprocess([document().id], by="ann")
    assert [run.id for run in ledger.standing_runs(ALL, limit=10)] == [run_id]
    assert ledger.republish([again.run_id], by="ann") == []


def test_pages_hold_every_run_once(ledger):
    runs = {exported(ledger, received(ledger, f"{number}")) for number in range(5)}
    first = ledger.standing_runs(ALL, limit=3)
    second = ledger.standing_runs(ALL, limit=3, after=first[-1].id)
    assert [run.id for run in (*first, *second)] == sorted(runs)
