"""The bodies of Nanonets' answers, key for key as they were captured."""

import base64
from collections.abc import Iterable, Mapping, Sequence
from hashlib import md5, sha256
from typing import Any
from uuid import UUID, uuid5

from headrace.prediction import Box, Cell, Field, Page, Table
from simulator.journal import File

Json = dict[str, Any]

ORIGINAL_SECONDS = 4 * 3600
LONG_SECONDS = 180 * 24 * 3600
RAW_SECONDS = 7 * 24 * 3600
_DAY_SECONDS = 24 * 3600
# Pages measured in points are shown as pictures of 150 dots per inch.
_PIXELS_PER_UNIT = {"pt": 150 / 72, "px": 1.0}
_SIMULATED = "simulated@headrace.invalid"


class Bodies:
    """Makes bodies for one scale of scores (1 or 100)."""

    def __init__(self, *, score_scale: int) -> None:
        self._score_scale = score_scale

    def predicted(self, files: Sequence[tuple[File, Sequence[Page]]]) -> Json:
        """The answer to a sync predict call."""
        result = [self._live_page(file, index, page) for file, pages in files for index, page in enumerate(pages)]
        links = _signed_urls(file for file, _ in files)
        return {"message": "Success", "simulated": True, "result": result, "signed_urls": links}

    def accepted(self, files: Sequence[File], shape: str) -> Json:
        """The answer to an async predict call, nested as documented or flat as clients read it."""
        pages = [
            {
                "message": "Success",
                "input": file.name,
                "prediction": [],
                "page": page,
                "request_file_id": file.id,
                "filepath": _picture(file, page),
                "id": page_id,
                "rotation": 0,
                "file_url": _raw_file(file),
                "request_metadata": file.metadata,
                "processing_type": "async",
            }
            for file in files
            for page, page_id in zip(file.pages, file.page_ids, strict=True)
        ]
        if shape == "nested":
            return {"message": "Success", "simulated": True, "result": [{"message": "Success", "result": pages}]}
        return {"message": "Success", "simulated": True, "result": pages, "signed_urls": {}}

    def stored(
        self, files: Iterable[tuple[File, Sequence[Page] | None]], *, pending: str, only: int | None = None
    ) -> Json:
        """The answer to get by file, or a window: no pages of an unready file, or its pages as pending.

        `only` is the index of the one page that is asked for.
        """
        records: list[Json] = []
        ready: list[File] = []
        for file, pages in files:
            if pages is not None:
                ready.append(file)
                records += [self._stored_page(file, index, page) for index, page in enumerate(pages)]
            elif pending == "pages":
                records += [_pending_page(file, index) for index in range(len(file.pages))]
        records = records if only is None else records[only : only + 1]
        return {
            "simulated": True,
            "moderated_images_count": 0,
            "unmoderated_images_count": len(records),
            "moderated_images": [],
            # The real lists promise no order either.
            "unmoderated_images": records[::-1],
            "signed_urls": _signed_urls(ready) or [],
        }

    def one_page(self, file: File, index: int, pages: Sequence[Page] | None) -> Json:
        """The answer to get by page."""
        record = _pending_page(file, index) if pages is None else self._stored_page(file, index, pages[index])
        word = {"pending": "Pending", "failure": "Failure"}.get(record["status"], "Success")
        live = {"message": word, "input": file.name, "prediction": record["predicted_boxes"]}
        return {"message": word, "simulated": True, "result": [record | live], "signed_urls": _signed_urls([file])}

    def _live_page(self, file: File, index: int, page: Page) -> Json:
        failed = _failed(file, page)
        number = file.pages[index]
        return {
            "message": "Failure" if failed else "Success",
            "input": file.name,
            "prediction": [] if failed else self._boxes(file, page, "page_no"),
            "page": number,
            "request_file_id": file.id,
            "filepath": _picture(file, number),
            "id": file.page_ids[index],
            "rotation": page.rotation or 0,
            "file_url": _raw_file(file),
            "request_metadata": file.metadata,
            "processing_type": "sync",
            "size": _size(page),
        }

    def _stored_page(self, file: File, index: int, page: Page) -> Json:
        failed = _failed(file, page)
        # The letter case of the real word varies.
        word = "failure" if failed else ("Success" if file.id[0] in "02468ace" else "success")
        boxes = [] if failed else self._boxes(file, page, "page")
        return _stored_record(file, index, status=word, boxes=boxes, size=_size(page), rotation=page.rotation or 0)

    def _boxes(self, file: File, page: Page, page_name: str) -> list[Json]:
        number = page.number - 1
        scale = _PIXELS_PER_UNIT.get(page.unit or "px", 1.0)
        boxes = [self._field(field, scale) for field in page.fields]
        boxes += [self._table(table, position, scale) for position, table in enumerate(page.tables, start=1)]
        for position, box in enumerate(boxes):
            box |= {"id": _box_id(file, number, position), page_name: number, "label_id": _label_id(file, box["label"])}
            for place, cell in enumerate(box.get("cells", ())):
                cell |= {"id": _box_id(file, number, position, place), "label_id": _label_id(file, cell["label"])}
        return boxes

    def _field(self, field: Field, scale: float) -> Json:
        validation = {
            name: value
            for name in ("validation_status", "validation_message")
            if (value := getattr(field, name)) is not None
        }
        return {
            "label": field.label,
            **_edges(field.box, scale),
            "score": self._score(field.score),
            "ocr_text": field.text or "",
            "type": "field",
            "status": "correctly_predicted",
            **validation,
        }

    def _table(self, table: Table, position: int, scale: float) -> Json:
        return {
            "label": table.label or "table",
            **_edges(table.box, scale),
            "score": self._score(table.score),
            "ocr_text": f"table {position}",
            "type": "table",
            "status": "correctly_predicted",
            "cells": [self._cell(cell, scale) for cell in table.cells],
        }

    def _cell(self, cell: Cell, scale: float) -> Json:
        return {
            "row": cell.row,
            "col": cell.column,
            "row_span": cell.row_span,
            "col_span": cell.column_span,
            "label": cell.label or "",
            **_edges(cell.box, scale),
            "score": self._score(cell.score),
            "text": cell.text or "",
            "row_label": cell.row_label or "",
            "verification_status": "correctly_predicted",
            "status": "",
            "failed_validation": cell.failed_validation or "",
        }

    def _score(self, score: float | None) -> float:
        return round((score if score is not None else 1.0) * self._score_scale, 4)


def error(status: int, message: str) -> Json:
    """The body of a refusal."""
    return {
        "message": message,
        "code": status,
        "simulated": True,
        "errors": [{"reason": "simulated", "message": message}],
    }


def day_of(file: File) -> int:
    """The day on which a file was accepted, counted from 1970-01-01."""
    return int(file.accepted_at // _DAY_SECONDS)


def _pending_page(file: File, index: int) -> Json:
    return _stored_record(file, index, status="pending", boxes=[], size={"width": 0, "height": 0}, rotation=0)


def _stored_record(file: File, index: int, *, status: str, boxes: list[Json], size: Json, rotation: int) -> Json:
    number = file.pages[index]
    return {
        "model_id": file.model,
        "day_since_epoch": day_of(file),
        "is_moderated": False,
        "hour_of_day": int(file.accepted_at % _DAY_SECONDS // 3600),
        "id": file.page_ids[index],
        "url": _picture(file, number),
        "predicted_boxes": boxes,
        "moderated_boxes": [],
        "size": size,
        "page": number,
        "request_file_id": file.id,
        "original_file_name": file.name,
        "custom_response": None,
        "assigned_member": "",
        "is_deleted": False,
        "source": "api",
        "no_of_fields": len(boxes),
        "cost": 0,
        "payable_cost": 0,
        "status": status,
        "export_status": "",
        "retries": 3 if status == "failure" else 0,
        "rotation": rotation,
        "updated_at": file.page_ids[index],
        "verified_at": "",
        "verified_by": "",
        "current_stage_id": "ffffffff-ffff-ffff-ffff-ffffffffffff",
        "uploaded_by": _SIMULATED,
        "upload_channel": "api",
        "file_url": _raw_file(file),
        "request_metadata": file.metadata,
        "raw_ocr": [],
        "delay_post_prediction_tasks": False,
        "approval_status": "",
        "file_metadata": {"duplicate": False},
    }


def _failed(file: File, page: Page) -> bool:
    return page.failure is not None or page.number - 1 in file.failing


def _size(page: Page) -> Json:
    scale = _PIXELS_PER_UNIT.get(page.unit or "px", 1.0)
    return {"width": round((page.width or 0) * scale), "height": round((page.height or 0) * scale)}


def _edges(box: Box | None, scale: float) -> Json:
    """Whole pixels; four zeros where the place is not known."""
    if box is None:
        return {"xmin": 0, "ymin": 0, "xmax": 0, "ymax": 0}
    return {name: round(getattr(box, name) * scale) for name in ("xmin", "ymin", "xmax", "ymax")}


def _box_id(file: File, *places: int) -> str:
    return str(uuid5(UUID(file.id), "/".join(map(str, places))))


def _label_id(file: File, label: str) -> str:
    return str(UUID(sha256(f"{file.model}/{label}".encode()).hexdigest()[:32]))


def _picture(file: File, page: int) -> str:
    return f"uploadedfiles/{file.model}/PredictionImages/{int(UUID(file.id)) % 10**9}{page:04}.jpeg"


def _raw_file(file: File) -> str:
    return f"uploadedfiles/{file.model}/RawPredictions/{file.id}{file.suffix}"


def _signed_urls(files: Iterable[File]) -> Mapping[str, Mapping[str, str]]:
    """Links by storage path, signed like the real ones; they lead nowhere."""
    links: dict[str, Mapping[str, str]] = {}
    for file in files:
        for page in file.pages:
            path = _picture(file, page)
            links[path] = {
                "original": _picture_link(path, file, ORIGINAL_SECONDS),
                "original_compressed": _picture_link(path, file, ORIGINAL_SECONDS, "&auto=compress"),
                "thumbnail": _picture_link(path, file, ORIGINAL_SECONDS, "&w=240"),
                "acw_rotate_90": _picture_link(path, file, ORIGINAL_SECONDS, "&or=270"),
                "acw_rotate_180": _picture_link(path, file, ORIGINAL_SECONDS, "&or=180"),
                "acw_rotate_270": _picture_link(path, file, ORIGINAL_SECONDS, "&or=90"),
                "original_with_long_expiry": _picture_link(path, file, LONG_SECONDS),
            }
        links[_raw_file(file)] = {
            "original": f"https://s3.invalid/{_raw_file(file)}?X-Amz-Algorithm=AWS4-HMAC-SHA256"
            f"&X-Amz-Expires={RAW_SECONDS}&X-Amz-Signature={sha256(file.id.encode()).hexdigest()}",
            **dict.fromkeys(
                (
                    "original_compressed",
                    "thumbnail",
                    "acw_rotate_90",
                    "acw_rotate_180",
                    "acw_rotate_270",
                    "original_with_long_expiry",
                ),
                "",
            ),
        }
    return links


def _picture_link(path: str, file: File, seconds: int, options: str = "") -> str:
    signature = md5(f"{path}{seconds}{options}".encode(), usedforsecurity=False).hexdigest()
    name = base64.urlsafe_b64encode(path.encode()).decode().rstrip("=")
    return f"https://imgix.invalid/{name}?expires={int(file.accepted_at) + seconds}{options}&s={signature}"
