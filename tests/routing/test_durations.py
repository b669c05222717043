"""A running quantile: where it comes to rest, and how soon it follows."""

import random

import pytest

from headrace.durations import Durations, size_of


def heard(seconds, start=None):
    known = start
    for one in seconds:
        known = Durations(one, 0).heard(one) if known is None else known.heard(one)
    return known


@pytest.mark.parametrize("spread", [0.5, 1.0])
def test_it_comes_to_rest_near_the_true_quantile(spread):
    chance = random.Random(1)
    some = [chance.lognormvariate(4, spread) for _ in range(4000)]
    known = heard(some)
    later = sorted(chance.lognormvariate(4, spread) for _ in range(4000))
    assert 0.02 <= sum(one < known.early for one in later) / 4000 <= 0.12


def test_of_jobs_that_take_nearly_the_same_it_is_near_that_time():
    chance = random.Random(1)
    known = heard([chance.gauss(100, 5) for _ in range(4000)])
    assert known.early == pytest.approx(94, rel=0.1)


def test_jobs_that_take_less_than_before_are_asked_for_sooner_within_some_jobs():
    after = heard([50.0] * 20, heard([100.0] * 200))
    assert after.early <= 50


def test_jobs_that_take_longer_are_left_alone_for_longer_in_the_end():
    after = heard([200.0] * 200, heard([100.0] * 200))
    assert 150 < after.early <= 200


def test_sizes_are_powers_of_two():
    assert [size_of(pages) for pages in (1, 2, 3, 4, 7, 8)] == [1, 2, 2, 3, 3, 4]
