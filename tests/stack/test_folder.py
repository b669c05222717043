import errno
import os
import socket
import subprocess
import sys

import pytest

from workers.stack.errors import AlreadyRunning, StackError, disk_full
from workers.stack.folder import LEAST_FREE_BYTES, DataFolder
from workers.stack.ports import Ports, free_ports, refuse_taken


def test_one_instance_at_a_time_works_on_a_folder(tmp_path):
    folder = DataFolder(tmp_path)
    running = rf"already runs on .* \(process {os.getpid()}\)"
    with folder.locked(), pytest.raises(AlreadyRunning, match=running), DataFolder(tmp_path).locked():
        pass
    with folder.locked():
        pass  # the lock goes with its holder


def test_a_killed_holder_leaves_no_lock(tmp_path):
    script = (
        "import os, pathlib, signal; from workers.stack.folder import DataFolder\n"
        f"with DataFolder(pathlib.Path({str(tmp_path)!r})).locked(): os.kill(os.getpid(), signal.SIGKILL)"
    )
    assert subprocess.run([sys.executable, "-c", script], check=False).returncode == -9
    with DataFolder(tmp_path).locked():
        pass


def test_a_folder_that_cannot_be_made_is_named(tmp_path):
    (tmp_path / "file").touch()
    with pytest.raises(StackError, match=r"file/data cannot be made: .*HEADRACE_DATA_FOLDER"):
        DataFolder(tmp_path / "file" / "data").make()


def test_a_nearly_full_disk_is_refused(tmp_path, monkeypatch):
    folder = DataFolder(tmp_path)
    folder.refuse_little_room()
    monkeypatch.setattr("shutil.disk_usage", lambda _: type("Usage", (), {"free": LEAST_FREE_BYTES - 1}))
    with pytest.raises(StackError, match=r"has 499 MB left; the stack wants at least 500 MB"):
        folder.refuse_little_room()


def test_a_full_disk_is_told_from_other_errors(tmp_path):
    assert "no room left" in str(disk_full(OSError(errno.ENOSPC, "No space left on device"), tmp_path))
    assert disk_full(OSError(errno.EIO, "Input/output error"), tmp_path) is None


def test_a_port_in_use_is_named_with_who_has_it():
    port = free_ports(2)
    with socket.socket() as taken:
        taken.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        taken.bind(("127.0.0.1", port))
        taken.listen()
        with pytest.raises(StackError) as refused:
            refuse_taken({port: "Valkey", port + 1: "S3"})
    assert f"port {port}, wanted by Valkey, in use" in str(refused.value)
    assert f"(process {os.getpid()})" in str(refused.value)
    assert str(port + 1) not in str(refused.value)
    refuse_taken({port: "Valkey"})


def test_the_ports_of_the_stack_do_not_overlap():
    ports = Ports(18330)
    assert (ports.valkey, ports.simulator, ports.s3) == (18330, 18331, 18333)
