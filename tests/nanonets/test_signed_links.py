"""What opens a document for whoever reads it leaves every answer and every message; the document's own text stays."""

import json
import time
from urllib.parse import quote

import httpx
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from headrace.providers.nanonets import reading
from headrace.providers.nanonets.excerpts import one_line, vendor_words
from headrace.providers.nanonets.links import Part, without_signed_links
from tests.clocks import ManualClock
from tests.nanonets.samples import BytesSource, a_request, always, box, cell, live, live_page, stored_page, table

SECRETS = ("SIGSIG", "CREDCRED")
QUERY = "X-Amz-Credential=CREDCRED%2F2026&X-Amz-Date=1&X-Amz-Signature=SIGSIG"
LINK = f"https://bucket.example/in/a.pdf?{QUERY}"
IN_JSON = json.dumps({"url": LINK})
FORMS = {
    "a link": LINK,
    "the end of a link": f"a.pdf?{QUERY}",
    "the end of its query": f"aws4_request&{QUERY}",
    "a query": QUERY,
    "with another parameter first": f"a.pdf?versionId=1&{QUERY}",
    "in HTML": LINK.replace("&", "&amp;"),
    "in JSON": IN_JSON,
    "in JSON of Go": IN_JSON.replace("&", "\\u0026"),
    "in JSON of Java": IN_JSON.replace("&", "\\u0026").replace("=", "\\u003d"),
    "in JSON of PHP": IN_JSON.replace("/", "\\/"),
    "in JSON twice": json.dumps({"error": IN_JSON.replace("&", "\\u0026")}),
    "in JSON of Go, the end": IN_JSON.replace("&", "\\u0026").replace("https://bucket.example/in/", ""),
    "in another query": "https://h/fetch?url=" + quote(LINK, safe=""),
    "of another signer": "a.pdf?AWSAccessKeyId=CREDCRED&Expires=1&Signature=ab%2FSIGSIG",
    "with an escaped plus sign": "https://h/a.pdf?Signature=ab\\u002BSIGSIG\\/SIGSIG=&Expires=1",
    "of Google": "a.pdf?X-Goog-Credential=CREDCRED&X-Goog-Signature=SIGSIG",
    "of Azure": "a.pdf?sv=2026&se=1&sig=SIGSIG",
    "of pictures": "uploadedfiles/m/1.jpeg?expires=1&s=SIGSIG",
    "a token": "a.pdf?page=1&access_token=SIGSIG#token=SIGSIG",
    "a login": "https://me:SIGSIG@h/a.pdf",
}  # fmt: skip
EACH_FORM = pytest.mark.parametrize("form", FORMS.values(), ids=FORMS)


def has_secret(value):
    text = value if isinstance(value, str) else json.dumps(value)
    return any(secret in text for secret in SECRETS)


@EACH_FORM
def test_it_leaves_the_stored_answer_and_the_prediction(form):
    page = live_page(input=form, original_file_name=form, custom_response={"deep": [{form: form}]})
    body = live(page) | {"message": f"see {form} there", "extra": [form]}
    answer = always(200, json=body).submit(BytesSource(), a_request(ManualClock()))
    assert not has_secret(answer.raw.decode())
    assert not has_secret(answer.prediction.model_dump_json())
    assert not has_secret(reading.prediction_of(body, "m").model_dump(mode="json"))


@EACH_FORM
def test_it_leaves_every_message(form):
    request = httpx.Request("POST", "https://h/")
    for words in (form, f"could not fetch '{form}'", f"<a href={form}>"):
        assert not has_secret(vendor_words({"message": words, "result": [{"message": words}]}, request))
        assert not has_secret(one_line(words))


@EACH_FORM
@pytest.mark.parametrize("name", ["text", "ocr_text", "raw_text", "request_metadata"])
def test_a_name_alone_makes_no_content(form, name):
    inner = {name: form}
    page = live_page(raw_ocr_api_response={"results": [inner]}, file_metadata=inner, size=inner, cells=[inner])
    body = live(page) | {name: form, "errors": [inner]}
    body["result"][0]["prediction"][0]["lookup"] = inner
    assert not has_secret(without_signed_links(body))
    assert not has_secret(reading.prediction_of(body, "m").model_dump(mode="json"))


@EACH_FORM
def test_what_stands_on_the_page_and_the_users_metadata_stay(form):
    word = {"text": form, "xmin": 1, "ymin": 2, "xmax": 3, "ymax": 4}
    boxes = [box("link", form, id="1"), table(cell(1, 1, form))]
    contents = {"raw_text": form, "raw_ocr": [word], "request_metadata": form}
    bodies = [
        live(live_page(prediction=boxes, **contents)),
        {"result": [{"message": "Success", "result": [live_page(prediction=boxes, **contents)]}]},
        {"moderated_images": [stored_page(moderated_boxes=boxes, predicted_boxes=boxes, **contents)]},
        {"results": [{"page_data": [{"page": 0, "raw_text": form, "words": [word]}]}]},
    ]
    for body in bodies:
        assert without_signed_links(body) == body
    for body in (bodies[0], bodies[2]):
        (page,) = reading.prediction_of(body, "m").pages
        assert (page.text, page.fields[0].text, page.words[0].text) == (form, form, form)
        assert (page.tables[0].cells[0].text, page.details["request_metadata"]) == (form, form)


@pytest.mark.parametrize(
    "text",
    [
        "https://h/b?page=2&sort=up#top", "uploadedfiles/m/1.jpeg", "a=b & c=d", "token=abc", "Smith & Sons",
        "100 % = 1", "C:\\users\\x", "Signature: none", "what? s = 5", '{"a": "\\u0026"}', "tokens?x=1",
    ],
)  # fmt: skip
def test_what_signs_nothing_stays(text):
    assert without_signed_links({"x": text}) == {"x": text}


NAMES = st.sampled_from(
    ["X-Amz-Signature", "x-amz-security-token", "Signature", "sig", "s", "token", "X-Goog-Signature"]
)
SIGNS = st.sampled_from(["?", "&", "&amp;", "\\u0026", "\\\\u0026", "%3F", "%26"])


@settings(max_examples=200)
@given(st.text(max_size=20), SIGNS, NAMES, st.text(max_size=20))
def test_whatever_stands_around_it_it_leaves(before, sign, name, after):
    text = f"{before}{sign}{name}=SIGSIG{after}"
    assert "SIGSIG" not in without_signed_links(text, Part.OTHER)
    assert "SIGSIG" not in one_line(text)


@pytest.mark.parametrize(
    "piece", ["\\", "&", "?a", "%25", "https://", "x-amz-", "&token_", "&s=", "\\u0026", "https:\\/\\/", "-", "\\/"]
)
def test_no_text_takes_long(piece):
    started = time.process_time()
    without_signed_links(piece * (300_000 // len(piece)) + "=", Part.OTHER)
    assert time.process_time() - started < 3
