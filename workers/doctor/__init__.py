"""The examination of everything that headrace needs from outside: settings, routes, servers, rights, keys."""

from collections.abc import Iterator
from typing import TYPE_CHECKING

from headrace.errors import ConfigurationError
from workers.doctor.findings import Finding, ok, wrong

if TYPE_CHECKING:
    from config.routes import RouteTable
    from config.settings import Settings
    from tasks.services import Services


def examine(settings: "Settings", services: "Services") -> Iterator[Finding]:
    """Look at each part in turn; one that is broken keeps no other from being looked at."""
    from headrace.ledger.marker import Marker
    from workers.doctor.broker import examine_broker
    from workers.doctor.ledger import examine_ledger, examine_markers
    from workers.doctor.provider import examine_lanes
    from workers.doctor.queue import examine_queue
    from workers.doctor.store import examine_store

    table, found = examine_routes(settings)
    yield from found
    if settings.broker_url is not None:
        yield from examine_broker(settings.broker_url)
    for url in settings.sqs_queue_urls:
        yield examine_queue(settings, url)
    try:
        ledger = services.ledger
    except ConfigurationError as error:
        yield wrong("ledger", str(error), "Correct HEADRACE_LEDGER_URL.")
        return
    yield from examine_ledger(ledger)
    if table is not None:
        yield from examine_store(services.store, table.routes)
        # The services' own marker would be written where there is none; looking must change nothing.
        marker = Marker(services.store, ledger, services.clock)
        yield from examine_markers(marker, services.store, table.privates())
        yield from examine_lanes((route.lane for route in table.routes), settings.api_keys, settings.nanonets_base_url)


def missing_settings(settings: "Settings") -> list[Finding]:
    """A finding for each address without which no process could start."""
    from config.settings import variable

    missing = [variable(name) for name in ("broker_url", "ledger_url") if getattr(settings, name) is None]
    remedy = "Set it in the environment or in .env, or start servers of your own with `headrace run`."
    return [wrong("settings", f"{name} is not set.", remedy) for name in missing]


def examine_routes(settings: "Settings") -> "tuple[RouteTable | None, list[Finding]]":
    """The route table where it is fine, and one finding for each mistake where it is not."""
    from config.routes import check_secrets, load_routes

    try:
        table = load_routes(settings.routes_file)
        check_secrets(table, settings)
    except ConfigurationError as error:
        mistakes = str(error).splitlines()
        return None, [wrong("routes", mistake, "Mend it, then `headrace routes check`.") for mistake in mistakes]
    return table, [ok("routes", f"{settings.routes_file} is fine; its routes are {_names(table)}.")]


def _names(table: "RouteTable") -> str:
    return ", ".join(route.name for route in table.routes)
