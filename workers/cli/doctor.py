"""`headrace doctor`: each server, right and key: what is wrong, and how to mend it."""

from typing import TYPE_CHECKING

import typer

from headrace.errors import ConfigurationError
from workers.cli.examples import examples
from workers.cli.exits import Exit
from workers.cli.filters import JsonOption
from workers.cli.output import say, say_json, several, shown
from workers.cli.session import Session, session_of

if TYPE_CHECKING:
    from collections.abc import Iterator

    from workers.doctor.findings import Finding

EPILOG = examples(
    ("Before a deployment, and whenever something stands still.", "headrace doctor"),
    ("The same for a monitor: exit code 1 where anything is wrong.", "headrace doctor --json"),
)


def doctor(context: typer.Context, json: JsonOption = False) -> None:
    """Examine every server, right and key.

    Each line says what is right, or what is wrong and how to mend it. Nothing that costs money is done.
    """
    from workers.doctor.findings import Grade

    findings = []
    for finding in _findings(session_of(context)):
        findings.append(finding)
        if not json:
            _tell(finding)
    wrong = sum(finding.grade is Grade.WRONG for finding in findings)
    if json:
        say_json({"ok": not wrong, "findings": [vars(finding) for finding in findings]})
    else:
        say(f"{several(len(findings), 'thing')} looked at; {f'{wrong} wrong' if wrong else 'nothing is wrong'}.")
    if wrong:
        raise typer.Exit(Exit.FAILED)


def _findings(session: Session) -> "Iterator[Finding]":
    from workers.doctor import examine, missing_settings
    from workers.doctor.findings import wrong

    try:
        settings = session.settings
    except ConfigurationError as error:
        for mistake in str(error).splitlines():
            yield wrong("settings", mistake, "docs/configuration.md says what each setting takes.")
        return
    missing = missing_settings(settings)
    if missing:
        yield from missing
        return
    yield from examine(settings, session.services)


def _tell(finding: "Finding") -> None:
    say(f"{finding.grade:<7}{shown(finding.subject)}: {shown(finding.found)}")
    if finding.remedy:
        say(f"       → {finding.remedy}")
