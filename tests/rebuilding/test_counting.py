"""A rebuilt ledger counts against budgets what the lost one did: nothing is spent a second time, nor forgotten."""

import json
from datetime import timedelta

import pytest

from headrace.errors import InDoubt, PredictionRejected
from headrace.ledger.records import RunFilter
from headrace.ledger.schema import spending
from headrace.states import Reason, State
from tasks.settling import give_up, resend
from tests.pdfs import make_pdf
from tests.rebuilding.losing import connect
from tests.rebuilding.test_rebuild import (  # noqa: F401  fixtures
    PLACE,
    POINTS,
    _copy,
    _restore,
    go_on,
    killed_at,
)
from tests.tasks.scripted import accepted, answer


def counted(ledger):
    """Pages and money, promised and spent, by day, account and route."""
    with ledger._engine.connect() as connection:
        rows = connection.execute(spending.select()).all()
    found = {
        (row.day, row.account, row.route): (
            row.pages_reserved,
            row.pages_spent,
            round(row.cost_reserved, 6),
            round(row.cost_spent, 6),
        )
        for row in rows
    }
    return {place: amounts for place, amounts in found.items() if any(amounts)}


@pytest.fixture
def spent(world, provider):
    """The runs, by name, of a world that paid in every way, on two days."""
    runs = {}

    def drop(name, pages, *outcomes):
        provider.submits.extend(outcomes)
        runs[name] = world.drop(f"paid/{name}.pdf", make_pdf(pages))
        world.deliver_all()

    doubt = InDoubt("Perhaps.", Reason.TIMED_OUT)
    drop("exported", 1, answer())
    drop("refused", 1, PredictionRejected("No.", Reason.BAD_REQUEST))
    drop("doubted", 1, doubt)
    drop("read and lost", 3, PredictionRejected("It failed.", Reason.PREDICTION_FAILED))
    for name, decide in (("given up", give_up), ("resent", resend)):
        drop(name, 2, doubt)
        (request,) = world.ledger.submissions(runs[name])
        provider.submits.append(answer(2))
        decide(world, request.key, by="ann")
        world.deliver_all()
        provider.submits.clear()
    world.clock.pass_(timedelta(hours=12))
    provider.submits.append(accepted("job-9", 5))
    runs["accepted"] = world.drop("paid/accepted.pdf", make_pdf(5))
    while world.state(runs["accepted"]) is not State.SUBMITTED:
        assert world.deliver() is not None
    return runs


def test_all_ways_to_pay_are_counted_on_their_days(world, spent):
    assert world.state(spent["resent"]) is State.EXPORTED
    lane = ("nanonets", "paid")
    in_doubt, spent_once, resent = 1, 1 + 3 + 2, 2 + 2
    assert {place: amounts[:2] for place, amounts in counted(world.ledger).items()} == {
        ("2026-11-20", *lane): (in_doubt, spent_once + resent),
        ("2026-11-21", *lane): (5, 0),
    }


def test_a_lost_ledger_counts_again_what_it_did(world, spent, each_ledger, rebuilt):
    before = counted(world.ledger)
    connect(world, each_ledger)
    rebuilt(world)
    assert counted(world.ledger) == before
    for run in (run for run in world.ledger.runs(RunFilter(latest=False), 100) if run.reserved_on):
        assert run.reserved_pages > 0


def test_what_goes_on_after_a_rebuild_is_corrected_by_its_answer(world, spent, provider, ledger, rebuilt):
    connect(world, ledger)
    rebuilt(world)
    provider.polls.append(answer(7, job="job-9"))
    go_on(world, 4)
    assert world.state(spent["accepted"]) is State.EXPORTED
    assert [amounts[:2] for place, amounts in counted(world.ledger).items() if place[0] == "2026-11-21"] == [(0, 7)]


def test_a_rebuild_that_is_killed_anywhere_counts_once(world, spent, each_ledger, rebuilt, killed_at):  # noqa: F811
    before = counted(world.ledger)
    connect(world, each_ledger)
    for point in (point for point in POINTS if point.startswith("ledger.restore.") or "save_pass" in point):
        killed_at(lambda: rebuilt(world), point)
    rebuilt(world)
    assert counted(world.ledger) == before


def test_an_old_copy_counts_what_was_paid_since_and_nothing_twice(world, spent, provider, ledger, rebuilt):
    copy = _copy(world.ledger)
    provider.polls.append(answer(5, job="job-9"))
    go_on(world, 4)
    provider.submits.append(answer())
    world.drop("paid/new.pdf", make_pdf(1))
    world.deliver_all()
    for _ in range(3):
        world.marker.raise_([PLACE])
    before = counted(world.ledger)
    _restore(world.ledger, copy)
    assert counted(world.ledger) != before
    rebuilt(world)
    assert counted(world.ledger) == before


def test_files_of_an_earlier_release_count_by_their_pages(world, spent, ledger, rebuilt):
    """They say neither what was promised nor what each request came to."""
    before = counted(world.ledger)
    for key in world.store.keys("private"):
        if key.endswith(".json") and ("/submissions/" in key or key.endswith("/run.json")):
            world.store.put("private", key, json.dumps(without(json.loads(world.store.read("private", key)))).encode())
    connect(world, ledger)
    rebuilt(world)
    pages = {place: amounts[:2] for place, amounts in counted(world.ledger).items()}
    assert pages == {place: amounts[:2] for place, amounts in before.items()}


def without(told):
    """What a file says, without what an earlier release did not say."""
    if isinstance(told, list):
        return [without(each) for each in told]
    if not isinstance(told, dict):
        return told
    return {name: without(value) for name, value in told.items() if not name.startswith(("reserved_", "spent_"))}


@pytest.mark.parametrize("lie", [{"reserved_on": "../x"}, {"reserved_pages": -4}, {"reserved_cost": -1.0}])
def test_a_note_that_promises_what_nobody_can_is_damaged(world, spent, ledger, rebuilt, lie):
    key = next(key for key in world.store.keys("private") if spent["accepted"] in key and "/submissions/" in key)
    told = json.loads(world.store.read("private", key))
    told["facts"] |= lie
    world.store.put("private", key, json.dumps(told).encode())
    connect(world, ledger)
    assert key in [problem.place.partition("private/")[2] for problem in rebuilt(world).problems]


def test_of_a_document_that_nobody_paid_for_nothing_is_counted(world, provider, ledger, rebuilt):
    provider.submits.append(PredictionRejected("No.", Reason.BAD_REQUEST))
    world.drop("paid/a.pdf", make_pdf(1))
    world.deliver_all()
    connect(world, ledger)
    rebuilt(world)
    assert counted(world.ledger) == {}


def test_a_job_that_nobody_waits_for_any_more_stays_promised(world, provider, ledger, rebuilt):
    provider.submits.append(accepted("job-9", 5))
    run = world.drop("paid/a.pdf", make_pdf(5))
    world.deliver_all()
    for _ in range(40):
        go_on(world, 1)
        world.clock.pass_(timedelta(hours=1))
        if world.state(run) is State.FAILED:
            break
    world.deliver_all()
    before = counted(world.ledger)
    assert world.ledger.run(run).reserved_pages == 5
    connect(world, ledger)
    rebuilt(world)
    assert counted(world.ledger) == before
