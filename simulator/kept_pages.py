"""The pages of one file on disk, one JSON object a line, so that few are in memory at once."""

from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

from headrace.prediction import Page


class KeptPages:
    """Reads what `keep` wrote."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def each(self, indexes: Sequence[int]) -> Iterator[Page]:
        """The pages at these places (from 0), in this order."""
        with self._path.open("rb") as file:
            starts = [0]
            for line in file:
                starts.append(starts[-1] + len(line))
            for index in indexes:
                file.seek(starts[index])
                yield Page.model_validate_json(file.readline())


def keep(path: Path, pages: Iterable[Page]) -> None:
    """Write the pages; the file is there once all of them are."""
    unfinished = path.with_name(path.name + ".part")
    with unfinished.open("wb") as file:
        for page in pages:
            file.write(page.model_dump_json(exclude_defaults=True).encode() + b"\n")
    unfinished.replace(path)
