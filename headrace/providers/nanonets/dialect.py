"""How Nanonets' calls are said: the published descriptions differ, and each difference is data here.

REFERENCE is the vendor's own (https://docs.nanonets.com/reference), OPENAPI the published OpenAPI file
"Nanonets OCR API", GUIDE the integration guide. What a description leaves out is said as the reference says it.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from urllib.parse import quote, urlencode

from headrace.providers.nanonets.days import WindowDays, absolute_days, days_back_from_last, days_back_from_today
from headrace.states import Mode


class Encoding(StrEnum):
    """How a call's body is written."""

    MULTIPART = "multipart/form-data"
    FORM = "application/x-www-form-urlencoded"
    JSON = "application/json"


@dataclass(frozen=True)
class Call:
    """One call. `path` is below the base address; {model}, {file} and {page} in it stand for ids.

    `query` and `fields` are what the call says whatever is asked: where it is asynchronous, these, or
    its path, say so.
    """

    method: str
    path: str
    encoding: Encoding | None = None
    query: Mapping[str, str] = field(default_factory=dict)
    fields: Mapping[str, str] = field(default_factory=dict)

    def address(self, *, query: Mapping[str, object] | None = None, **ids: str) -> str:
        """Path and query of one such call. An id may be anything: it cannot leave its place in the path."""
        path = self.path.format(**{name: quote(value, safe="") for name, value in ids.items()})
        said = {**self.query, **(query or {})}
        return f"{path}?{urlencode(said)}" if said else path


@dataclass(frozen=True)
class Dialect:
    """Every call of the API, as one description has it."""

    name: str
    label_file: Mapping[Mode, Call]
    label_urls: Mapping[Mode, Call]
    by_file: Call
    by_page: Call
    window: Call
    window_days: WindowDays
    # Told by the vendor's reference alone.
    text_of_file: Call = Call("POST", "OCR/FullText", Encoding.MULTIPART)
    text_of_urls: Call = Call("POST", "OCR/FullText", Encoding.FORM)
    models: Call = Call("GET", "OCR/Model/")
    model: Call = Call("GET", "OCR/Model/{model}")
    create_model: Call = Call("POST", "OCR/Model/", Encoding.JSON)


# "true" is the only value that is documented; sync is its absence.
_ASYNC = {"async": "true"}
_LABEL_FILE = Call("POST", "OCR/Model/{model}/LabelFile/", Encoding.MULTIPART)
_LABEL_FILE_ASYNC = Call("POST", "OCR/Model/{model}/LabelFile/", Encoding.MULTIPART, query=_ASYNC)
_INFERENCES = "Inferences/Model/{model}"

REFERENCE = Dialect(
    name="reference",
    label_file={Mode.SYNC: _LABEL_FILE, Mode.ASYNC: _LABEL_FILE_ASYNC},
    label_urls={
        Mode.SYNC: Call("POST", "OCR/Model/{model}/LabelUrls/", Encoding.FORM),
        Mode.ASYNC: Call("POST", "OCR/Model/{model}/LabelUrls/", Encoding.FORM, query=_ASYNC),
    },
    by_file=Call("GET", f"{_INFERENCES}/InferenceRequestFiles/GetPredictions/{{file}}"),
    by_page=Call("GET", f"{_INFERENCES}/ImageLevelInferences/{{page}}"),
    window=Call("GET", f"{_INFERENCES}/ImageLevelInferences"),
    window_days=absolute_days,
)

OPENAPI = Dialect(
    name="openapi",
    label_file={
        Mode.SYNC: _LABEL_FILE,
        Mode.ASYNC: Call("POST", "OCR/Model/{model}/LabelFile/Async/", Encoding.MULTIPART, fields=_ASYNC),
    },
    label_urls={
        Mode.SYNC: Call("POST", "OCR/Model/{model}/LabelUrls/", Encoding.FORM),
        Mode.ASYNC: Call("POST", "OCR/Model/{model}/LabelUrls/Async/", Encoding.FORM, fields=_ASYNC),
    },
    by_file=Call("GET", f"{_INFERENCES}/InferenceRequest/{{file}}"),
    by_page=Call("GET", f"{_INFERENCES}/InferenceRequest/{{file}}/page/{{page}}"),
    window=Call("GET", f"{_INFERENCES}/InferenceRequest/"),
    window_days=days_back_from_last,
)

GUIDE = Dialect(
    name="guide",
    label_file={Mode.SYNC: _LABEL_FILE, Mode.ASYNC: _LABEL_FILE_ASYNC},
    label_urls={
        Mode.SYNC: Call("POST", "OCR/Model/{model}/LabelUrls/", Encoding.JSON),
        Mode.ASYNC: Call("POST", "OCR/Model/{model}/LabelUrls/", Encoding.JSON, query=_ASYNC),
    },
    by_file=Call("GET", "OCR/Model/{model}/getFile/{file}/"),
    by_page=Call("GET", "OCR/Model/{model}/ImageLevelInferences/{page}/"),
    window=Call("GET", "OCR/Model/{model}/getModelImages/"),
    window_days=days_back_from_today,
)

DIALECTS: Mapping[str, Dialect] = {dialect.name: dialect for dialect in (REFERENCE, OPENAPI, GUIDE)}
"""By the name that the setting gives."""
