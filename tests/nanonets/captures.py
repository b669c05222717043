"""Whole bodies as the vendor sends them, with every key that was seen: ids, hosts and values are invented."""

import json
from collections.abc import Iterator
from copy import deepcopy
from typing import Any

FILE = "0a1b2c3d-0000-4000-8000-000000000001"
PICTURE = "uploadedfiles/m/PredictionImages/123456789.jpeg"
SOURCE = f"uploadedfiles/m/RawPredictions/{FILE}.pdf"

_CELL = {
    "id": "cell-1",
    "row": 1,
    "col": 1,
    "row_span": 1,
    "col_span": 2,
    "label": "Description",
    "xmin": -2,
    "ymin": 310,
    "xmax": 410,
    "ymax": 342,
    "score": 0.93,
    "text": "Oak board",
    "row_label": "first line",
    "verification_status": "correctly_predicted",
    "status": "cell status",
    "failed_validation": "not a number",
    "label_id": "label-of-cell",
}
_FIELD = {
    "id": "box-1",
    "label": "invoice_number",
    "xmin": 431,
    "ymin": 118,
    "xmax": 540,
    "ymax": 141,
    "score": 0.9716,
    "ocr_text": "INV-0007\nB",
    "type": "field",
    "status": "correctly_predicted",
    "page_no": 0,
    "label_id": "label-1",
}
_MISSING_TOTAL = {
    "id": "box-2",
    "label": "total",
    "xmin": 0,
    "ymin": 0,
    "xmax": 0,
    "ymax": 0,
    "score": 0,
    "ocr_text": "",
    "type": "field",
    "status": "correctly_predicted",
    "validation_status": "failed",
    "validation_message": "required field",
    "page_no": 0,
    "label_id": "label-2",
}
_TABLE = {
    "id": "box-3",
    "label": "table",
    "type": "table",
    "ocr_text": "table 1",
    "xmin": 40,
    "ymin": 300,
    "xmax": 980,
    "ymax": 620,
    "score": 1,
    "status": "table status",
    "validation_status": "table checked",
    "validation_message": "three rows expected",
    "page_no": 0,
    "label_id": "label-3",
    "cells": [_CELL],
}
_LIVE_PAGE = {
    "message": "Success",
    "input": "invoice-7.pdf",
    "prediction": [_FIELD, _MISSING_TOTAL, _TABLE],
    "page": 0,
    "request_file_id": FILE,
    "filepath": PICTURE,
    "id": "8d9e6f2c-6a1b-11ee-0000-000000000001",
    "rotation": 270,
    "file_url": SOURCE,
    "request_metadata": "order=7",
    "processing_type": "sync",
    "size": {"width": 1240, "height": 1754},
    "raw_ocr_api_response": {"results": None},
}
_LINKS = {
    PICTURE: {"original": "https://h.imgix.net/a?expires=1700000000&s=secret", "thumbnail": ""},
    SOURCE: {"original": "https://s3.amazonaws.com/b?X-Amz-Expires=604800&X-Amz-Signature=secret"},
}


def _stored(box: dict[str, Any], **changes: Any) -> dict[str, Any]:
    """The same box as stored pages have it: its page goes by another name."""
    return {"page" if name == "page_no" else name: value for name, value in box.items()} | changes


_STORED_PAGE = {
    "model_id": "model-1",
    "day_since_epoch": 19320,
    "is_moderated": True,
    "hour_of_day": 21,
    "id": "8d9e6f2c-6a1b-11ee-0000-000000000002",
    "url": PICTURE,
    "predicted_boxes": [_stored(_FIELD), _stored(_TABLE)],
    "moderated_boxes": [
        _stored(
            _FIELD,
            ocr_text="INV-0008",
            status="moderated",
            lookup_edited=True,
            lookup_parent_box_ids=["box-9"],
        ),
        _stored(_TABLE, cells=[_CELL | {"text": "Oak boards", "verification_status": "moderated"}]),
    ],
    "size": {"width": 1241, "height": 1755},
    "page": 0,
    "request_file_id": FILE,
    "original_file_name": "invoice-7.pdf",
    "custom_response": None,
    "assigned_member": "someone",
    "is_deleted": False,
    "source": "api",
    "no_of_fields": 3,
    "cost": 0.25,
    "payable_cost": 0.125,
    "status": "success",
    "export_status": "exported",
    "retries": 2,
    "rotation": 90,
    "updated_at": "8d9e6f2c-6a1b-11ee-0000-00000000000a",
    "verified_at": "2026-11-20",
    "verified_by": "a person",
    "current_stage_id": "ffffffff-ffff-ffff-ffff-ffffffffffff",
    "uploaded_by": "another person",
    "upload_channel": "api",
    "file_url": SOURCE,
    "request_metadata": "",
    "raw_ocr": [{"text": "INV-0007", "xmin": 431, "ymin": 118, "xmax": 500, "ymax": 141, "confidence": 0.5}],
    "delay_post_prediction_tasks": False,
    "approval_status": "approved",
    "file_metadata": {"duplicate": False},
}

PREDICT = {"message": "Success", "result": [_LIVE_PAGE], "signed_urls": _LINKS}
OLD_PREDICT = {
    "message": "Success",
    "result": [
        {
            "message": "Success",
            "input": "a.jpg",
            "prediction": [
                {"label": "total", "xmin": 1, "ymin": 2, "xmax": 3, "ymax": 4, "score": 0.5, "ocr_text": "7"},
                {
                    "label": "table", "xmin": 1, "ymin": 2, "xmax": 3, "ymax": 4, "score": 0.5, "ocr_text": "table 1",
                    "cells": [{"row": 1, "col": 1, "label": "", "xmin": 1, "ymin": 2, "xmax": 3, "ymax": 4,
                               "score": 0.5, "text": "Oak"}],
                },
            ],
            "page": 0, "request_file_id": FILE, "filepath": PICTURE, "id": "", "rotation": 270,
        }
    ],
    "signed_urls": [None],
}  # fmt: skip
ACCEPT_NESTED = {
    "message": "Success",
    "result": [
        {
            "message": "Accepted",
            "result": [
                {
                    "message": "Success", "input": "invoice-7.pdf", "prediction": [], "page": 0,
                    "request_file_id": FILE, "filepath": PICTURE, "id": "page-id",
                    "file_url": SOURCE, "request_metadata": "order=7",
                }
            ],
        }
    ],
}  # fmt: skip
ACCEPT_FLAT = {
    "message": "Success",
    "result": [
        {
            "message": "Success", "input": "invoice-7.pdf", "prediction": [], "page": 0, "request_file_id": FILE,
            "id": "page-id", "request_metadata": "order=7", "processing_type": "async", "status": "pending",
        }
    ],
    "signed_urls": {},
}  # fmt: skip
BY_FILE = {
    "moderated_images_count": 1,
    "unmoderated_images_count": 1,
    "moderated_images": [_STORED_PAGE],
    "unmoderated_images": [
        _STORED_PAGE
        | {"page": 1, "id": "page-2", "is_moderated": False, "moderated_boxes": []}
        | {"predicted_boxes": [_stored(_FIELD, page=1)], "raw_ocr": [{"word": "boxes"}]}
    ],
    "signed_urls": [],
}
BY_PAGE = {
    "message": "Success",
    "result": [_STORED_PAGE | {"message": "success", "input": "invoice-7.pdf", "prediction": [_FIELD]}],
    "signed_urls": _LINKS,
}
FULL_TEXT = {
    "message": "Success",
    "result": [
        {
            "filename": "a.pdf",
            "page_data": [
                {
                    "page": 0,
                    "raw_text": "Oak board\n12.50",
                    "words": [
                        {"text": "Oak", "xmin": 1, "ymin": 2, "xmax": 3, "ymax": 4},
                        {"text": "board", "xmin": 5, "ymin": 2, "xmax": 8, "ymax": 4, "confidence": 0.75},
                    ],
                },
                {"page": 1, "raw_text": "", "words": []},
            ],
        }
    ],
}
PARTLY_USABLE = {
    "message": "Partial success",
    "result": [
        _LIVE_PAGE,
        {"message": "Failure: could not be fetched", "input": "https://h/b.pdf?X-Amz-Signature=secret"},
        _LIVE_PAGE | {"page": 1, "id": "page-2"},
    ],
    "signed_urls": {},
}

CAPTURES = {
    "predict": PREDICT,
    "predict, 2021": OLD_PREDICT,
    "accept, nested": ACCEPT_NESTED,
    "accept, flat": ACCEPT_FLAT,
    "by file": BY_FILE,
    "by page": BY_PAGE,
    "full text": FULL_TEXT,
    "urls, one not usable": PARTLY_USABLE,
}


def with_own_values(body: dict[str, Any]) -> dict[str, Any]:
    """The same body with another value in each place that may hold any: what is lost can then be told."""
    numbers = iter(range(100_001, 1_000_000))
    return _own(deepcopy(body), "", numbers)


def leaves(value: Any, path: tuple[str | int, ...] = ()) -> Iterator[tuple[tuple[str | int, ...], Any]]:
    """Every scalar of a JSON value, with where it stands."""
    match value:
        case dict():
            for name, part in value.items():
                yield from leaves(part, (*path, name))
        case list() | tuple():
            for position, part in enumerate(value):
                yield from leaves(part, (*path, position))
        case _:
            yield path, value


# These have a meaning that decides how the rest is read, or are no number that may be chosen freely.
_AS_THEY_ARE = frozenset({"type", "page", "page_no", "row", "col", "row_span", "col_span", "rotation", "signed_urls"})


def _own(value: Any, name: str, numbers: Iterator[int]) -> Any:
    match value:
        case _ if name in _AS_THEY_ARE:
            return value
        case dict():
            return {key: _own(part, key, numbers) for key, part in value.items()}
        case list():
            return [_own(part, name, numbers) for part in value]
        case bool() | None:
            return value
        case float() if name in ("score", "confidence"):
            return next(numbers) / 1_000_000
        case int() | float():
            return next(numbers)
        case str() if name in ("message", "status") and value.lower().startswith(("failure", "pending")):
            return value
        case _:
            return f"{name} {next(numbers)}"


def as_bytes(body: dict[str, Any]) -> bytes:
    return json.dumps(body).encode()
