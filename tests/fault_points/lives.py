"""All the lives, in the order in which they take fault points: what one passes, the next need not die at again."""

from tests.fault_points import commands, doubts, ends, limits, queues, versions
from tests.fault_points.scenarios import Scenario
from tests.fault_points.world import World
from tests.pdfs import make_pdf


def short(world: World) -> None:
    world.put("paid/short.pdf", make_pdf(2))


def long(world: World) -> None:
    world.put("paid/long.pdf", make_pdf(5))


_PLAIN = (
    Scenario("sync", "a short document, answered at once", short, thorough=True, may_end_as=("cut",)),
    Scenario("async", "a long document, polled", long, thorough=True),
    Scenario(
        "sync-postgres",
        "the same on PostgreSQL",
        short,
        on_postgres=True,
        focus=frozenset({"submit", "export"}),
        focus_on="ledger.",
        may_end_as=("cut",),
    ),
    Scenario(
        "async-postgres",
        "the same on PostgreSQL",
        long,
        on_postgres=True,
        focus=frozenset({"submit", "poll"}),
        focus_on="ledger.",
    ),
)

SCENARIOS = {
    scenario.name: scenario
    for scenario in (
        *_PLAIN,
        *doubts.SCENARIOS,
        *ends.SCENARIOS,
        *limits.SCENARIOS,
        *versions.SCENARIOS,
        *commands.SCENARIOS,
        *queues.SCENARIOS,
    )
}
