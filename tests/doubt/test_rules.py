"""When the provider is asked for a request in doubt, and what its answers allow."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from headrace import doubt as rules
from headrace.doubt import Behind, Doubt, LookAgain, SendAgain, Take, Unaskable, Unreachable, Unsettled
from headrace.providers import Absent, Found, Job, Unknown

SENT = datetime(2026, 11, 20, 12, 0, tzinfo=UTC)
SEND_BEFORE = SENT + timedelta(seconds=120)
SETTLE = timedelta(minutes=15)
BY = SEND_BEFORE + SETTLE
JOB = Job("job-1", "m")
SECOND = timedelta(seconds=1)

ABSENT_LONG_AGO = Doubt(SEND_BEFORE, SENT, looks=5, absent_at=BY - SETTLE)
ABSENT_JUST_NOW = Doubt(SEND_BEFORE, SENT, looks=5, absent_at=BY - SETTLE + SECOND)
NEVER_LOOKED = Doubt(SEND_BEFORE, SENT)


def decided(doubt, look, at, *, echoed=True):
    return rules.decide(doubt, look, at, SETTLE, echoed=echoed)


def test_what_is_found_is_taken_at_once_and_every_further_job_is_told():
    assert decided(NEVER_LOOKED, Found((JOB,)), SENT) == Take(JOB)
    other = Job("job-2", "m")
    assert decided(NEVER_LOOKED, Found((JOB, other)), SENT, echoed=False) == Take(JOB, (other,))


@pytest.mark.parametrize(
    ("doubt", "at", "echoed", "decision"),
    [
        (ABSENT_LONG_AGO, BY, True, SendAgain),
        (ABSENT_LONG_AGO, BY - SECOND, True, LookAgain),  # the list may still lag behind
        (ABSENT_JUST_NOW, BY, True, LookAgain),  # it has not been missing for long enough
        (NEVER_LOOKED, BY, True, LookAgain),  # one listing is not enough
        (ABSENT_LONG_AGO, BY, False, Unsettled),  # an account that tells no keys says nothing by it
    ],
)
def test_it_was_not_taken_only_where_all_conditions_hold(doubt, at, echoed, decision):
    assert isinstance(decided(doubt, Absent(), at, echoed=echoed), decision)


def test_a_listing_from_before_the_request_can_have_left_says_nothing():
    assert decided(NEVER_LOOKED, Absent(), SEND_BEFORE - SECOND).absent_at is None
    assert decided(NEVER_LOOKED, Absent(), SEND_BEFORE).absent_at == SEND_BEFORE


def test_absences_on_end_count_from_the_first():
    first = ABSENT_LONG_AGO.absent_at
    assert decided(ABSENT_LONG_AGO, Absent(), BY - SECOND).absent_at == first
    assert decided(ABSENT_LONG_AGO, Unreachable("away"), BY - SECOND).absent_at == first
    assert decided(ABSENT_LONG_AGO, Unknown("blank"), BY - SECOND).absent_at is None


def test_what_is_missing_while_what_was_taken_before_is_not_done_begins_to_be_absent_once_that_is_done():
    again = decided(ABSENT_LONG_AGO, Behind(), BY)
    assert again.absent_at is None
    assert BY < again.at <= BY + SETTLE
    much_later = BY + timedelta(days=2)
    assert isinstance(decided(replace(NEVER_LOOKED, looks=100), Behind(), much_later), LookAgain)
    once_done = decided(NEVER_LOOKED, Absent(), much_later)
    assert once_done.absent_at == much_later
    told_since = replace(NEVER_LOOKED, absent_at=much_later)
    assert isinstance(decided(told_since, Absent(), much_later + SETTLE - SECOND), LookAgain)
    assert decided(told_since, Absent(), much_later + SETTLE) == SendAgain()
    assert "not done with what it took before" in rules.said(Behind())


def test_what_cannot_be_told_is_unsettled_at_the_deadline_and_no_sooner():
    assert isinstance(decided(NEVER_LOOKED, Unknown("why"), BY - SECOND), LookAgain)
    assert decided(NEVER_LOOKED, Unknown("why"), BY) == Unsettled("why")


@pytest.mark.parametrize("look", [Unreachable("away"), Unaskable("the key is refused")])
def test_a_provider_that_is_away_or_refuses_us_is_asked_for_a_day(look):
    day = timedelta(hours=24)
    asked_often = replace(NEVER_LOOKED, looks=100)
    assert isinstance(decided(asked_often, look, SENT + day - SECOND), LookAgain)
    assert isinstance(decided(asked_often, look, SENT + day), Unsettled)


def test_what_somebody_must_mend_is_said_with_how_to_go_on():
    told = rules.said(Unaskable("Nanonets refused the API key."))
    assert "Nanonets refused the API key. It is asked again by itself" in told
    assert "headrace resolve --ask" in told
    assert "headrace resolve" not in rules.said(Unreachable("It is away."))


def test_a_provider_that_nobody_asked_for_days_is_not_given_up_at_the_first_look():
    doubt, at = NEVER_LOOKED, SENT + timedelta(days=3)
    began = at
    while isinstance(decision := decided(doubt, Unreachable("away"), at), LookAgain):
        doubt, at = replace(doubt, looks=doubt.looks + 1), decision.at
    assert isinstance(decision, Unsettled)
    assert SETTLE <= at - began <= 2 * SETTLE


def looks_of(look, *, settle=SETTLE, send=timedelta(seconds=120)):
    """When each look begins, from the doubt until it is decided; and the decision."""
    doubt = Doubt(SENT + send, SENT)
    at, times = SENT + rules.first_pause(settle), []
    while len(times) < 200:
        times.append(at)
        decision = rules.decide(doubt, look, at, settle, echoed=True)
        if not isinstance(decision, LookAgain):
            return times, decision
        assert decision.at >= at + SECOND
        doubt = Doubt(doubt.send_before, SENT, doubt.looks + 1, decision.absent_at)
        at = decision.at
    raise AssertionError("it is never decided")


def test_looks_come_ever_more_rarely_and_the_last_one_right_at_the_deadline():
    times, decision = looks_of(Absent())
    assert isinstance(decision, SendAgain)
    assert [round((at - SENT).total_seconds()) for at in times] == [15, 30, 60, 120, 240, 465, 690, 915, 1020]


@pytest.mark.parametrize("settle", [1, 3, 10, 60, 900, 3600, 86_400])
@pytest.mark.parametrize("send", [5, 30, 120])
def test_what_is_absent_is_decided_in_time_whatever_the_settings(settle, send):
    settle, send = timedelta(seconds=settle), timedelta(seconds=send)
    times, decision = looks_of(Absent(), settle=settle, send=send)
    assert isinstance(decision, SendAgain)
    assert times[-1] - (SENT + send + settle) <= max(settle / 3, SECOND)
    assert len(times) < 150


@pytest.mark.parametrize("look", [Unreachable("away"), Unaskable("the key is refused")])
def test_a_provider_that_is_away_or_refuses_us_is_asked_every_quarter_of_an_hour(look):
    times, decision = looks_of(look)
    assert isinstance(decision, Unsettled)
    assert len(times) < 110
    assert times[-1] - times[-2] == SETTLE
