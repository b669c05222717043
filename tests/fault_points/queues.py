"""Lives of documents that a queue tells of."""

from tests.fault_points.scenarios import Scenario

SCENARIOS: tuple[Scenario, ...] = ()
