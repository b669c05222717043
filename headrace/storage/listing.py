"""A page of a listing, read quickly.

botocore builds every answer up member by member from its model of the service. For a page of 1,000 objects that takes
six times the processor's time that all the rest of the request takes, with Python's lock held.
"""

import re
from datetime import datetime
from typing import Any
from xml.etree import ElementTree

# As stores write it. datetime reads much more than that, and reads some of it otherwise than botocore.
_MOMENT = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}(\.[0-9]{1,6})?(Z|[+-][0-9]{2}:[0-9]{2})")


def read_entries(response_dict: dict[str, Any], customized_response_dict: dict[str, Any], **_: object) -> None:
    """A handler of botocore's event `before-parse.s3.ListObjectsV2`: it takes the objects out of the answer.

    They are put where botocore looks for what a handler has read; the rest of the answer is left to botocore, and
    so is an answer that is not as expected.
    """
    if response_dict["status_code"] != 200:
        return
    try:
        listing = ElementTree.fromstring(response_dict["body"])  # noqa: S314  botocore reads the same with it
        # Stores differ in the namespace.
        space = listing.tag[: listing.tag.rfind("}") + 1]
        objects = [_read(entry, space) for entry in listing.iterfind(f"{space}Contents")]
    except (ElementTree.ParseError, ValueError):
        return
    if objects:
        listing[:] = [entry for entry in listing if entry.tag != f"{space}Contents"]
        response_dict["body"] = ElementTree.tostring(listing)
        customized_response_dict["Contents"] = objects


def _read(entry: ElementTree.Element, space: str) -> dict[str, Any]:
    key = entry.findtext(f"{space}Key")
    modified = entry.findtext(f"{space}LastModified", "")
    if not key or _MOMENT.fullmatch(modified) is None:
        raise ValueError("An object has no key, or its time is written otherwise.")
    size = int(entry.findtext(f"{space}Size", ""))
    return {
        "Key": key,
        "ETag": entry.findtext(f"{space}ETag", ""),
        "Size": size,
        "LastModified": datetime.fromisoformat(modified),
    }
