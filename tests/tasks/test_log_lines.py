"""Whoever looks for a run in the log finds every line about it."""

import threading

import pytest
import structlog
from kombu.exceptions import OperationalError
from structlog.contextvars import bound_contextvars, merge_contextvars
from structlog.testing import capture_logs

from headrace.errors import LedgerUnavailable, RateLimited, StaleClaim
from headrace.providers import Pending
from headrace.states import State
from tasks.hints import ROUTE, Hints
from tasks.step import repeated
from tests.pdfs import make_pdf
from tests.tasks.scripted import accepted, answer
from tests.tasks.world import EmptyRedis, delivered_until_it_ends

STEPS = {"route", "submit", "export", "poll"}
# Lines about a whole poll group, which is none of one run.
ABOUT_A_GROUP = {"poll group ended or rests", "stale poll message"}


@pytest.fixture
def lines():
    """What is logged, with the fields that are bound around it."""
    with capture_logs(processors=[merge_contextvars]) as captured:
        yield captured


def of_steps(lines):
    return [line for line in lines if line.get("step") in STEPS and line["event"] not in ABOUT_A_GROUP]


def test_every_line_of_a_sync_life_names_its_run(world, provider, lines):
    run = world.drop("paid/a.pdf", make_pdf(2))
    provider.submits.append(answer(2))
    world.deliver_all()
    assert world.state(run) is State.EXPORTED
    found = of_steps(lines)
    assert {line["step"] for line in found} == {"route", "submit", "export"}
    assert {line.get("run") for line in found} == {run}


def test_every_line_of_an_async_life_names_its_run(world, provider, lines):
    run = world.drop("paid/long.pdf", make_pdf(5))
    provider.submits.append(accepted(pages=5))
    provider.polls.extend([Pending("queued"), Pending("queued"), answer(5)])
    delivered_until_it_ends(world, run)
    assert world.state(run) is State.EXPORTED
    found = of_steps(lines)
    assert {line["step"] for line in found} == STEPS
    assert [line["event"] for line in found if line["step"] == "poll"].count("job pending") == 2
    assert {line.get("run") for line in found} == {run}


def test_the_runs_of_one_poll_turn_are_told_apart(world, provider, lines):
    runs = [world.drop(f"paid/{pages}.pdf", make_pdf(pages)) for pages in (4, 5)]
    provider.submits.extend([accepted("job-a", 4), accepted("job-b", 5)])
    provider.polls.extend([Pending("queued"), Pending("queued"), answer(4, job="job-a"), answer(5, job="job-b")])
    world.deliver_all()
    assert [world.state(run) for run in runs] == [State.EXPORTED] * 2
    polled = [line for line in of_steps(lines) if line["step"] == "poll" and line["event"] == "run advanced"]
    assert {line["run"] for line in polled} == set(runs)


def test_a_step_that_fails_or_is_put_off_names_its_run(world, provider, lines):
    def fall(source, request):
        raise RuntimeError("unforeseen")

    runs = [world.drop(f"paid/{pages}.pdf", make_pdf(pages)) for pages in (1, 2)]
    provider.submits.extend([fall, RateLimited("too fast")])
    world.deliver_all()
    found = of_steps(lines)
    assert "step failed unexpectedly" in {line["event"] for line in found}
    assert {line.get("run") for line in found} == set(runs)


def test_no_line_of_a_step_is_left_out_by_this_check(world, provider, lines):
    """What steps log while they work stands under a step; only intake and the dispatcher work for many runs."""
    world.drop("paid/a.pdf", make_pdf(5))
    provider.submits.append(accepted(pages=5))
    provider.polls.append(answer(5))
    world.deliver_all()
    events = {line["event"] for line in lines if "step" not in line}
    assert events == {"documents recorded", "runs admitted"}


@pytest.mark.parametrize("error", [StaleClaim("taken"), LedgerUnavailable("away")])
def test_the_thread_that_renews_a_lease_names_the_run_too(lines, error):
    beaten = threading.Event()

    def beat():
        beaten.set()
        raise error

    with bound_contextvars(run="run-1", step="submit"), repeated(beat, "lease", every_seconds=0.01):
        assert beaten.wait(10)
    assert lines
    assert {(line["run"], line["what"]) for line in lines} == {("run-1", "lease")}


def test_a_hint_that_is_not_published_names_the_run(clock, lines):
    class AwayApp:
        @property
        def pool(self):
            return EmptyRedis()

        def send_task(self, name, **_):
            raise OperationalError("away")

    assert not Hints(AwayApp(), clock).hint("run-1", State.RECEIVED)
    (line,) = [line for line in lines if "task" in line]
    assert (line["event"], line["task"], line["args"]) == ("broker away, the sweep hints later", ROUTE, ["run-1"])


def test_the_context_ends_with_the_step(world, lines):
    world.drop("paid/a.pdf", make_pdf(1))
    world.deliver_all()
    assert structlog.contextvars.get_contextvars() == {}
