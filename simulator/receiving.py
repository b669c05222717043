"""A predict call's request -> its documents, on disk, and what is asked for them."""

import re
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import NamedTuple

from starlette.concurrency import run_in_threadpool
from starlette.datastructures import FormData
from starlette.exceptions import HTTPException
from starlette.formparsers import MultiPartException
from starlette.requests import Request

from simulator.clock import now
from simulator.uploads import BadUpload, Uploads, form_of_json, take

# The vendor's own old client sends no more in one call.
MOST_FILES = 20
# A document that comes as base64_data is a field of the form, and in memory; a file never is.
MOST_FIELD_BYTES = 64 * 1024 * 1024
_MOST_FIELDS = 1_000
_LANGUAGE = re.compile(r"[A-Za-z]{2,3}(-[A-Za-z0-9]{2,8})*")


class Asked(NamedTuple):
    """What a call asks for beside its documents; and when all of it had arrived, in seconds since 1970."""

    metadata: str
    language: str | None
    asynchronous: bool
    arrived_at: float


async def receive(request: Request, folder: Path, *, by_link: bool | None, takes_json: bool) -> tuple[Uploads, Asked]:
    """Write what came into the folder: files, or what links lead to, or with `by_link` None either.

    `takes_json` says whether a JSON object may stand for the form. BadUpload where the call makes no sense.
    """
    language = request.query_params.get("l")
    if language is not None and not _LANGUAGE.fullmatch(language):
        raise BadUpload("l is to be a language, such as de.")
    try:
        async with _form(request, takes_json=takes_json) as form:
            metadata = form.get("request_metadata")
            asked = Asked(
                metadata=metadata if isinstance(metadata, str) else "",
                language=language,
                asynchronous=_is_true(request.query_params.get("async")) or _is_true(form.get("async")),
                arrived_at=now(),
            )
            links = by_link if by_link is not None else "urls" in form
            return await run_in_threadpool(take, form, folder, by_link=links), asked
    except (MultiPartException, HTTPException) as trouble:
        raise BadUpload(getattr(trouble, "detail", "") or str(trouble)) from trouble


@asynccontextmanager
async def _form(request: Request, *, takes_json: bool) -> AsyncIterator[FormData]:
    if takes_json and request.headers.get("Content-Type", "").partition(";")[0].strip().lower() == "application/json":
        yield form_of_json(await request.body())
    else:
        async with request.form(max_files=MOST_FILES, max_fields=_MOST_FIELDS, max_part_size=MOST_FIELD_BYTES) as form:
            yield form


def _is_true(value: object) -> bool:
    return isinstance(value, str) and value.lower() == "true"
