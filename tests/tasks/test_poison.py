"""A document that kills the worker in a step, each time: the ledger counts it, it alone ends, and others go on.

Messages are doubled all the while: the count is of deliveries that were granted, not of messages.
"""

from contextlib import suppress
from copy import copy
from datetime import timedelta

import pytest

from headrace.errors import InDoubt
from headrace.ledger.claims import MOST_DELIVERIES
from headrace.providers import Absent, Found, Job, Listing
from headrace.states import Reason, State, SubmissionState
from tests.pdfs import make_pdf
from tests.tasks.scripted import ScriptedProvider, accepted, answer

KILLER = 7
"""So many pages has the document that kills; its neighbours have fewer."""


class Died(BaseException):
    """The end of a worker process."""


class Deaths:
    """Kills whoever comes for the killer, and counts."""

    def __init__(self) -> None:
        self.times = 0
        self.over = False

    def kill(self):
        if not self.over:
            self.times += 1
            raise Died


@pytest.fixture
def deaths():
    return Deaths()


def go_on(world, rounds=40, pause=31):
    """Deliver each message twice, from both ends, while leases run out and the sweep hints again."""
    for _ in range(rounds):
        for _ in range(30):
            if not world.app.messages:
                break
            world.app.messages.append(copy(world.app.messages[0]))
            with suppress(Died):
                world.deliver()
        world.app.messages.clear()
        world.clock.pass_(timedelta(seconds=pause))
        with suppress(Died):
            world.sweep()


def dropped(world, folder, neighbours=3):
    """The run of the killer, and those of its neighbours."""
    killer = world.drop(f"{folder}/killer.pdf", make_pdf(KILLER))
    return killer, [world.drop(f"{folder}/{pages}.pdf", make_pdf(pages)) for pages in range(1, neighbours + 1)]


def how(world, run):
    found = world.ledger.run(run)
    return found.state, found.reason


def test_routing(make_world, deaths):
    world = make_world(ScriptedProvider())
    count = world.counter.count

    class Counter:
        def count(self, read_range, size, **more):
            found = count(read_range, size, **more)
            if found.pages == KILLER:
                deaths.kill()
            return found

    world.counter = Counter()
    world.providers["nanonets"].submits.extend(answer(pages, job=f"job-{pages}") for pages in (1, 2, 3))
    killer, others = dropped(world, "paid")
    go_on(world)
    assert how(world, killer) == (State.FAILED, Reason.POISON)
    assert deaths.times == MOST_DELIVERIES
    assert {world.state(run) for run in others} == {State.EXPORTED}
    assert all(world.ledger.run(run).published for run in [killer, *others])


def test_reading_for_free(make_world, deaths):
    def read(source, request):
        if "killer" in source.name:
            deaths.kill()
        return answer(1, job=None)

    world = make_world(ScriptedProvider(), free=ScriptedProvider([read] * 99, paid=False, part_pages=100))
    killer, others = dropped(world, "free")
    go_on(world)
    assert how(world, killer) == (State.FAILED, Reason.POISON)
    assert deaths.times == MOST_DELIVERIES
    assert {world.state(run) for run in others} == {State.EXPORTED}


def test_preparing_what_is_paid(make_world, deaths):
    """Before the fence nothing is sent, so it is no doubt."""
    provider = ScriptedProvider([answer(pages, job=f"job-{pages}") for pages in (1, 2, 3)])
    world = make_world(provider)
    killer, others = dropped(world, "paid")

    def before(call, key):
        if (call, key) == ("read", "paid/killer.pdf") and world.state(killer) is State.ADMITTED:
            deaths.kill()

    world.store.before = before
    go_on(world)
    assert how(world, killer) == (State.FAILED, Reason.POISON)
    assert world.ledger.submissions(killer) == []
    assert deaths.times == MOST_DELIVERIES
    assert {world.state(run) for run in others} == {State.EXPORTED}


def test_sending_what_is_paid_kills_once_and_is_doubt(make_world, deaths):
    """Behind the fence nobody comes for it again but who looks for it."""

    def send(source, request):
        if "killer" in source.name:
            deaths.kill()
        return answer(1, job=f"job-{source.name}")

    world = make_world(ScriptedProvider([send] * 9))
    killer, others = dropped(world, "paid")
    go_on(world)
    assert deaths.times == 1
    assert world.ledger.run(killer).reason is Reason.IN_DOUBT
    (submission,) = world.ledger.submissions(killer)
    assert (submission.state, submission.reason) == (SubmissionState.IN_DOUBT, Reason.WORKER_DIED)
    assert {world.state(run) for run in others} == {State.EXPORTED}


def test_polling(make_world, deaths):
    provider = ScriptedProvider()
    provider.submits.extend(lambda source, _request: accepted(f"job-{source.name}") for _ in range(4))

    def fetch(jobs, *, deadline_seconds):
        if any("killer" in job.id for job in jobs):
            deaths.kill()
        return {job: answer(1, job=job.id) for job in jobs}

    provider.fetch = fetch
    world = make_world(provider)
    killer = world.drop("paid/killer.pdf", make_pdf(KILLER))
    others = [world.drop(f"paid/{pages}.pdf", make_pdf(pages)) for pages in (4, 5, 6)]
    go_on(world)
    assert how(world, killer) == (State.FAILED, Reason.POISON)
    assert deaths.times == MOST_DELIVERIES
    assert {world.state(run) for run in others} == {State.EXPORTED}


def test_exporting(make_world, deaths):
    """Rows that no worker survives end the run; its manifest comes out all the same."""
    provider = ScriptedProvider()
    provider.submits.extend(lambda source, _request: answer(1, job=f"job-{source.name}") for _ in range(4))
    provider.polls.extend(answer(1) for _ in range(9))
    world = make_world(provider)
    killer, others = dropped(world, "paid")
    document = world.ledger.run(killer).document

    def before(call, key):
        if call == "put" and document.object_id in key and "/json/" in key:
            deaths.kill()

    world.store.before = before
    go_on(world)
    assert how(world, killer) == (State.FAILED, Reason.POISON)
    assert deaths.times == MOST_DELIVERIES
    assert world.ledger.run(killer).published
    assert {world.state(run) for run in others} == {State.EXPORTED}


def test_settling(make_world, deaths):
    """A request whose look kills its settler is held in the end; its neighbours are looked for without it."""
    provider = ScriptedProvider([InDoubt("cut", Reason.CONNECTION_CUT)] * 4)

    def find(model, sought, since, until, *, deadline_seconds):
        if any(one.name == "killer.pdf" for one in sought):
            deaths.kill()
        found = {one.key: Found((Job(f"job-{one.name}", model),)) for one in sought}
        return Listing(found, echoed=True)

    provider.find = find
    provider.fetch = lambda jobs, **_: {job: answer(1, job=job.id) for job in jobs}
    world = make_world(provider)
    killer, others = dropped(world, "paid")
    go_on(world)
    assert how(world, killer) == (State.HELD, Reason.IN_DOUBT)
    assert deaths.times == MOST_DELIVERIES
    assert {world.state(run) for run in others} == {State.EXPORTED}
    assert len(provider.requests) == 4, "nothing is sent again"


def test_looks_that_end_with_a_word_are_counted_anew(make_world, deaths):
    """Dying now and then, in weeks of looking, is no poison."""
    provider = ScriptedProvider([InDoubt("cut", Reason.CONNECTION_CUT)])
    looks = {"begun": 0}

    def find(model, sought, since, until, *, deadline_seconds):
        looks["begun"] += 1
        if looks["begun"] % 3:
            deaths.kill()
        return Listing({one.key: Absent() for one in sought}, echoed=True)

    provider.find = find
    world = make_world(provider)
    run = world.drop("paid/a.pdf", make_pdf(1))
    go_on(world, rounds=60)
    assert deaths.times > MOST_DELIVERIES
    assert world.state(run) is State.EXPORTED
    assert len({request.key for request in provider.requests}) == 1


def test_the_count_begins_anew_with_each_advance(make_world, deaths):
    """Four deaths in each of three steps are no poison, though they are twelve."""
    world = make_world(ScriptedProvider())
    run = world.drop("paid/a.pdf", make_pdf(1))

    def before(call, key):
        # It is read to route it, and again to send it.
        begins = (call == "read" and key == "paid/a.pdf") or (call == "put" and "/json/" in key)
        if begins and world.ledger.run(run).deliveries < MOST_DELIVERIES:
            deaths.kill()

    world.store.before = before
    go_on(world)
    assert deaths.times == 3 * (MOST_DELIVERIES - 1)
    assert world.state(run) is State.EXPORTED
