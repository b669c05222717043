"""`headrace run` without --once, on a headrace.toml of one's own: it takes what is dropped until Ctrl-C."""

import json
import signal

import pytest
from pypdf import PdfWriter

from config.settings import load_settings
from headrace.states import State
from tests.acceptance.stack import PROJECT, Stack, wait_until
from workers.factory import build_services

pytestmark = pytest.mark.timeout(300)

ROUTES = """
[[routes]]
name = "invoices"
bucket = "inbox"
prefix = "invoices/"
provider = "local"
output = "s3://outbox/rows"
private = "s3://outbox-private/headrace"

[[routes]]
name = "protected"
bucket = "inbox"
prefix = "protected/"
provider = "nanonets"
model = "invoices"
passwords = ["statements"]
output = "s3://outbox/rows"
private = "s3://outbox-private/headrace"

[[routes.fields]]
label = "total"
synonyms = ["Gesamtbetrag"]
kind = "amount"
"""
PASSWORD = "correct horse"
SAMPLE = PROJECT / "samples" / "documents" / "invoice-plain.pdf"
STOP_SECONDS = 60


@pytest.fixture(scope="module")
def up(tmp_path_factory):
    folder = tmp_path_factory.mktemp("staying-up")
    (folder / "headrace.toml").write_text(ROUTES)
    stack = Stack(folder)
    stack.environ["HEADRACE_PASSWORDS"] = json.dumps({"statements": PASSWORD})
    with stack.running():
        wait_until(lambda: "Staying up" in stack.told(), 120)
        yield stack


def test_a_second_instance_on_its_data_folder_is_refused(up):
    refused = up.headrace("run", "--once")
    assert refused.returncode == 1
    assert f"headrace already runs on {up.data} (process {up.process.pid})" in refused.stderr
    assert up.process.poll() is None


def test_what_is_dropped_is_exported(up):
    dropped = up.headrace("drop", str(SAMPLE), "s3://inbox/invoices/")
    assert dropped.returncode == 0, dropped.stderr

    wait_until(lambda: "invoices/invoice-plain.pdf: 1 page, route invoices, sync, exported" in up.told(), 120)
    listed = up.headrace("status", "--state", State.EXPORTED, "--json")
    assert [run["route"] for run in json.loads(listed.stdout)["runs"]] == ["invoices"], listed.stderr


def test_a_protected_document_is_opened_sent_and_exported_and_its_password_is_nowhere(up, tmp_path):
    writer = PdfWriter(clone_from=SAMPLE)
    writer.encrypt(PASSWORD, algorithm="AES-256")
    writer.write(tmp_path / "statement.pdf")
    dropped = up.headrace("drop", str(tmp_path / "statement.pdf"), "s3://inbox/protected/")
    assert dropped.returncode == 0, dropped.stderr

    wait_until(lambda: "protected/statement.pdf: 1 page, route protected, sync, exported" in up.told(), 120)
    store = build_services(load_settings(up.settings())).store
    files = [head.key for page in store.list("outbox", "rows/json/fields/") for head in page]
    found = [json.loads(line) for key in files for line in store.read("outbox", key).splitlines()]
    # The simulator read the copy with the local engine: it was given one without a password.
    assert [row["value"] for row in found if row["route"] == "protected"] == ["4409.79"]
    for path in up.data.rglob("*"):
        if path.is_file():
            assert PASSWORD.encode() not in path.read_bytes(), path


def test_ctrl_c_ends_it_in_order_and_leaves_nothing_running(up):
    up.process.send_signal(signal.SIGINT)
    assert up.process.wait(STOP_SECONDS) == 0, up.told()
    assert "Stopped." in up.told()
    assert up.left_running() == []
