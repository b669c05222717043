"""Secrets are fed in wherever one can get in, and then looked for wherever one could come out."""

import json
import traceback
from base64 import b64encode

import httpx
import pytest
import structlog
from celery import Celery
from pydantic import SecretStr

from config.celery import celery_settings
from config.settings import Settings, load_settings
from headrace.errors import ConfigurationError, LedgerUnavailable
from headrace.ledger import Ledger
from headrace.ledger.schema import metadata
from headrace.providers.nanonets import NanonetsProvider, nanonets_client
from headrace.states import State
from headrace.storage.s3 import S3Store, s3_client
from tasks.hints import SUBMIT, Hints
from tests.memory_store import InMemoryStore
from tests.pdfs import make_pdf
from tests.tasks.conftest import PAID
from tests.tasks.scripted import ScriptedProvider

KEY = "key-2f8a90-do-not-tell"
SIGNATURE = "X-Amz-Signature=5ec2e7"
LINK = f"https://bucket.example/a.pdf?X-Amz-Expires=604800&{SIGNATURE}"
PASSWORD = "hunter2-in-the-mill"
BASIC = b64encode(f"{KEY}:".encode()).decode()
NEEDLES = [KEY, PASSWORD, BASIC, SIGNATURE]


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
    "a fault that quotes the request": httpx.Response(500, json={"message": f"Authorization {BASIC} {LINK}"}),
    "a page of HTML that quotes the link": httpx.Response(502, text=f"<html>{LINK} {KEY}</html>"),
    "too fast, with the key in the text": httpx.Response(429, json={"message": f"{KEY} is too fast"}),
}


class LeakyStore(InMemoryStore):
    """Signs links as S3 does, and keeps every version."""

    def presign(self, bucket, key, *, version_id, valid_for):
        return f"https://{bucket}.example/{key}?versionId={version_id}&X-Amz-Expires=1&{SIGNATURE}"


@pytest.fixture
def logged():
    with structlog.testing.capture_logs(processors=[structlog.processors.format_exc_info]) as entries:
        yield entries


@pytest.mark.parametrize("send", ["stream", "url"])
@pytest.mark.parametrize("what", ANSWERS)
def test_no_secret_comes_out_of(what, send, make_world, logged):
    def answered(request):
        request.read()
        asked.append(request)
        return ANSWERS[what]

    asked = []
    client = nanonets_client(SecretStr(KEY))
    client._transport = httpx.MockTransport(answered)
    world = make_world(None, routes=(PAID.model_copy(update={"send": send}),), store=LeakyStore(versioned={"inbox"}))
    world.providers["nanonets"] = NanonetsProvider(client, world.clock)
    run = world.drop("paid/a.pdf", make_pdf(1))
    world.deliver_all()
    assert world.state(run) is not State.ADMITTED
    # The secrets did go where they belong, so that the search below could find them elsewhere.
    assert asked[0].headers["Authorization"] == f"Basic {BASIC}"
    assert (SIGNATURE.partition("=")[2].encode() in asked[0].content) is (send == "url")
    _search(world, run, logged)


@pytest.mark.parametrize("what", ["the right password", "a password that changed", "a password that vanished"])
def test_no_password_comes_out_of_protected_documents(what, make_world, provider, logged):
    world = make_world(provider, routes=(PAID.model_copy(update={"passwords": ("statements",)}),))
    world.settings = Settings.model_construct(passwords={"statements": SecretStr(PASSWORD)})
    run = world.drop("paid/a.pdf", make_pdf(1, password=PASSWORD))
    while world.app.messages[0].task != SUBMIT:
        world.deliver()
    # The one in the settings now is as secret.
    changed = {"statements": SecretStr(f"{PASSWORD}-of-last-year")} if what == "a password that changed" else {}
    if what != "the right password":
        world.settings = Settings.model_construct(passwords=changed)
    world.deliver_all()
    assert world.state(run) is (State.EXPORTED if what == "the right password" else State.FAILED)
    _search(world, run, logged)


def test_the_passwords_count_as_secrets_of_the_settings():
    settings = load_settings({"HEADRACE_PASSWORDS": json.dumps({"statements": PASSWORD})})
    assert PASSWORD in settings.secrets()
    assert PASSWORD not in repr(settings)
    with pytest.raises(ConfigurationError) as raised:
        load_settings({"HEADRACE_PASSWORDS": f'{{"statements": ["{PASSWORD}"]}}', "HEADRACE_PORT_BASE": "1"})
    assert PASSWORD not in str(raised.value)


def test_no_secret_comes_out_of_servers_that_are_away(make_world, logged, tmp_path):
    world = make_world(ScriptedProvider())
    run = world.drop("paid/a.pdf", make_pdf(1))
    world.store = S3Store(s3_client("http://127.0.0.1:9", "us-east-1", "id", SecretStr(KEY)))
    app = Celery("headrace")
    app.conf.update(celery_settings(f"redis://:{KEY}@127.0.0.1:9/0"))
    away = Hints(app, world.clock)
    away.room()
    away.hint(run, State.RECEIVED)
    world.deliver_all()
    ledger = Ledger(f"postgresql+psycopg://user:{KEY}@127.0.0.1:9/name", world.clock)
    with pytest.raises(LedgerUnavailable) as raised:
        ledger.check()
    told = "".join(traceback.format_exception(raised.value)) + repr(ledger)
    assert KEY not in told
    assert {entry["event"] for entry in logged} >= {"step put off", "broker away, the sweep hints later"}
    world.store = InMemoryStore()
    _search(world, run, logged, bucket=False)
    app.close()


def _search(world, run, logged, *, bucket=True):
    """Look for every secret in everything that was written down."""
    found = world.ledger.run(run)
    everything = {
        "logs": json.dumps(logged, default=str),
        "ledger": _every_row(world.ledger),
        "history": repr(world.ledger.history(found.document.id)),
        "messages": repr(world.app.published),
        "bucket": _everything_in(world.store) if bucket else "",
        "providers": repr(world.providers) + repr([vars(provider) for provider in world.providers.values()]),
    }
    for place, text in everything.items():
        for needle in NEEDLES:
            assert needle not in text, f"{place}: {needle}"


def _every_row(ledger):
    with ledger._reading() as connection:
        rows = [repr(tuple(row)) for table in metadata.sorted_tables for row in connection.execute(table.select())]
    assert len(rows) > 5
    return "\n".join(rows)


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
