"""The life of a document, step by step and message by message."""

import json
from collections import Counter
from contextlib import suppress
from datetime import timedelta

import pytest

from config.routes import RouteTable
from headrace.errors import ConfigurationError, NotSent, ProviderUnavailable, RateLimited
from headrace.providers import Pending, Refused
from headrace.states import Mark, Reason, State
from tasks.hints import ADMIT, EXPORT, POLL, ROUTE, SUBMIT
from tests.pdfs import make_pdf
from tests.tasks.scripted import ScriptedProvider, accepted, answer
from tests.tasks.world import delivered_until_it_ends


def tasks_of(messages):
    return [message.task for message in messages]


def outputs(world):
    return [head.key for page in world.store.list("out", "rows/") for head in page]


def test_a_short_document_goes_sync_and_comes_out_as_rows(world, provider):
    run = world.drop("paid/a.pdf", make_pdf(2))
    provider.submits.append(answer(2))
    messages = world.deliver_all()
    assert tasks_of(messages)[:4] == [ROUTE, ADMIT, SUBMIT, EXPORT]
    assert world.state(run) is State.EXPORTED
    assert world.ledger.run(run).cost == pytest.approx(0.2)
    assert len([key for key in outputs(world) if key.endswith((".csv", ".jsonl"))]) == 6
    assert len([key for key in outputs(world) if "/documents/" in key]) == 1


def test_a_long_document_is_followed_through_its_chain_of_polls(world, provider):
    run = world.drop("paid/long.pdf", make_pdf(5))
    provider.submits.append(accepted(pages=5))
    provider.polls.extend([Pending("queued"), Pending("queued"), answer(5)])
    accepted_at = world.clock.now()
    polls = [message for message in delivered_until_it_ends(world, run) if message.task == POLL]
    group = polls[0].args[0]
    # One chain: each turn raises the generation, each delay doubles.
    assert [message.args for message in polls] == [[group, 0], [group, 1], [group, 2]]
    assert [round(message.countdown) for message in polls[:2]] == [5, 10]
    assert timedelta(seconds=35) <= world.clock.now() - accepted_at < timedelta(seconds=40)
    assert world.state(run) is State.EXPORTED
    assert world.ledger.run(run).pages == 5


def test_a_stale_poll_message_ends_silently(world, provider):
    world.drop("paid/long.pdf", make_pdf(5))
    provider.submits.append(accepted(pages=5))
    provider.polls.extend([Pending("queued"), answer(5)])
    polls = [message for message in world.deliver_all() if message.task == POLL]
    before = len(world.app.published)
    world.app.messages.append(polls[0])
    world.deliver_all()
    assert len(world.app.published) == before


def test_a_job_without_an_answer_fails_and_a_retry_takes_it_up_without_paying(world, provider):
    run = world.drop("paid/long.pdf", make_pdf(5))
    provider.submits.append(accepted(pages=5))
    delivered_until_it_ends(world, run)
    assert world.ledger.run(run).reason is Reason.PREDICTION_TIMED_OUT
    world.hints.hint_all(world.ledger.retry(_failed(), by="test"))
    provider.polls.append(answer(5))
    world.deliver_all()
    assert world.state(run) is State.EXPORTED
    assert len(provider.requests) == 1


def test_what_the_provider_gave_up_is_a_new_submission_when_a_person_retries(world, provider):
    run = world.drop("paid/long.pdf", make_pdf(5))
    provider.submits.extend([accepted("first", 5), answer(5, job="second")])
    provider.polls.append(Refused(Reason.PREDICTION_FAILED, "all pages failed"))
    world.deliver_all()
    assert world.ledger.run(run).reason is Reason.PREDICTION_FAILED
    world.hints.hint_all(world.ledger.retry(_failed(), by="test"))
    world.deliver_all()
    assert world.state(run) is State.EXPORTED
    assert [request.key.n for request in provider.requests] == [1, 2]


@pytest.mark.parametrize("error", [ProviderUnavailable("down"), NotSent("too late")])
def test_what_was_certainly_not_taken_waits_and_is_sent_under_the_same_key(world, provider, clock, error):
    run = world.drop("paid/a.pdf", make_pdf(1))
    provider.submits.extend([error, error, answer()])
    world.deliver_all()
    waiting = world.ledger.run(run)
    assert (waiting.state, waiting.reason) == (State.WAITING, error.reason)
    assert timedelta(seconds=24) <= waiting.due_at - clock.now() <= timedelta(seconds=36)
    for longest_pause in (36, 72):
        clock.pass_(timedelta(seconds=longest_pause))
        world.sweep()
        world.deliver_all()
    assert world.state(run) is State.EXPORTED
    assert len({str(request.key) for request in provider.requests}) == 1


def test_after_ten_sendings_that_were_not_taken_the_run_fails(world, provider, clock):
    run = world.drop("paid/a.pdf", make_pdf(1))
    provider.submits.extend([NotSent("too late")] * 20)
    for _ in range(12):
        world.deliver_all()
        clock.pass_(timedelta(minutes=12))
        world.sweep()
    world.deliver_all()
    failed = world.ledger.run(run)
    assert (failed.state, failed.reason) == (State.FAILED, Reason.NOT_SENT)
    assert len(provider.requests) == 10
    assert "headrace retry" in failed.detail


def test_what_is_refused_as_too_much_pauses_its_lane_and_counts_as_no_attempt(world, provider, clock):
    runs = [world.drop(f"paid/{pages}.pdf", make_pdf(pages)) for pages in (1, 2)]
    provider.submits.extend([RateLimited("too fast")] * 12)
    for sent in range(1, 13):
        world.deliver_all()
        assert len(provider.requests) == sent, "the other document of the lane waits as well"
        for run in map(world.ledger.run, runs):
            assert (run.state, run.reason, run.attempts) == (State.WAITING, Reason.RATE_LIMITED, 0)
        clock.pass_(timedelta(seconds=30))
        world.sweep()
    world.deliver_all()
    assert {world.state(run) for run in runs} == {State.EXPORTED}


def test_a_lane_holds_no_more_in_flight_than_its_limit(make_world):
    provider = ScriptedProvider([accepted(f"job-{n}", 5) for n in range(5)])
    world = make_world(provider, nanonets=2)
    runs = [world.drop(f"paid/{n}.pdf", make_pdf(5 + n)) for n in range(5)]
    while world.app.messages and world.app.messages[0].task != POLL:
        world.deliver()
    states = [world.state(run) for run in runs]
    assert states.count(State.SUBMITTED) == 2
    assert states.count(State.WAITING) == 3
    assert {world.ledger.run(run).reason for run in runs if world.state(run) is State.WAITING} == {Reason.IN_FLIGHT}
    # Each one that lands makes room; another lane was never blocked.
    provider.polls.extend([answer(5 + n, job=f"job-{n}") for n in range(5)])
    for _ in range(6):
        world.deliver_all()
        world.clock.pass_(timedelta(seconds=15))
        world.sweep()
    assert all(world.state(run).is_end for run in runs)


def test_failed_pages_make_the_run_partial(world, provider):
    run = world.drop("paid/a.pdf", make_pdf(3))
    provider.submits.append(answer(3, failed=(2,)))
    world.deliver_all()
    assert world.ledger.run(run).marks == (Mark.PARTIAL,)


def test_a_free_provider_reads_a_long_document_part_by_part(make_world):
    def read(source, request):
        first, last = request.pages
        found = answer(last).prediction
        pages = found.pages[first - 1 :]
        return type(answer())(found.model_copy(update={"pages": pages}), b"{}")

    free = ScriptedProvider([read, read], paid=False, part_pages=10)
    world = make_world(ScriptedProvider(), free=free)
    run = world.drop("free/a.pdf", make_pdf(12))
    world.deliver_all()
    assert [request.pages for request in free.requests] == [(1, 10), (11, 12)]
    assert world.state(run) is State.EXPORTED
    assert world.ledger.run(run).pages == 12


def test_the_same_bytes_again_are_not_paid_again(world, provider):
    run = world.drop("paid/a.pdf", make_pdf(1))
    world.deliver_all()
    assert world.drop("paid/a.pdf", make_pdf(1)) == run
    world.deliver_all()
    assert len(provider.requests) == 1


def test_a_lost_message_only_costs_time(world, clock):
    run = world.drop("paid/a.pdf", make_pdf(1))
    for _ in range(40):
        world.app.messages.clear()
        clock.pass_(timedelta(seconds=16))
        world.sweep()
        world.deliver()
    assert world.state(run) is State.EXPORTED


def test_each_bad_document_fails_with_its_own_reason_and_a_manifest(world):
    runs = {
        Reason.UNSUPPORTED_TYPE: world.drop("paid/text.pdf", b"just some words\n" * 20),
        Reason.EMPTY_FILE: world.drop("paid/empty.pdf", b""),
        Reason.ENCRYPTED: world.drop("paid/locked.pdf", make_pdf(1, password="secret")),
        Reason.UNREADABLE: world.drop("paid/cut.pdf", b"%PDF-1.7\n" + b"\0" * 500),
        Reason.TOO_LONG: world.drop("paid/long.pdf", make_pdf(21)),
    }
    world.deliver_all()
    assert {reason: world.ledger.run(run).reason for reason, run in runs.items()} == {key: key for key in runs}
    assert len([key for key in outputs(world) if "/documents/" in key]) == len(runs)
    assert not [key for key in outputs(world) if key.endswith(".csv")]


def test_an_object_that_was_removed_or_replaced_is_told_apart(world):
    removed = world.drop("paid/a.pdf", make_pdf(1))
    world.store.delete("inbox", "paid/a.pdf")
    replaced = world.drop("paid/b.pdf", make_pdf(1))
    world.store.put("inbox", "paid/b.pdf", make_pdf(2))
    world.deliver_all()
    world.clock.pass_(timedelta(seconds=2))
    world.sweep()
    world.deliver_all()
    assert world.state(removed) is State.REMOVED
    assert world.state(replaced) is State.SUPERSEDED
    newer = world.see("paid/b.pdf")
    assert world.state(newer) is State.EXPORTED


def test_the_route_in_force_when_a_document_was_routed_stays_its_route(world):
    run = world.drop("paid/a.pdf", make_pdf(1))
    world.deliver()
    moved = [route.model_copy(update={"output": "s3://out/elsewhere"}) for route in world.routes.routes]
    world.routes = RouteTable(tuple(moved), world.routes.lanes)
    world.deliver_all()
    assert world.state(run) is State.EXPORTED
    assert outputs(world)
    later = world.drop("paid/b.pdf", make_pdf(2))
    world.deliver_all()
    assert world.ledger.run(later).revision != world.ledger.run(run).revision
    assert [key for page in world.store.list("out", "elsewhere/") for key in page]


@pytest.mark.parametrize("pages", [2, 5])
def test_pages_and_cost_are_corrected_from_the_answer(world, provider, pages):
    run = world.drop("paid/a.pdf", make_pdf(pages + 1))
    provider.submits.append(answer(pages) if pages == 2 else accepted(pages=pages))
    provider.polls.append(answer(pages))
    world.deliver_all()
    found = world.ledger.run(run)
    assert (found.state, found.pages, found.pages_source) == (State.EXPORTED, pages, "answered")
    assert found.cost == pytest.approx(0.1 * pages)


@pytest.mark.parametrize("pages", [2, 5])
@pytest.mark.parametrize("said", [0.0, 0.3, None])
def test_what_the_provider_says_it_costs_is_kept_beside_our_own_reckoning(world, provider, pages, said):
    run = world.drop("paid/a.pdf", make_pdf(pages))
    told = answer(pages, cost=said)
    provider.submits.append(told if pages == 2 else accepted(pages=pages))
    provider.polls.append(told)
    world.deliver_all()
    (submission,) = world.ledger.submissions(run)
    assert (submission.provider_cost, submission.cost) == (said, pytest.approx(0.1 * pages))
    (key,) = [key for key in outputs(world) if "/documents/" in key]
    manifest = json.loads(world.store.read("out", key))
    assert (manifest["provider_cost"], manifest["cost"]) == (said, pytest.approx(0.1 * pages))


def test_a_key_that_is_missing_fails_the_run_and_says_what_to_set(world):
    run = world.drop("paid/a.pdf", make_pdf(1))
    while world.app.messages[0].task != SUBMIT:
        world.deliver()

    def without_a_key(lane):
        raise ConfigurationError("Set NANONETS_API_KEY.")

    world.provider = without_a_key
    world.deliver_all()
    failed = world.ledger.run(run)
    assert (failed.state, failed.reason, failed.detail) == (
        State.FAILED,
        Reason.CONFIGURATION,
        "Set NANONETS_API_KEY.",
    )


def _failed():
    from headrace.ledger.records import RunFilter

    return RunFilter(state=State.FAILED)


class Died(BaseException):
    """The end of a worker process."""


def test_an_answer_that_no_worker_survives_fails_as_poison_and_its_neighbours_are_fetched(world, provider):
    jobs = [f"job-{number}" for number in range(10)]
    runs = [world.drop(f"paid/{job}.pdf", make_pdf(5 + number)) for number, job in enumerate(jobs)]
    provider.submits.extend(accepted(job, 5) for job in jobs)
    asked = []

    def fetch(wanted, *, deadline_seconds):
        asked.append([job.id for job in wanted])
        if "job-3" in asked[-1]:
            raise Died
        return {job: answer(5, job=job.id) for job in wanted}

    provider.fetch = fetch
    for _ in range(12):
        with suppress(Died):
            world.deliver_all()
        world.clock.pass_(timedelta(seconds=31))
        world.sweep()
    world.deliver_all()
    ended = Counter((run.state, run.reason) for run in map(world.ledger.run, runs))
    assert ended == {(State.EXPORTED, None): 9, (State.FAILED, Reason.POISON): 1}
    # Together once; from then on alone, and after everybody else.
    assert [len(together) for together in asked if "job-3" in together] == [8, 1, 1, 1, 1]

    provider.fetch = lambda wanted, **_: {job: answer(5, job=job.id) for job in wanted}
    world.hints.hint_all(world.ledger.retry(_failed(), by="test"))
    world.deliver_all()
    assert {world.state(run) for run in runs} == {State.EXPORTED}
    assert len(provider.requests) == 10, "what was paid is not paid again"


def test_a_document_that_no_worker_survives_fails_as_poison(make_world):
    def kill(source, request):
        raise Died

    world = make_world(ScriptedProvider(), free=ScriptedProvider([kill] * 9, paid=False, part_pages=10))
    run = world.drop("free/a.pdf", make_pdf(1))
    deaths = 0
    for _ in range(12):
        try:
            world.deliver_all()
        except Died:
            deaths += 1
        world.app.messages.clear()
        world.clock.pass_(timedelta(seconds=16))
        world.sweep()
    world.deliver_all()
    assert deaths == 5
    assert (world.state(run), world.ledger.run(run).reason) == (State.FAILED, Reason.POISON)
