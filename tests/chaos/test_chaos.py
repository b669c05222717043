"""A minute of chaos; `make prove` has three, and some more on PostgreSQL."""

import pytest
from rich.console import Console

from tests.chaos.run import Chaos, run

# Few documents, for the other tests run beside it; there is always one to be met by a fault.
SHORT = Chaos(documents=90, seed=20, seconds=60, drop_seconds=50)


def right(chaos: Chaos, folder) -> bool:
    """Whether all is right; what is not is printed, with the seed, and what is left stays in the folder."""
    report = run(chaos, folder, Console(width=200))
    assert report.findings.in_doubt == []
    assert report.raises, "a budget was used up, and raised"
    return report.is_right


@pytest.mark.timeout(300)
def test_a_minute_of_chaos_loses_nothing_and_bills_nothing_twice(tmp_path):
    assert right(SHORT, tmp_path)


@pytest.mark.proof
@pytest.mark.timeout(900)
@pytest.mark.parametrize(
    "chaos",
    [
        Chaos(documents=700, seed=21, seconds=180, drop_seconds=150),
        Chaos(documents=250, seed=22, seconds=40, postgres=True),
    ],
    ids=["sqlite", "postgres"],
)
def test_minutes_of_chaos_lose_nothing_and_bill_nothing_twice(tmp_path, chaos):
    assert right(chaos, tmp_path)
