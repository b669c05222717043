"""A listing cut into stretches, each of which can be compared with what it was the last time."""

from collections.abc import Iterable, Iterator, Sequence
from hashlib import blake2b
from zlib import crc32

from headrace.storage import ObjectHead

# The cuts are at keys that only their own name chooses, so that a new object changes the one stretch that it lies
# in and not, as with pages of a fixed length, every stretch behind it as well.
SHORTEST_STRETCH = 250
LONGEST_STRETCH = 2000
_ONE_KEY_IN = 500


def stretches(heads: Iterable[ObjectHead]) -> Iterator[list[ObjectHead]]:
    """The objects of a listing, some hundred at a time."""
    stretch: list[ObjectHead] = []
    for head in heads:
        stretch.append(head)
        chosen = crc32(head.key.encode("utf-8", "surrogatepass")) % _ONE_KEY_IN == 0
        if (chosen and len(stretch) >= SHORTEST_STRETCH) or len(stretch) >= LONGEST_STRETCH:
            yield stretch
            stretch = []
    if stretch:
        yield stretch


def digest(stretch: Sequence[ObjectHead]) -> bytes:
    """16 bytes that change when an object of the stretch comes, goes or changes."""
    facts = blake2b(digest_size=16)
    for head in stretch:
        fact = f"{head.key}\0{head.etag}\0{head.last_modified.timestamp()}\0"
        facts.update(fact.encode("utf-8", "surrogatepass"))
    return facts.digest()
