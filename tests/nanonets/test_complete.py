"""Nothing that Nanonets says is lost on the way to the prediction."""

import json
from pathlib import Path

import pytest
import yaml

from headrace.providers.nanonets import bodies, reading
from headrace.providers.nanonets.links import without_signed_links
from tests.nanonets.captures import BY_FILE, CAPTURES, as_bytes, leaves, with_own_values

OPENAPI = Path(__file__).parents[3] / "shared/openapi/nanonets-ocr.yaml"


def lost(body):
    """Where in a body a value stands that its prediction does not have."""
    dumped = reading.prediction_of(bodies.parse(as_bytes(body)), "m").model_dump()
    kept = {_spelled(value) for _, value in leaves(dumped)}
    return [
        path
        for path, value in leaves(body)
        if path[0] != "signed_urls"
        and (path[-1], value) != ("type", "table")  # it stands among the tables
        and _spelled(value) not in kept
        # Pages count from 1.
        and not (path[-1] in ("page", "page_no") and _spelled(value + 1) in kept)
    ]


def _spelled(value):
    return json.dumps(int(value) if isinstance(value, float) and value.is_integer() else value)


@pytest.mark.parametrize("name", CAPTURES)
def test_every_value_of_a_body_is_in_its_prediction(name):
    assert lost(with_own_values(CAPTURES[name])) == []


@pytest.mark.parametrize("name", CAPTURES)
def test_no_signed_link_is_in_a_prediction(name):
    assert "secret" not in reading.prediction_of(CAPTURES[name], "m").model_dump_json()
    assert "secret" not in json.dumps(without_signed_links(CAPTURES[name]))


def test_every_property_of_the_published_schemas_is_in_a_prediction():
    if not OPENAPI.exists():
        pytest.skip("the published OpenAPI file is not here")
    schemas = yaml.safe_load(OPENAPI.read_text(encoding="utf-8"))["components"]["schemas"]
    numbers = iter(range(1001, 100_000))
    for name in ("PredictionResponse", "AsyncAcceptedResponse", "ModeratedFileResponse"):
        body = filled(schemas[name], schemas, numbers)
        assert len(list(leaves(body))) > 5
        assert lost(body) == [], name


def filled(schema, schemas, numbers, name=""):
    """A value with each property of a schema, each with a value of its own."""
    if "$ref" in schema:
        schema = schemas[schema["$ref"].rpartition("/")[2]]
    if "enum" in schema:
        return next(word for word in schema["enum"] if word)
    match schema["type"]:
        case "object":
            return {key: filled(part, schemas, numbers, key) for key, part in schema.get("properties", {}).items()}
        case "array":
            return [filled(schema["items"], schemas, numbers, name) for _ in range(2)]
        case "string":
            return f"{name} {next(numbers)}"
        case "boolean":
            return True
        case _:
            return next(numbers) / 200_000 if name == "score" else next(numbers)


def test_what_a_provider_says_beyond_the_shared_fields_stands_under_its_own_names():
    prediction = reading.prediction_of(BY_FILE, "m")
    assert prediction.details == {"moderated_images_count": 1, "unmoderated_images_count": 1}
    first, second = prediction.pages
    assert first.details["day_since_epoch"] == 19320
    assert first.details["file_metadata"] == {"duplicate": False}
    assert {"page", "size", "predicted_boxes", "moderated_boxes", "signed_urls"}.isdisjoint(first.details)
    assert first.fields[0].details == {"lookup_edited": True, "lookup_parent_box_ids": ["box-9"]}
    assert first.tables[0].details == {"ocr_text": "table 1"}
    assert first.tables[0].cells[0].details == {}
    assert second.details["raw_ocr"] == [{"word": "boxes"}]
