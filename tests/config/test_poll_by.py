"""A lane says how its jobs are asked for; by window only where its provider has one."""

import pytest

from config.lanes import LaneSettings
from config.limit_checks import WITH_WINDOW, lane_mistakes
from headrace.providers.local import LocalProvider
from headrace.providers.nanonets import NanonetsProvider


def mistakes(**lane):
    return list(lane_mistakes({0: LaneSettings(**lane)}))


def test_jobs_are_asked_for_by_file_unless_the_lane_says_otherwise():
    assert LaneSettings(provider="nanonets", model="m").poll_by == "file"
    assert mistakes(provider="nanonets", model="m", poll_by="window") == []


@pytest.mark.parametrize("lane", [{"provider": "local"}, {"provider": "nanonets"}], ids=["local", "full text"])
def test_a_lane_without_a_window_says_what_to_write_instead(lane):
    ((path, words),) = mistakes(**lane, poll_by="window")
    assert path == ("lanes", 0, "poll_by")
    assert 'write "file"' in words


def test_the_configuration_knows_which_providers_have_a_window():
    known = {"nanonets": NanonetsProvider, "local": LocalProvider}
    assert {name for name, provider in known.items() if provider.capabilities.window} == WITH_WINDOW
