"""Whether the lanes and budgets of headrace.toml fit its routes, and one another. Pure."""

from collections.abc import Iterable, Iterator, Mapping

from config.lanes import LaneSettings
from config.mistakes import did_you_mean, shown
from config.presets import PRESETS
from config.toml_lines import Path
from headrace.budgets import Budget
from headrace.routing import Route

Mistake = tuple[Path, str]

_FREE = "local"
WITH_WINDOW = frozenset({"nanonets"})
"""The providers that can list all jobs of some days (`Capabilities.window`)."""


def lane_mistakes(lanes: Mapping[int, LaneSettings]) -> Iterator[Mistake]:
    """Lanes that are described twice, or add up prices that cannot be added, or ask for what is not theirs."""
    seen: dict[str, int] = {}
    currency: str | None = None
    for index, settings in lanes.items():
        if (first := seen.setdefault(str(settings.lane), index)) != index:
            yield ("lanes", index), f'"{settings.lane}" is described in lanes[{first}] too; keep one.'
        if settings.price_per_page is not None:
            currency = currency or settings.currency
            if settings.currency != currency:
                yield (
                    ("lanes", index, "currency"),
                    f"{settings.currency} beside {currency}: costs are added up; use one currency.",
                )
        yield from ((("lanes", index, name), words) for name, words in _rate_mistakes(settings))
        if settings.poll_by == "window" and (settings.provider not in WITH_WINDOW or not settings.model):
            listing = ", ".join(sorted(WITH_WINDOW))
            yield (
                ("lanes", index, "poll_by"),
                f'"window" is for a model of {listing}, which lists its jobs; write "file".',
            )


def _rate_mistakes(settings: LaneSettings) -> Iterator[tuple[str, str]]:
    if settings.provider == _FREE:
        for name in ("preset", "pages_per_minute", "requests_per_second"):
            if getattr(settings, name):
                yield (
                    name,
                    (
                        "is for providers that are asked over the network, and local reads on this machine; "
                        "remove it (in_flight says how many documents at once)."
                    ),
                )
    elif settings.preset and (theirs := PRESETS[settings.preset].provider) != settings.provider:
        known = [name for name, preset in PRESETS.items() if preset.provider == settings.provider]
        remedy = f"there are {', '.join(known)}" if known else "write pages_per_minute or requests_per_second"
        yield "preset", f'"{settings.preset}" is of {theirs}, and the lane of {shown(settings.provider)}; {remedy}.'


def lanes_without_route(lanes: Mapping[int, LaneSettings], routes: Mapping[int, Route]) -> Iterator[Mistake]:
    """Lanes that nothing would ever go by."""
    used = {str(route.lane) for route in routes.values()}
    for index, settings in lanes.items():
        name = str(settings.lane)
        if name not in used:
            yield ("lanes", index), f'no route uses "{name}".{did_you_mean(name, used) or _used(used)}'


def _used(used: Iterable[str]) -> str:
    return f" Routes use {', '.join(sorted(used))}." if used else ""


def budgets_without_route(budgets: Mapping[int, Budget], routes: Mapping[int, Route]) -> Iterator[Mistake]:
    """Budgets that would count nothing, since no route that is paid for belongs to them."""
    names = {route.name for route in routes.values()}
    accounts = {route.account for route in routes.values()}
    for index, budget in budgets.items():
        covered = [route for route in routes.values() if budget.covers(route.name, route.lane)]
        if budget.route and budget.route not in names:
            words = f"{shown(budget.route)} is no route of this file.{did_you_mean(budget.route, names)}"
            yield ("budgets", index, "route"), words
        elif budget.account and budget.account not in accounts:
            near = did_you_mean(budget.account, accounts)
            yield (
                ("budgets", index, "account"),
                f"no route uses the account {shown(budget.account)}.{near or _used(accounts)}",
            )
        elif covered and all(route.provider == _FREE for route in covered):
            where = "route" if budget.route else "account"
            yield ("budgets", index, where), "is read by local, which costs nothing, so nothing would count; remove it."


def budgets_of_nothing(budgets: Mapping[int, Budget]) -> Iterator[Mistake]:
    """Budgets in which no document can ever fit: each would fail at once, as larger than the whole of it."""
    for index, budget in budgets.items():
        for name, most in (("pages", budget.pages), ("cost", budget.cost)):
            if most == 0:
                yield (
                    ("budgets", index, name),
                    (
                        "0 lets no document fit, so each would fail as over_budget; write more, "
                        "or have them wait by `headrace pause`."
                    ),
                )


def budgets_without_price(
    budgets: Mapping[int, Budget], routes: Mapping[int, Route], lanes: Mapping[int, LaneSettings]
) -> Iterator[Mistake]:
    """Budgets of money with a lane whose pages would cost nothing, since nobody wrote what they cost."""
    priced = {settings.lane for settings in lanes.values() if settings.price_per_page is not None}
    for index, budget in budgets.items():
        if budget.cost is None:
            continue
        covered = {route.lane for route in routes.values() if budget.covers(route.name, route.lane)}
        unpriced = sorted(str(lane) for lane in covered - priced if lane.provider != _FREE)
        if unpriced:
            yield (
                ("budgets", index, "cost"),
                (
                    f"would not count what goes to {', '.join(unpriced)}: no price is known there. "
                    "Write price_per_page in its [[lanes]], or limit pages instead."
                ),
            )
