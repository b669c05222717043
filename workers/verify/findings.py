"""What does not add up, in a form for people and for scripts: codes never change their meaning."""

from dataclasses import dataclass
from enum import StrEnum


class Code(StrEnum):
    """What was found, each with what is to be done about it.

    A `notice` adds up, and a person should know of it all the same.
    """

    remedy: str
    is_notice: bool

    def __new__(cls, code: str, remedy: str, is_notice: bool = False) -> "Code":
        member = str.__new__(cls, code)
        member._value_ = code
        member.remedy = remedy
        member.is_notice = is_notice
        return member

    # The bucket and the ledger.
    MARKER = "marker", "Nothing is submitted from there: connect the ledger that belongs to the place, or rebuild it."
    OBJECT_UNKNOWN = "object_unknown", "Look whether the listener runs; `headrace ingest` records it now."
    OBJECT_GONE = "object_gone", "If it was not removed on purpose, restore it; its rows stand.", True
    NOT_CURRENT = "not_current", "`headrace ingest` tells the ledger which content lies there, and publishes its rows."
    STRANGER = "stranger", "headrace did not write it: look whose it is, and keep other things out of the place."
    # Runs.
    STUCK = "stuck", "Look whether beat and the workers run, and at their logs: the sweep should have taken it up."
    IN_DOUBT = "in_doubt", "It is being settled, or a person decides: `headrace status` tells which.", True
    DOUBT_IS_KNOWN = "doubt_is_known", "How the request ended is known after all: `headrace resolve` takes it up."
    REVISION_LOST = (
        "revision_lost",
        "The route's revision is gone from the ledger: `headrace reprocess` routes it anew.",
    )
    # What was paid.
    NOTE_MISSING = "note_missing", "Restore it from a backup: without it, a ledger that is rebuilt may pay again."
    NOTE_DAMAGED = "note_damaged", "Restore it from a backup: without it, a ledger that is rebuilt may pay again."
    NOTE_WITHOUT_JOB = (
        "note_without_job",
        "The bucket was away when it was accepted; only a ledger that is lost would miss the job.",
        True,
    )
    NOTE_DIFFERS = "note_differs", "Do not send it again: ask the provider's own list what became of it."
    NOTE_UNKNOWN = "note_unknown", "The ledger has forgotten a paid request: rebuild it before anything is sent again."
    ANSWER_MISSING = (
        "answer_missing",
        "Restore it from a backup; else only `headrace reprocess` helps, which pays again.",
    )
    ANSWER_DAMAGED = (
        "answer_damaged",
        "Restore it from a backup; else only `headrace reprocess` helps, which pays again.",
    )
    ANSWER_UNUSED = "answer_unused", "It was paid and nothing uses it: compare the run's submissions with the bill."
    TWO_JOBS = "two_jobs", "It was taken twice: ask the provider for the money of one of them."
    SHARED_JOB = "shared_job", "One answer counts for two requests: compare the runs' rows with their documents."
    PAID_TWICE = "paid_twice", "Compare with the bill; where both are on it, the pages were paid twice."
    PERHAPS_PAID_TWICE = (
        "perhaps_paid_twice",
        "It was sent again because somebody, or the route, said so: compare with the bill.",
        True,
    )
    # What came out.
    MANIFEST_MISSING = "manifest_missing", "`headrace republish` writes it anew; nothing is paid."
    MANIFEST_DAMAGED = "manifest_damaged", "`headrace republish` writes it anew; nothing is paid."
    MANIFEST_DIFFERS = (
        "manifest_differs",
        "Delete it and run `headrace republish`, which writes it anew; nothing is paid.",
    )
    MANIFEST_UNKNOWN = "manifest_unknown", "The ledger has forgotten a document, or its manifest is another's: rebuild."
    RUN_FACTS_MISSING = (
        "run_facts_missing",
        "`headrace republish` writes that of the run that stands; an earlier one's is to be restored from a backup.",
    )
    FILE_MISSING = "file_missing", "`headrace republish` writes it anew; nothing is paid."
    FILE_OF_ANOTHER_RUN = (
        "file_of_another_run",
        "Delete it and run `headrace republish`, which writes the right one; nothing is paid.",
    )
    ROWS_DIFFER = "rows_differ", "Somebody changed the file: `headrace republish` writes it anew; nothing is paid."


@dataclass(frozen=True)
class Finding:
    """One thing that does not add up, or should be known. `document` and `run` are None where it is about none."""

    code: Code
    subject: str
    """What it is about: the address of an object, or a submission's key."""
    found: str
    expected: str
    document: str | None = None
    run: str | None = None

    @property
    def place(self) -> tuple[Code, str, str | None]:
        """The same finding, found again, has the same."""
        return self.code, self.subject, self.run
