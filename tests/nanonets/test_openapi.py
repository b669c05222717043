"""What the OpenAPI dialect sends is what the published OpenAPI file describes."""

import re
from datetime import date
from itertools import product
from pathlib import Path

import pytest
import yaml

from headrace.providers.nanonets.dialect import OPENAPI
from headrace.providers.nanonets.uploads import Asked
from headrace.states import Mode
from tests.nanonets.samples import BytesSource, live, live_page, stored, stored_page
from tests.nanonets.test_dialects import URLS, soon
from tests.nanonets.wire import Wire

FILE = Path(__file__).parents[3] / "shared" / "openapi" / "nanonets-ocr.yaml"
# What the vendor's own reference adds to these calls.
BEYOND_THE_FILE = {"pages_to_process"}
QUERY_BEYOND_THE_FILE = {"l"}


@pytest.fixture(scope="module")
def description():
    if not FILE.exists():
        pytest.skip("the published OpenAPI file is not here")
    return yaml.safe_load(FILE.read_text(encoding="utf-8"))


def every_request():
    """Each call that the file describes and we make, in every way we make it."""
    wire = Wire(live(live_page()))
    api = wire.api(OPENAPI)
    for mode, extras in product(Mode, ({}, {"metadata": "x", "language": "en", "page_numbers": (1, 2)})):
        asked = Asked("m", mode, **extras)
        api.predict_files(asked, [BytesSource(), BytesSource()], send_before=soon(wire))
        api.predict_urls(asked, URLS, send_before=soon(wire))
    free = Wire(stored(stored_page()))
    api = free.api(OPENAPI)
    api.file("m", "f")
    api.page("m", "f", "p")
    list(api.window("m", date(2026, 11, 1), date(2026, 11, 20)))
    return [*wire.sent, *free.sent]


REQUESTS = every_request()


def operation_of(description, sent):
    """The path template and operation that a request fits; there is one."""
    (template,) = (
        template
        for template in description["paths"]
        if re.fullmatch(re.sub(r"\\{\w+\\}", "[^/]+", re.escape(template)), sent.path)
    )
    return template, description["paths"][template][sent.method.lower()]


@pytest.mark.parametrize("sent", REQUESTS, ids=lambda sent: sent.said)
def test_every_request_is_one_that_the_file_describes(description, sent):
    _, operation = operation_of(description, sent)
    parameters = {
        parameter["name"]: parameter
        for parameter in operation.get("parameters", ())
        if "$ref" not in parameter and parameter["in"] == "query"
    }
    assert set(sent.query) - set(parameters) <= QUERY_BEYOND_THE_FILE
    assert {name for name, parameter in parameters.items() if parameter.get("required")} <= set(sent.query)
    for name in parameters:
        assert parameters[name]["schema"]["type"] == "integer"
        assert re.fullmatch(r"-?\d+", sent.query[name])
    if "requestBody" in operation:
        check_body(operation["requestBody"], sent)
    else:
        assert not sent.arrived


def check_body(described, sent):
    assert described["required"]
    schema = described["content"][sent.media_type]["schema"]
    given = {**sent.fields, **({"file": sent.files} if sent.files else {})}
    assert set(given) - set(schema["properties"]) <= BEYOND_THE_FILE
    assert set(schema["required"]) <= set(given)
    for name in set(given) & set(schema["properties"]):
        kind = schema["properties"][name]["type"]
        assert kind == "array" or len(given[name]) == 1
        assert kind != "boolean" or given[name] == ["true"]


def test_every_predict_and_retrieve_call_of_the_file_is_made(description):
    made = {operation_of(description, sent)[0] for sent in REQUESTS}
    described = {
        path
        for path, operations in description["paths"].items()
        for operation in operations.values()
        if set(operation["tags"]) & {"OCR Predict", "OCR Retrieve"}
    }
    assert made == described
    assert len(made) == 7


def test_the_file_says_async_in_path_and_form(description):
    for template in ("LabelFile", "LabelUrls"):
        path = f"/OCR/Model/{{model_id}}/{template}/Async/"
        (content,) = description["paths"][path]["post"]["requestBody"]["content"].values()
        assert content["schema"]["properties"]["async"] == {"type": "boolean", "default": True}
