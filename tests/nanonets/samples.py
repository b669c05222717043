"""Requests, sources and answers for the tests of the Nanonets client."""

import json
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import timedelta

import httpx
from pydantic import SecretStr

from headrace.document import SubmissionKey
from headrace.providers import Request
from headrace.providers.nanonets import NanonetsProvider, nanonets_client
from headrace.states import Mode
from tests.clocks import ManualClock

API_KEY = "key-that-nobody-may-see"
KEY = SubmissionKey("d" * 32, 1, "nanonets", "all", 1)
FILE_ID = "0a1b2c3d-0000-4000-8000-000000000001"


@dataclass
class BytesSource:
    """A document in memory; `error` is raised after its bytes were given."""

    content: bytes = b"%PDF-1.7 and so on"
    name: str = "invoice-7.pdf"
    media_type: str = "application/pdf"
    url: str | None = None
    error: Exception | None = None
    announced: int | None = None
    piece_bytes: int = 8

    @property
    def size(self) -> int:
        return len(self.content) if self.announced is None else self.announced

    def chunks(self) -> Iterator[bytes]:
        for start in range(0, len(self.content), self.piece_bytes):
            yield self.content[start : start + self.piece_bytes]
        if self.error is not None:
            raise self.error

    def read(self) -> bytes:
        return self.content


def a_request(clock, *, mode=Mode.SYNC, model="invoices", metadata=None, seconds=120):
    return Request(
        key=KEY,
        model=model,
        mode=mode,
        send_before=clock.now() + timedelta(seconds=seconds),
        metadata={"po": "4711"} if metadata is None else metadata,
    )


def answering(handler, clock=None):
    """A provider whose requests go to a function; the key and address are the real client's."""
    with nanonets_client(SecretStr(API_KEY)) as real:
        client = httpx.Client(base_url=real.base_url, auth=real.auth, transport=httpx.MockTransport(handler))
    return NanonetsProvider(client, clock or ManualClock())


def always(status, **body):
    """A provider that always gets the same answer."""

    def handler(request):
        request.read()
        return httpx.Response(status, **body)

    return answering(handler)


def live_page(page=0, **changes):
    """A page record of a predict call."""
    return {
        "message": "Success",
        "input": "invoice-7.pdf",
        "prediction": [box("total", "12.00")],
        "page": page,
        "request_file_id": FILE_ID,
        "filepath": "uploadedfiles/m/PredictionImages/1.jpeg",
        "id": f"page-{page}",
        "rotation": 0,
        "request_metadata": json.dumps({"headrace": str(KEY), "metadata": {"po": "4711"}}),
        "processing_type": "sync",
        "size": {"width": 1240, "height": 1754},
    } | changes


def stored_page(page=0, **changes):
    """A page record of get by file."""
    return {
        "id": f"page-{page}",
        "is_moderated": False,
        "predicted_boxes": [box("total", "12.00")],
        "moderated_boxes": [],
        "size": {"width": 1240, "height": 1754},
        "page": page,
        "request_file_id": FILE_ID,
        "cost": 0,
        "payable_cost": 0,
        "status": "success",
        "rotation": 0,
        "request_metadata": "",
    } | changes


def box(label, text, **changes):
    return {
        "id": f"{label}-{text}",
        "label": label,
        "xmin": 431,
        "ymin": 118,
        "xmax": 540,
        "ymax": 141,
        "score": 0.97,
        "ocr_text": text,
        "type": "field",
        "status": "correctly_predicted",
        "label_id": "9f1e",
    } | changes


def table(*cells, **changes):
    return box("table", "table 1", type="table", cells=list(cells)) | changes


def cell(row, column, text, **changes):
    return {"row": row, "col": column, "text": text, "label": "Description", "score": 0.93} | changes


def live(*pages):
    return {"message": "Success", "result": list(pages), "signed_urls": {}}


def stored(*pages, moderated=()):
    return {
        "moderated_images_count": len(moderated),
        "unmoderated_images_count": len(pages),
        "moderated_images": list(moderated),
        "unmoderated_images": list(pages),
        "signed_urls": {},
    }
