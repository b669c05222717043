"""One document's whole history: its runs, what was paid, each step, and where its files are."""

import re
from datetime import datetime
from typing import TYPE_CHECKING, Any

import typer

from workers.cli.exits import Exit
from workers.cli.facts import facts_of_document, facts_of_entry, facts_of_run, facts_of_submission
from workers.cli.output import in_cell, in_words, note, say, say_json, say_table, several, shown, with_until
from workers.cli.places import Place, parse_place

if TYPE_CHECKING:
    from headrace.document import Document
    from headrace.ledger import Ledger
    from headrace.ledger.records import HistoryEntry, Run, Submission

_ID = re.compile(r"([0-9a-f]{32})(?:-\d+)?")
# A document that somebody reprocessed more often than this is a test.
_MOST_RUNS = 1000


def documents_named(ledger: "Ledger", which: str) -> "list[Document]":
    """The document of this id, or every content that ever lay at this address, the current one first.

    A usage error for what is neither; where the ledger knows nothing of it, it says so and the command fails.
    """
    identified = _ID.fullmatch(which)
    if identified is None and "://" not in which:
        raise typer.BadParameter(f"{which!r} is neither s3://bucket/key nor a document's id of 32 hex digits.")
    found = documents_meant(
        ledger, None if identified is None else identified[1], None if identified is not None else parse_place(which)
    )
    if not found:
        note(f"headrace: the ledger knows nothing of {shown(which)}.")
        note("`headrace ingest` takes an object in; `headrace status --prefix` lists what is below a prefix.")
        raise typer.Exit(Exit.FAILED)
    return found


def documents_meant(ledger: "Ledger", document_id: str | None, place: Place | None) -> "list[Document]":
    """The document of this id, or every content that ever lay at this place."""
    if place is not None:
        return list(ledger.documents_of_object(place.bucket, place.key))
    found = None if document_id is None else ledger.document(document_id)
    return [] if found is None else [found]


def tell_documents(ledger: "Ledger", documents: "list[Document]", now: datetime, *, json: bool) -> None:
    """Each document with all its runs as they are `now`, the oldest first."""
    from headrace.ledger.records import RunFilter

    stories = []
    for document in documents:
        runs = ledger.runs(RunFilter(document=document.id, latest=False), _MOST_RUNS)
        runs = sorted(runs, key=lambda run: run.number)
        stories.append((document, runs, ledger.history(document.id)))
    gone = ledger.gone({document.object_id for document in documents})
    if json:
        say_json(
            {"documents": [{**_as_json(ledger, *story), "gone_at": gone.get(story[0].object_id)} for story in stories]}
        )
        return
    for document, runs, entries in stories:
        _tell_document(document, runs)
        if document.object_id in gone:
            say(f"Nothing lies there any more, as was found at {in_cell(gone[document.object_id])} UTC.")
        for run in runs:
            _tell_run(ledger, run, [entry for entry in entries if entry.run_id == run.id], now)


def files_of(ledger: "Ledger", run: "Run") -> dict[str, str]:
    """Where the manifest and the rows of an ended run are, and its answers; nothing before it was routed.

    A newer run of the same S3 key may have replaced the rows: the manifest says whose stand there.
    """
    from headrace.exports.keys import ROW_KINDS, OutputKeys
    from headrace.states import State
    from headrace.storage import Location

    if run.revision is None or not run.state.is_end:
        return {}
    route = ledger.route_at(run.revision)
    keys = OutputKeys.of(run, route)
    places = {"manifest": keys.manifest}
    if run.state is State.EXPORTED:
        places |= {f"{kind} (csv)": keys.csv(kind) for kind in ROW_KINDS}
        places |= {f"{kind} (json)": keys.json(kind) for kind in ROW_KINDS}
    files = {name: f"s3://{keys.location.bucket}/{key}" for name, key in places.items()}
    private = Location.parse(route.private)
    answers = private.key("runs", run.document.id, str(run.number))
    return files | {"answers": f"s3://{private.bucket}/{answers}/"}


def _as_json(
    ledger: "Ledger", document: "Document", runs: "list[Run]", entries: "list[HistoryEntry]"
) -> dict[str, Any]:
    return {
        **facts_of_document(document),
        "runs": [
            {
                **facts_of_run(run),
                "submissions": [facts_of_submission(one) for one in ledger.submissions(run.id)],
                "history": [facts_of_entry(entry) for entry in entries if entry.run_id == run.id],
                "files": files_of(ledger, run),
            }
            for run in runs
        ],
    }


def _tell_document(document: "Document", runs: "list[Run]") -> None:
    say(f"{shown(document.url)}")
    size = "" if document.size is None else f", {document.size} bytes"
    say(f"document {document.id}, eTag {shown(document.etag)}{size}, {several(len(runs), 'run')}")


def _tell_run(ledger: "Ledger", run: "Run", entries: "list[HistoryEntry]", now: datetime) -> None:
    from headrace.explanations import explain

    say()
    reason = "" if run.reason is None else f" ({with_until(run.reason, run.waits_until, now)})"
    say(f"Run {run.number}: {run.state}{reason}{_how_long(run)}")
    if run.reason is not None:
        explanation = explain(run.reason)
        say(f"  {explanation.meaning} {explanation.remedy}")
    if run.detail:
        say(f"  {shown(run.detail)}")
    for name, value in _facts(run):
        say(f"  {name}: {value}")
    submissions = ledger.submissions(run.id)
    if submissions:
        _tell_submissions(submissions)
    say_table(
        ("at (UTC)", "step", "event", "state", "reason", "seconds", "detail"),
        [(e.at, e.step, e.event, e.state, e.reason, e.seconds, e.detail) for e in entries],
    )
    for name, url in files_of(ledger, run).items():
        say(f"  {name}: {shown(url)}")


def _how_long(run: "Run") -> str:
    if run.created_at is None or run.ended_at is None:
        return ""
    return f" after {in_words(run.ended_at - run.created_at)}"


def _facts(run: "Run") -> list[tuple[str, str]]:
    facts: list[tuple[str, object]] = [
        ("route", run.route and f"{run.route}, revision {run.revision}"),
        ("lane", run.lane and shown(str(run.lane))),
        ("mode", run.mode),
        ("content", run.media_type),
        ("preparation", run.preparation),
        ("pages", run.pages and f"{run.pages} ({run.pages_source})"),
        ("cost", in_cell(run.cost)),
        ("marks", ", ".join(run.marks)),
        ("batch", run.batch),
        ("next look (UTC)", in_cell(run.due_at)),
    ]
    return [(name, str(value)) for name, value in facts if value]


def _tell_submissions(submissions: "list[Submission]") -> None:
    say_table(
        ("submission", "state", "reason", "mode", "attempt", "job", "pages", "polls", "cost", "provider's own cost"),
        [
            (str(s.key), s.state, s.reason, s.mode, s.attempt, s.job, s.pages, s.polls, s.cost, s.provider_cost)
            for s in submissions
        ],
    )
