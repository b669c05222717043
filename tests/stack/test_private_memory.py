"""Processes that hold secrets are closed to their neighbours, and still work."""

import os
import subprocess
import sys
from pathlib import Path

import psutil
import pytest

PROJECT = Path(__file__).parents[2]
SECRET = "hunter2-in-the-environment"

_LOOKED_INTO = """
import ctypes, os, resource, subprocess, sys, tempfile
from workers.private_memory import keep_memory_private
keep_memory_private()
assert resource.getrlimit(resource.RLIMIT_CORE) == (0, 0)
private = lambda: ctypes.CDLL(None).prctl(3, 0, 0, 0, 0) == 0
assert private()
# What workers do goes on: files by their descriptor, forked workers, children of our own.
with tempfile.TemporaryFile(buffering=0) as file:
    file.write(b"x")
    assert open(f"/dev/fd/{file.fileno()}", "rb").read() == b"x"
if not (forked := os.fork()):
    os._exit(0 if private() else 1)
assert os.waitstatus_to_exitcode(os.waitpid(forked, 0)[1]) == 0
subprocess.run([sys.executable, "-c", "open('/proc/self/environ').read()"], check=True)
print("ready", flush=True)
sys.stdin.read()
"""


@pytest.mark.skipif(sys.platform != "linux", reason="prctl is Linux's")
def test_a_process_that_holds_secrets_is_closed_to_its_neighbours_and_works_as_before():
    command = [sys.executable, "-c", _LOOKED_INTO]
    environ = {**os.environ, "SECRET": SECRET}
    with subprocess.Popen(command, cwd=PROJECT, env=environ, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as private:
        assert private.stdout is not None
        assert private.stdout.readline() == b"ready\n"
        # The supervisor knows its processes by what anybody may know.
        assert psutil.Process(private.pid).create_time() > 0
        assert psutil.Process(private.pid).status() != psutil.STATUS_ZOMBIE
        if os.geteuid() != 0:  # root may look into everything
            with pytest.raises(PermissionError):
                Path(f"/proc/{private.pid}/environ").read_bytes()
        private.communicate(b"")
    assert private.returncode == 0


@pytest.mark.skipif(sys.platform != "linux", reason="prctl is Linux's")
@pytest.mark.parametrize(
    "start", ["from workers.cli.main import run; run()", "from workers.listener import main; main()"]
)
def test_whoever_is_given_the_secrets_closes_itself_first(start):
    script = f"""
import ctypes, sys
sys.argv = ["headrace", "--help"]
try:
    {start}
finally:
    assert ctypes.CDLL(None).prctl(3, 0, 0, 0, 0) == 0
"""
    environ = {name: value for name, value in os.environ.items() if not name.startswith("HEADRACE_")}
    # The listener ends with status 3: nothing is configured.
    done = subprocess.run(
        [sys.executable, "-c", script],
        cwd=PROJECT,
        env={**environ, "HEADRACE_LOG_LEVEL": "nonsense"},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert "AssertionError" not in done.stderr
    assert done.returncode in (0, 3), done.stderr
