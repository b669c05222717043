"""The pages of a window -> what became of some of its jobs: the answers of those that it carries whole."""

from collections import defaultdict
from collections.abc import Collection, Iterable, Iterator, Mapping

import structlog

from headrace.providers import Absent, Answer, Job, Pending
from headrace.providers.nanonets import answers, bodies, reading
from headrace.providers.nanonets.answers import Record, UnreadableBody
from headrace.providers.nanonets.windows import ListedPage

log = structlog.get_logger()

_LISTS = ("moderated_images", "unmoderated_images")
# Of all jobs together; those whose pages come after so much are asked for one by one.
MOST_CHARACTERS = 8 * 1024 * 1024


def told(
    pages: Iterable[ListedPage], jobs: Collection[Job], *, most_characters: int = MOST_CHARACTERS
) -> Mapping[Job, Answer | Pending | Absent]:
    """What a whole listing says of the jobs; what the pages' iteration raises comes through.

    Left out is a job that is not carried whole, or cannot be read, or failed: that word is taken only from the job's
    own answer. Each job is read when it is looked up.
    """
    listed = _Listed(jobs, most_characters)
    for page in pages:
        listed.look_at(page)
    return listed


class _Listed(Mapping[Job, Answer | Pending | Absent]):
    """The pages of the jobs as JSON, which takes a fraction of what they do once they are read."""

    def __init__(self, jobs: Collection[Job], most_characters: int) -> None:
        self._jobs = jobs
        self._files = {job.id for job in jobs}
        self._left = most_characters
        self._pages: defaultdict[str, list[ListedPage]] = defaultdict(list)
        self._too_much: set[str] = set()

    def look_at(self, page: ListedPage) -> None:
        file = answers.file_id(_parsed(page))
        if file is None or file not in self._files or file in self._too_much:
            return
        if len(page.text) > self._left:
            self._too_much.add(file)
            self._left += sum(len(one.text) for one in self._pages.pop(file, ()))
            return
        self._left -= len(page.text)
        self._pages[file].append(page)

    def __getitem__(self, job: Job) -> Answer | Pending | Absent:
        said = self._read(job) if job in self._jobs else None
        if said is None:
            raise KeyError(job)
        return said

    def __iter__(self) -> Iterator[Job]:
        return (job for job in self._jobs if self.get(job) is not None)

    def __len__(self) -> int:
        return sum(1 for _ in self)

    def _read(self, job: Job) -> Answer | Pending | Absent | None:
        if job.id in self._too_much:
            return None
        pages = self._pages.get(job.id, [])
        if not pages:
            return Absent()
        try:
            return _said(pages, job)
        except UnreadableBody as error:
            log.warning("listed job not read", job=job.id, error=str(error))
        except Exception:
            # One strange record must not take the turn of the others; the log has what was strange.
            log.exception("listed job not read", job=job.id)
        return None


def _said(pages: Collection[ListedPage], job: Job) -> Answer | Pending | None:
    body = _body(pages)
    found = answers.records(body)
    standing = answers.standing(found, job.pages)
    if standing.pending:
        return Pending(standing.pending)
    if standing.failed or not all(map(_is_whole, found)):
        return None
    return reading.answer(body, job.model)


def _body(pages: Collection[ListedPage]) -> dict[str, object]:
    """What get by file would answer."""
    lists = {name: [_parsed(page) for page in pages if page.list_name == name] for name in _LISTS}
    counts = {f"{name}_count": len(listed) for name, listed in lists.items()}
    return {**counts, **lists, "signed_urls": {}}


def _parsed(page: ListedPage) -> Record:
    return bodies.parse(page.text.encode("utf-8", "replace"))


def _is_whole(record: Record) -> bool:
    """Whether a page has what was found on it: a listing might name it and say no more."""
    return answers.is_failed(record) or any(name in record for name in answers.BOX_LISTS)
