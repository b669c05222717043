"""All pages of a span of days, one by one while they arrive: a window may hold more than fits in memory."""

import re
from collections.abc import Collection, Iterable, Iterator
from typing import NamedTuple

from headrace.errors import ProviderUnavailable
from headrace.providers.nanonets import bodies
from headrace.providers.nanonets.answers import Record, UnreadableBody
from headrace.providers.nanonets.calls import Calls
from headrace.providers.nanonets.splitting import MOST_CHARACTERS, Splitter
from headrace.providers.sending import Deadline

_LISTS = frozenset({"moderated_images", "unmoderated_images"})
_FILE = re.compile(r'"request_file_id"\s*:\s*"([^"\\]*)"')


class ListedPage(NamedTuple):
    """A page record, as JSON, and the list that it stands in."""

    list_name: str
    text: str


def pages_of(calls: Calls, method: str, address: str, deadline: Deadline) -> Iterator[Record]:
    """The page records in the answer to one window call, which is made when the first one is asked for.

    Whoever gets to the end has seen all; else it raises PredictionRejected or RateLimited where the call
    is refused, ProviderUnavailable where it fails or its answer cannot be understood. Its time goes on
    while a record is looked at.
    """
    with calls.listen(method, address, deadline) as pieces:
        try:
            yield from records_in(pieces)
        except UnreadableBody as error:
            raise ProviderUnavailable(f"Nanonets' answer cannot be understood: {error}") from error


def records_in(pieces: Iterable[bytes], *, most_characters: int = MOST_CHARACTERS) -> Iterator[Record]:
    """The page records in a body that arrives in pieces; UnreadableBody, in its place, where it is none."""
    for _, element in Splitter(pieces, most_characters=most_characters).elements(_LISTS):
        yield bodies.parse(element.encode("utf-8", "replace"))


def pages_in_lists(
    calls: Calls, method: str, address: str, files: Collection[str], deadline: Deadline
) -> Iterator[ListedPage]:
    """As `pages_of`, but only the pages of these files, each with its list's name; all others are not even parsed."""
    with calls.listen(method, address, deadline) as pieces:
        try:
            for name, element in Splitter(pieces).elements(_LISTS):
                if any(found in files for found in _FILE.findall(element)):
                    yield ListedPage(name, element)
        except UnreadableBody as error:
            raise ProviderUnavailable(f"Nanonets' answer cannot be understood: {error}") from error
