"""When a job is asked for again, when it is given up, and how long a lane rests that refuses to say more."""

import random
from datetime import timedelta
from statistics import fmean, quantiles

import pytest

from headrace.durations import Durations
from headrace.polling import (
    FIRST_REST,
    LONGEST_REST,
    REFUSED_REST,
    UNLISTED_FOR,
    UNTOLD_FOR,
    PollSchedule,
    is_asked_singly,
    rest_after,
)
from headrace.states import Reason

SCHEDULE = PollSchedule(first_seconds=5, longest_seconds=20, polls=4)
PATIENT = PollSchedule(first_seconds=5, longest_seconds=60, polls=1000)
SLOW = Durations(early=600.0)


def seconds(number):
    return timedelta(seconds=number)


@pytest.mark.parametrize("median", [60.0, 6000.0])
@pytest.mark.parametrize("late", [0.0, 0.05])
@pytest.mark.parametrize("spread", [0.2, 0.5])
def test_jobs_of_a_lane_that_is_known_take_few_calls_and_are_noticed_soon(median, late, spread):
    """Also where each poll comes late, by up to so much of what half of the jobs take."""
    chance = random.Random(1)
    takes = [chance.lognormvariate(0, spread) * median for _ in range(2000)]
    known = Durations(early=quantiles(takes, n=20)[0])
    calls, shares = [], []
    for one in takes:
        age, polls = 0.0, 0
        while age < one:
            age += PATIENT.next_delay(seconds(age), polls, known).total_seconds() + chance.uniform(0, late * median)
            polls += 1
        calls.append(polls)
        shares.append((age - one) / one)
    assert fmean(calls) <= 7
    assert quantiles(shares, n=20)[9] <= 0.15
    assert quantiles(shares, n=20)[18] <= 0.27


def test_a_job_is_given_up_once_its_time_is_over_and_was_asked_for_then():
    assert SCHEDULE.whole_time == seconds(55)
    assert SCHEDULE.next_delay(seconds(54), 9, None) == seconds(1)
    assert SCHEDULE.next_delay(seconds(55), 0, None) is None


@pytest.mark.parametrize("age", [0, 1, 20, 54])
def test_a_lane_whose_jobs_take_longer_than_a_route_allows_is_asked_when_that_time_is_over(age):
    assert SCHEDULE.next_delay(seconds(age), 0, SLOW) == seconds(55 - age)


def test_what_could_not_be_asked_for_is_not_given_up_for_a_day_more():
    assert SCHEDULE.delay_untold(seconds(1), 0, None) == SCHEDULE.next_delay(seconds(1), 0, None)
    assert SCHEDULE.delay_untold(seconds(5000), 0, None) == seconds(20)
    assert SCHEDULE.delay_untold(SCHEDULE.whole_time + UNTOLD_FOR, 0, None) is None


def test_a_lane_rests_as_long_as_it_is_asked_to_else_ever_longer():
    assert [rest_after(Reason.RATE_LIMITED, refusals, None) for refusals in (0, 1, 2, 50)] == [
        FIRST_REST,
        2 * FIRST_REST,
        4 * FIRST_REST,
        LONGEST_REST,
    ]
    assert rest_after(Reason.RATE_LIMITED, 3, 17.0) == seconds(17)
    assert rest_after(Reason.RATE_LIMITED, 3, 0.0) == seconds(1)


@pytest.mark.parametrize("reason", [Reason.KEY_REFUSED, Reason.QUOTA_USED_UP, Reason.FORBIDDEN])
def test_a_key_that_people_must_mend_is_tried_rarely(reason):
    assert rest_after(reason, 0, 1.0) == rest_after(reason, 9, None) == REFUSED_REST


def test_what_a_list_does_not_bring_is_asked_for_by_itself_now_and_then_and_at_last():
    assert not any(is_asked_singly(seconds(60), polls, is_last=False) for polls in range(9))
    assert sum(is_asked_singly(UNLISTED_FOR, polls, is_last=False) for polls in range(8)) == 2
    assert is_asked_singly(seconds(1), 1, is_last=True)
