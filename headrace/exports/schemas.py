"""The published schemas of what comes out, for `docs/schemas/`.

python -m headrace.exports.schemas docs/schemas
"""

import json
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from headrace.exports.columns import COLUMNS
from headrace.exports.manifest import Manifest
from headrace.flattening import CELL_COLUMNS, FIELD_COLUMNS, OTHER, SCHEMA_VERSION, WORD_COLUMNS, table_row_columns
from headrace.prediction import Prediction

Schema = dict[str, Any]

_DIALECT = "https://json-schema.org/draft/2020-12/schema"


def schemas() -> Mapping[str, Schema]:
    """A JSON Schema for one row of each kind, for a manifest, and for a stored prediction, by name."""
    table_rows = _row_schema("One table row. A route's declared columns stand before `other`.", table_row_columns(()))
    table_rows["additionalProperties"] = {
        "type": ["string", "null"],
        "description": "A column that the route declares.",
    }
    table_rows["properties"][OTHER]["additionalProperties"] = {
        "anyOf": [{"type": ["string", "null"]}, {"type": "array", "items": {"type": ["string", "null"]}}]
    }
    return {
        "fields": _row_schema("One field found.", FIELD_COLUMNS),
        "table_rows": table_rows,
        "cells": _row_schema("One table cell.", CELL_COLUMNS),
        "words": _row_schema("One word of the page's text.", WORD_COLUMNS),
        "manifest": {"$schema": _DIALECT} | Manifest.model_json_schema(mode="serialization"),
        "prediction": {"$schema": _DIALECT} | Prediction.model_json_schema(),
    }


def _row_schema(title: str, columns: Sequence[str]) -> Schema:
    return {
        "$schema": _DIALECT,
        "title": title,
        "type": "object",
        "properties": {column: _column_schema(column) for column in columns},
        "required": list(columns),
        "additionalProperties": False,
    }


def _column_schema(name: str) -> Schema:
    if name == "schema_version":
        return {"const": SCHEMA_VERSION, "description": COLUMNS[name].meaning}
    types, meaning = COLUMNS[name]
    schema: Schema = {"description": meaning}
    if types:
        schema["type"] = types[0] if len(types) == 1 else list(types)
    return schema


def write_schemas(folder: Path) -> None:
    """Write one file for each schema."""
    folder.mkdir(parents=True, exist_ok=True)
    for name, schema in schemas().items():
        text = json.dumps(schema, indent=2, ensure_ascii=False) + "\n"
        (folder / f"{name}.schema.json").write_text(text, encoding="utf-8")


if __name__ == "__main__":
    write_schemas(Path(sys.argv[1]))
