"""The lives that are cut off: what lies in the bucket, what a person does, and how many runs come of it."""

from collections.abc import Callable
from dataclasses import dataclass, field

from config.schedules import Schedule
from tests.fault_points.world import World
from tests.pdfs import make_pdf


def nothing(_world: World) -> None:
    """Nobody does anything."""


@dataclass(frozen=True)
class Scenario:
    """One life. `act` is what a person does while the pipeline runs, and does again after a restart."""

    name: str
    about: str
    prepare: Callable[[World], object]
    act: Callable[[World], object] = nothing
    runs: int = 1
    route_options: dict = field(default_factory=dict)
    schedules: tuple[Schedule, ...] = ()
    on_postgres: bool = False
    thorough: bool = False
    focus: frozenset[str] = frozenset()
    """The steps that are killed at all they write, whatever other lives pass."""
    may_stay_open: bool = False

    def has_ended(self, world: World) -> bool:
        """Whether nothing is left to do."""
        runs = world.runs()
        return len(runs) >= self.runs and all(run.published for run in runs)


def _short(world: World) -> None:
    world.put("paid/short.pdf", make_pdf(2))


def _long(world: World) -> None:
    world.put("paid/long.pdf", make_pdf(5))


SCENARIOS = {
    scenario.name: scenario
    for scenario in (
        Scenario("sync", "a short document, answered at once", _short, thorough=True),
        Scenario("async", "a long document, polled", _long, thorough=True),
    )
}
