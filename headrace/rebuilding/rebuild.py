"""A rebuild from beginning to end: the places locked, their shards read, the ledger made theirs.

1. Every place's marker is raised by a leap, so that no ledger may submit: neither this one, nor a worker of the lost
   one that still runs, nor a copy of it.
2. What the places have is put back, shard by shard. A shard that was done is not read again after a kill.
3. The tokens of what this ledger had and is not published are raised above those of claims that it has forgotten.
4. In one transaction the ledger takes the markers' id, and their sequence: from then on it may submit.

A kill anywhere leaves a ledger that may not submit, and a rebuild that goes on where it was.
"""

from collections.abc import Callable, Collection, Sequence
from concurrent.futures import Executor
from dataclasses import asdict, dataclass
from typing import Any

import structlog

from headrace.clock import Clock
from headrace.errors import ForeignLedger
from headrace.ledger import Ledger
from headrace.ledger.marker import Mark, Marker, Standing
from headrace.ledger.records import Pass
from headrace.ledger.restored import RestoredCount
from headrace.rebuilding.names import Survey, has_notes, in_chunks, read_shard, shards, survey
from headrace.rebuilding.reading import Problem, Reader
from headrace.rebuilding.routes import RoutesThen
from headrace.routing import Route
from headrace.storage import Location, ObjectStore

log = structlog.get_logger()

NAME = "rebuild"
# A ledger that was lost may be ahead of its marker by a minute's count for each minute in which the bucket refused it.
SEQUENCE_LEAP = 1_000_000
# More are counted, and not named.
MOST_PROBLEMS = 1000
_AT_ONCE = 400


@dataclass(frozen=True)
class Plan:
    """What a rebuild would do: whose ledger this becomes, and what there is to read. `resumed`: some of it is done."""

    ledger: str
    places: tuple[Location, ...]
    surveys: tuple[Survey, ...]
    resumed: bool

    @property
    def notes(self) -> int:
        return sum(one.notes for one in self.surveys)

    @property
    def runs(self) -> int:
        return sum(one.runs for one in self.surveys)


@dataclass(frozen=True)
class Progress:
    """How far it has come: shards of all, and runs that were looked at in this sitting."""

    shards: int
    of: int
    runs: int


@dataclass(frozen=True)
class Summary:
    """What a rebuild came to."""

    restored: tuple[RestoredCount, ...]
    problems: tuple[Problem, ...]
    problem_count: int


class Rebuild:
    """Makes `ledger` that of the places. Raises ForeignLedger where it must not be, and what store and ledger raise."""

    def __init__(
        self, store: ObjectStore, ledger: Ledger, clock: Clock, *, routes: Sequence[Route], threads: Executor
    ) -> None:
        self._store = store
        self._ledger = ledger
        self._marker = Marker(store, ledger, clock)
        self._routes = routes
        self._threads = threads
        self._clock = clock
        self._places = tuple(sorted({Location.parse(route.private) for route in routes}))

    def plan(self) -> Plan | None:
        """What there is to do; None where this ledger is the places' own and knows all: nothing is changed yet."""
        self._ledger.check()
        standing = {place: self._marker.standing(place) for place in self._places}
        if self._is_current(standing):
            return None
        ledger = self._whose(standing)
        surveys = tuple(survey(self._store, place, self._threads) for place in self._places)
        return Plan(ledger, self._places, surveys, resumed=self._left_over(standing) is not None)

    def run(self, plan: Plan, tell: Callable[[Progress], None]) -> Summary:
        """Do it, or go on with it."""
        begun = self._left_over({place: self._marker.standing(place) for place in self._places})
        if begun is None:
            begun = self._begin(plan)
        facts = dict(begun.facts)
        facts = self._read_shards(begun, facts, tell)
        self._outdate_claims(begun, facts)
        self._check_locks(facts)
        self._ledger.become(facts["ledger"], facts["sequence"], begun)
        log.info("ledger rebuilt", ledger=facts["ledger"], problems=facts["problem_count"])
        problems = tuple(Problem(**one) for one in facts["problems"])
        return Summary(tuple(self._ledger.restored_since(begun.started_at)), problems, facts["problem_count"])

    def _is_current(self, standing: dict[Location, Standing]) -> bool:
        identity = self._ledger.identity()
        return all(
            not has_notes(self._store, place)
            if one.mark is None and one.etag is None
            else one.mark is not None and one.mark.ledger == identity.id and one.mark.sequence <= identity.sequence
            for place, one in standing.items()
        )

    def _whose(self, standing: dict[Location, Standing]) -> str:
        """The id of the ledger that the places belong to; ForeignLedger where this one must not become it."""
        named = {place: one.mark.ledger for place, one in standing.items() if one.mark is not None}
        own = self._ledger.identity().id
        if len(set(named.values())) > 1:
            told = "; ".join(f"{place} to {ledger}" for place, ledger in named.items())
            raise ForeignLedger(
                f"The private places belong to different ledgers ({told}), and one ledger cannot be made of several. "
                "Nothing was changed. Rebuild each with a headrace.toml that has only the routes of its own."
            )
        ledger = next(iter(named.values()), own)
        if ledger != own and self._ledger.holds_documents() and self._left_over(standing) is None:
            raise ForeignLedger(
                f"The private places belong to the ledger {ledger}; this one is {own} and has documents of its own, "
                "which must not be mixed with theirs. Nothing was changed. Connect an empty database "
                "(HEADRACE_LEDGER_URL), stop the listener and the workers, run `headrace migrate`, then "
                "`headrace rebuild`."
            )
        return ledger

    def _left_over(self, standing: dict[Location, Standing]) -> Pass | None:
        """The rebuild that was broken off, if nobody has used the places since."""
        last = self._ledger.last_pass(NAME)
        if last is None or last.finished_at is not None or last.facts.get("places") != _urls(self._places):
            return None
        lock = Mark(ledger=last.facts["ledger"], sequence=last.facts["sequence"])
        return last if all(one.mark == lock for one in standing.values()) else None

    def _begin(self, plan: Plan) -> Pass:
        """Lock the places, then remember under which sequence."""
        standing = {place: self._marker.standing(place) for place in self._places}
        ledger = self._whose(standing)
        identity = self._ledger.identity()
        reached = [one.mark.sequence for one in standing.values() if one.mark is not None]
        lock = Mark(ledger=ledger, sequence=max([identity.sequence, *reached]) + SEQUENCE_LEAP)
        for place, one in standing.items():
            self._marker.claim(place, lock, one)
        log.info("places locked", ledger=ledger, sequence=lock.sequence)
        return self._ledger.begin_pass(
            NAME,
            {
                "ledger": ledger,
                "sequence": lock.sequence,
                "places": _urls(self._places),
                "digits": max(one.digits for one in plan.surveys),
                "done": 0,
                "outdated": False,
                "problems": [],
                "problem_count": 0,
            },
        )

    def _read_shards(self, begun: Pass, facts: dict[str, Any], tell: Callable[[Progress], None]) -> dict[str, Any]:
        work = [(place, digits) for place in self._places for digits in shards(facts["digits"])]
        routes = RoutesThen(self._store, self._ledger, self._routes)
        runs = 0
        for number, (place, digits) in enumerate(work[facts["done"] :], facts["done"] + 1):
            reader = Reader(self._store, place, routes, self._threads, self._clock)
            problems = []
            shard = read_shard(self._store, place, digits)
            problems += [_foreign(place, key) for key in shard.foreign]
            for documents in in_chunks(shard.documents, _AT_ONCE):
                told = reader.read(documents)
                restored = self._ledger.restore(told.documents)
                problems += told.problems
                runs += restored.restored + restored.known
                tell(Progress(number - 1, len(work), runs))
            problems += [Problem(at, why) for at, why in routes.problems.items()]
            facts = _with_problems(facts | {"done": number}, problems)
            self._ledger.save_pass(begun, "", facts)
            tell(Progress(number, len(work), runs))
        return facts

    def _outdate_claims(self, begun: Pass, facts: dict[str, Any]) -> None:
        """Also what this ledger had before is out of reach of workers that it has forgotten."""
        last = self._ledger.last_pass(NAME)
        if last is None or last.facts.get("outdated"):
            return
        after: str | None = last.cursor
        while after is not None:
            after = self._ledger.outdate_claims(begun, facts, after)

    def _check_locks(self, facts: dict[str, Any]) -> None:
        """ForeignLedger where somebody else took a place while this was going on."""
        lock = Mark(ledger=facts["ledger"], sequence=facts["sequence"])
        for place in self._places:
            if self._marker.standing(place).mark != lock:
                raise ForeignLedger(
                    f"The marker of {place} was changed while the ledger was rebuilt: somebody else works there, or "
                    "rebuilds another ledger from it. This ledger was not made the place's own. Stop the other one, "
                    "and run `headrace rebuild` again."
                )


def _urls(places: Collection[Location]) -> list[str]:
    return [str(place) for place in places]


def _foreign(place: Location, key: str) -> Problem:
    return Problem(f"s3://{place.bucket}/{key}", "No file of headrace has such a name; it was left alone.")


def _with_problems(facts: dict[str, Any], problems: Sequence[Problem]) -> dict[str, Any]:
    """The facts with further problems, each once, however often it was come across."""
    known = {one["place"] for one in facts["problems"]}
    new = {one.place: asdict(one) for one in problems if one.place not in known}
    room = MOST_PROBLEMS - len(facts["problems"])
    return facts | {
        "problems": [*facts["problems"], *list(new.values())[: max(room, 0)]],
        "problem_count": facts["problem_count"] + len(new),
    }
