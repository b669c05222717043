"""The data folder: everything that the stack keeps lies below it, and one instance works on it at a time."""

import fcntl
import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from workers.stack.errors import AlreadyRunning, StackError

LEAST_FREE_BYTES = 500_000_000


@dataclass(frozen=True)
class DataFolder:
    """Where each part keeps its files. `path` is absolute."""

    path: Path

    @property
    def valkey(self) -> Path:
        return self.path / "valkey"

    @property
    def s3(self) -> Path:
        return self.path / "s3"

    @property
    def ledger(self) -> Path:
        return self.path / "ledger" / "ledger.db"

    @property
    def simulator(self) -> Path:
        return self.path / "simulator"

    @property
    def beat(self) -> Path:
        return self.path / "beat"

    @property
    def outbox(self) -> Path:
        """What came out, copied from the embedded store, for people."""
        return self.path / "outbox"

    @property
    def routes_file(self) -> Path:
        return self.path / "headrace.toml"

    @property
    def stack_file(self) -> Path:
        return self.path / "stack.json"

    @property
    def processes_file(self) -> Path:
        return self.path / "processes.json"

    def log(self, name: str) -> Path:
        return self.path / "logs" / f"{name}.log"

    def make(self) -> None:
        """Create the folders that the children expect; only their owner may look into them."""
        try:
            self.path.mkdir(parents=True, exist_ok=True, mode=0o700)
            for folder in (self.valkey, self.s3, self.ledger.parent, self.simulator, self.beat, self.path / "logs"):
                folder.mkdir(exist_ok=True)
        except (PermissionError, FileExistsError, NotADirectoryError) as error:
            raise StackError(
                f"The data folder {self.path} cannot be made: {error.strerror}. "
                "Set HEADRACE_DATA_FOLDER to a folder that you may write to."
            ) from error

    def refuse_little_room(self) -> None:
        """StackError where the disk is (nearly) full."""
        free = shutil.disk_usage(self.path).free
        if free < LEAST_FREE_BYTES:
            raise StackError(
                f"The disk that holds {self.path} has {free // 1_000_000} MB left; "
                f"the stack wants at least {LEAST_FREE_BYTES // 1_000_000} MB. "
                "Free some space there, or set HEADRACE_DATA_FOLDER to a folder on another disk."
            )

    @contextmanager
    def locked(self) -> Iterator[None]:
        """Hold the folder for this process; AlreadyRunning where another one has it."""
        # The file stays when the lock goes: removing it would let two processes lock two files.
        descriptor = os.open(self.path / "lock", os.O_RDWR | os.O_CREAT, 0o600)
        try:
            try:
                fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError as error:
                holder = os.pread(descriptor, 20, 0).decode("ascii", "replace").strip() or "unknown"
                raise AlreadyRunning(
                    f"headrace already runs on {self.path} (process {holder}). "
                    "Stop it with Ctrl-C there, or set HEADRACE_DATA_FOLDER to another folder."
                ) from error
            os.ftruncate(descriptor, 0)
            os.pwrite(descriptor, f"{os.getpid()}\n".encode(), 0)
            yield
        finally:
            os.close(descriptor)
