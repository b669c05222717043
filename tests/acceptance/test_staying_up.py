"""`headrace run` without --once, on a headrace.toml of one's own: it takes what is dropped until Ctrl-C."""

import json
import signal

import pytest

from headrace.states import State
from tests.acceptance.stack import PROJECT, Stack, wait_until

pytestmark = pytest.mark.timeout(300)

ROUTES = """
[[routes]]
name = "invoices"
bucket = "inbox"
prefix = "invoices/"
provider = "local"
output = "s3://outbox/rows"
private = "s3://outbox-private/headrace"
"""
SAMPLE = PROJECT / "samples" / "documents" / "invoice-plain.pdf"
STOP_SECONDS = 60


@pytest.fixture(scope="module")
def up(tmp_path_factory):
    folder = tmp_path_factory.mktemp("staying-up")
    (folder / "headrace.toml").write_text(ROUTES)
    stack = Stack(folder)
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


def test_ctrl_c_ends_it_in_order_and_leaves_nothing_running(up):
    up.process.send_signal(signal.SIGINT)
    assert up.process.wait(STOP_SECONDS) == 0, up.told()
    assert "Stopped." in up.told()
    assert up.left_running() == []
