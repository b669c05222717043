"""headrace.toml -> the route table, checked as a whole, each mistake with its line."""

import re
import tomllib
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

from pydantic import SecretStr

from config import toml_lines
from config.entries import Entries, Origin, raise_mistakes
from config.lanes import LaneSettings
from config.mistakes import did_you_mean
from config.route_checks import Written, table_mistakes
from config.schedules import Schedule
from config.settings import Settings, missing_key, variable
from headrace.budgets import Budget
from headrace.dispatching import LaneRules
from headrace.errors import ConfigurationError
from headrace.routing import Lane, Route, choose_route
from headrace.storage import Location


@dataclass(frozen=True)
class RouteTable:
    """Routes, what holds for their lanes, and schedules."""

    routes: tuple[Route, ...]
    lanes: tuple[LaneSettings, ...] = ()
    schedules: tuple[Schedule, ...] = ()
    budgets: tuple[Budget, ...] = ()
    origin: Origin = field(default=Origin("headrace.toml", {}), compare=False, repr=False)

    def for_key(self, bucket: str, key: str) -> Route:
        """The route with the longest prefix that takes this key; NoRoute where none does."""
        return choose_route(bucket, key, self.routes)

    def lane(self, lane: Lane) -> LaneSettings:
        """What the file says of a lane, or the defaults."""
        listed = {settings.lane: settings for settings in self.lanes}
        return listed.get(lane) or LaneSettings(provider=lane.provider, account=lane.account, model=lane.model)

    def of_lane(self, lane: Lane) -> LaneRules:
        """What the dispatcher goes by in a lane."""
        settings = self.lane(lane)
        price = settings.price_per_page
        return LaneRules(
            in_flight=settings.in_flight,
            pages_per_minute=settings.rate.pages_per_minute,
            requests_per_second=settings.rate.requests_per_second,
            price=None if price is None else float(price),
            paid=lane.provider != "local",
        )

    @property
    def weights(self) -> dict[str, float]:
        """What share of a lane each route has beside the others of it."""
        return {route.name: route.weight for route in self.routes}

    def privates(self) -> set[Location]:
        """Every place that holds notes, answers and a marker."""
        return {Location.parse(route.private) for route in self.routes}

    def watched(self) -> list[tuple[str, str]]:
        """The buckets and prefixes to list, none of them inside another."""
        wanted = sorted({(route.bucket, route.prefix) for route in self.routes})
        return [
            (bucket, prefix)
            for bucket, prefix in wanted
            if not any(bucket == other and prefix != outer and prefix.startswith(outer) for other, outer in wanted)
        ]


def load_routes(path: Path) -> RouteTable:
    """The table that a file holds; ConfigurationError with every mistake, its line and its remedy."""
    text = _read(path)
    try:
        data = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise ConfigurationError(_syntax_mistake(path, str(error))) from error
    origin = Origin(str(path), toml_lines.locate(text))
    entries = Entries(data, origin)
    routes = entries.read("routes", Route)
    lanes = entries.read("lanes", LaneSettings)
    budgets = entries.read("budgets", Budget)
    schedules = entries.read("schedules", Schedule)
    together = table_mistakes(Written(routes, lanes, budgets, schedules, entries.broken))
    found = [*entries.mistakes, *(origin.mistake(*mistake) for mistake in together)]
    raise_mistakes(found)
    return RouteTable(
        tuple(routes.values()), tuple(lanes.values()), tuple(schedules.values()), tuple(budgets.values()), origin
    )


def check_secrets(table: RouteTable, settings: Settings) -> None:
    """ConfigurationError naming each route whose API key, or a password that it names, is not in the settings."""
    raise_mistakes([*_missing_keys(table, settings), *_missing_passwords(table, settings)])


def passwords_of(route: Route, settings: Settings) -> tuple[SecretStr, ...]:
    """The passwords that a route names, in its order; ConfigurationError where one is not in the settings."""
    for name in route.passwords:
        if name not in settings.passwords:
            raise ConfigurationError(_missing_password(name, settings))
    return tuple(settings.passwords[name] for name in route.passwords)


def _missing_keys(table: RouteTable, settings: Settings) -> Iterator[tuple[int, str]]:
    keys = settings.api_keys
    for index, route in enumerate(table.routes):
        if route.provider != "local" and route.account not in keys:
            words = f"{missing_key(route.account)}{did_you_mean(route.account, keys)}"
            yield table.origin.mistake(("routes", index, "account"), words)


def _missing_passwords(table: RouteTable, settings: Settings) -> Iterator[tuple[int, str]]:
    for index, route in enumerate(table.routes):
        for position, name in enumerate(route.passwords):
            if name not in settings.passwords:
                words = _missing_password(name, settings)
                yield table.origin.mistake(("routes", index, "passwords", position), words)


def _missing_password(name: str, settings: Settings) -> str:
    return (
        f'There is no password "{name}": add it to {variable("passwords")}, as {{"{name}": "…"}}.'
        f"{did_you_mean(name, settings.passwords)}"
    )


def _read(path: Path) -> str:
    try:
        return path.read_bytes().decode("utf-8-sig")
    except FileNotFoundError as error:
        raise ConfigurationError(
            f"{path}: there is no such file. Write it (docs/configuration.md has an example), "
            "or name another in HEADRACE_ROUTES_FILE."
        ) from error
    except OSError as error:
        raise ConfigurationError(
            f"{path}: cannot be read ({error.strerror}). Mend its rights, or name another file."
        ) from error
    except UnicodeDecodeError as error:
        raise ConfigurationError(f"{path}: is not UTF-8 text. Save it as UTF-8.") from error


def _syntax_mistake(path: Path, message: str) -> str:
    position = re.search(r" \(at line (\d+), column (\d+)\)", message)
    if position is None:
        return f"{path}: is no TOML: {message}."
    return f"{path}:{position[1]}: is no TOML: {message[: position.start()]}, at column {position[2]}."
