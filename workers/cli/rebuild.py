"""`headrace rebuild`: a lost or old ledger is made anew from what is in the bucket."""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict
from typing import TYPE_CHECKING, Annotated

import typer

from workers.cli.consent import obtain
from workers.cli.examples import examples
from workers.cli.exits import Exit
from workers.cli.filters import JsonOption, YesOption
from workers.cli.output import note, say, say_json, say_table, several, shown
from workers.cli.session import session_of

if TYPE_CHECKING:
    from headrace.rebuilding.rebuild import Plan, Progress, Summary

EPILOG = examples(
    ("What is there to make a ledger of?", "headrace rebuild --dry-run"),
    ("Make it, after the database was lost, or an old copy of it restored.", "headrace rebuild"),
    ("Then take up again what had neither been sent nor ended.", "headrace scan"),
)

# Each file is a request of its own, and a store answers many at once. The client keeps 32 connections.
_THREADS = 24
_TOLD_EVERY = 2000
_MOST_SHOWN = 50

DryRunOption = Annotated[bool, typer.Option("--dry-run", help="Only say what was found; nothing is changed.")]


def rebuild(
    context: typer.Context, *, dry_run: DryRunOption = False, yes: YesOption = False, json: JsonOption = False
) -> None:
    """Make a lost ledger anew from the bucket.

    Reads notes, runs and manifests of every private place. Stop the listener and the workers first. Nothing is paid.
    """
    from headrace.rebuilding.rebuild import Rebuild

    session = session_of(context)
    services = session.services
    with ThreadPoolExecutor(_THREADS, thread_name_prefix="rebuild") as threads:
        work = Rebuild(services.store, services.ledger, services.clock, routes=services.routes.routes, threads=threads)
        plan = work.plan()
        if plan is None:
            _end_unneeded(json=json)
            return
        if not json or not (yes or dry_run):
            _announce(plan)
        if dry_run:
            if json:
                say_json({"needed": True, "dry_run": True, **_facts(plan)})
            return
        obtain(
            session,
            "Are the listener and the workers stopped? Rebuild the ledger?",
            yes=yes,
            because="the listener must not record documents, and nobody may submit, until it is done",
        )
        summary = work.run(plan, _ignore if json else _progress())
    if json:
        say_json({"needed": True, "dry_run": False, **_facts(plan), **_outcome(summary)})
    else:
        _tell(summary)
    if summary.problem_count:
        raise typer.Exit(Exit.FAILED)


def _end_unneeded(*, json: bool) -> None:
    if json:
        say_json({"needed": False})
    else:
        say("The ledger is the places' own and knows all that was paid: there is nothing to rebuild.")


def _facts(plan: "Plan") -> dict[str, object]:
    return {
        "ledger": plan.ledger,
        "places": [str(place) for place in plan.places],
        "notes": plan.notes,
        "runs": plan.runs,
        "resumed": plan.resumed,
    }


def _outcome(summary: "Summary") -> dict[str, object]:
    return {
        "restored": [asdict(one) for one in summary.restored],
        "problems": [asdict(one) for one in summary.problems],
        "problem_count": summary.problem_count,
    }


def _announce(plan: "Plan") -> None:
    for place, found in zip(plan.places, plan.surveys, strict=True):
        note(f"{shown(str(place))}: {several(found.notes, 'note')} and {several(found.runs, 'run')} with files.")
    note(
        f"This ledger is to become {plan.ledger}." + (" A rebuild that was broken off goes on." if plan.resumed else "")
    )
    note("Until it is done nobody submits, no other copy of the ledger either.")


def _ignore(_progress: "Progress") -> None:
    return


def _progress() -> "Callable[[Progress], None]":
    told = 0

    def tell(progress: "Progress") -> None:
        nonlocal told
        if progress.runs >= told + _TOLD_EVERY or progress.shards == progress.of:
            told = progress.runs
            note(f"{progress.shards} of {progress.of} parts, {several(progress.runs, 'run')}")

    return tell


def _tell(summary: "Summary") -> None:
    runs = sum(one.runs for one in summary.restored)
    say(f"The ledger is rebuilt: {several(runs, 'run')} put back.")
    if summary.restored:
        say_table(("state", "reason", "runs"), [(one.state, one.reason, one.runs) for one in summary.restored])
    if summary.problem_count:
        say(f"{several(summary.problem_count, 'file')} could not be used:")
        say_table(("file", "why"), [(one.place, one.why) for one in summary.problems[:_MOST_SHOWN]])
        if summary.problem_count > _MOST_SHOWN:
            say(f"The first {_MOST_SHOWN} are shown; --json has up to a thousand.")
    say(
        "Start the workers and the listener again. Runs that are admitted go on by themselves: accepted jobs are asked "
        "for, doubt is settled, nothing is sent blindly. What had neither been sent nor ended has no file in the "
        "bucket: `headrace scan`, or watching, takes it up again."
    )
