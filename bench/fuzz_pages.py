"""Damaged documents without end, counted: each must have pages or a known reason, in time.

    python -m bench.fuzz_pages --seconds 180 --seed 1 [--folder DOCUMENTS] [--case NUMBER]

Damages PDFs and pictures (those that the tests make, the project's samples, and what lies in DOCUMENTS) and counts
them with the real PageCounter. A case follows from seed and number, given the same documents, and `--case` repeats
one (but an encrypted document is another one each time that it is made: what fails is kept in a temporary folder).
Ends with 1 where a case has another end than pages or a reason, takes longer than its limit, or ends the
counting process by an error of our own.
"""

import argparse
import random
import re
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from itertools import count
from pathlib import Path

from pikepdf import ObjectStreamMode
from pydantic import SecretStr

from headrace.children.process import ChildDied, ChildTalksNonsense
from headrace.counting.counter import PageCounter
from headrace.errors import PermanentError
from headrace.states import Reason
from tests.heic import HEIC, THREE_IN_ONE_HEIC
from tests.pdfs import hybrid_pdf, make_pdf, make_picture, pdf_with_tree, saved_again, tiff_whose_last_page_says

LIMIT_SECONDS = 10.0
MARGIN_SECONDS = 5.0  # A new process, and a machine that is busy.
MOST_BYTES = 4 * 1024 * 1024
SAMPLES = Path(__file__).parents[1] / "samples" / "documents"
PASSWORDS = [SecretStr("wrong"), SecretStr("secret")]
# What page trees, indexes and encryption are made of.
WORDS = (
    b"/Kids /Count /Type /Page /Pages /Parent /Root /Prev /XRefStm /Size /Encrypt /Filter /FlateDecode /Length "
    b"/ObjStm /XRef /W /Index /First /N /Extends obj endobj stream endstream xref trailer startxref %%EOF R null "
    b"true << >> [ ] ( ) 0 1 -1 65535 2147483648 99999999999999999999"
).split()


def made_documents() -> list[bytes]:
    """What the tests make, one of each kind."""
    page = b"<< /Type /Page /Parent 2 0 R /MediaBox [0 0 9 9] >>"
    doubling = [b"<< /Type /Pages /Count 1 /Kids [%d 0 R %d 0 R] >>" % (n, n) for n in range(3, 23)]
    pdf = make_pdf(5)
    return [
        pdf,
        make_pdf(60),
        saved_again(pdf, linearize=True),
        saved_again(pdf, object_stream_mode=ObjectStreamMode.generate),
        hybrid_pdf(7),
        pdf_with_tree(*doubling, page),
        pdf_with_tree(b"<< /Type /Pages /Count 9 /Kids [3 0 R 2 0 R 3 0 R] >>", page),
        *(make_pdf(2, password="secret", algorithm=kind) for kind in ("RC4-40", "RC4-128", "AES-128", "AES-256")),
        make_pdf(2, password="", owner_password="owner"),
        *(make_picture(kind, orientation=6) for kind in ("PNG", "JPEG", "TIFF", "WEBP")),
        *(make_picture(kind, 3) for kind in ("PNG", "TIFF", "WEBP", "MPO")),
        tiff_whose_last_page_says(3, 9000, 9000),
        HEIC,
        THREE_IN_ONE_HEIC,
    ]


def documents_in(folder: Path) -> list[bytes]:
    """What lies in a folder and below it, in the order of its names."""
    kinds = {".pdf", ".png", ".jpg", ".jpeg", ".tif", ".tiff", ".webp", ".heic"}
    paths = sorted(path for path in folder.rglob("*") if path.suffix.lower() in kinds)
    return [path.read_bytes() for path in paths if path.stat().st_size <= MOST_BYTES]


# Ways to damage a document.

Damage = Callable[[random.Random, bytearray, Sequence[bytes]], None]


def _somewhere(chance: random.Random, document: bytearray, longest: int = 4096) -> slice:
    start = chance.randrange(len(document) + 1)
    return slice(start, start + chance.randint(1, longest))


def _change_bytes(chance: random.Random, document: bytearray, _: Sequence[bytes]) -> None:
    for _ in range(chance.choice([1, 3, 10, 100])):
        document[chance.randrange(len(document))] = chance.randrange(256)


def _change_bits(chance: random.Random, document: bytearray, _: Sequence[bytes]) -> None:
    for _ in range(chance.choice([1, 3, 10, 100])):
        document[chance.randrange(len(document))] ^= 1 << chance.randrange(8)


def _cut_off(chance: random.Random, document: bytearray, _: Sequence[bytes]) -> None:
    del document[chance.randrange(len(document)) :]


def _cut_out(chance: random.Random, document: bytearray, _: Sequence[bytes]) -> None:
    del document[_somewhere(chance, document)]


def _repeat(chance: random.Random, document: bytearray, _: Sequence[bytes]) -> None:
    piece = bytes(document[_somewhere(chance, document, 200)])
    place = chance.randrange(len(document) + 1)
    document[place:place] = piece * chance.choice([1, 10, 1000])


def _move(chance: random.Random, document: bytearray, _: Sequence[bytes]) -> None:
    taken = _somewhere(chance, document)
    piece = document[taken]
    del document[taken]
    place = chance.randrange(len(document) + 1)
    document[place:place] = piece


def _blank(chance: random.Random, document: bytearray, _: Sequence[bytes]) -> None:
    place = _somewhere(chance, document)
    document[place] = bytes(len(document[place]))


def _splice(chance: random.Random, document: bytearray, others: Sequence[bytes]) -> None:
    other = bytearray(chance.choice(others))
    document[_somewhere(chance, document)] = other[_somewhere(chance, other)]


def _add_word(chance: random.Random, document: bytearray, _: Sequence[bytes]) -> None:
    place = chance.randrange(len(document) + 1)
    document[place:place] = b" " + chance.choice(WORDS) + b" "


def _change_word(chance: random.Random, document: bytearray, _: Sequence[bytes]) -> None:
    word = chance.choice(WORDS)
    places = [found.start() for found in re.finditer(re.escape(word), document)]
    if places:
        place = chance.choice(places)
        document[place : place + len(word)] = chance.choice(WORDS)


def _change_number(chance: random.Random, document: bytearray, _: Sequence[bytes]) -> None:
    numbers = [found.span() for found in re.finditer(rb"(?<![\w.])\d{1,10}(?![\w.])", document)]
    for _ in range(chance.choice([1, 1, 5])):
        if numbers:
            start, end = chance.choice(numbers)
            digits = str(chance.choice([0, 1, 2, 3, chance.randrange(10 ** (end - start))])).encode()
            # As long as before: what stands behind it stays where the index says.
            document[start:end] = digits.rjust(end - start, b"0")[: end - start]


DAMAGES: tuple[Damage, ...] = (
    _change_bytes,
    _change_bits,
    _cut_off,
    _cut_out,
    _repeat,
    _move,
    _blank,
    _splice,
    _add_word,
    _change_word,
    _change_number,
)


@dataclass(frozen=True)
class Case:
    number: int
    document: bytes
    most_pages: int
    passwords: Sequence[SecretStr]


def make_case(seed: int, number: int, documents: Sequence[bytes]) -> Case:
    """The case of this number: a document, damaged one to four times."""
    chance = random.Random(f"{seed}-{number}")
    document = bytearray(chance.choice(documents))
    for damage in chance.choices(DAMAGES, k=chance.choice([1, 1, 2, 4])):
        if document:
            damage(chance, document, documents)
    return Case(
        number,
        bytes(document[:MOST_BYTES]),
        most_pages=chance.choice([1, 500, 500, 20_000]),
        passwords=PASSWORDS if chance.random() < 0.5 else (),
    )


@dataclass
class Report:
    """What came out.

    `failures` are what should not be, `killed` counting processes that a signal ended, `kept` the documents of both.
    """

    cases: int = 0
    outcomes: Counter[str] = field(default_factory=Counter)
    failures: list[str] = field(default_factory=list)
    killed: list[str] = field(default_factory=list)
    kept: list[Path] = field(default_factory=list)
    slowest_seconds: float = 0.0
    slowest_case: int = 0

    def add(self, case: Case, counter: PageCounter) -> None:
        wrong = len(self.failures) + len(self.killed)
        began = time.monotonic()
        try:
            outcome = self._outcome(case, counter)
        except Exception as error:
            outcome = "another error"
            self.failures.append(f"case {case.number}: {type(error).__name__}: {error}")
        seconds = time.monotonic() - began
        if seconds > LIMIT_SECONDS + MARGIN_SECONDS:
            self.failures.append(f"case {case.number}: {seconds:.1f} s")
        if seconds > self.slowest_seconds:
            self.slowest_seconds, self.slowest_case = seconds, case.number
        self.cases += 1
        self.outcomes[outcome] += 1
        if len(self.failures) + len(self.killed) > wrong:
            self.kept.append(_keep(case))

    def _outcome(self, case: Case, counter: PageCounter) -> str:
        document = case.document
        try:
            counted = counter.count(
                lambda start, length: document[start : start + length],
                len(document),
                most_pages=case.most_pages,
                passwords=case.passwords,
            )
        except PermanentError as error:
            if isinstance(error.__cause__, ChildTalksNonsense):
                self.failures.append(f"case {case.number}: the counting process talks nonsense")
            if isinstance(error.__cause__, ChildDied):
                signal = error.__cause__.signal_number
                ends = self.failures if signal is None else self.killed
                ends.append(f"case {case.number}: the counting process ended ({signal or 'by an error'})")
            return Reason(error.reason).value
        if not 1 <= counted.pages <= case.most_pages + 1:
            self.failures.append(f"case {case.number}: {counted}")
        return "pages"


def _keep(case: Case) -> Path:
    """Where the document of a case is to be found afterwards."""
    path = Path(tempfile.mkdtemp(prefix="headrace-fuzz-"), f"case-{case.number}")
    path.write_bytes(case.document)
    return path


def fuzz(cases: Iterator[Case], seconds: float) -> Report:
    """Count one case after another, for so long."""
    report = Report()
    end = time.monotonic() + seconds
    with PageCounter(seconds=LIMIT_SECONDS) as counter:
        for case in cases:
            report.add(case, counter)
            if time.monotonic() >= end:
                break
    return report


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="python -m bench.fuzz_pages", description="Count damaged documents.")
    parser.add_argument("--seconds", type=float, default=180)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--folder", type=Path, help="a folder of more documents")
    parser.add_argument("--case", type=int, help="this case only")
    wanted = parser.parse_args(arguments)
    documents = made_documents() + documents_in(SAMPLES)
    if wanted.folder is not None:
        documents += documents_in(wanted.folder)
    numbers = count() if wanted.case is None else iter([wanted.case])
    report = fuzz((make_case(wanted.seed, number, documents) for number in numbers), wanted.seconds)
    print(f"documents          {len(documents)}")
    print(f"cases              {report.cases}, seed {wanted.seed}")
    for outcome, cases in report.outcomes.most_common():
        print(f"  {outcome:<20} {cases}")
    print(f"slowest            {report.slowest_seconds:.2f} s, case {report.slowest_case}")
    print(f"processes killed   {len(report.killed)}")
    for line in (*report.killed, *report.failures):
        print(f"  seed {wanted.seed}, {line}")
    for path in report.kept:
        print(f"  kept {path}")
    print("A CASE HAS NO RIGHT END" if report.failures else "every case has pages or a reason, in time")
    return 1 if report.failures else 0


if __name__ == "__main__":
    sys.exit(main())
