"""The list of fault points is complete: no life passes one that is not in it."""

import pytest

from headrace.faults import set_fault_handler
from headrace.providers import Pending
from headrace.states import State
from tests.architecture.fault_points import fault_point_names
from tests.pdfs import make_pdf
from tests.tasks.scripted import accepted, answer


@pytest.fixture
def passed():
    names = []
    set_fault_handler(names.append)
    yield names
    set_fault_handler(None)


def test_a_life_passes_only_fault_points_that_are_known_beforehand(world, provider, passed):
    provider.submits.extend([answer(), accepted(pages=5)])
    provider.polls.extend([Pending("queued"), answer(5)])
    runs = [world.drop("paid/short.pdf", make_pdf(1)), world.drop("paid/long.pdf", make_pdf(5))]
    world.deliver_all()
    assert [world.state(run) for run in runs] == [State.EXPORTED] * 2
    assert len(set(passed)) > 30
    assert set(passed) <= fault_point_names()
