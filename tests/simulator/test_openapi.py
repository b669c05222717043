"""The simulator's answers against the published OpenAPI file, where it lies beside the project.

The file and what was captured disagree in places. For each there is a variant that holds to the file:

- `processing_type` may be "" or "async" there; captured sync pages say "sync": `--processing-type empty`.
- `score` goes to 1; official examples show percent: `--score-scale 1`, as it is anyway.
- `signed_urls` is an object; [] and [null] were published too: `--signed-urls map`, as it is anyway.
- an async accept is one flat list; documents and captures nest it: `--accept-shape flat`. The file requires
  nothing, so the nested one fits, too.
- `url` of a stored page is called a URI; captured ones are storage paths. No variant: formats are not checked.
- the file knows no approved boxes, so nothing is said about `moderated_boxes`.
"""

import re
import time
from pathlib import Path

import pytest
import yaml
from jsonschema import Draft202012Validator
from referencing import Registry, Resource
from referencing.jsonschema import DRAFT202012

from tests.pdfs import make_pdf
from tests.simulator.in_process import application
from tests.simulator.process import served_folder

PUBLISHED = Path(__file__).parents[3] / "shared" / "openapi" / "nanonets-ocr.yaml"
CONFORMING = ("--dialect", "openapi", "--processing-type", "empty", "--accept-shape", "flat")
TODAY = int(time.time() // 86_400)
TRAINING = ("UploadFile", "UploadUrls", "Train")

pytestmark = pytest.mark.skipif(not PUBLISHED.exists(), reason="the published file is not part of the project")


@pytest.fixture(scope="module")
def published():
    return yaml.safe_load(PUBLISHED.read_text(encoding="utf-8"))


@pytest.fixture(scope="module")
def check(published):
    """Whether a body is what a path of the file promises for 200; the first thing that is not, else None."""
    registry = Registry().with_resource("urn:published", Resource(as_json_schema(published), DRAFT202012))

    def first_mistake(body, method, path):
        content = published["paths"][path][method]["responses"]["200"]["content"]
        schema = {"$ref": "urn:published" + content["application/json"]["schema"]["$ref"]}
        error = next(Draft202012Validator(schema, registry=registry).iter_errors(body), None)
        return None if error is None else f"{error.json_path}: {error.message[:200]}"

    return first_mistake


def as_json_schema(value):
    """OpenAPI 3.0 writes "or null" as a key of its own; all else that the file uses means the same."""
    if isinstance(value, list):
        return [as_json_schema(item) for item in value]
    if not isinstance(value, dict):
        return value
    converted = {name: as_json_schema(item) for name, item in value.items() if name != "nullable"}
    if value.get("nullable") is True and isinstance(converted.get("type"), str):
        converted["type"] = [converted["type"], "null"]
    return converted


def asked_of(running, served):
    """Each path of the file, and what the simulator answers there."""
    pdf, model = make_pdf(3), "OCR/Model/{model_id}"
    stored = "Inferences/Model/{model_id}/InferenceRequest/"
    files, urls = {"files": {"file": ("a.pdf", pdf)}}, {"data": {"urls": f"{served}/a.pdf"}}
    later = {**files, "data": {"async": "true", "request_metadata": "order=7"}}
    page = running.predicted(pdf)[2]
    waiting = running.upload(pdf, query="?async=true", name="waiting.pdf").json()["result"][0]
    waiting = waiting.get("result", [waiting])[0]
    days = {"params": {"start_day_interval": 3, "current_batch_day": TODAY}}
    yield "post", f"/{model}/LabelFile/", files, page
    yield "post", f"/{model}/LabelUrls/", urls, page
    yield "post", f"/{model}/LabelFile/Async/", later, page
    yield "post", f"/{model}/LabelUrls/Async/", urls, page
    for asked in (page, waiting):
        yield "get", f"/{stored}{{request_file_id}}", {}, asked
        yield "get", f"/{stored}{{request_file_id}}/page/{{page_id}}", {}, asked
    yield "get", f"/{stored}", days, page


def answers_of(running, served):
    for method, path, options, page in asked_of(running, served):
        names = {"model_id": "demo", "request_file_id": page["request_file_id"], "page_id": page["id"]}
        address = re.sub(r"\{(\w+)\}", lambda name, names=names: names[name[1]], path).removeprefix("/")
        yield method, path, running.ask(method.upper(), address, **options)


@pytest.fixture
def served(tmp_path):
    (tmp_path / "a.pdf").write_bytes(make_pdf(3))
    with served_folder(tmp_path) as address:
        yield address


@pytest.mark.parametrize(
    "options",
    [
        (),
        ("--pending", "pages", "--async-seconds", "60"),
        ("--fail-pages", "0.5", "--moderated", "1", "--raw-ocr", "words"),
        ("--accept-shape", "nested", "--letter-case", "upper", "--page-order", "shuffled", "--first-cell", "0"),
        ("--bodies", "2021"),
    ],
)
def test_answers_hold_to_the_published_file(published, check, served, options):
    asked = set()
    with application(*CONFORMING, *options) as running:
        for method, path, answer in answers_of(running, served):
            asked.add((path, method))
            assert answer.status_code == 200, path
            assert check(answer.json(), method, path) is None
    promised = {(path, method) for path, calls in published["paths"].items() for method in calls}
    assert asked == {(path, method) for path, method in promised if not path.strip("/").endswith(TRAINING)}


def named(published, schema, value=None, parent="", *, everything=False):
    """Each key that the schema names, as (its schema, key): everything, or what this value has of it."""
    if "$ref" in schema:
        parent = schema["$ref"].rpartition("/")[2]
        schema = published["components"]["schemas"][parent]
    if "items" in schema:
        for item in [None] if everything else value or []:
            yield from named(published, schema["items"], item, parent, everything=everything)
    for key, inner in schema.get("properties", {}).items():
        if everything or key in value:
            yield parent, key
            inside = None if everything else value[key]
            yield from named(published, inner, inside, parent, everything=everything)


def test_every_key_of_the_published_file_is_answered(published, served):
    promised, answered = set(), set()
    with application(*CONFORMING, "--moderated", "0.5") as running:
        for method, path, answer in answers_of(running, served):
            content = published["paths"][path][method]["responses"]["200"]["content"]
            schema = content["application/json"]["schema"]
            promised.update(named(published, schema, everything=True))
            answered.update(named(published, schema, answer.json()))
    # No accept was ever seen with a status, beside the message that says success.
    assert promised - answered == {("AsyncAcceptedResponse", "status")}


@pytest.mark.parametrize(
    ("options", "place"),
    [
        (("--processing-type", "sync"), "$.result[0].processing_type"),
        (("--score-scale", "100"), "$.result[0].prediction[0].score"),
        (("--signed-urls", "list"), "$.signed_urls"),
        (("--signed-urls", "null"), "$.signed_urls"),
    ],
)
def test_what_was_captured_breaks_the_published_file_where_it_is_known_to(check, options, place):
    with application(*CONFORMING, *options) as running:
        found = check(running.upload(make_pdf(1)).json(), "post", "/OCR/Model/{model_id}/LabelFile/")
    assert found is not None
    assert found.startswith(place)


def test_the_check_sees_a_wrong_type(check):
    assert check({"result": [{"page": "1"}]}, "post", "/OCR/Model/{model_id}/LabelFile/") is not None


def test_null_where_the_file_allows_it_is_allowed():
    schema = as_json_schema({"type": "object", "properties": {"a": {"type": "string", "nullable": True}}})
    assert Draft202012Validator(schema).is_valid({"a": None})
    assert not Draft202012Validator(schema).is_valid({"a": 1})
