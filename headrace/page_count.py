"""How many pages a document has, and how that was found out."""

from dataclasses import dataclass
from typing import Literal


@dataclass(frozen=True, slots=True)
class PageCount:
    """How many pages a document has, at least one.

    `source` is "walked" where pages were counted one by one, "declared" where the file's own
    word was taken because counting would have cost too much. With `at_least` there may be more.
    `protected`: it opens only with one of the passwords that were given. `rotated`: its first page is a
    picture that says (EXIF) that it does not lie upright.
    """

    pages: int
    source: Literal["walked", "declared"]
    media_type: str
    at_least: bool = False
    protected: bool = False
    rotated: bool = False
