"""`headrace run --once` with real servers and processes: what a new user sees, and what a bad night changes."""

import json

import pytest

from headrace.ledger.records import RunFilter
from headrace.states import Reason, State
from samples.check import differences, truth_of
from tests.acceptance.stack import PROJECT, Stack, wait_until

pytestmark = pytest.mark.timeout(420)

SAMPLES = sorted(path.name for path in (PROJECT / "samples" / "documents").iterdir())
ROUTES = ("local", "nanonets")
# What a new user is promised; a worker and a broker that are killed may cost a minute more.
LONGEST_SECONDS = 180
LONGEST_DISTURBED_SECONDS = 240


def last_states(stack):
    """State and reason of the latest run of each document, by route folder and name."""
    runs = stack.ledger().runs(RunFilter(), limit=1000)
    return {tuple(run.document.key.split("/", 1)): (run.state, run.reason) for run in runs}


def check_rows(stack, *, held=frozenset()):
    """Every good sample is exported and equals its truth, every bad one failed with its reason."""
    states = last_states(stack)
    assert len(states) == len(SAMPLES) * len(ROUTES)
    for route in ROUTES:
        fields, cells = stack.rows("fields", route), stack.rows("cells", route)
        for name in SAMPLES:
            truth = truth_of(name)
            state, reason = states[route, name]
            if truth.get("failure"):
                assert (state, reason) == (State.FAILED, Reason(truth["failure"])), (route, name)
            elif (route, name) in held:
                assert name not in fields, (route, name)
            else:
                assert state is State.EXPORTED, (route, name, state, reason)
                assert differences(truth, fields.get(name, []), cells.get(name, [])) == [], (route, name)


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory):
    stack = Stack(tmp_path_factory.mktemp("undisturbed"))
    with stack.running("--once") as process:
        assert process.wait(LONGEST_SECONDS) == 0, stack.told()
    return stack


def test_every_good_sample_comes_out_right_and_every_bad_one_fails_with_its_reason(undisturbed):
    check_rows(undisturbed)


def test_it_ends_with_what_came_out_and_where(undisturbed):
    told = undisturbed.told()
    assert "SIMULATED" in told
    assert "fields" in told
    assert "table rows" in told
    assert str(undisturbed.data / "outbox") in "".join(told.split("\n"))


def test_nothing_is_left_running(undisturbed):
    assert undisturbed.left_running() == []


def test_no_secret_is_anywhere_but_where_it_is_needed(undisturbed):
    """Logs, ledger, results and messages hold none of the stack's keys, nor a link's signature."""
    written = json.loads((undisturbed.data / "stack.json").read_text(encoding="utf-8"))
    needles = [secret.encode() for name, secret in written["secrets"].items() if name != "s3_access_key"]
    needles += [b"X-Amz-Signature", b"Authorization: Basic"]
    searched = 0
    for path in _where_no_secret_belongs(undisturbed.data):
        body = path.read_bytes()
        searched += 1
        for needle in needles:
            assert needle not in body, f"{path} holds a secret"
    assert searched > 50


def _where_no_secret_belongs(data):
    """Every file but those that the servers, and we, read the secrets from."""
    theirs = {data / "stack.json", data / "s3" / "identities.json", data / "valkey" / "valkey.conf"}
    return [path for path in sorted(data.rglob("*")) if path.is_file() and path not in theirs]


def test_a_second_start_pays_for_nothing_again(undisturbed):
    before = undisturbed.billed()
    assert set(before.values()) == {1}
    with undisturbed.running("--once") as process:
        assert process.wait(LONGEST_SECONDS) == 0, undisturbed.told()
    assert undisturbed.billed() == before
    check_rows(undisturbed)


@pytest.mark.proof
def test_killing_a_worker_and_then_the_broker_costs_only_time(tmp_path_factory):
    stack = Stack(tmp_path_factory.mktemp("disturbed"))
    with stack.running("--once") as process:
        wait_until(lambda: (stack.data / "processes.json").exists() and "listener" in stack.children(), 90)
        ledger = stack.ledger()
        wait_until(lambda: ledger.runs(RunFilter(state=State.SUBMITTED), limit=1), 90)
        stack.kill("worker-threads")
        stack.kill("worker-local")
        wait_until(lambda: ledger.runs(RunFilter(state=State.EXPORTED), limit=1), 120)
        stack.kill("valkey")
        stack.kill("worker-prefork")
        assert process.wait(LONGEST_DISTURBED_SECONDS) == 0, stack.told()
    held = {place for place, (state, _) in last_states(stack).items() if state is State.HELD}
    assert all(last_states(stack)[place] == (State.HELD, Reason.IN_DOUBT) for place in held)
    # What is held never was on the free route.
    assert all(route == "nanonets" for route, _ in held)
    check_rows(stack, held=held)
    assert set(stack.billed().values()) == {1}
