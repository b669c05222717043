"""The page records of a window -> which requests in doubt were taken: read once through, however many there are.

A record names a key of ours in its metadata, or could be of any request whose key and name it does not rule out.
"""

import math
import re
from collections import defaultdict
from collections.abc import Collection, Iterable
from pathlib import PurePosixPath
from unicodedata import normalize
from urllib.parse import unquote
from uuid import UUID

from headrace.document import SubmissionKey
from headrace.providers import Absent, Finding, Found, Job, Known, Listing, Sought, Unknown
from headrace.providers.multipart import quoted_name
from headrace.providers.nanonets import answers
from headrace.providers.nanonets.answers import Record
from headrace.providers.nanonets.entries import as_number, as_text
from headrace.providers.nanonets.envelope import unseal

# More sendings of one request than can ever happen; a listing that has more is not to fill the memory.
MOST_JOBS = 20
# An S3 key has at most 1,024 bytes, each of which may be spelt with several characters.
_MOST_NAME_CHARACTERS = 10_000
_DOCUMENT_ID = re.compile(r"[0-9a-f]{32}")

_Age = tuple[float, float]


def listing(records: Iterable[Record], model: str, sought: Collection[Sought]) -> Listing:
    """What the records of a whole window say of each request; what their iteration raises comes through."""
    search = _Search(model, sought)
    for record in records:
        search.look_at(record)
    return Listing({one.key: search.finding(one) for one in sought}, search.echoed)


def known(pages: Collection[Record], file: str) -> Known | None:
    """What the pages answered for a file tell of it; None where there are none, or all are of another file."""
    told = [page for page in pages if answers.file_id(page) in {file, None}]
    if not told:
        return None
    keys = {key for page in told if (key := unseal(page.get("request_metadata")).key) is not None and _is_ours(key)}
    return Known(frozenset(SubmissionKey.parse(key) for key in keys))


class _Search:
    """Keeps nothing of a record but what it says of a request that is sought."""

    def __init__(self, model: str, sought: Collection[Sought]) -> None:
        self._model = model
        self._keys = {str(one.key) for one in sought}
        self._documents = {one.key.document for one in sought}
        self._names = {_comparable(one.name) for one in sought if one.name is not None}
        self._ages: defaultdict[str, dict[str, _Age]] = defaultdict(dict)
        self._without_job: set[str] = set()
        self._mentioned: set[str] = set()
        self._seen_names: set[str] = set()
        self._keyless = False
        self._nameless = False
        self.echoed = False

    def look_at(self, record: Record) -> None:
        metadata = record.get("request_metadata")
        key = unseal(metadata).key
        if key is None or not _is_ours(key):
            self._look_at_keyless(record, as_text(metadata) or "")
            return
        self.echoed = True
        if key in self._keys:
            self._look_at_found(key, record)

    def finding(self, one: Sought) -> Finding:
        key = str(one.key)
        if one.text_only:
            return Unknown("a call for the full text carries no key, and is in no list")
        if jobs := self._ages.get(key):
            oldest_first = sorted(jobs, key=lambda job: jobs[job])
            # How many pages the file has is not certain: those that wait may not be listed.
            return Found(tuple(Job(job, self._model) for job in oldest_first))
        if key in self._without_job:
            return Unknown("the list has it, but under no usable file id")
        if one.key.document in self._mentioned:
            return Unknown("the list has a file whose metadata came back damaged and names this document")
        if self._nameless or (self._keyless and one.name is None):
            return Unknown("the list has a file without key and name, which might be this one")
        if one.name is not None and _comparable(one.name) in self._seen_names:
            return Unknown("the list has a file of this name without a key, which might be this one")
        return Absent()

    def _look_at_found(self, key: str, record: Record) -> None:
        job, jobs = answers.file_id(record), self._ages[key]
        if job is None:
            self._without_job.add(key)
        elif job in jobs or len(jobs) < MOST_JOBS:
            jobs[job] = min(jobs.get(job, (math.inf, math.inf)), _age(record))

    def _look_at_keyless(self, record: Record, metadata: str) -> None:
        self._keyless = True
        self._mentioned |= self._documents.intersection(_DOCUMENT_ID.findall(metadata))
        # Stored pages have the first of these, live ones the second.
        told = [record.get(name) for name in ("original_file_name", "input")]
        names = [name for name in told if isinstance(name, str) and name]
        self._nameless = self._nameless or not names
        comparable = {_comparable(name) for name in names}
        self._seen_names |= self._names & comparable


def _is_ours(key: str) -> bool:
    try:
        SubmissionKey.parse(key)
    except ValueError:
        return False
    return True


def _comparable(name: str) -> str:
    """A file's name, however either side spelt it on its way.

    Its suffix does not count, since a copy made for the provider has another, nor what looks like folders.
    """
    if len(name) > _MOST_NAME_CHARACTERS:
        return ""
    sent = quoted_name(name).encode("utf-8", "replace").decode()
    return PurePosixPath(normalize("NFKC", unquote(sent)).casefold().replace("\\", "/")).stem


def _age(record: Record) -> _Age:
    """What orders the files: the hour in which it came, then the time in its page's id, a UUID of version 1.

    What is not told comes last.
    """
    day, hour = as_number(record.get("day_since_epoch")), as_number(record.get("hour_of_day"))
    hours = math.inf if day is None else day * 24 + (hour or 0)
    return hours, _time_of(record.get("id"))


def _time_of(page_id: object) -> float:
    """RFC 9562, section 5.1; infinite where the id is none of that kind."""
    try:
        found = UUID(page_id) if isinstance(page_id, str) else None
    except ValueError:
        return math.inf
    return found.time if found is not None and found.version == 1 else math.inf
