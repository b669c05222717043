"""A lane that refuses to tell of its jobs is left alone for a while, by all its groups."""

from datetime import timedelta

import pytest

from headrace.polling import FIRST_REST
from headrace.states import Reason
from tests.ledger.lives import LANE


def seconds(number):
    return timedelta(seconds=number)


def rest(ledger, asked=None, reason=Reason.RATE_LIMITED):
    return ledger.rest_polls(LANE, reason, "429", asked)


def test_each_refusal_after_a_rest_rests_for_longer(ledger, clock):
    for expected in (FIRST_REST, 2 * FIRST_REST, 4 * FIRST_REST):
        assert rest(ledger) == clock.now() + expected
        clock.pass_(expected)


def test_what_was_under_way_when_the_rest_began_is_no_further_refusal(ledger, clock):
    until = rest(ledger)
    clock.pass_(seconds(2))
    assert rest(ledger) == clock.now() + FIRST_REST
    assert rest(ledger, 1.0) > until
    clock.pass_(FIRST_REST)
    assert rest(ledger) == clock.now() + 2 * FIRST_REST


def test_a_lane_that_tells_again_begins_anew(ledger, clock):
    rest(ledger)
    ledger.polls_go_on(LANE)
    clock.pass_(FIRST_REST)
    assert rest(ledger) == clock.now() + 2 * FIRST_REST
    clock.pass_(2 * FIRST_REST)
    ledger.polls_go_on(LANE)
    assert rest(ledger) == clock.now() + FIRST_REST


@pytest.mark.parametrize("asked", [40.0, 3000.0])
def test_a_lane_rests_for_as_long_as_it_asks(ledger, clock, asked):
    assert rest(ledger, asked) == clock.now() + seconds(asked)
