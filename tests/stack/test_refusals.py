"""What keeps `headrace run` from starting: a message that says what to do, a code that is not 0, and nothing left."""

import socket
from pathlib import Path

import pytest

from tests.acceptance.stack import HEADRACE, PYTHON, Stack
from workers.stack.folder import DataFolder

# The command in a process of its own, with another answer of the machine to the one question how much room is left.
NEARLY_FULL = """
import collections, shutil
usage = collections.namedtuple("usage", "total used free")
shutil.disk_usage = lambda path: usage(10**9, 9 * 10**8, 10**8)
from workers.cli.main import run
run()
"""


@pytest.fixture
def stack(tmp_path):
    return Stack(tmp_path)


def refused(stack, said, by=(HEADRACE,)):
    """Assert that `headrace run` says this on stderr, ends with code 1 and leaves no process."""
    ended = stack.headrace("run", "--once", by=by)
    assert ended.returncode == 1, ended.stdout + ended.stderr
    assert said in ended.stderr
    assert "Traceback" not in ended.stderr
    assert stack.left_running() == []


def test_a_port_in_use(stack):
    port = int(stack.environ["HEADRACE_PORT_BASE"])
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", port))
        taken.listen()
        refused(stack, f"headrace: Ports are taken: port {port}, wanted by the broker (Valkey), in use by ")


def test_a_second_instance_on_the_same_data_folder(stack):
    folder = DataFolder(stack.data)
    folder.make()
    with folder.locked():
        refused(stack, f"headrace: headrace already runs on {stack.data} (process ")


def test_too_little_room_on_the_disk(stack):
    refused(stack, f"headrace: The disk that holds {stack.data} has 100 MB left", by=[PYTHON, "-c", NEARLY_FULL])


@pytest.mark.skipif(not Path("/dev/full").is_char_device(), reason="this machine has no device that is always full")
def test_a_disk_that_is_full_while_it_starts(stack):
    DataFolder(stack.data).make()
    (stack.data / "headrace.toml").symlink_to("/dev/full")
    refused(stack, f"headrace: There is no room left on the disk that holds {stack.data}.")


def test_a_missing_tool(stack, tmp_path):
    # An environment like ours, but without the object store beside its interpreter.
    ours = Path(PYTHON).parents[1]
    (tmp_path / "env" / "bin").mkdir(parents=True)
    python = tmp_path / "env" / "bin" / "python"
    python.symlink_to(PYTHON)
    (tmp_path / "env" / "lib").symlink_to(ours / "lib")
    (tmp_path / "env" / "pyvenv.cfg").write_bytes((ours / "pyvenv.cfg").read_bytes())
    refused(stack, f"headrace: s3 cannot start: {python.with_name('weed')} is missing", by=[str(python), HEADRACE])
