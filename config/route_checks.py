"""What no single entry of headrace.toml can know: whether all of them fit together. Pure."""

from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass
from datetime import timedelta
from itertools import combinations

from config.lanes import LaneSettings
from config.limit_checks import (
    budgets_of_nothing,
    budgets_without_price,
    budgets_without_route,
    lane_mistakes,
    lanes_without_route,
)
from config.mistakes import did_you_mean, shown
from config.request_checks import request_mistakes
from config.schedules import Schedule
from config.toml_lines import Path
from headrace.budgets import Budget
from headrace.flattening import OTHER, TABLE_ROW_COLUMNS
from headrace.key_pattern import check_pattern
from headrace.routing import SEND_WITHIN, Route
from headrace.storage import Location

Mistake = tuple[Path, str]

_MOST_POLLS = 100_000
# A presigned URL is valid for a week at most (AWS Signature Version 4), and must outlive the polls.
_LONGEST_LINK = timedelta(days=7)


@dataclass(frozen=True)
class Written:
    """The entries of a file that could be read, each table's by their places in it.

    `broken` names the tables in which something could not be read: nobody is told that an entry of those is missing.
    """

    routes: Mapping[int, Route]
    lanes: Mapping[int, LaneSettings]
    budgets: Mapping[int, Budget]
    schedules: Mapping[int, Schedule]
    broken: Collection[str] = ()


def table_mistakes(written: Written) -> list[Mistake]:
    """Every mistake that shows only when entries are compared, or when an entry is weighed as a whole."""
    routes, lanes, budgets, schedules = written.routes, written.lanes, written.budgets, written.schedules
    all_routes, all_lanes = "routes" not in written.broken, "lanes" not in written.broken
    return [
        *_repeated_names("routes", {index: route.name for index, route in routes.items()}),
        *_repeated_names("budgets", {index: budget.name for index, budget in budgets.items()}),
        *_repeated_names("schedules", {index: schedule.name for index, schedule in schedules.items()}),
        *(((("routes", index, *path)), words) for index, route in routes.items() for path, words in _route(route)),
        *_routes_that_take_the_same(routes),
        *_places(routes),
        *_shared_outputs(routes),
        *lane_mistakes(lanes),
        *(lanes_without_route(lanes, routes) if all_routes else ()),
        *budgets_of_nothing(budgets),
        *(budgets_without_route(budgets, routes) if all_routes else ()),
        *(budgets_without_price(budgets, routes, lanes) if all_lanes else ()),
        *(_schedules_without_route(schedules, routes) if all_routes else ()),
    ]


def _repeated_names(table: str, names: Mapping[int, str]) -> Iterator[Mistake]:
    for (first, name), (second, other) in combinations(names.items(), 2):
        if name == other:
            yield (table, second, "name"), f'"{name}" is the name of {table}[{first}] too; give each its own.'


def _route(route: Route) -> Iterator[Mistake]:
    if "/" in route.bucket:
        yield ("bucket",), f"{shown(route.bucket)} is no bucket's name; what follows the bucket belongs in prefix."
    if route.prefix.startswith("/"):
        yield ("prefix",), f"{shown(route.prefix)} begins with a slash, and keys do not; remove it."
    if not route.suffixes:
        yield (
            ("suffixes",),
            'is empty, so the route takes nothing; remove it for the usual ones, or write [""] for all.',
        )
    for index, suffix in enumerate(route.suffixes):
        if suffix and not suffix.startswith("."):
            yield ("suffixes", index), f'{shown(suffix)} does not begin with a dot; write ".{suffix}".'
    yield from request_mistakes(route)
    yield from _columns(route)
    yield from _poll(route)
    if route.key_pattern:
        try:
            check_pattern(route.key_pattern)
        except ValueError as error:
            yield ("key_pattern",), str(error)


def _columns(route: Route) -> Iterator[Mistake]:
    seen: set[str] = set()
    for index, column in enumerate(route.columns):
        # Engines such as DuckDB and Athena do not tell upper from lower case in a column's name.
        name = column.casefold()
        if not column.strip():
            yield ("columns", index), "is an empty name; write the heading of a table's column."
        elif name in (*TABLE_ROW_COLUMNS, OTHER):
            yield ("columns", index), f'"{column}" is a column that every row has; remove it (its cells go to other).'
        elif name in seen:
            yield ("columns", index), f'"{column}" is named twice; remove one.'
        seen.add(name)


def _poll(route: Route) -> Iterator[Mistake]:
    poll = route.poll
    if poll.first_seconds > poll.longest_seconds:
        yield (
            ("poll", "first_seconds"),
            f"{poll.first_seconds} is more than longest_seconds ({poll.longest_seconds}); write less.",
        )
    if poll.polls > _MOST_POLLS:
        yield ("poll", "polls"), f"{poll.polls} is more than {_MOST_POLLS}; write less."
    elif poll.whole_time > _LONGEST_LINK:
        days = poll.whole_time / timedelta(days=1)
        yield ("poll",), f"lasts {days:.1f} days, and a link for the provider is valid for 7 at most; lower polls."
    elif route.send == "url" and route.link_time > _LONGEST_LINK:
        short = _LONGEST_LINK - poll.whole_time
        yield (
            ("poll",),
            (
                f"lasts 7 days less {short.total_seconds():g} seconds, and a link for the provider, valid for 7 days "
                f"at most, is made up to {SEND_WITHIN.total_seconds():g} seconds before the first delay begins; "
                'lower polls, or write send = "stream".'
            ),
        )


def _routes_that_take_the_same(routes: Mapping[int, Route]) -> Iterator[Mistake]:
    for (first, one), (second, other) in combinations(routes.items(), 2):
        if (one.bucket, one.prefix) != (other.bucket, other.prefix):
            continue
        both = sorted(
            {longer for a in one.suffixes for b in other.suffixes if (longer := _taken_by_both(a, b)) is not None}
        )
        if both:
            yield (
                ("routes", second, "prefix"),
                (
                    f'takes the same objects as routes[{first}] ("{one.name}"): s3://{one.bucket}/{one.prefix}*'
                    f"{both[0]}. Give them different prefixes or suffixes."
                ),
            )


def _taken_by_both(one: str, other: str) -> str | None:
    one, other = sorted((one.lower(), other.lower()), key=len)
    return other if other.endswith(one) else None


def _places(routes: Mapping[int, Route]) -> Iterator[Mistake]:
    """Outputs and privates never where documents are looked for, and never one inside the other."""
    for index, route in routes.items():
        for name, place in (("output", Location.parse(route.output)), ("private", Location.parse(route.private))):
            for watching in routes.values():
                if _is_watched(place, watching):
                    yield (
                        ("routes", index, name),
                        (
                            f'{place} lies under (or around) what route "{watching.name}" watches, '
                            f"s3://{watching.bucket}/{watching.prefix}, so it would read its own results. "
                            "Choose another prefix or bucket."
                        ),
                    )
                    break
    for index, route in routes.items():
        private = Location.parse(route.private)
        for other in routes.values():
            if _nested(private, Location.parse(other.output)):
                yield (
                    ("routes", index, "private"),
                    (
                        f'{private} and the output of route "{other.name}", {other.output}, lie one inside the other; '
                        "whoever reads the rows would read the answers. Choose another prefix."
                    ),
                )
                break


def _is_watched(place: Location, route: Route) -> bool:
    below = f"{place.prefix}/"
    return place.bucket == route.bucket and (below.startswith(route.prefix) or route.prefix.startswith(below))


def _nested(one: Location, other: Location) -> bool:
    a, b = f"{one.prefix}/", f"{other.prefix}/"
    return one.bucket == other.bucket and (a.startswith(b) or b.startswith(a))


def _shared_outputs(routes: Mapping[int, Route]) -> Iterator[Mistake]:
    firsts: dict[Location, tuple[int, Route]] = {}
    for index, route in routes.items():
        first, other = firsts.setdefault(Location.parse(route.output), (index, route))
        if route.columns != other.columns:
            yield (
                ("routes", index, "columns"),
                (
                    f'differ from those of routes[{first}] ("{other.name}"), which has the same output; '
                    "declare the same columns in the same order, or give it another output."
                ),
            )


def _schedules_without_route(schedules: Mapping[int, Schedule], routes: Mapping[int, Route]) -> Iterator[Mistake]:
    names = [route.name for route in routes.values()]
    for index, schedule in schedules.items():
        if schedule.route is not None and schedule.route not in names:
            yield (
                ("schedules", index, "route"),
                f"{shown(schedule.route)} is no route of this file.{did_you_mean(schedule.route, names)}",
            )
        if schedule.prefix is not None and not any(_may_hold(schedule, route) for route in routes.values()):
            yield ("schedules", index, "prefix"), f"{shown(schedule.prefix)} holds no document of any route; mend it."


def _may_hold(schedule: Schedule, route: Route) -> bool:
    wanted = schedule.key_prefix or ""
    return schedule.bucket == route.bucket and (wanted.startswith(route.prefix) or route.prefix.startswith(wanted))
