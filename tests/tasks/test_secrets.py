"""Secrets are fed in wherever one can get in, and then looked for wherever one could come out."""

import json
from base64 import b64encode

import httpx
import pytest
import structlog
from pydantic import SecretStr

from config.settings import load_settings
from headrace.providers.nanonets import NanonetsProvider, nanonets_client
from headrace.states import State
from tests.pdfs import make_pdf

KEY = "key-2f8a90-do-not-tell"
SIGNATURE = "X-Amz-Signature=5ec2e7"
LINK = f"https://bucket.example/a.pdf?X-Amz-Expires=604800&{SIGNATURE}"
NEEDLES = [KEY, b64encode(f"{KEY}:".encode()).decode(), SIGNATURE]


def page(**more):
    return {
        "message": "Success",
        "input": "a.pdf",
        "page": 0,
        "request_file_id": "f-1",
        "id": "p-1",
        "prediction": [
            {"label": "total", "ocr_text": "1.00", "score": 0.9, "xmin": 1, "ymin": 1, "xmax": 2, "ymax": 2}
        ],
        **more,
    }


ANSWERS = {
    "an answer with signed links": httpx.Response(
        200, json={"message": "Success", "result": [page(file_url=LINK)], "signed_urls": {"x": {"original": LINK}}}
    ),
    "a refusal that quotes the key": httpx.Response(401, json={"message": f"Bad key {KEY}", "code": 401, "errors": []}),
    "a fault that quotes the request": httpx.Response(500, json={"message": f"Authorization {NEEDLES[1]} {LINK}"}),
    "a page of HTML that quotes the link": httpx.Response(502, text=f"<html>{LINK} {KEY}</html>"),
    "too fast, with the key in the text": httpx.Response(429, json={"message": f"{KEY} is too fast"}),
}


@pytest.fixture
def logged():
    with structlog.testing.capture_logs() as entries:
        yield entries


@pytest.mark.parametrize("what", ANSWERS)
def test_no_secret_comes_out_of(what, make_world, logged):
    client = nanonets_client(SecretStr(KEY))
    client._transport = httpx.MockTransport(lambda request: ANSWERS[what])
    world = make_world(None)
    world.providers["nanonets"] = NanonetsProvider(client, world.clock)
    run = world.drop("paid/a.pdf", make_pdf(1))
    world.deliver_all()
    assert world.state(run) is not State.ADMITTED
    everything = {
        "logs": json.dumps(logged, default=str),
        "ledger": repr(world.ledger.run(run)) + repr(world.ledger.history(world.ledger.run(run).document.id)),
        "submissions": repr(world.ledger.submissions(run)),
        "messages": repr(world.app.published),
        "bucket": _everything_in(world.store),
        "provider": repr(world.providers["nanonets"].__dict__),
    }
    for place, text in everything.items():
        for needle in NEEDLES:
            assert needle not in text, f"{place}: {needle}"


def _everything_in(store):
    import gzip

    found = []
    for bucket in ("out", "private"):
        for heads in store.list(bucket, ""):
            for head in heads:
                body = store.read(bucket, head.key)
                found.append(head.key + (gzip.decompress(body) if head.key.endswith(".gz") else body).decode())
    assert found
    return "\n".join(found)


def test_settings_show_no_secret():
    settings = load_settings(
        {
            "NANONETS_API_KEY": KEY,
            "HEADRACE_BROKER_URL": f"redis://:{KEY}@127.0.0.1:1/0",
            "HEADRACE_LEDGER_URL": f"postgresql+psycopg://user:{KEY}@127.0.0.1/name",
            "HEADRACE_S3_ACCESS_KEY_ID": "id",
            "HEADRACE_S3_SECRET_ACCESS_KEY": KEY,
        }
    )
    assert KEY not in repr(settings)
    assert KEY not in str(settings)
