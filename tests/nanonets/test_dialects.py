"""Each dialect says each call as its description has it."""

import json
from dataclasses import replace
from datetime import date, timedelta

import pytest

from headrace.providers.nanonets.dialect import DIALECTS, GUIDE, OPENAPI, REFERENCE, Call, Encoding
from headrace.providers.nanonets.uploads import Asked
from headrace.states import Mode
from tests.nanonets.samples import FILE_ID, KEY, BytesSource, a_request, stored, stored_page
from tests.nanonets.wire import Wire

EVERY = pytest.mark.parametrize("dialect", DIALECTS.values(), ids=DIALECTS)
MULTIPART, FORM, JSON = (str(encoding) for encoding in Encoding)
URLS = ["https://a.example/1.pdf?x=1&y=%2B", "https://a.example/2 ü.pdf"]


def soon(wire):
    return wire.clock.now() + timedelta(seconds=120)


def predicted(dialect, mode, *, urls=(), **asked):
    """The request of a predict call, by URLs or else with two files."""
    wire = Wire()
    what = Asked("m 1", mode, **asked)
    if urls:
        wire.api(dialect).predict_urls(what, urls, send_before=soon(wire))
    else:
        files = [BytesSource(b"one", name="a.pdf"), BytesSource(b"two", name="b.png", media_type="image/png")]
        wire.api(dialect).predict_files(what, files, send_before=soon(wire))
    return wire.only


@pytest.mark.parametrize(
    ("dialect", "mode", "said", "fields"),
    [
        (REFERENCE, Mode.SYNC, "POST /OCR/Model/m%201/LabelFile/", {}),
        (REFERENCE, Mode.ASYNC, "POST /OCR/Model/m%201/LabelFile/?async=true", {}),
        (OPENAPI, Mode.SYNC, "POST /OCR/Model/m%201/LabelFile/", {}),
        (OPENAPI, Mode.ASYNC, "POST /OCR/Model/m%201/LabelFile/Async/", {"async": ["true"]}),
        (GUIDE, Mode.SYNC, "POST /OCR/Model/m%201/LabelFile/", {}),
        (GUIDE, Mode.ASYNC, "POST /OCR/Model/m%201/LabelFile/?async=true", {}),
    ],
)
def test_files_are_predicted(dialect, mode, said, fields):
    sent = predicted(dialect, mode)
    assert (sent.said, sent.media_type, sent.fields) == (said, MULTIPART, fields)
    assert sent.files == [("a.pdf", b"one"), ("b.png", b"two")]
    assert sent.announced == sent.arrived


@pytest.mark.parametrize(
    ("dialect", "mode", "said", "media_type", "fields"),
    [
        (REFERENCE, Mode.SYNC, "POST /OCR/Model/m%201/LabelUrls/", FORM, {}),
        (REFERENCE, Mode.ASYNC, "POST /OCR/Model/m%201/LabelUrls/?async=true", FORM, {}),
        (OPENAPI, Mode.SYNC, "POST /OCR/Model/m%201/LabelUrls/", FORM, {}),
        (OPENAPI, Mode.ASYNC, "POST /OCR/Model/m%201/LabelUrls/Async/", FORM, {"async": ["true"]}),
        (GUIDE, Mode.SYNC, "POST /OCR/Model/m%201/LabelUrls/", JSON, {}),
        (GUIDE, Mode.ASYNC, "POST /OCR/Model/m%201/LabelUrls/?async=true", JSON, {}),
    ],
)
def test_links_are_predicted(dialect, mode, said, media_type, fields):
    sent = predicted(dialect, mode, urls=URLS)
    assert (sent.said, sent.media_type, sent.fields) == (said, media_type, {"urls": URLS} | fields)
    assert sent.announced == sent.arrived


@EVERY
@pytest.mark.parametrize("urls", [[], URLS])
def test_pages_language_and_metadata_are_said_in_every_call(dialect, urls):
    sent = predicted(dialect, Mode.SYNC, urls=urls, metadata="order=7 & ü", language="de", page_numbers=(1, 3))
    assert sent.query == {"l": "de"}
    assert sent.fields["request_metadata"] == ["order=7 & ü"]
    assert sent.fields["pages_to_process"] == ["1,3"]


def test_a_language_stands_beside_the_word_for_async():
    assert predicted(REFERENCE, Mode.ASYNC, language="en").query == {"async": "true", "l": "en"}


def test_a_dialect_may_say_async_in_the_query_and_in_the_form():
    both = Call("POST", "OCR/Model/{model}/LabelFile/", Encoding.MULTIPART, {"async": "true"}, {"async": "true"})
    sent = predicted(replace(REFERENCE, label_file={Mode.ASYNC: both}), Mode.ASYNC)
    assert (sent.query, sent.fields) == ({"async": "true"}, {"async": ["true"]})


@EVERY
def test_base64_goes_where_files_go(dialect):
    wire = Wire()
    wire.api(dialect).predict_base64(Asked("m", Mode.SYNC), BytesSource(b"\xff\xfe%PDF"), send_before=soon(wire))
    sent = wire.only
    assert sent.said == "POST /OCR/Model/m/LabelFile/"
    assert (sent.media_type, sent.fields, sent.files) == (MULTIPART, {"base64_data": ["//4lUERG"]}, [])
    assert sent.announced == sent.arrived


@EVERY
def test_full_text_asks_no_model(dialect):
    wire = Wire()
    wire.api(dialect).text_of_file(BytesSource(b"one", name="a.pdf"), send_before=soon(wire))
    wire.api(dialect).text_of_urls(URLS, send_before=soon(wire))
    file, urls = wire.sent
    assert (file.said, file.media_type, file.fields) == ("POST /OCR/FullText", MULTIPART, {})
    assert file.files == [("a.pdf", b"one")]
    assert (urls.said, urls.media_type, urls.fields) == ("POST /OCR/FullText", FORM, {"urls": URLS})


@pytest.mark.parametrize(
    ("dialect", "file", "page"),
    [
        (
            REFERENCE,
            "/Inferences/Model/m/InferenceRequestFiles/GetPredictions/f",
            "/Inferences/Model/m/ImageLevelInferences/p",
        ),
        (OPENAPI, "/Inferences/Model/m/InferenceRequest/f", "/Inferences/Model/m/InferenceRequest/f/page/p"),
        (GUIDE, "/OCR/Model/m/getFile/f/", "/OCR/Model/m/ImageLevelInferences/p/"),
    ],
)
def test_files_and_pages_are_asked_for(dialect, file, page):
    wire = Wire(stored(stored_page()))
    assert wire.api(dialect).file("m", "f").found() == wire.api(dialect).page("m", "f", "p") == stored(stored_page())
    assert [sent.said for sent in wire.sent] == [f"GET {file}", f"GET {page}"]


@pytest.mark.parametrize(
    ("dialect", "said"),
    [
        # A day more than wanted: none of them says whether the first one is in.
        (REFERENCE, "/Inferences/Model/m/ImageLevelInferences?start_day_interval=20772&current_batch_day=20775"),
        (OPENAPI, "/Inferences/Model/m/InferenceRequest/?start_day_interval=3&current_batch_day=20775"),
        (GUIDE, "/OCR/Model/m/getModelImages/?start_day_interval=5&current_batch_day=0"),
    ],
)
def test_days_are_said_as_each_counts_them(dialect, said):
    wire = Wire(stored(stored_page()))  # its clock stands at 2026-11-20, which is day 20777
    first, last = date(1970, 1, 1) + timedelta(days=20773), date(1970, 1, 1) + timedelta(days=20775)
    assert list(wire.api(dialect).window("m", first, last)) == [stored_page()]
    assert wire.only.said == f"GET {said}"


def test_one_day_is_a_window_too():
    wire = Wire(stored())
    day = wire.clock.now().date()
    for dialect in DIALECTS.values():
        assert list(wire.api(dialect).window("m", day, day)) == []
    starts = [(sent.query["start_day_interval"], sent.query["current_batch_day"]) for sent in wire.sent]
    assert starts == [("20776", "20777"), ("1", "20777"), ("1", "0")]


@EVERY
def test_models_are_asked_for_alike(dialect):
    model = {"model_id": "n", "state": 0, "categories": ["total"]}
    Wire([]).api(dialect).models()
    wire = Wire(model)
    wire.api(dialect).model("a/b")
    wire.api(dialect).create_model(["total", "due date"])
    shown, created = wire.sent
    assert shown.said == "GET /OCR/Model/a%2Fb"
    assert (created.said, created.media_type) == ("POST /OCR/Model/", JSON)
    assert created.fields == {"categories": ["total", "due date"], "model_type": ["ocr"]}


@EVERY
def test_the_provider_speaks_the_dialect_it_was_given(dialect):
    wire = Wire()
    provider = wire.provider(dialect)
    job = provider.submit(BytesSource(), a_request(wire.clock, mode=Mode.ASYNC))
    provider.fetch([job])
    sent, fetched = wire.sent
    assert sent.path == "/" + dialect.label_file[Mode.ASYNC].path.format(model="invoices")
    assert json.loads(sent.fields["request_metadata"][0])["headrace"] == str(KEY)
    assert fetched.path == "/" + dialect.by_file.path.format(model="invoices", file=FILE_ID)


def test_the_provider_passes_on_what_a_request_asks():
    wire = Wire()
    request = replace(a_request(wire.clock), language="fr", page_numbers=(2, 4))
    wire.provider().submit(BytesSource(b"xyz"), request)
    wire.provider().submit(BytesSource(b"xyz"), replace(request, as_base64=True))
    streamed, encoded = wire.sent
    for sent in (streamed, encoded):
        assert sent.query == {"l": "fr"}
        assert sent.fields["pages_to_process"] == ["2,4"]
    assert streamed.files
    assert encoded.fields["base64_data"] == ["eHl6"]
    assert not encoded.files
