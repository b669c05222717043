"""`headrace ingest`: record the documents below a place, as if they had just been dropped."""

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated

import typer

from headrace.errors import NoRoute, ObjectNotFound
from workers.cli.examples import examples
from workers.cli.exits import Exit
from workers.cli.filters import JsonOption
from workers.cli.output import note, say, say_json, say_table, several, shown
from workers.cli.places import Place, parse_place
from workers.cli.session import session_of

if TYPE_CHECKING:
    from headrace.routing import Route
    from headrace.storage import ObjectHead, ObjectStore
    from tasks.services import Services

EPILOG = examples(
    (
        "Take one document in, without waiting for the listener to see it.",
        "headrace ingest s3://inbox/local/invoice.pdf",
    ),
    ("Take in everything below a prefix that is not known yet.", "headrace ingest s3://inbox/local/2024/"),
)

# More rows than this tell a person nothing; --json has them all.
_MOST_SHOWN = 20


@dataclass(frozen=True)
class Ingested:
    """What became of one object: new, known, or not a document, and then why."""

    url: str
    outcome: str
    document: str | None = None
    run: str | None = None
    why: str | None = None


def ingest(
    context: typer.Context,
    place: Annotated[
        Place, typer.Argument(parser=parse_place, metavar="S3URL", help="One object, or all below a prefix.")
    ],
    json: JsonOption = False,
) -> None:
    """Take in what already lies in a bucket.

    Records the documents at s3://bucket/key or below s3://bucket/prefix/, and starts on those that are new.
    """
    services = session_of(context).services
    found = [one for objects in objects_at(services.store, place) for one in record(services, place.bucket, objects)]
    counts = Counter(one.outcome for one in found)
    if json:
        say_json(
            {
                "place": str(place),
                "new": counts["new"],
                "known": counts["known"],
                "not_documents": counts["not a document"],
                "objects": [vars(one) for one in found],
            }
        )
    else:
        _tell(found, counts)
    if not counts["new"] + counts["known"]:
        note(f"headrace: no document was found at {shown(str(place))}.")
        raise typer.Exit(Exit.FAILED)


def objects_at(store: "ObjectStore", place: Place) -> Iterator[list["ObjectHead"]]:
    """The object with exactly this key, or, page by page, all whose keys begin with it."""
    if place.key and not place.key.endswith("/"):
        try:
            yield [store.head(place.bucket, place.key)]
        except ObjectNotFound:
            pass
        else:
            return
    yield from store.list(place.bucket, place.key)


def why_no_document(bucket: str, key: str, routes: Sequence["Route"]) -> str | None:
    """Why an object of this name is none of ours; None where a route takes it."""
    from headrace.routing import choose_route

    if key.endswith("/"):
        return "a folder's placeholder"
    try:
        choose_route(bucket, key, routes)
    except NoRoute:
        near = [route for route in routes if route.bucket == bucket and key.startswith(route.prefix)]
        if not near:
            return "no route takes its place"
        endings = dict.fromkeys(suffix for route in near for suffix in route.suffixes)
        return f"its ending is not one of {', '.join(endings)}"
    return None


def record(services: "Services", bucket: str, objects: Sequence["ObjectHead"]) -> list[Ingested]:
    """Record those that a route takes, and hint their first step."""
    from headrace.document import Document
    from headrace.ledger.records import Hint

    documents = []
    outcomes = []
    for head in objects:
        document = Document(
            bucket, head.key, head.etag, size=head.size, last_modified=head.last_modified, version_id=head.version_id
        )
        why = why_no_document(bucket, head.key, services.routes.routes)
        if why is None and not document.is_keepable:
            why = "its name has a character that no S3 key has"
        if why is None:
            documents.append(document)
        else:
            outcomes.append(Ingested(document.url, "not a document", why=why))
    recorded = services.ledger.record(documents) if documents else []
    outcomes += [
        Ingested(one.document.url, "new" if one.new else "known", document=one.document.id, run=one.run_id)
        for one in recorded
    ]
    services.hints.hint_all([Hint(one.run_id, one.hint) for one in recorded if one.hint is not None])
    return outcomes


def _tell(found: Sequence[Ingested], counts: Counter[str]) -> None:
    say(
        f"{several(counts['new'], 'new document')}, {counts['known']} known already, "
        f"{counts['not a document']} not a document."
    )
    shown_now = [one for one in found if one.outcome != "known"][:_MOST_SHOWN]
    if shown_now:
        say_table(
            ("object", "outcome", "document, or why not"), [(o.url, o.outcome, o.document or o.why) for o in shown_now]
        )
    if len(found) - counts["known"] > _MOST_SHOWN:
        say(f"The first {_MOST_SHOWN} are shown; --json has all.")
