"""A life that is cut off: what lies in the bucket, what goes wrong, what a person does, and how it ends."""

import operator
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from config.schedules import Schedule
from tests.fault_points.world import AMPLE_PAGES, World


def nothing(_world: World) -> None:
    """Nobody does anything."""


def all_published(_world: World) -> bool:
    """Nothing else is waited for."""
    return True


@dataclass(frozen=True)
class Scenario:
    """One life. What a person does in it is begun anew after a restart, so it looks first how far things have come."""

    name: str
    about: str
    prepare: Callable[[World], object]
    """What is there when it begins; nobody is killed in it."""
    act_before: Callable[[World], object] = nothing
    """What a person does before the pipeline is started."""
    act: Callable[[World], object] = nothing
    """What a person does once it runs."""
    meanwhile: Callable[[World], object] = nothing
    """What is done again and again until all has ended."""
    runs: int = 1
    """How many runs there are in the end, each with its manifest published."""
    also: Callable[[World], bool] = all_published
    """What else has to have come by then."""
    disturbances: Mapping[str, Callable[[World], None]] = field(default_factory=dict)
    """What goes wrong at a passing, in the first process."""
    route_options: Mapping[str, Any] = field(default_factory=dict)
    schedules: tuple[Schedule, ...] = ()
    environ: Mapping[str, str] = field(default_factory=dict)
    budget_pages: int = AMPLE_PAGES
    """How many pages may be paid."""
    spent_to_billed: Callable[[int, int], bool] = operator.eq
    """How the pages that the budget counts in the end are to the billed ones: `ge` where more may have been billed, for
    all that anybody knows, `le` where something is billed that nobody knows of."""
    has_queue: bool = False
    """Whether documents are told of by a queue; else the bucket is watched."""
    echoed: bool = True
    """Whether the account is known to tell our keys again."""
    on_postgres: bool = False
    thorough: bool = False
    """Whether it is killed wherever it can be; else where no life before it was, and in the steps in `focus`."""
    focus: frozenset[str] = frozenset()
    focus_on: str = ""
    """Of what they pass only what begins so."""
    may_end_as: tuple[str, ...] = ()
    """Other lives whose undisturbed outcome is as good."""
    may_stay_open: bool = False
    """Whether something is left to a person in the end."""

    def has_ended(self, world: World) -> bool:
        """Whether nothing is left to do."""
        runs = world.runs()
        are_out = len(runs) >= self.runs and all(run.published for run in runs)
        return are_out and not world.open_poll_groups() and self.also(world)
