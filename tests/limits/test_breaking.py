"""A breaker: opened by failures in a row or by one refusal, closed by a probe or a person."""

from datetime import UTC, datetime, timedelta

import pytest

from headrace.breaking import LONGEST_PAUSE, Breaker, paused
from headrace.states import Reason, State

NOW = datetime(2026, 11, 20, 12, 0, tzinfo=UTC)
SECOND = timedelta(seconds=1)
# A pause for failures is over.
LATER = NOW + 30 * SECOND


def failing(times, reason=Reason.SERVER_ERROR):
    breaker = Breaker()
    for _ in range(times):
        breaker = breaker.heard_failure("some", reason, "It failed.", NOW)
    return breaker


def test_four_failures_in_a_row_are_bad_luck_and_five_open_it():
    assert not failing(4).is_open
    opened = failing(5)
    assert (opened.reason, opened.probe_at) == (Reason.PROVIDER_FAILING, NOW + 30 * SECOND)


def test_an_answer_between_them_begins_the_count_anew():
    breaker = failing(4).heard_success("some")
    assert not breaker.heard_failure("some", Reason.TIMED_OUT, "", NOW).is_open


@pytest.mark.parametrize("reason", [Reason.KEY_REFUSED, Reason.QUOTA_USED_UP, Reason.FORBIDDEN])
def test_one_refusal_opens_it_and_it_is_probed_rarely(reason):
    opened = failing(1, reason)
    assert (opened.reason, opened.probe_at) == (reason, NOW + timedelta(minutes=15))


def test_what_was_under_way_when_it_opened_changes_nothing():
    opened = failing(5)
    later = opened.heard_failure("another", Reason.TIMED_OUT, "", NOW + 9 * SECOND)
    assert (later.probe_at, later.openings) == (opened.probe_at, 1)
    assert opened.heard_success("another").is_open


def test_one_probe_goes_and_nobody_beside_it():
    opened = failing(5)
    then = opened.probe_at
    assert not opened.may_probe(then - SECOND)
    assert opened.may_probe(then)
    probing = opened.probed_by("run", then)
    assert not probing.may_probe(then + SECOND)
    assert probing.lets("run")
    assert not probing.lets("other")


def test_a_probe_that_is_taken_closes_it():
    assert failing(5).probed_by("run", LATER).heard_success("run") == Breaker()


def test_a_probe_that_fails_opens_it_for_twice_as_long():
    breaker, now = failing(5), NOW
    pauses = []
    for _ in range(7):
        now = breaker.probe_at
        breaker = breaker.probed_by("run", now).heard_failure("run", Reason.UNREACHABLE, "", now)
        pauses.append((breaker.probe_at - now).total_seconds())
    assert pauses == [60, 120, 240, 480, 600, 600, 600]
    assert LONGEST_PAUSE.total_seconds() == 600


def test_a_probe_that_nobody_heard_of_again_is_followed_by_another():
    probing = failing(5).probed_by("run", LATER)
    assert probing.may_probe(LATER + timedelta(minutes=4))


@pytest.mark.parametrize("state", [State.WAITING, State.REMOVED, State.SUPERSEDED, State.FAILED])
def test_a_probe_that_came_back_unsent_is_followed_by_another_at_once(state):
    probing = failing(5).probed_by("run", LATER)
    assert probing.may_probe(LATER, state)
    assert probing.probed_by("next", LATER, state).probe == "next"


@pytest.mark.parametrize(("state", "minutes"), [(State.ADMITTED, 33), (State.SUBMITTED, 3), (State.PREDICTED, 3)])
def test_a_probe_that_may_have_been_sent_is_waited_for_and_longest_while_it_stands_in_a_queue(state, minutes):
    probing = failing(5).probed_by("run", LATER)
    over = LATER + timedelta(minutes=minutes)
    assert [probing.may_probe(at, state) for at in (over - SECOND, over)] == [False, True]
    assert probing.lets("run"), "as long as nobody else goes in its place"
    assert not probing.probed_by("next", over, state).lets("run")


@pytest.mark.parametrize("reason", [Reason.TIMED_OUT, Reason.KEY_REFUSED])
def test_who_fails_beside_the_probe_was_under_way_before_and_does_not_speak_for_it(reason):
    opened = failing(5) if reason is Reason.TIMED_OUT else failing(1, reason)
    probing = opened.probed_by("run", opened.probe_at)
    later = probing.heard_failure("another", reason, "", opened.probe_at + SECOND)
    assert (later.probe, later.probe_at, later.openings) == ("run", opened.probe_at, 1)
    assert later.heard_success("run") == Breaker()


def test_a_refused_key_counts_also_while_it_is_open_for_failures():
    refused = failing(5).heard_failure("another", Reason.KEY_REFUSED, "No.", NOW)
    assert (refused.reason, refused.probe_at) == (Reason.KEY_REFUSED, NOW + timedelta(minutes=15))


def test_what_was_paused_or_resumed_a_moment_ago_is_not_probed():
    stopped = paused("The vendor is at work (ann)", NOW)
    assert stopped.probed_by("run", NOW) == stopped
    assert Breaker().probed_by("run", NOW) == Breaker()


def test_what_a_person_paused_a_person_resumes():
    breaker = paused("The vendor is at work (ann)", NOW)
    assert not breaker.may_probe(NOW + timedelta(days=9))
    assert breaker.heard_success("run") == breaker
    assert breaker.heard_failure("run", Reason.KEY_REFUSED, "", NOW) == breaker
