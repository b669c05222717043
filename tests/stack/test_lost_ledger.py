"""A local stack whose ledger is lost can be rebuilt: its store is up for that, and no worker is."""

import signal

import pytest

from config.settings import load_settings
from headrace.errors import HeadraceError
from tests.acceptance.stack import Stack, wait_until
from workers.cli.exits import Exit
from workers.factory import build_services

ROUTES = """
[[routes]]
name = "free"
bucket = "inbox"
prefix = "free/"
provider = "local"
output = "s3://outbox/rows"
private = "s3://outbox-private/headrace"
"""

pytestmark = [pytest.mark.proof, pytest.mark.timeout(300)]


def is_the_places_own(stack):
    services = build_services(load_settings(stack.settings()))
    try:
        for place in services.routes.privates():
            services.marker.check(place)
    except HeadraceError:
        return False
    return True


def ended(process):
    process.send_signal(signal.SIGINT)
    return process.wait(120)


def test_its_servers_stay_up_for_a_rebuild(tmp_path):
    (tmp_path / "headrace.toml").write_text(ROUTES)
    stack = Stack(tmp_path)
    with stack.running() as process:
        wait_until(lambda: "Up." in stack.told(), 120)
        assert ended(process) == 0, stack.told()
    for file in (stack.data / "ledger").iterdir():
        file.unlink()

    refused = stack.headrace("run", "--once")
    assert refused.returncode == Exit.CONFIGURATION, refused.stderr
    assert "start `headrace run` without --once" in refused.stderr
    assert stack.left_running() == []

    with stack.running() as process:
        wait_until(lambda: "Only the servers are up" in stack.told(), 120)
        assert not is_the_places_own(stack)
        assert [name for name in stack.children() if name.startswith(("worker", "listener", "beat"))] == []
        rebuilt = stack.headrace("rebuild", "--yes")
        assert rebuilt.returncode == 0, rebuilt.stderr
        assert is_the_places_own(stack)
        assert ended(process) == 0, stack.told()
    assert stack.left_running() == []
