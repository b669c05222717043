"""A prediction -> the files that an exported run publishes, as bytes."""

import gzip
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from pydantic import JsonValue

from headrace.exports.csv import write_csv
from headrace.exports.jsonl import write_jsonl
from headrace.exports.keys import ROW_KINDS, OutputKeys, RowKind
from headrace.exports.manifest import PublishedFile
from headrace.flattening import (
    CELL_COLUMNS,
    FIELD_COLUMNS,
    RowContext,
    flatten,
    table_row_columns,
    text_of,
    words_of,
)
from headrace.ledger.records import Run
from headrace.prediction import Prediction
from headrace.routing import Route
from headrace.values import with_values


@dataclass(frozen=True)
class OutputFile:
    """One file to publish. Where nothing stands at the key of an `optional` one, it is left out."""

    facts: PublishedFile
    body: bytes
    content_type: str
    optional: bool = False


def files_of(run: Run, route: Route, prediction: Prediction, metadata: Mapping[str, JsonValue]) -> Iterator[OutputFile]:
    """Every kind of row, header only where there are none; then text and words.

    Text and words are optional where the provider gave none: they are only emptied, so that no older
    ones stay beside the new rows.
    """
    keys = OutputKeys.of(run, route)
    context = RowContext(
        document=run.document.id,
        run=run.number,
        bucket=run.document.bucket,
        key=run.document.key,
        route=route.name,
        provider=prediction.provider,
        model=prediction.model,
        metadata=metadata,
    )
    rows = flatten(with_values(prediction, route.fields), context, route.columns)
    columns: dict[RowKind, tuple[str, ...]] = {
        "fields": FIELD_COLUMNS,
        "table_rows": table_row_columns(route.columns),
        "cells": CELL_COLUMNS,
    }
    for kind in ROW_KINDS:
        of_kind = getattr(rows, kind)
        csv_facts = PublishedFile(kind=kind, format="csv", key=keys.csv(kind), rows=len(of_kind))
        json_facts = PublishedFile(kind=kind, format="json", key=keys.json(kind), rows=len(of_kind))
        yield OutputFile(csv_facts, write_csv(columns[kind], of_kind, route.csv), "text/csv; charset=utf-8")
        yield OutputFile(json_facts, write_jsonl(of_kind), "application/x-ndjson")
    text = text_of(prediction)
    yield OutputFile(
        PublishedFile(kind="text", format="text", key=keys.text, rows=None),
        (text or "").encode(),
        "text/plain; charset=utf-8",
        optional=text is None,
    )
    words = words_of(prediction, context)
    yield OutputFile(
        PublishedFile(kind="words", format="json", key=keys.words, rows=len(words)),
        gzip.compress(write_jsonl(words), mtime=0),
        "application/gzip",
        optional=not words,
    )
