"""Which parts of the listings are compared: the prefixes that are meant, and of a sample some pages at drawn places."""

from collections.abc import Iterable, Iterator, Sequence
from random import Random

from headrace.ledger.inspections import ObjectRecord
from headrace.ledger.records import RunFilter

PAGES_DRAWN = 5
IDS = 16**32
"""How many ids of documents, and of S3 keys, there can be."""


class Draw:
    """Where the pages of a sample begin: at the beginning, and behind what was drawn."""

    def __init__(self, draw: Random, seen: Sequence[ObjectRecord]) -> None:
        self._draw = draw
        self._seen = seen

    def keys(self, bucket: str, prefix: str) -> Iterator[tuple[str, int | None]]:
        keys = [one.documents[0].key for one in self._seen if one.documents and one.documents[0].bucket == bucket]
        return self._pages([key for key in keys if key.startswith(prefix)])

    def ids(self) -> Iterator[tuple[str, int | None]]:
        return self._pages([f"{self._draw.randrange(IDS):032x}" for _ in range(PAGES_DRAWN)])

    def manifests(self) -> Iterator[tuple[str, int | None]]:
        days = [(run.received_on, run.document.object_id) for one in self._seen for run in one.runs[:1]]
        return self._pages([f"received={day}/{object_id}" for day, object_id in days])

    def _pages(self, places: Sequence[str]) -> Iterator[tuple[str, int | None]]:
        yield "", 1
        for place in self._draw.sample(places, min(PAGES_DRAWN, len(places))):
            yield place, 1


def listed_prefixes(watched: Iterable[tuple[str, str]], which: RunFilter) -> Iterator[tuple[str, str]]:
    """The parts of the watched prefixes that the filter means."""
    wanted = which.prefix or ""
    for bucket, prefix in watched:
        if which.bucket not in {None, bucket}:
            continue
        if wanted.startswith(prefix):
            yield bucket, wanted
        elif prefix.startswith(wanted):
            yield bucket, prefix
