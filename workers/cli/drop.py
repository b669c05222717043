"""`headrace drop`: put local files into a bucket, for whoever has no S3 client at hand."""

import mimetypes
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated

import typer

from headrace.faults import fault_point
from workers.cli.examples import examples
from workers.cli.filters import JsonOption
from workers.cli.output import say, say_json, shown
from workers.cli.places import Place, parse_place
from workers.cli.session import session_of

EPILOG = examples(
    (
        "Drop two files below a prefix, under their own names.",
        "headrace drop invoice.pdf receipt.png s3://inbox/local/",
    ),
    ("Drop one file under another name.", "headrace drop scan0001.pdf s3://inbox/local/invoice-4711.pdf"),
)


def drop(
    context: typer.Context,
    files: Annotated[list[Path], typer.Argument(metavar="FILE...", exists=True, dir_okay=False, readable=True)],
    target: Annotated[
        Place, typer.Argument(parser=parse_place, metavar="S3URL", help="A prefix ending in /, or a key.")
    ],
    json: JsonOption = False,
) -> None:
    """Put local files into a bucket, as any S3 client would."""
    store = session_of(context).services.store
    dropped = []
    for file, key in keys_for(files, target.key):
        content_type = mimetypes.guess_type(file.name)[0] or "application/octet-stream"
        with file.open("rb") as body:
            fault_point("drop.put.before")
            etag = store.put(target.bucket, key, body, content_type=content_type)
            fault_point("drop.put.after")
        dropped.append({"file": str(file), "url": str(Place(target.bucket, key)), "etag": etag})
        if not json:
            say(f"{shown(str(file))} → {shown(dropped[-1]['url'])}")
    if json:
        say_json({"dropped": dropped})


def keys_for(files: Sequence[Path], target: str) -> list[tuple[Path, str]]:
    """Each file with its key: below a prefix its own name, else the target itself; a usage error where two meet."""
    if target and not target.endswith("/"):
        if len(files) > 1:
            raise typer.BadParameter(f"{target!r} is one key for {len(files)} files; end it with / to drop below it.")
        return [(files[0], target)]
    names = [file.name for file in files]
    twice = sorted({name for name in names if names.count(name) > 1})
    if twice:
        raise typer.BadParameter(f"Two files are named {', '.join(twice)}; drop them below different prefixes.")
    return [(file, target + file.name) for file in files]
