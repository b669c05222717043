"""What the simulator took and billed: one line of JSON per accepted request, on disk before the answer."""

import fcntl
import os
import tempfile
from collections import Counter
from collections.abc import Iterator, Sequence
from hashlib import sha256
from pathlib import Path
from typing import IO, Any

from pydantic import BaseModel, ConfigDict, ValidationError


class JournalMistake(Exception):
    """The journal cannot be used; the text says why."""


class File(BaseModel):
    """One accepted file. Pages count from 0 here, as on the wire; times are seconds since 1970.

    `digest` is its content's SHA-256, `turn` says how often that content had come; `variants` were ordered for it.
    Windows have it from `listed_at` on. A full text is a file of no model: nobody can ask for it again.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    id: str
    model: str
    name: str
    suffix: str
    metadata: str
    asynchronous: bool
    pages: tuple[int, ...]
    page_ids: tuple[str, ...]
    failing: tuple[int, ...] = ()
    blank: tuple[int, ...] = ()
    approved: bool = False
    variants: dict[str, Any] = {}
    digest: str = ""
    turn: int = 1
    accepted_at: float
    ready_at: float
    listed_at: float = 0.0


class Accepted(BaseModel):
    """One accepted, and thereby billed, request. `account` stands for the API key, which is not kept.

    `arrived_at`: when all of it was there, in seconds since 1970.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    account: str
    submission: str | None
    language: str | None = None
    arrived_at: float = 0.0
    files: tuple[File, ...]

    @property
    def model(self) -> str:
        """The model that it was for; "" where it was for none, as a full text."""
        return self.files[0].model

    @property
    def pages(self) -> int:
        return sum(len(file.pages) for file in self.files)


def account_of(api_key: str) -> str:
    """How an API key is named in the journal: 12 hex digits of its SHA-256."""
    return sha256(api_key.encode()).hexdigest()[:12]


class Journal:
    """All that was accepted, and a folder for the files' contents and pages."""

    def __init__(self, path: Path | None) -> None:
        self._accepted: list[Accepted] = []
        self._files: dict[str, File] = {}
        self._of_page: dict[str, File] = {}
        self._paid: Counter[str] = Counter()
        self._line: IO[bytes] | None = None
        if path is None:
            # The reader may be writing to it still when it is removed.
            self._temporary = tempfile.TemporaryDirectory(prefix="simulator-", ignore_cleanup_errors=True)
            self.folder = Path(self._temporary.name)
        else:
            self.folder = path.with_name(path.name + ".files")
            self._open(path)

    def append(self, accepted: Accepted) -> None:
        """Bill it. On return it outlasts a kill."""
        if self._line is not None:
            self._line.write(accepted.model_dump_json().encode() + b"\n")
            self._line.flush()
            os.fsync(self._line.fileno())
        self._remember(accepted)

    def file(self, model: str, file_id: str) -> File | None:
        found = self._files.get(file_id)
        return found if found is not None and found.model == model else None

    def file_of_page(self, model: str, page_id: str) -> File | None:
        found = self._of_page.get(page_id)
        return found if found is not None and found.model == model else None

    def files(self, model: str) -> Iterator[File]:
        """The files of a model, oldest first."""
        return (file for file in self._files.values() if file.model == model)

    def pages_paid(self, account: str) -> int:
        """How many pages were billed to an API key."""
        return self._paid[account]

    @property
    def accepted(self) -> Sequence[Accepted]:
        """Every request that was taken, oldest first."""
        return self._accepted

    def close(self) -> None:
        if self._line is not None:
            self._line.close()
        else:
            self._temporary.cleanup()

    def _open(self, path: Path) -> None:
        try:
            self.folder.mkdir(parents=True, exist_ok=True)
            self._line = path.open("a+b")
        except OSError as error:
            raise JournalMistake(f"{path} cannot be written: {error.strerror}.") from error
        try:
            fcntl.flock(self._line, fcntl.LOCK_EX | fcntl.LOCK_NB)
            self._read_back(self._line)
        except BlockingIOError as error:
            self._line.close()
            raise JournalMistake(f"{path} is in use by another simulator; stop it, or choose another file.") from error
        except ValidationError as error:
            self._line.close()
            raise JournalMistake(f"{path} is not a journal of this simulator; choose another file.") from error

    def _read_back(self, lines: IO[bytes]) -> None:
        lines.seek(0)
        whole_bytes = 0
        for line in lines:
            # A kill in the middle of a write leaves half a line: that request was never answered.
            if not line.endswith(b"\n"):
                break
            self._remember(Accepted.model_validate_json(line))
            whole_bytes += len(line)
        lines.truncate(whole_bytes)

    def _remember(self, accepted: Accepted) -> None:
        self._accepted.append(accepted)
        self._paid[accepted.account] += accepted.pages
        for file in accepted.files:
            self._files[file.id] = file
            self._of_page.update(dict.fromkeys(file.page_ids, file))
