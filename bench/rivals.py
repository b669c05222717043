"""What headrace is measured beside: the same calls without a queue, in empty chained tasks, and the usual tutorial.

    python -m bench.rivals calls.json KEY …            all calls of these documents, one after the other
    celery -A bench.rivals:calling worker …            the empty tasks; `:teaching` has those of the tutorial

`BENCH_*` in the environment says where the store, the broker and the API are (`bench.overhead` sets it).
"""

import csv
import io
import json
import os
import sys
import time
from base64 import b64decode, b64encode
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

import httpx
import redis
from celery import Celery, chain
from celery.signals import setup_logging
from pydantic import SecretStr
from pypdf import PdfReader

from bench.replayed_calls import Replay
from config.celery import celery_settings
from headrace.providers.nanonets import nanonets_client
from headrace.storage.s3 import S3Store, s3_client

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client

DONE = "bench:done"


@setup_logging.connect
def _warnings_only(**_: Any) -> None:
    """Being connected is enough: nothing is logged below a warning."""


# Each is made on first use, after the worker forks, and once a process: nothing here is paid for by every document.
@cache
def s3() -> "S3Client":
    return _new_s3()


def task_s3() -> "S3Client":
    """The tutorial's client: kept, or made anew in each task, as most write it."""
    return _new_s3() if "BENCH_NEW_CLIENTS" in os.environ else s3()


def _new_s3() -> "S3Client":
    return s3_client(
        os.environ["BENCH_S3"], "us-east-1", os.environ["BENCH_S3_ID"], SecretStr(os.environ["BENCH_S3_SECRET"])
    )


@cache
def api() -> httpx.Client:
    return nanonets_client(SecretStr(os.environ["BENCH_KEY"]), os.environ["BENCH_API"])


@cache
def broker() -> redis.Redis:
    return redis.Redis.from_url(os.environ["BENCH_BROKER"])


@cache
def replay(calls: str) -> Replay:
    return Replay(Path(calls), S3Store(s3()), api())


def calls_app(broker_url: str) -> Celery:
    """The app of the empty tasks, with headrace's own settings for delivery."""
    made = Celery("bench-calls")
    made.conf.update(celery_settings(broker_url) | {"beat_schedule": {}})
    return made


def tutorial_app(broker_url: str) -> Celery:
    """The app of the tutorial, as Celery comes: acknowledged early, JSON, four messages fetched ahead for a process."""
    made = Celery("bench-tutorial")
    made.conf.update(broker_url=broker_url, broker_connection_retry_on_startup=True)
    return made


calling = calls_app(os.environ.get("BENCH_BROKER", ""))
teaching = tutorial_app(os.environ.get("BENCH_BROKER", ""))


@calling.task
def some_calls(calls: str, key: str, steps: list[str], *, last: bool) -> None:
    """A task that is empty but for the calls of some steps."""
    for step in steps:
        replay(calls).step(step, key, {})
    if last:
        broker().incr(DONE)


def chained(calls: str, key: str, links: list[tuple[str, list[str]]]) -> chain:
    """One task a link, each in its queue with its steps' calls; nothing is handed from one to the next."""
    end = len(links) - 1
    return chain(
        some_calls.si(calls, key, steps, last=number == end).set(queue=queue)
        for number, (queue, steps) in enumerate(links)
    )


@teaching.task
def fetch(bucket: str, key: str) -> dict[str, Any]:
    """Tutorial, step 1: the file, as text for the next message."""
    body = task_s3().get_object(Bucket=bucket, Key=key)["Body"].read()
    return {"key": key, "pages": len(PdfReader(io.BytesIO(body)).pages), "file": b64encode(body).decode()}


@teaching.task
def predict(document: dict[str, Any], mode: str) -> dict[str, Any]:
    """Tutorial, step 2: the answer, or the job."""
    name = document["key"].rsplit("/", 1)[-1]
    answer = api().post(
        "OCR/Model/samples/LabelFile/",
        params={"async": "true"} if mode == "async" else None,
        files={"file": (name, b64decode(document["file"]), "application/pdf")},
        data={"request_metadata": document["key"]},
    )
    return {"key": document["key"], "answer": answer.raise_for_status().json()}


@teaching.task(bind=True, max_retries=None)
def wait(self: Any, document: dict[str, Any]) -> dict[str, Any]:
    """Tutorial, async: ask again every few seconds until the pages are there."""
    job = _file_of(document["answer"])
    answer = api().get(f"Inferences/Model/samples/InferenceRequestFiles/GetPredictions/{job}").raise_for_status().json()
    pages = answer["moderated_images"] + answer["unmoderated_images"]
    if not pages:
        raise self.retry(countdown=2)
    return {"key": document["key"], "answer": {"result": pages}}


@teaching.task
def publish(document: dict[str, Any], kinds: list[str]) -> None:
    """Tutorial, step 3: the answer itself, and its rows of these kinds as CSV and as JSON Lines."""
    key, answer, store = document["key"], document["answer"], task_s3()
    _put(store, f"{key}/answer.json", json.dumps(answer).encode(), "application/json")
    for kind in kinds:
        rows = list(_ROWS[kind](answer))
        _put(store, f"{key}/{kind}.csv", _csv(rows), "text/csv")
        lines = "".join(f"{json.dumps(row)}\n" for row in rows)
        _put(store, f"{key}/{kind}.jsonl", lines.encode(), "application/x-ndjson")
    broker().incr(DONE)


def tutorial(bucket: str, key: str, mode: str, kinds: list[str]) -> chain:
    """The whole tutorial for one document."""
    waiting = [wait.s()] if mode == "async" else []
    return chain(fetch.s(bucket, key), predict.s(mode), *waiting, publish.s(kinds))


def _put(store: "S3Client", key: str, body: bytes, content_type: str) -> None:
    store.put_object(Bucket="outbox", Key=f"tutorial/{key}", Body=body, ContentType=content_type)


def _file_of(accepted: dict[str, Any]) -> str:
    """The file's id: the pages of an acceptance are one level deeper than those of an answer."""
    first = accepted
    while "result" in first:
        first = first["result"][0]
    return str(first["request_file_id"])


def _boxes(answer: dict[str, Any]) -> list[dict[str, Any]]:
    pages = answer["result"]
    found = [(page, page.get("prediction") or page.get("predicted_boxes") or []) for page in pages]
    return [{"page": page.get("page", 0) + 1, **box} for page, boxes in found for box in boxes]


def _fields(answer: dict[str, Any]) -> list[dict[str, Any]]:
    return [box for box in _boxes(answer) if "cells" not in box]


def _cells(answer: dict[str, Any]) -> list[dict[str, Any]]:
    tables = [box for box in _boxes(answer) if "cells" in box]
    return [{"page": box["page"], "table": box["id"], **cell} for box in tables for cell in box["cells"]]


def _table_rows(answer: dict[str, Any]) -> list[dict[str, Any]]:
    rows: dict[tuple[Any, Any], dict[str, Any]] = {}
    for cell in _cells(answer):
        at = (cell["table"], cell["row"])
        rows.setdefault(at, {"page": cell["page"], "table": at[0], "row": at[1]})[cell["label"]] = cell["text"]
    return list(rows.values())


_ROWS = {"fields": _fields, "table_rows": _table_rows, "cells": _cells}


def _csv(rows: list[dict[str, Any]]) -> bytes:
    text = io.StringIO()
    columns = list(dict.fromkeys(name for row in rows for name in row))
    writer = csv.DictWriter(text, columns)
    writer.writeheader()
    writer.writerows(rows)
    return text.getvalue().encode()


def main() -> None:
    """Say "ready", wait for a line, make the calls, say which processor time they took."""
    calls, *keys = sys.argv[1:]
    made = replay(calls)
    made.whole(keys[0])
    sys.stdout.write("ready\n")
    sys.stdout.flush()
    sys.stdin.readline()
    before = time.process_time()
    for key in keys[1:]:
        made.whole(key)
    sys.stdout.write(f"{time.process_time() - before}\n")


if __name__ == "__main__":
    main()
