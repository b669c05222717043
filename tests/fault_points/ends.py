"""Lives that end in other ways than most, or on a way of their own."""

from headrace.states import Reason, State
from tests.fault_points import person
from tests.fault_points.scenarios import Scenario
from tests.fault_points.world import INBOX, World
from tests.pdfs import make_pdf


def _refused(world: World) -> None:
    world.put("paid/short.pdf", make_pdf(2))
    world.order(do="answer", status=400)


def _limited(world: World) -> None:
    world.put("paid/short.pdf", make_pdf(2))
    world.order(do="answer", status=429)


def _hurry(world: World) -> None:
    person.hurry(world, State.WAITING, Reason.RATE_LIMITED)
    person.hurry(world, State.RECEIVED)
    person.hurry(world, State.ADMITTED)


def _free(world: World) -> None:
    world.put("free/five.pdf", make_pdf(5))


def _protected(world: World) -> None:
    world.put("paid/locked.pdf", make_pdf(2, password="secret"))


def _superseded(world: World) -> None:
    world.record("paid/short.pdf", make_pdf(1))
    world.put("paid/short.pdf", make_pdf(2))


def _removed(world: World) -> None:
    document = world.record("paid/short.pdf", make_pdf(1))
    world.services.store.delete(INBOX, document.key)


def _unavailable() -> None:
    raise ConnectionError("the store is away")


_AWAY = {f"route:wire.s3.HEAD.document.before#{number}": _unavailable for number in (1, 2, 3)}

SCENARIOS = (
    Scenario("refused", "the API refuses the document", _refused, focus=frozenset({"submit"})),
    Scenario(
        "limited",
        "too many requests; taken the second time",
        _limited,
        meanwhile=_hurry,
        focus=frozenset({"submit"}),
        may_end_as=("sync", "cut"),
    ),
    Scenario("free", "a document that is read here, in three parts", _free, focus=frozenset({"submit"})),
    Scenario(
        "prepared",
        "a protected document, of which a copy goes out",
        _protected,
        route_options={"passwords": ("the-one",)},
    ),
    Scenario("superseded", "replaced before it was read", _superseded, runs=2, focus=frozenset({"route"})),
    Scenario("removed", "gone before it was read", _removed),
    Scenario(
        "store-away",
        "the store does not answer for a while",
        lambda world: world.put("paid/short.pdf", make_pdf(2)),
        disturbances=_AWAY,
        meanwhile=_hurry,
        may_end_as=("sync", "cut"),
    ),
)
