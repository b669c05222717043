"""What a private place has of each document, by the names of its objects alone."""

import re
from collections.abc import Iterable, Sequence
from concurrent.futures import Executor
from dataclasses import dataclass, field
from itertools import product

from headrace.document import SubmissionKey
from headrace.storage import Location, ObjectHead, ObjectStore

_KEY = r"(?P<provider>[a-z0-9_]{1,63})-(?P<part>all|[1-9][0-9]{0,8}_[1-9][0-9]{0,8})-(?P<n>[1-9][0-9]{0,8})"
_RUN = r"(?P<document>[0-9a-f]{32})%s(?P<run>[1-9][0-9]{0,8})"
_NOTE = re.compile(_RUN % "-" + f"-{_KEY}" + r"\.json", re.ASCII)
_IN_RUN = re.compile(_RUN % "/" + r"/(?P<name>[^/]+(?:/[^/]+)?)", re.ASCII)
_ANSWER = re.compile(_KEY + r"/prediction\.json\.gz", re.ASCII)

_SUBMISSIONS = "submissions"
_RUNS = "runs"
_DIGITS = "0123456789abcdef"
# A shard of about so many objects is held in memory by its names.
_SHARD_OBJECTS = 20_000
_MOST_DIGITS = 4


@dataclass
class NamedRun:
    """What lies there of one run: notes with their listing's entry, stored answers, and the run's own facts."""

    notes: dict[SubmissionKey, ObjectHead] = field(default_factory=dict)
    answers: set[SubmissionKey] = field(default_factory=set)
    facts: ObjectHead | None = None


@dataclass
class NamedDocument:
    """What lies there of one document: its runs by their numbers."""

    id: str
    runs: dict[int, NamedRun] = field(default_factory=dict)

    def run(self, number: int) -> NamedRun:
        return self.runs.setdefault(number, NamedRun())


@dataclass(frozen=True)
class Shard:
    """All documents of a place whose ids begin with `digits`, and the keys that no file of headrace has."""

    documents: tuple[NamedDocument, ...]
    foreign: tuple[str, ...]


@dataclass(frozen=True)
class Survey:
    """How much there is at a place."""

    notes: int
    runs: int
    objects: int

    @property
    def digits(self) -> int:
        """How many digits of an id make shards of a size that is held in memory."""
        digits = 1
        while self.objects > _SHARD_OBJECTS * 16**digits and digits < _MOST_DIGITS:
            digits += 1
        return digits


def shards(digits: int) -> list[str]:
    """The beginnings, of so many hexadecimal digits, that together every id has."""
    return ["".join(one) for one in product(_DIGITS, repeat=digits)]


def survey(store: ObjectStore, place: Location, threads: Executor) -> Survey:
    """Count what lies at a place, listing its sixteen parts at once; raises what the store does."""
    notes = sum(threads.map(lambda digit: _count(store, place, _SUBMISSIONS, digit), _DIGITS))
    told = list(threads.map(lambda digit: _count_runs(store, place, digit), _DIGITS))
    return Survey(notes, sum(runs for runs, _ in told), notes + sum(objects for _, objects in told))


def read_shard(store: ObjectStore, place: Location, digits: str) -> Shard:
    """What lies there of the documents whose ids begin so; raises what the store does."""
    documents: dict[str, NamedDocument] = {}
    foreign: list[str] = []
    for folder, take in ((_SUBMISSIONS, _take_note), (_RUNS, _take_file)):
        base = place.key(folder, "")
        for page in store.list(place.bucket, base + digits):
            foreign += [head.key for head in page if not take(documents, head, head.key[len(base) :])]
    return Shard(tuple(documents.values()), tuple(foreign))


def has_notes(store: ObjectStore, place: Location) -> bool:
    """Whether anything was ever to be sent from this place."""
    return next(iter(store.list(place.bucket, place.key(_SUBMISSIONS, ""))), None) is not None


def _count(store: ObjectStore, place: Location, folder: str, digit: str) -> int:
    return sum(len(page) for page in store.list(place.bucket, place.key(folder, digit)))


def _count_runs(store: ObjectStore, place: Location, digit: str) -> tuple[int, int]:
    """The runs that have a file, whose keys lie side by side in every store's order, and all their objects."""
    base = place.key(_RUNS, "")
    runs, objects, last = 0, 0, ""
    for page in store.list(place.bucket, base + digit):
        objects += len(page)
        for head in page:
            run = "/".join(head.key[len(base) :].split("/", 2)[:2])
            runs, last = runs + (run != last), run
    return runs, objects


def _take_note(documents: dict[str, NamedDocument], head: ObjectHead, name: str) -> bool:
    found = _NOTE.fullmatch(name)
    if found is None:
        return False
    _of(documents, found).notes[_key(found, found["document"], int(found["run"]))] = head
    return True


def _take_file(documents: dict[str, NamedDocument], head: ObjectHead, name: str) -> bool:
    found = _IN_RUN.fullmatch(name)
    if found is None:
        return False
    if found["name"] == "run.json":
        _of(documents, found).facts = head
        return True
    answer = _ANSWER.fullmatch(found["name"])
    if answer is not None:
        _of(documents, found).answers.add(_key(answer, found["document"], int(found["run"])))
    return True


def _of(documents: dict[str, NamedDocument], found: re.Match[str]) -> NamedRun:
    document = found["document"]
    return documents.setdefault(document, NamedDocument(document)).run(int(found["run"]))


def _key(found: re.Match[str], document: str, run: int) -> SubmissionKey:
    return SubmissionKey(document, run, found["provider"], found["part"], int(found["n"]))


def in_chunks(documents: Sequence[NamedDocument], size: int) -> Iterable[Sequence[NamedDocument]]:
    """The documents, so many at a time."""
    for start in range(0, len(documents), size):
        yield documents[start : start + size]
