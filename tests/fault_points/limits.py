"""Lives of documents that a limit keeps back, until a person lets them go."""

from collections.abc import Callable

from headrace.routing import Lane
from headrace.states import Reason, State
from tests.fault_points import person
from tests.fault_points.scenarios import Scenario
from tests.fault_points.world import BUDGET, World
from tests.pdfs import make_pdf
from workers.cli.exits import Exit

_PERSON = frozenset({"person"})
_LANES = frozenset({"admit", "submit"})


def _short(world: World) -> None:
    world.put("paid/short.pdf", make_pdf(2))


def _two(world: World) -> None:
    _short(world)
    world.put("paid/other.pdf", make_pdf(1))


def _two_and_cut(*names: str) -> Callable[[World], None]:
    """Both documents, of which the answers to these are cut off."""

    def prepare(world: World) -> None:
        _two(world)
        for name in names:
            world.order(do="cut", file=name)

    return prepare


def _key_refused(world: World) -> None:
    _short(world)
    world.order(do="answer", status=401)


def _paused(world: World) -> None:
    """Somebody paused the provider before the document came."""
    _short(world)
    world.services.ledger.pause(Lane("nanonets", "nanonets", ""), by="ada", why="the vendor is at work")


def _raise(world: World) -> None:
    """Allow more, unless that was done before; what does not fit waits for it."""
    person.until(lambda: _waits_for(world, Reason.BUDGET) or _all_are_out(world, 2), "nothing waited for the budget")
    if not world.services.ledger.budgets_used([world.budget])[0].raised.pages:
        person.headrace(world, "budget", "raise", BUDGET, "--pages", "1", "--why", "quarter end", "--yes")


# Nothing is stopped any more where it was resumed before the kill.
def _resume(*reasons: Reason) -> Callable[[World], None]:
    """What a person does who has the provider go on once it is stopped for one of these reasons."""

    def act(world: World) -> None:
        person.until(lambda: _is_stopped(world, *reasons) or _all_are_out(world, 1), "the provider was not stopped")
        person.headrace(world, "resume", "nanonets", may_end_with=(Exit.OK, Exit.FAILED))

    return act


def _pause_and_resume(world: World) -> None:
    person.headrace(world, "pause", "nanonets", "--why", "audit")
    person.headrace(world, "resume", "nanonets", may_end_with=(Exit.OK, Exit.FAILED))


def _waits_for(world: World, reason: Reason) -> bool:
    return any(run.state is State.WAITING and run.reason is reason for run in world.runs())


def _is_stopped(world: World, *reasons: Reason) -> bool:
    return any(known.breaker.reason in reasons for known in world.services.ledger.breakers())


def _all_are_out(world: World, number: int) -> bool:
    runs = world.runs()
    return len(runs) == number and all(run.published for run in runs)


SCENARIOS = (
    Scenario(
        "budget",
        "a budget leaves no room for both documents, and `headrace budget raise` does",
        _two,
        act=_raise,
        runs=2,
        budget_pages=2,
        focus=_PERSON | frozenset({"admit"}),
        # Whoever is killed may have been sending either of them.
        may_end_as=("budget-cut-short", "budget-cut-other", "budget-cut-both"),
    ),
    *(
        Scenario(
            f"budget-cut-{which}",
            f"the same, and the answer is cut off: {which}",
            _two_and_cut(*names),
            act=_raise,
            runs=2,
            budget_pages=2,
        )
        for which, names in {
            "short": ("short.pdf",),
            "other": ("other.pdf",),
            "both": ("short.pdf", "other.pdf"),
        }.items()
    ),
    Scenario(
        "key-refused",
        "the key is refused, and `headrace resume` lets the document go",
        _key_refused,
        act=_resume(Reason.KEY_REFUSED),
        focus=_PERSON | _LANES,
        may_end_as=("sync", "cut"),
    ),
    Scenario(
        "paused",
        "nothing may be sent, until `headrace resume`",
        _paused,
        act=_resume(Reason.PAUSED),
        focus=_PERSON,
        may_end_as=("sync", "cut"),
    ),
    Scenario(
        "pause", "`headrace pause`, and `headrace resume`", _short, act=_pause_and_resume, may_end_as=("sync", "cut")
    ),
)
