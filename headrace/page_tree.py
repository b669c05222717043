"""The page tree of a PDF, walked without trusting it, whoever reads its objects."""

from collections.abc import Hashable, Iterator
from dataclasses import dataclass
from typing import Generic, Protocol, TypeVar

from headrace.errors import EncryptedDocument

Kid = TypeVar("Kid")


@dataclass(slots=True)
class Walk:
    """What a walk found: `reached` pages, and /Count as the root of the tree declares it.

    `ended` says that the walk came to its end or past its limit, not to the end of the budget.
    `damage` is the last thing that could not be read. `encrypted`: the file says that it is.
    `protected`: so that a password was needed, and was there.
    """

    reached: int = 0
    declared: int | None = None
    ended: bool = False
    damage: Exception | None = None
    encrypted: bool = False
    protected: bool = False

    @property
    def is_plausible(self) -> bool:
        """Whether the file declares at least what was reached."""
        return self.declared is not None and self.declared >= self.reached

    def note(self, damage: Exception) -> None:
        """Keep what went wrong; MemoryError where that was a lack of memory, which is no damage."""
        cause: BaseException | None = damage
        while cause is not None:
            # pypdf catches it with everything else, and raises its own error in its place.
            if isinstance(cause, MemoryError):
                raise MemoryError from damage  # noqa: TRY004  nothing has a wrong type
            cause = cause.__cause__ or cause.__context__
        self.damage = damage


class Tree(Protocol[Kid]):
    """A library's view of the nodes of a page tree; what it raises is damage."""

    def name(self, kid: Kid) -> Hashable:
        """What tells one node from another, however often and wherever it is listed."""
        ...

    def kind(self, kid: Kid) -> str:
        """Its /Type, "" without one; an error where the node is missing, or no dictionary."""
        ...

    def count(self, kid: Kid) -> int | None:
        """Its /Count, where that is a number."""
        ...

    def has_kids(self, kid: Kid) -> bool:
        """Whether it has /Kids, of whatever kind."""
        ...

    def kids(self, kid: Kid) -> Iterator[Kid]:
        """Its /Kids one by one, which raises nothing; an error at once where they are no array."""
        ...


@dataclass(slots=True)
class _Branch(Generic[Kid]):
    """A node whose kids are being walked. `before` is how many pages had been reached when it was entered."""

    name: Hashable
    kids: Iterator[Kid]
    before: int


def descend(walk: Walk, tree: Tree[Kid], root: Kid, most_pages: int) -> None:
    """Add what `root` declares and reaches to the walk, to `most_pages` + 1 pages at most.

    Every kid without kids is a page, once for each time that it is listed, as viewers show it
    (PDF 2.0, 7.7.3). A loop, a missing and a damaged kid add nothing, and the walk goes on.
    """
    _note_declared(walk, tree, root)
    # A subtree that is listed again is not walked again: 25 small nodes can list 2^25 pages.
    subtrees: dict[Hashable, int] = {}
    path: set[Hashable] = set()
    branches = [_Branch[Kid](None, iter([root]), 0)]
    while branches and walk.reached <= most_pages:
        branch = branches[-1]
        kid = next(branch.kids, None)
        if kid is None:
            branches.pop()
            path.discard(branch.name)
            subtrees[branch.name] = walk.reached - branch.before
            continue
        name = tree.name(kid)
        if name in subtrees:
            walk.reached += subtrees[name]
        elif name not in path:
            kids = _kids(walk, tree, kid)
            if kids is not None:
                path.add(name)
                branches.append(_Branch(name, kids, walk.reached))
    walk.reached = min(walk.reached, most_pages + 1)


def no_password_fits(tried: int) -> EncryptedDocument:
    """What a person is told about a PDF that none of so many passwords opens."""
    match tried:
        case 0:
            said = "The PDF opens only with a password"
        case 1:
            said = "The PDF opens only with a password, and the one that the route names does not open it"
        case _:
            said = (
                f"The PDF opens only with a password, and none of the {tried} passwords that the route names opens it"
            )
    return EncryptedDocument(f"{said}. Remove the password, or name the right one in the route's `passwords`.")


def _note_declared(walk: Walk, tree: Tree[Kid], root: Kid) -> None:
    try:
        count = tree.count(root)
    except Exception as error:  # On damaged files the libraries raise whatever there is; the pages may be there.
        walk.note(error)
        return
    if count is not None and count > 0:
        walk.declared = count


def _kids(walk: Walk, tree: Tree[Kid], kid: Kid) -> Iterator[Kid] | None:
    """The kids of a node; None for a page, which is counted, and for what cannot be read, which is noted."""
    try:
        kind = tree.kind(kid)
        if kind == "/Page" or not tree.has_kids(kid):
            walk.reached += kind != "/Pages"
            return None
        return tree.kids(kid)
    except Exception as error:  # As above.
        walk.note(error)
        return None
