"""`headrace pause` and `headrace resume`: send nothing to a provider, an account or a model, and go on again."""

from collections.abc import Iterable
from typing import TYPE_CHECKING, Annotated

import typer

from workers.cli.consent import who
from workers.cli.examples import examples
from workers.cli.exits import Exit
from workers.cli.filters import JsonOption, WhyOption
from workers.cli.output import note, say, say_json, shown
from workers.cli.session import session_of

if TYPE_CHECKING:
    from headrace.ledger.breakers import Known
    from headrace.routing import Lane
    from tasks.services import Services

_PAUSE = ("Send nothing to any Nanonets account while the vendor is at work.", "headrace pause nanonets --why outage")
_RESUME = ("Go on; also where a refused key or an outage had stopped it.", "headrace resume nanonets")
PAUSE_EPILOG = examples(
    _PAUSE, ("Only one account, or one model of it.", "headrace pause nanonets/emea/0a1b2c3d --why audit")
)
RESUME_EPILOG = examples(_RESUME)

WhatArgument = Annotated[
    str, typer.Argument(metavar="PROVIDER[/ACCOUNT[/MODEL]]", help="What is meant, as routes of headrace.toml name it.")
]


def pause(context: typer.Context, what: WhatArgument, *, why: WhyOption, json: JsonOption = False) -> None:
    """Send nothing until somebody resumes; what is under way is finished, and nothing is lost."""
    services = session_of(context).services
    places = _places(services, what)
    # A provider is all of its accounts, and an account has a stop of its own.
    wide = [place for place in places if not place.model] or places
    paused = [place for place in wide if services.ledger.pause(place, by=who(), why=why)]
    if json:
        say_json({"paused": [_name(place) for place in paused]})
    for place in () if json else paused:
        say(f"{_name(place)} is paused. `headrace resume {_name(place)}` lets it go on.")
    _tell_those_that_are(services, set(wide) - set(paused))
    if not paused:
        raise typer.Exit(Exit.FAILED)


def resume(context: typer.Context, what: WhatArgument, *, json: JsonOption = False) -> None:
    """Let go on what was paused, or what a refused key or a failing provider had stopped."""
    services = session_of(context).services
    places = _places(services, what)
    resumed = [place for place in places if services.ledger.resume(place)]
    if resumed:
        services.hints.dispatch()
    if json:
        say_json({"resumed": [_name(place) for place in resumed]})
    for place in () if json else resumed:
        say(f"{_name(place)} goes on.")
    # A model whose account is stopped does not.
    above = {place._replace(model="") for place in places} - set(places)
    stopped = {known.lane for known in services.ledger.breakers() if known.breaker.is_open} & above
    for place in sorted(stopped):
        note(f"headrace: its account {_name(place)} is stopped as well: `headrace resume {_name(place)}`.")
    if not resumed:
        note(f"headrace: nothing of {shown(what)} is stopped; `headrace status` shows what is.")
        raise typer.Exit(Exit.FAILED)


def stopped(known: "Known") -> str:
    """What is left alone, since when, why, and what lets it go on; for people."""
    breaker = known.breaker
    since = f"{breaker.opened_at:%Y-%m-%d %H:%M} UTC"
    if breaker.probe_at is None:
        until = f"until `headrace resume {known.place}`"
    elif breaker.probe is not None:
        until = f"{breaker.probe} tries it"
    else:
        until = f"next try {breaker.probe_at:%Y-%m-%d %H:%M:%S} UTC"
    return f"{known.place} is stopped since {since} ({breaker.reason}, {until}): {shown(breaker.detail)}"


def facts_of_stopped(known: "Known") -> dict[str, object]:
    """The same for --json."""
    breaker = known.breaker
    return {
        **known.lane._asdict(),
        "reason": breaker.reason,
        "detail": breaker.detail,
        "since": breaker.opened_at,
        "next_try": breaker.probe_at,
        "tried_by": breaker.probe,
        "failures": breaker.failures,
    }


def _tell_those_that_are(services: "Services", places: "Iterable[Lane]") -> None:
    known = {one.lane: one for one in services.ledger.breakers()}
    for place in sorted(places):
        if place in known and known[place].breaker.is_open:
            note(f"headrace: it was paused before, and that stands: {stopped(known[place])}")


def _places(services: "Services", what: str) -> "list[Lane]":
    """What is meant: a provider's accounts, or one of them, with all their models; or one model."""
    from config.mistakes import did_you_mean
    from headrace.routing import Lane

    lanes = {route.lane for route in services.routes.routes} | {known.lane for known in services.ledger.breakers()}
    lanes |= {lane._replace(model="") for lane in lanes}
    parts = what.split("/", 2)
    match parts:
        case [provider]:
            found = [lane for lane in lanes if lane.provider == provider]
        case [provider, account]:
            found = [lane for lane in lanes if lane[:2] == (provider, account)]
        case _:
            found = [lane for lane in lanes if lane == Lane(*parts)]
    if not found:
        names = sorted({lane.provider for lane in lanes} | {_name(lane) for lane in lanes})
        raise typer.BadParameter(f"no route goes to {what!r}; there are {', '.join(names)}.{did_you_mean(what, names)}")
    return sorted(found)


def _name(place: "Lane") -> str:
    return str(place).rstrip("/")
