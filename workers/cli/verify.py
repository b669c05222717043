"""`headrace verify`: bucket, ledger, notes, answers and manifests are compared; what does not add up is told."""

import secrets
from typing import TYPE_CHECKING, Annotated

import typer

from workers.cli.examples import examples
from workers.cli.exits import Exit
from workers.cli.filters import JsonOption, PrefixOption, RouteOption, run_filter
from workers.cli.output import note, say, say_json, several, shown
from workers.cli.session import session_of

if TYPE_CHECKING:
    from collections.abc import Callable

    from headrace.clock import Clock
    from workers.verify.findings import Finding
    from workers.verify.verifying import Report

EPILOG = examples(
    ("A sample: the newest documents, and others drawn at random.", "headrace verify"),
    ("Every document below a prefix.", "headrace verify --all --prefix s3://inbox/2026/"),
    ("The same sample once more, for a script.", "headrace verify --sample 1000 --seed 7 --json"),
)

_TELL_EVERY_SECONDS = 5.0


def verify(
    context: typer.Context,
    *,
    all_: Annotated[
        bool, typer.Option("--all", help="Look at every document, and at the whole of each listing.")
    ] = False,
    sample: Annotated[
        int, typer.Option("--sample", min=2, max=1_000_000, help="How many S3 keys to look at, unless all.")
    ] = 300,
    seed: Annotated[
        int | None, typer.Option("--seed", min=0, help="Draw the same sample again; else another each time.")
    ] = None,
    route: RouteOption = None,
    prefix: PrefixOption = None,
    json: JsonOption = False,
) -> None:
    """Compare bucket, ledger, notes and outputs; change nothing.

    What does not add up is told with what was expected and what to do, and the exit code is 1. What is under way is
    left alone, and whatever seems amiss is looked at once more before it is told.
    """
    from headrace.storage.read_only import ReadOnlyStore
    from workers.verify.verifying import Scope, Verification

    services = session_of(context).services
    drawn = secrets.randbelow(1_000_000) if seed is None else seed
    which = run_filter(services.clock.now(), route=route, prefix=prefix)
    ledger = services.ledger.for_reading()
    try:
        verification = Verification(
            ledger, ReadOnlyStore(services.store), services.routes, services.clock, _progress(services.clock)
        )
        report = verification.verify(Scope(which, None if all_ else sample, drawn))
    finally:
        ledger.close()
    if json:
        say_json(_as_document(report, drawn))
    else:
        _tell(report, drawn)
    if report.wrong:
        raise typer.Exit(Exit.FAILED)


def _progress(clock: "Clock") -> "Callable[[int, int], None]":
    """Says on stderr, every few seconds, how far it has come."""
    last = clock.monotonic()

    def tell(done: int, of: int) -> None:
        nonlocal last
        if clock.monotonic() - last >= _TELL_EVERY_SECONDS:
            last = clock.monotonic()
            note(f"{done} of {several(of, 'key')} looked at …")

    return tell


def _as_document(report: "Report", seed: int) -> dict[str, object]:
    return {
        "ok": not report.wrong,
        "seed": seed,
        "keys": report.keys,
        "keys_in_ledger": report.keys_meant,
        "documents": report.documents,
        "keys_under_way": report.under_way,
        "objects_listed": dict(report.listed),
        "findings": [
            vars(finding) | {"remedy": finding.code.remedy, "notice": finding.code.is_notice}
            for finding in report.findings
        ],
    }


def _tell(report: "Report", seed: int) -> None:
    for finding in report.findings:
        _tell_finding(finding)
    whole = report.keys >= report.keys_meant
    which = (
        f"all {several(report.keys, 'key')}" if whole else f"{report.keys} of {report.keys_meant} keys (seed {seed})"
    )
    listed = ", ".join(f"{number} {kind}" for kind, number in report.listed.items())
    say(f"Looked at {which}, {several(report.documents, 'document')}; in the bucket at {listed or 'nothing'}.")
    if report.under_way:
        say(f"{several(report.under_way, 'key')} left alone in part: a run is under way.")
    notices = len(report.findings) - report.wrong
    known = f"; {several(notices, 'thing')} to know of" if notices else ""
    sum_of_it = f"{several(report.wrong, 'thing')} not adding up" if report.wrong else "Everything adds up"
    say(f"{sum_of_it}{known}.")


def _tell_finding(finding: "Finding") -> None:
    kind = "notice" if finding.code.is_notice else "wrong"
    say(f"{kind:<7}{finding.code}: {shown(finding.subject)}")
    say(f"       found {shown(finding.found)}; expected {shown(finding.expected)}")
    say(f"       → {finding.code.remedy}")
