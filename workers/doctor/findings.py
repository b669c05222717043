"""What an examination finds: one line a server, right or key."""

from dataclasses import dataclass
from enum import StrEnum


class Grade(StrEnum):
    """How a thing stands: only WRONG keeps documents from coming through."""

    OK = "ok"
    ADVICE = "advice"
    WRONG = "wrong"


@dataclass(frozen=True)
class Finding:
    """What was looked at, how it stands, what was found, and how to mend it."""

    subject: str
    grade: Grade
    found: str
    remedy: str = ""


def ok(subject: str, found: str) -> Finding:
    return Finding(subject, Grade.OK, found)


def advice(subject: str, found: str, remedy: str) -> Finding:
    return Finding(subject, Grade.ADVICE, found, remedy)


def wrong(subject: str, found: str, remedy: str) -> Finding:
    return Finding(subject, Grade.WRONG, found, remedy)
