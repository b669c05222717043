"""`headrace budget`: what a day's or a month's budgets have left, and allowing more of one."""

from collections.abc import Iterator, Sequence
from math import isfinite
from typing import TYPE_CHECKING, Annotated

import typer

from workers.cli.consent import obtain, who
from workers.cli.examples import examples
from workers.cli.filters import JsonOption, WhyOption, YesOption
from workers.cli.output import say, say_json, say_table, several
from workers.cli.session import session_of

if TYPE_CHECKING:
    from headrace.budgets import Budget
    from headrace.ledger.spending import Used

_SHOW = ("What is left of each budget, and what waits for it?", "headrace budget show")
_RAISE = (
    "Allow 500 pages more of one, until its day or month is over.",
    "headrace budget raise invoices-daily --pages 500 --why 'quarter end'",
)
EPILOG = examples(_SHOW, _RAISE)
SHOW_EPILOG = examples(_SHOW, ("The same for a script.", "headrace budget show --json"))
RAISE_EPILOG = examples(
    _RAISE, ("More money, from a script.", "headrace budget raise emea --cost 25 --why audit --yes --json")
)

# More was never meant, and no column of the ledger has to hold it.
_MOST = 1_000_000_000

budget = typer.Typer(
    name="budget", no_args_is_help=True, rich_markup_mode=None, help="What may be spent, and what was.", epilog=EPILOG
)


@budget.callback()
def budget_group() -> None:
    """Show budgets, and raise one for its present day or month."""


@budget.command("show", epilog=SHOW_EPILOG)
def show(context: typer.Context, json: JsonOption = False) -> None:
    """Show of each budget of headrace.toml what is spent, promised and left, and what waits for it."""
    services = session_of(context).services
    found = services.ledger.budgets_used(services.routes.budgets)
    if json:
        say_json({"budgets": [_facts(used) for used in found]})
    elif found:
        _tell(found)
    else:
        say("No budget is configured: nothing limits what is spent. docs/configuration.md shows how one is written.")


@budget.command("raise", epilog=RAISE_EPILOG)
def raise_(
    context: typer.Context,
    name: Annotated[str, typer.Argument(metavar="BUDGET", help="Its name in headrace.toml.")],
    *,
    why: WhyOption,
    pages: Annotated[int, typer.Option("--pages", min=0, max=_MOST, help="So many pages more.")] = 0,
    cost: Annotated[float, typer.Option("--cost", min=0, max=_MOST, help="So much money more.")] = 0.0,
    yes: YesOption = False,
    json: JsonOption = False,
) -> None:
    """Allow more than a budget until its day or month is over; what waits for it goes on at once."""
    from headrace.budgets import Amount

    session = session_of(context)
    services = session.services
    chosen = _named(services.routes.budgets, name)
    _refuse_what_it_does_not_limit(chosen, pages, cost)
    period = chosen.period_of(services.clock.now())
    obtain(session, f"Raise the budget {name} until {period.ends_at:%Y-%m-%d %H:%M} UTC?", yes=yes, remedy="Say --yes.")
    used = services.ledger.raise_budget(chosen, Amount(pages, cost), period, by=who(), why=why)
    services.hints.dispatch()
    if json:
        say_json(_facts(used))
    else:
        _tell([used], was_raised=True)


def _named(budgets: "Sequence[Budget]", name: str) -> "Budget":
    from config.mistakes import did_you_mean

    by_name = {budget.name: budget for budget in budgets}
    if name not in by_name:
        raise typer.BadParameter(f"headrace.toml has no budget {name!r}.{did_you_mean(name, by_name)}")
    return by_name[name]


def _refuse_what_it_does_not_limit(budget: "Budget", pages: int, cost: float) -> None:
    if not isfinite(cost):
        raise typer.BadParameter(f"{cost} is no amount of money.", param_hint="--cost")
    if not pages and not cost:
        raise typer.BadParameter("by how much? Say --pages, --cost or both.")
    if pages and budget.pages is None:
        raise typer.BadParameter(f"{budget.words} does not limit pages.", param_hint="--pages")
    if cost and budget.cost is None:
        raise typer.BadParameter(f"{budget.words} does not limit money.", param_hint="--cost")


def _tell(found: "Sequence[Used]", *, was_raised: bool = False) -> None:
    columns = ("budget", "of", "limit", "raised", "spent", "promised", "left")
    say_table(columns, [row for used in found for row in _rows(used)])
    for used in found:
        say(_in_words(used, was_raised=was_raised))


def _rows(used: "Used") -> Iterator[tuple[object, ...]]:
    name = used.budget.name
    for what, limit, at in (("pages", used.budget.pages, 0), ("money", used.budget.cost, 1)):
        if limit is not None:
            raised, spent, promised = used.raised[at], used.spent[at], used.reserved[at]
            yield name, what, float(limit) if at else limit, raised, spent, promised, _left(limit, used, at)
            name = ""


def _left(limit: object, used: "Used", at: int) -> float | int | None:
    """What may still be promised: of pages (0) or of money (1); None where that is not limited."""
    if limit is None:
        return None
    left = float(limit) + used.raised[at] - used.spent[at] - used.reserved[at]  # type: ignore[arg-type]
    return max(0.0, round(left, 6)) if at else max(0, int(left))


def _in_words(used: "Used", *, was_raised: bool) -> str:
    budget, waiting = used.budget, used.waiting
    whose = f"the route {budget.route}" if budget.route else f"the account {budget.account}"
    words = f"{budget.name}, of {whose}, begins anew at {used.period.ends_at:%Y-%m-%d %H:%M} UTC"
    if not waiting.runs:
        return f"{words}; nothing waits for it."
    is_one = waiting.runs == 1
    wait = f"{several(waiting.runs, 'document')} ({several(waiting.pages, 'page')})"
    if was_raised:
        return f"{words}; {wait} waited for it, and {'goes' if is_one else 'go'} on as far as it has room now."
    return f"{words}; {wait} {'waits' if is_one else 'wait'} for it until then."


def _facts(used: "Used") -> dict[str, object]:
    budget = used.budget
    return {
        "budget": budget.name,
        "route": budget.route or None,
        "account": budget.account or None,
        "period": budget.period,
        "from": used.period.first.isoformat(),
        "until": used.period.ends_at,
        "pages": {"limit": budget.pages, **_amounts(used, budget.pages, 0)},
        "cost": {"limit": None if budget.cost is None else float(budget.cost), **_amounts(used, budget.cost, 1)},
        "waiting": {**used.waiting._asdict(), "until": used.period.ends_at if used.waiting.runs else None},
    }


def _amounts(used: "Used", limit: object, at: int) -> dict[str, object]:
    return {
        "raised": used.raised[at],
        "spent": used.spent[at],
        "promised": used.reserved[at],
        "left": _left(limit, used, at),
    }
