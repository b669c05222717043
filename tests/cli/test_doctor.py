"""`headrace doctor` against real servers, dead ones, and ones that are not what they should be."""

import json
import socket
import subprocess
import sys
import threading
import time
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, HTTPServer

import httpx
import pytest
from pydantic import SecretStr

from headrace.errors import StorageRefused, StorageUnavailable
from headrace.ledger import Ledger
from headrace.routing import Lane
from headrace.storage import Location
from headrace.storage.s3 import S3Store, s3_client
from tests.memory_store import InMemoryStore
from workers.cli.exits import Exit
from workers.doctor.broker import examine_broker
from workers.doctor.broker import judge as judge_broker
from workers.doctor.findings import Grade
from workers.doctor.provider import examine_nanonets
from workers.doctor.store import examine_reading, examine_writing

LANE = Lane("nanonets", "nanonets", "samples")
PRIVATE = Location("private", "headrace")


def dead_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


@contextmanager
def answering(status, body, content_type="application/json"):
    """A server that gives every request this one answer; yields its address and the paths it was asked for."""
    asked = []

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self):
            asked.append((self.path, self.headers["Authorization"]))
            self.send_response(status)
            self.send_header("Content-Type", content_type)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *arguments):
            pass

    server = HTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}/api/v2", asked
    finally:
        server.shutdown()
        thread.join(10)
        server.server_close()


# The broker


def test_the_stacks_own_broker_is_as_it_should_be(valkey_url):
    findings = list(examine_broker(SecretStr(valkey_url)))
    assert {finding.grade for finding in findings} == {Grade.OK}
    assert "Valkey" in findings[0].found


def test_a_wrong_password_is_told_from_a_dead_server_and_shown_in_neither(valkey_url):
    host = valkey_url.rpartition("@")[2]
    (refused,) = examine_broker(SecretStr(f"redis://:not-the-password@{host}"))
    assert "refuses our name or password" in refused.found
    (dead,) = examine_broker(SecretStr(f"redis://:not-the-password@127.0.0.1:{dead_port()}/0"))
    assert "does not answer" in dead.found
    assert "not-the-password" not in repr([refused, dead])
    assert {refused.grade, dead.grade} == {Grade.WRONG}


def test_something_else_behind_the_brokers_port_is_noticed():
    with answering(200, b"{}") as (address, _):
        (finding,) = examine_broker(SecretStr(f"redis://{address.split('/')[2]}/0"))
    assert finding.grade is Grade.WRONG


@pytest.mark.parametrize(
    ("info", "grades"),
    [
        ({"redis_version": "7.2.4", "maxmemory_policy": "noeviction", "aof_enabled": 1}, "ok ok ok"),
        ({"redis_version": "5.0.7", "maxmemory_policy": "noeviction", "aof_enabled": 1}, "wrong ok ok"),
        ({"redis_version": "7.2.4", "maxmemory_policy": "allkeys-lru", "aof_enabled": 1}, "ok wrong ok"),
        ({"redis_version": "7.2.4", "maxmemory_policy": "noeviction", "aof_enabled": 0}, "ok ok advice"),
        ({"redis_version": "7.2.4", "valkey_version": "9.1.2", "maxmemory_policy": "noeviction"}, "ok ok advice"),
        ({}, "wrong wrong advice"),
    ],
)
def test_a_broker_is_judged_by_what_it_says_of_itself(info, grades):
    assert " ".join(finding.grade for finding in judge_broker("host:6379", info)) == grades


# The object store


@pytest.fixture
def s3_store(s3_server):
    client = s3_client(s3_server.endpoint, s3_server.region, s3_server.access_key, SecretStr(s3_server.secret_key))
    yield S3Store(client)
    client.close()


def test_a_real_store_can_be_read_and_keeps_to_conditions_and_nothing_is_left_there(s3_store, s3_bucket):
    assert "holds no document" in examine_reading(s3_store, s3_bucket, "in/").found
    s3_store.put(s3_bucket, "in/a.pdf", b"x")
    assert examine_reading(s3_store, s3_bucket, "in/").grade is Grade.OK
    finding = examine_writing(s3_store, Location(s3_bucket, "private"))
    assert finding.grade is Grade.OK, finding
    assert [head.key for page in s3_store.list(s3_bucket, "") for head in page] == ["in/a.pdf"]


def test_a_wrong_secret_and_a_missing_bucket_are_told_apart(s3_server, s3_store):
    client = s3_client(s3_server.endpoint, s3_server.region, s3_server.access_key, SecretStr("not-the-secret"))
    refused = examine_reading(S3Store(client), "no-such-bucket", "")
    client.close()
    missing = examine_reading(s3_store, "no-such-bucket", "")
    assert refused.grade is missing.grade is Grade.WRONG
    assert "s3:ListBucket" in refused.remedy
    assert "Create the bucket" in missing.remedy
    assert "not-the-secret" not in repr(refused)


def test_a_dead_store_is_said_not_to_answer():
    client = s3_client(f"http://127.0.0.1:{dead_port()}", "us-east-1", "access", SecretStr("secret"))
    finding = examine_reading(S3Store(client), "inbox", "")
    client.close()
    assert finding.grade is Grade.WRONG
    assert "HEADRACE_S3_ENDPOINT" in finding.remedy


class CarelessStore(InMemoryStore):
    """Takes conditions, and ignores them."""

    def put(self, bucket, key, body, *, if_match=None, if_none_match=False, **other):
        return super().put(bucket, key, body, **other)


class WaryStore(InMemoryStore):
    """Refuses the right eTag too."""

    def put(self, bucket, key, body, *, if_match=None, **other):
        return super().put(bucket, key, body, if_match=None if if_match is None else "0" * 32, **other)


@pytest.mark.parametrize(
    ("store", "words"),
    [
        (CarelessStore(), ["If-None-Match: * wrote over", "If-Match with another eTag wrote over"]),
        (WaryStore(), ["If-Match with the right eTag was refused"]),
    ],
)
def test_a_store_that_does_not_keep_to_conditions_is_wrong_and_left_clean(store, words):
    finding = examine_writing(store, PRIVATE)
    assert finding.grade is Grade.WRONG
    for word in words:
        assert word in finding.found
    assert list(store.list("private", "")) in ([], [[]])


@pytest.mark.parametrize(
    ("error", "remedy"),
    [(StorageRefused("no right"), "s3:PutObject"), (StorageUnavailable("gone"), "HEADRACE_S3_ENDPOINT")],
)
@pytest.mark.parametrize("call", ["put", "delete"])
def test_what_the_store_refuses_names_the_right_that_is_missing(error, remedy, call):
    def fail(name, _key):
        if name == call:
            raise error

    finding = examine_writing(InMemoryStore(before=fail), PRIVATE)
    assert finding.grade is Grade.WRONG
    assert remedy in finding.remedy


# The provider


@pytest.mark.parametrize(
    ("status", "body", "grade", "words"),
    [
        (200, b'{"model_id": "samples"}', Grade.OK, "knows the model"),
        (200, b'{"model_id": "samples", "state": 5}', Grade.OK, "knows the model"),
        (200, b'{"model_id": "samples", "state": 4}', Grade.ADVICE, "not live: training"),
        (200, b"<html>", Grade.WRONG, "not the API"),
        (302, b"", Grade.WRONG, "not the API"),
        (401, b"{}", Grade.WRONG, "refuses the key"),
        (402, b"{}", Grade.ADVICE, "quota is used up"),
        (403, b"{}", Grade.WRONG, "may not use this model"),
        (404, b"{}", Grade.WRONG, "no such model"),
        (429, b"{}", Grade.ADVICE, "asked too much"),
        (503, b"<html>", Grade.WRONG, "fault of its own"),
    ],
)
def test_a_key_is_judged_by_a_call_that_costs_nothing(status, body, grade, words):
    with answering(status, body) as (address, asked):
        finding = examine_nanonets(LANE, SecretStr("the-api-key"), address)
    assert (finding.grade, words in finding.found) == (grade, True), finding
    assert asked == [("/api/v2/OCR/Model/samples", httpx.BasicAuth("the-api-key", "")._auth_header)]
    assert "the-api-key" not in repr(finding)
    assert "SIMULATED" not in finding.found


@pytest.mark.parametrize(
    ("status", "body", "grade", "words"),
    [
        (200, b'{"models": []}', Grade.OK, "takes the key"),
        (200, b"[]", Grade.OK, "takes the key"),
        (200, b"<html>", Grade.WRONG, "not the API"),
        (401, b"{}", Grade.WRONG, "refuses the key"),
        (404, b"{}", Grade.WRONG, "not the API"),
    ],
)
def test_a_key_is_judged_where_no_model_is_asked(status, body, grade, words):
    with answering(status, body) as (address, asked):
        finding = examine_nanonets(LANE._replace(model=""), SecretStr("the-api-key"), address)
    assert (finding.grade, words in finding.found) == (grade, True), finding
    assert [path for path, _ in asked] == ["/api/v2/OCR/Model/"]


def test_the_simulator_is_told_apart_by_key_and_model(tmp_path):
    models = tmp_path / "models.toml"
    models.write_text('[[models]]\nid = "samples"\n')
    port = dead_port()
    arguments = ["--port", str(port), "--key", "the-api-key", "--models", str(models)]
    simulator = subprocess.Popen([sys.executable, "-m", "simulator", *arguments], stderr=subprocess.DEVNULL)
    try:
        address = f"http://127.0.0.1:{port}/api/v2"
        wait_for(f"http://127.0.0.1:{port}/simulator/health")
        right = examine_nanonets(LANE, SecretStr("the-api-key"), address)
        no_model = examine_nanonets(LANE._replace(model=""), SecretStr("the-api-key"), address)
        wrong_key = examine_nanonets(LANE, SecretStr("another"), address)
        wrong_model = examine_nanonets(LANE._replace(model="unknown"), SecretStr("the-api-key"), address)
    finally:
        simulator.terminate()
        simulator.wait(20)
    assert (right.grade, no_model.grade) == (Grade.OK, Grade.OK)
    assert [finding.found.startswith("SIMULATED") for finding in (right, no_model)] == [True, True]
    assert "refuses the key" in wrong_key.found
    assert "no such model" in wrong_model.found


def wait_for(url):
    for _ in range(300):
        try:
            httpx.get(url, timeout=2)
        except httpx.TransportError:
            time.sleep(0.1)
        else:
            return
    pytest.fail(f"{url} did not answer within 30 s.")


def test_a_provider_that_cannot_be_reached_is_said_to_be_so():
    finding = examine_nanonets(LANE, SecretStr("the-api-key"), f"http://127.0.0.1:{dead_port()}/api/v2")
    assert finding.grade is Grade.WRONG
    assert "HEADRACE_NANONETS_BASE_URL" in finding.remedy


# The command


def test_all_is_well_with_real_servers(headrace, valkey_url, s3_server, s3_store, s3_bucket):
    routes = headrace.routes_file.read_text()
    for bucket in ("inbox", "outbox", "private"):
        routes = routes.replace(f'"{bucket}"', f'"{s3_bucket}"').replace(
            f"s3://{bucket}/", f"s3://{s3_bucket}/{bucket}/"
        )
    headrace.routes_file.write_text(routes)
    headrace.environ["HEADRACE_BROKER_URL"] = valkey_url
    headrace.store = s3_store
    headrace.build(None).marker.establish(Location(s3_bucket, "private/headrace"))
    with answering(200, b'{"model_id": "samples"}') as (address, _):
        headrace.environ["HEADRACE_NANONETS_BASE_URL"] = address
        result = headrace("doctor")
        told = json.loads(headrace("doctor", "--json").stdout)
    assert result.exit_code == 0, result.output
    assert "nothing is wrong" in result.stdout
    assert told["ok"] is True
    assert {finding["grade"] for finding in told["findings"]} == {"ok"}


def test_one_thing_that_is_broken_keeps_no_other_from_being_looked_at(headrace):
    headrace.environ["HEADRACE_NANONETS_BASE_URL"] = f"http://127.0.0.1:{dead_port()}/api/v2"
    headrace.store.create_bucket("inbox")
    result = headrace("doctor", "--json")
    assert result.exit_code == Exit.FAILED
    grades = {finding["subject"]: finding["grade"] for finding in json.loads(result.stdout)["findings"]}
    assert grades == {
        "routes": "ok",
        "broker": "wrong",
        "ledger": "ok",
        "parked messages": "ok",
        "reading s3://inbox/local/": "ok",
        "reading s3://inbox/nanonets/": "ok",
        "writing s3://outbox/rows": "ok",
        "writing s3://private/headrace": "ok",
        "marker s3://private/headrace": "advice",
        "provider local": "ok",
        "provider nanonets/nanonets/samples": "wrong",
    }


def test_a_marker_of_another_ledger_is_found(headrace, tmp_path):
    other = Ledger(f"sqlite:///{tmp_path}/other.db", headrace.build(None).clock)
    other.migrate()
    headrace.ledger, own = other, headrace.ledger
    headrace.build(None).marker.establish(PRIVATE)
    other.close()
    headrace.ledger = own
    shown = headrace("doctor").stdout
    assert "wrong  marker s3://private/headrace: s3://private/headrace belongs to the ledger" in shown


def test_mistakes_in_settings_and_routes_are_findings_too(headrace):
    headrace.routes_file.write_text("[[routes]]\n")
    told = json.loads(headrace("doctor", "--json").stdout)
    assert {finding["subject"]: finding["grade"] for finding in told["findings"]}["routes"] == "wrong"
    assert any(finding["subject"] == "ledger" for finding in told["findings"])
    headrace.environ = {"HEADRACE_WATCH_SECONDS": "often"}
    told = json.loads(headrace("doctor", "--json").stdout)
    assert [finding["subject"] for finding in told["findings"]] == ["settings"]
    assert "HEADRACE_WATCH_SECONDS" in told["findings"][0]["found"]


def test_without_any_server_it_says_what_to_set_or_start(headrace):
    headrace.environ = {"HEADRACE_DATA_FOLDER": str(headrace.folder / "none")}
    result = headrace("doctor")
    assert result.exit_code == Exit.FAILED
    assert "HEADRACE_BROKER_URL" in result.stdout
    assert "headrace run" in result.stdout


def test_no_secret_is_shown(headrace):
    result = headrace("doctor")
    assert "broker-password" not in result.output
    assert "the-api-key" not in result.output
