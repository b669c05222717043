"""`headrace events`: the messages of the queues that could not be read, wholly or in part."""

from typing import TYPE_CHECKING, Annotated, Any

import typer

from workers.cli.consent import obtain
from workers.cli.examples import examples
from workers.cli.exits import Exit
from workers.cli.filters import JsonOption, YesOption
from workers.cli.output import in_cell, note, say, say_json, say_table, several, shown
from workers.cli.session import session_of

if TYPE_CHECKING:
    from headrace.ledger import Ledger
    from headrace.ledger.records import ParkedEvent
    from workers.replaying import Replayed

EPILOG = examples(
    ("Which messages could not be read, and why.", "headrace events parked"),
    ("One of them, whole.", "headrace events show 3f786850e387550f"),
    ("After an upgrade or a change of routes: read all of them again.", "headrace events replay --all"),
    ("This one is of no use to anybody.", "headrace events forget 3f786850e387550f"),
)

IdArgument = Annotated[
    str, typer.Argument(metavar="ID", help="As `headrace events parked` shows it, or its beginning.")
]
IdsArgument = Annotated[
    list[str] | None, typer.Argument(metavar="[ID]...", help="As `headrace events parked` shows it, or its beginning.")
]

events = typer.Typer(
    name="events",
    no_args_is_help=True,
    rich_markup_mode=None,
    help="Look after messages of the queues that could not be read.",
    epilog=EPILOG,
)


@events.callback()
def events_group() -> None:
    """Look after messages of the queues that could not be read."""


@events.command(
    "parked",
    epilog=examples(
        ("Which messages could not be read, and why.", "headrace events parked"),
        ("All of them, for a script.", "headrace events parked --limit 100000 --json"),
    ),
)
def parked(
    context: typer.Context,
    limit: Annotated[int, typer.Option("--limit", min=1, max=100_000, help="The most messages to list.")] = 50,
    json: JsonOption = False,
) -> None:
    """List the messages that are parked, the newest first."""
    # One more than is shown tells whether there is more.
    found = session_of(context).services.ledger.parked(limit + 1)
    more = len(found) > limit
    found = found[:limit]
    if json:
        say_json({"messages": [vars(one) for one in found], "more": more})
        return
    if not found:
        say("No message is parked.")
        return
    say_table(
        ("id", "queue", "parked", "why", "bytes"),
        [(one.id, one.queue, one.parked_at, one.why, one.size_bytes) for one in found],
    )
    say("`headrace events show ID` shows one whole; `headrace events replay` reads them again.")
    if more:
        say(f"These are the newest {limit}; --limit shows more.")


@events.command(
    "show",
    epilog=examples(("Everything about one message, and its body.", "headrace events show 3f786850e387550f")),
)
def show(context: typer.Context, which: IdArgument, json: JsonOption = False) -> None:
    """Show one parked message with its whole body.

    What a terminal would obey is written as an escape.
    """
    ledger = session_of(context).services.ledger
    event = _found(ledger, _whole(ledger, which))
    # Half of a surrogate pair, and a character that was cut, are no UTF-8.
    body = event.body.decode("utf-8", "backslashreplace")
    facts = {name: value for name, value in vars(event).items() if name != "body"}
    if json:
        say_json({**facts, "size_bytes": len(event.body), "body": body})
        return
    for name, value in facts.items():
        say(f"{name}: {in_cell(value)}")
    say()
    for line in body.split("\n"):
        say(shown(line))


@events.command(
    "replay",
    epilog=examples(
        ("After an upgrade or a change of routes: read all of them again.", "headrace events replay --all"),
        ("Read one of them again.", "headrace events replay 3f786850e387550f"),
    ),
)
def replay(
    context: typer.Context,
    which: IdsArgument = None,
    everything: Annotated[bool, typer.Option("--all", help="Every message that is parked.")] = False,
    json: JsonOption = False,
) -> None:
    """Read parked messages again, with today's reader and routes.

    Documents that a route takes are recorded; a message of which all was read is parked no longer.
    """
    from workers.replaying import replay as read_again

    if bool(which) == everything:
        raise typer.BadParameter("Name the messages, or say --all: one of the two.")
    services = session_of(context).services
    ids = services.ledger.parked_ids() if everything else _all_found(services.ledger, which or [])
    done = []
    for one in ids:
        event = services.ledger.parked_event(one)
        if event is None:  # somebody else was quicker
            continue
        done.append(read_again(event, services))
        if not json:
            say(_told(done[-1]))
    stay = sum(one.why is not None for one in done)
    if json:
        say_json({"messages": [_facts(one) for one in done], "read": len(done) - stay, "stay_parked": stay})
    else:
        say(f"{several(len(done) - stay, 'message')} read, {stay} parked as before.")
    if stay:
        raise typer.Exit(Exit.FAILED)


@events.command(
    "forget",
    epilog=examples(("This one is of no use to anybody.", "headrace events forget 3f786850e387550f --yes")),
)
def forget(
    context: typer.Context,
    which: Annotated[
        list[str], typer.Argument(metavar="ID...", help="As `headrace events parked` shows it, or its beginning.")
    ],
    yes: YesOption = False,
    json: JsonOption = False,
) -> None:
    """Remove parked messages for good.

    One that is still in its queue is parked again when it comes again.
    """
    session = session_of(context)
    ledger = session.services.ledger
    ids = _all_found(ledger, which)
    obtain(
        session,
        f"Remove {several(len(ids), 'message')} for good?",
        yes=yes,
        because="this cannot be undone",
        remedy="Say --yes; `headrace events show` looks first.",
    )
    removed = ledger.forget_parked(ids)
    if json:
        say_json({"removed": removed})
    else:
        say(f"{several(removed, 'message')} removed.")


def _found(ledger: "Ledger", which: str) -> "ParkedEvent":
    event = ledger.parked_event(which)
    if event is None:
        note(f"headrace: no message {shown(which)} is parked. `headrace events parked` lists those that are.")
        raise typer.Exit(Exit.FAILED)
    return event


def _all_found(ledger: "Ledger", which: list[str]) -> list[str]:
    """The whole ids, each once; ends the command, with nothing done, where one of these is not parked."""
    return list(dict.fromkeys(_found(ledger, _whole(ledger, one)).id for one in which))


def _whole(ledger: "Ledger", which: str) -> str:
    """The id that begins like this; as it was given where none does. Ends the command where several do."""
    begun = [one for one in ledger.parked_ids() if which and one.startswith(which)]
    if len(begun) > 1:
        note(
            f"headrace: {len(begun)} ids of parked messages begin with {shown(which)}; write more of the one you mean."
        )
        raise typer.Exit(Exit.FAILED)
    return begun[0] if begun else which


def _told(one: "Replayed") -> str:
    new = sum(each.new for each in one.recorded)
    told = f"{several(new, 'new document')}, {len(one.recorded) - new} known already"
    if one.untaken:
        told += f", {len(one.untaken)} that no route takes"
    return f"{one.id}: {told}." if one.why is None else f"{one.id}: {told}. It stays parked: {shown(one.why)}"


def _facts(one: "Replayed") -> dict[str, Any]:
    return {
        "id": one.id,
        "documents": [
            {"object": each.document.url, "document": each.document.id, "run": each.run_id, "new": each.new}
            for each in one.recorded
        ],
        "untaken": [document.url for document in one.untaken],
        "why": one.why,
    }
