"""One page in an answer: accepted, just predicted, or stored, key for key as it was captured."""

from headrace.prediction import Page
from simulator.boxes import as_of_2021, boxes, corrected, scale, words
from simulator.journal import File
from simulator.links import picture, raw_file
from simulator.streaming import Json
from simulator.variants import Variants

_DAY_SECONDS = 24 * 3600
_PRICE = 0.1
_SIMULATED = "simulated@headrace.invalid"
# What bodies of 2021 lack in a page.
_LATER_KEYS = ("file_url", "request_metadata", "processing_type", "size")


def accepted_page(file: File, index: int, variants: Variants) -> Json:
    """A page of an async call that was taken; it says success, and means that alone."""
    return {
        "message": spelt("Success", variants),
        "input": file.name,
        "prediction": [],
        "page": file.pages[index],
        "request_file_id": file.id,
        "filepath": picture(file, file.pages[index]),
        "id": file.page_ids[index],
        "rotation": 0,
        "file_url": raw_file(file),
        "request_metadata": _metadata(file, variants),
        "processing_type": "async",
    }


def predicted_page(file: File, index: int, page: Page, variants: Variants) -> Json:
    """A page of a sync answer."""
    is_failed = failed(file, page)
    found = [] if is_failed else boxes(file, seen(file, page), "page_no", variants)
    record = {
        "message": spelt("Failure" if is_failed else "Success", variants),
        "input": file.name,
        "prediction": found,
        "page": file.pages[index],
        "request_file_id": file.id,
        "filepath": picture(file, file.pages[index]),
        "id": file.page_ids[index],
        "rotation": page.rotation or 0,
        "file_url": raw_file(file),
        "request_metadata": _metadata(file, variants),
        "processing_type": "sync" if variants.processing_type == "sync" else "",
        "size": _size(page),
    }
    if variants.bodies == "full":
        return record
    old = {name: value for name, value in record.items() if name not in _LATER_KEYS}
    return old | {"prediction": [as_of_2021(box) for box in found], "raw_ocr_api_response": {"results": None}}


def pending_page(file: File, index: int, variants: Variants) -> Json:
    """A page that is still queued."""
    return _stored(file, index, variants, status=spelt("pending", variants), found=[], size={"width": 0, "height": 0})


def stored_page(file: File, index: int, page: Page, variants: Variants) -> Json:
    """A page as it is kept, once it came to an end."""
    is_failed = failed(file, page)
    found = [] if is_failed else boxes(file, seen(file, page), "page", variants)
    record = _stored(
        file,
        index,
        variants,
        status=spelt("failure" if is_failed else "success", variants),
        found=found,
        size=_size(page),
    )
    record |= {"rotation": page.rotation or 0, "retries": 3 if is_failed else 0}
    if variants.raw_ocr == "words" and not is_failed:
        record["raw_ocr"] = words(seen(file, page))
    if file.approved:
        record |= {
            "is_moderated": True,
            "moderated_boxes": corrected(found),
            "verified_at": file.page_ids[index],
            "verified_by": _SIMULATED,
            "approval_status": "approved",
        }
    return record


def failed(file: File, page: Page) -> bool:
    """Whether the page could not be read, or was not to be."""
    return page.failure is not None or page.number - 1 in file.failing


def seen(file: File, page: Page) -> Page:
    """The page, without its content where it was ordered to be blank."""
    if page.number - 1 not in file.blank:
        return page
    return page.model_copy(update={"fields": (), "tables": (), "words": (), "text": ""})


def spelt(word: str, variants: Variants) -> str:
    """A word in the letter case that was chosen."""
    return {"usual": word, "lower": word.lower(), "title": word.title(), "upper": word.upper()}[variants.letter_case]


def day_of(file: File) -> int:
    """The day on which a file was accepted, counted from 1970-01-01."""
    return int(file.accepted_at // _DAY_SECONDS)


def _metadata(file: File, variants: Variants) -> str:
    return file.metadata if variants.metadata == "echoed" else ""


def _stored(file: File, index: int, variants: Variants, *, status: str, found: list[Json], size: Json) -> Json:
    return {
        "model_id": file.model,
        "day_since_epoch": day_of(file),
        "is_moderated": False,
        "hour_of_day": int(file.accepted_at % _DAY_SECONDS // 3600),
        "id": file.page_ids[index],
        "url": picture(file, file.pages[index]),
        "predicted_boxes": found,
        "moderated_boxes": [],
        "size": size,
        "page": file.pages[index],
        "request_file_id": file.id,
        "original_file_name": file.name,
        "custom_response": None,
        "assigned_member": "",
        "is_deleted": False,
        "source": "api",
        "no_of_fields": len(found),
        **_costs(index, variants),
        "status": status,
        "export_status": "",
        "retries": 0,
        "rotation": 0,
        "updated_at": file.page_ids[index],
        "verified_at": "",
        "verified_by": "",
        "current_stage_id": "ffffffff-ffff-ffff-ffff-ffffffffffff",
        "uploaded_by": _SIMULATED,
        "upload_channel": "api",
        "file_url": raw_file(file),
        "request_metadata": _metadata(file, variants),
        "raw_ocr": [],
        "delay_post_prediction_tasks": False,
        "approval_status": "",
        "file_metadata": {"duplicate": False},
    }


def _costs(index: int, variants: Variants) -> Json:
    """What the page says it cost, and what of it is to be paid."""
    charged = {"cost": _PRICE, "payable_cost": _PRICE}
    match variants.costs:
        case "charged":
            return charged
        case "waived":
            return charged | {"payable_cost": 0}
        case "some":
            return {} if index % 2 else charged
        case "missing":
            return {}
        case "odd":
            return {"cost": "n/a", "payable_cost": -1}
        case _:
            return {"cost": 0, "payable_cost": 0}


def _size(page: Page) -> Json:
    return {"width": round((page.width or 0) * scale(page)), "height": round((page.height or 0) * scale(page))}
