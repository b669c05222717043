"""The page tree of a PDF, walked without trusting it."""

import logging
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import BinaryIO

from pypdf import PasswordType, PdfReader
from pypdf.errors import PdfReadError
from pypdf.generic import ArrayObject, DictionaryObject, IndirectObject, PdfObject

from headrace.errors import EncryptedDocument
from headrace.ranges import BudgetSpent

# It warns about each thing that it mends, with pieces of the document.
logging.getLogger("pypdf").setLevel(logging.CRITICAL)

_Name = tuple[int, int] | int


@dataclass(slots=True)
class Walk:
    """What a walk found: `reached` pages, and /Count as the root of the tree declares it.

    `ended` says that the walk came to its end or past its limit, not to the end of the budget.
    `damage` is the last thing that could not be read. `protected`: a password was needed, and was there.
    """

    reached: int = 0
    declared: int | None = None
    ended: bool = False
    damage: Exception | None = None
    protected: bool = False

    def note(self, damage: Exception) -> None:
        """Keep what went wrong; MemoryError where that was a lack of memory, which is no damage."""
        cause: BaseException | None = damage
        while cause is not None:
            # pypdf catches it with everything else, and raises its own error in its place.
            if isinstance(cause, MemoryError):
                raise MemoryError from damage  # noqa: TRY004  nothing has a wrong type
            cause = cause.__cause__ or cause.__context__
        self.damage = damage


def walk_pages(file: BinaryIO, *, most_pages: int, strict: bool = False, passwords: Sequence[str] = ()) -> Walk:
    """Count the pages of a PDF by walking its tree, to `most_pages` + 1 at most.

    Every kid without kids is a page, once for each time that it is listed, as viewers show it
    (PDF 2.0, 7.7.3). A loop, a missing and a damaged kid add nothing, and the walk goes on.
    A file is opened by mending what is damaged; with `strict` it is opened by what its index
    says, which reads only what is needed. Where it opens with no password, it is tried with each
    of `passwords`. Damage and the end of the budget are in the Walk;
    EncryptedDocument and MemoryError are raised.
    """
    walk = Walk()
    try:
        reader = _open(file, strict=strict)
        walk.protected = _unlock(reader, passwords)
        root = reader.root_object.raw_get("/Pages")
        _note_declared(walk, root)
        _descend(walk, root, most_pages)
    except BudgetSpent:
        return walk
    except EncryptedDocument:
        raise
    except Exception as error:  # On damaged files pypdf raises whatever Python does.
        walk.note(error)
    walk.ended = True
    return walk


def _open(file: BinaryIO, *, strict: bool) -> PdfReader:
    file.seek(0)
    try:
        reader = PdfReader(file, strict=strict)
    except NotImplementedError as error:
        # Certificates, and methods outside the standard.
        raise EncryptedDocument(
            "The PDF is encrypted in a way that cannot be opened with a password. Drop it unencrypted."
        ) from error
    # Strictness was for opening only: without it pypdf reads the head of every object of the file.
    reader.strict = False
    return reader


def _unlock(reader: PdfReader, passwords: Sequence[str]) -> bool:
    """Whether it took one of the passwords, which may be the owner's or the user's; EncryptedDocument if none did."""
    if not reader.is_encrypted or _opens(reader, ""):
        return False
    if any(_opens(reader, password) for password in passwords):
        return True
    raise no_password_fits(len(passwords))


def _opens(reader: PdfReader, password: str) -> bool:
    return reader.decrypt(password) != PasswordType.NOT_DECRYPTED


def no_password_fits(tried: int) -> EncryptedDocument:
    """What a person is told about a PDF that none of so many passwords opens."""
    match tried:
        case 0:
            said = "The PDF opens only with a password"
        case 1:
            said = "The PDF opens only with a password, and the one that the route names does not open it"
        case _:
            said = f"The PDF opens only with a password, and none of the {tried} that the route names opens it"
    return EncryptedDocument(f"{said}. Remove the password, or name the right one in the route's `passwords`.")


def _note_declared(walk: Walk, root: PdfObject) -> None:
    try:
        node = root.get_object()
        count = node["/Count"] if isinstance(node, DictionaryObject) and "/Count" in node else None
    except Exception as error:  # As above; the pages may be there all the same.
        walk.note(error)
        return
    if isinstance(count, int) and count > 0:
        walk.declared = int(count)


@dataclass(slots=True)
class _Branch:
    """A node whose kids are being walked. `before` is how many pages had been reached when it was entered."""

    name: _Name
    kids: Iterator[PdfObject]
    before: int


def _descend(walk: Walk, root: PdfObject, most_pages: int) -> None:
    # A subtree that is listed again is not walked again: 25 small nodes can list 2^25 pages.
    subtrees: dict[_Name, int] = {}
    path: set[_Name] = set()
    branches = [_Branch((0, 0), iter([root]), 0)]
    while branches and walk.reached <= most_pages:
        branch = branches[-1]
        kid = next(branch.kids, None)
        if kid is None:
            branches.pop()
            path.discard(branch.name)
            subtrees[branch.name] = walk.reached - branch.before
            continue
        name = _name(kid)
        if name in subtrees:
            walk.reached += subtrees[name]
        elif name not in path:
            kids = _kids(walk, kid)
            if kids is not None:
                path.add(name)
                branches.append(_Branch(name, kids, walk.reached))
    walk.reached = min(walk.reached, most_pages + 1)


def _name(kid: PdfObject) -> _Name:
    """What tells one node from another: its reference, else its place in memory (pypdf keeps what it has read)."""
    return (kid.idnum, kid.generation) if isinstance(kid, IndirectObject) else id(kid)


def _kids(walk: Walk, kid: PdfObject) -> Iterator[PdfObject] | None:
    """The kids of a node; None for a page, which is counted, and for what cannot be read, which is noted."""
    try:
        node = _dictionary(kid)
        kind = str(node["/Type"]) if "/Type" in node else ""
        if "/Kids" not in node or kind == "/Page":
            walk.reached += kind != "/Pages"
            return None
        return _listed(node["/Kids"])
    except Exception as error:  # As above.
        walk.note(error)
        return None


def _dictionary(kid: PdfObject) -> DictionaryObject:
    node = kid.get_object()
    if not isinstance(node, DictionaryObject):
        raise PdfReadError("a kid is missing, or no dictionary")
    return node


def _listed(kids: PdfObject) -> Iterator[PdfObject]:
    if not isinstance(kids, ArrayObject):
        raise PdfReadError("/Kids is not an array")
    return iter(kids)
