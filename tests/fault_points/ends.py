"""Lives that end in other ways than most, or on a way of their own."""

import json
import operator
from contextlib import suppress

from headrace.errors import HeadraceError, ObjectNotFound
from headrace.states import Reason, State
from tests.fault_points import person
from tests.fault_points.scenarios import Scenario
from tests.fault_points.world import INBOX, PRIVATE, World
from tests.pdfs import make_pdf


def _refused(world: World) -> None:
    world.put("paid/short.pdf", make_pdf(2))
    # However often it is asked.
    world.order(do="answer", status=400, times=1000)


def _limited(world: World) -> None:
    world.put("paid/short.pdf", make_pdf(2))
    world.order(do="answer", status=429, retry_after=2)


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


def _text(world: World, **order) -> None:
    """A document whose name is the case's own: a call for a text names no model."""
    name = f"{world.name}.pdf"
    world.put(f"paid/{name}", make_pdf(2))
    if order:
        world.order(model="", file=name, **order)


def _removed(world: World) -> None:
    document = world.record("paid/short.pdf", make_pdf(1))
    world.services.store.delete(INBOX, document.key)


def _unavailable(_world: World) -> None:
    raise ConnectionError("the store is away")


def _long(world: World) -> None:
    world.put("paid/long.pdf", make_pdf(5))


def _slowly_polled(world: World) -> None:
    _long(world)
    world.order(do="slow", on="fetch", seconds=7)


def _polls_limited(world: World) -> None:
    _long(world)
    world.order(do="answer", on="fetch", status=429, retry_after=2)


def _foreign_marker(world: World) -> None:
    world.put("paid/short.pdf", make_pdf(2))
    mark = {"ledger": "another", "sequence": 1, "raised_at": "2026-01-01T00:00:00+00:00"}
    world.services.store.put(PRIVATE, _marker(world), json.dumps(mark).encode())


def _marker(world: World) -> str:
    return f"{world.name}/ledger.json"


def _remove_foreign_marker(world: World) -> None:
    """Once a run was handed back for it, a person removes it, as the message says."""
    handed_back = any(
        entry.event == "handed back" for run in world.runs() for entry in world.services.ledger.history(run.document.id)
    )
    if handed_back:
        store = world.services.store
        with suppress(ObjectNotFound):
            if b'"another"' in store.read(PRIVATE, _marker(world)):
                store.delete(PRIVATE, _marker(world))
        with suppress(HeadraceError):
            world.services.marker  # noqa: B018  whoever starts sets the place up; what fails is tried at the next look
    _hurry(world)


_TEXT = {"text_only": True, "model": ""}

SCENARIOS = (
    Scenario("refused", "the API refuses the document", _refused),
    Scenario(
        "limited",
        "too many requests; taken the second time",
        _limited,
        meanwhile=_hurry,
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
        disturbances={"route:wire.s3.GET.document.before#1": _unavailable},
        meanwhile=_hurry,
        may_end_as=("sync", "cut"),
    ),
    Scenario(
        "landing-away",
        "the store does not take a polled answer at first",
        _long,
        disturbances={"poll:wire.s3.PUT.prediction.before#1": _unavailable},
        may_end_as=("async",),
    ),
    Scenario(
        "text",
        "a full text, which nobody can fetch again, and which the store does not take at first",
        _text,
        disturbances={"submit:wire.s3.PUT.prediction.before#1": _unavailable},
        route_options=_TEXT,
        # A text is billed under no key.
        spent_to_billed=operator.ge,
        meanwhile=_hurry,
        may_end_as=("text-taken", "text-not-taken"),
    ),
    Scenario(
        "text-taken",
        "the answer is cut off, and no text is ever listed: a person is to decide",
        lambda world: _text(world, do="cut"),
        route_options=_TEXT,
        may_stay_open=True,
    ),
    Scenario(
        "text-not-taken",
        "the same of a request that was not taken",
        lambda world: _text(world, do="answer", status=502, body="html", billed=False),
        route_options=_TEXT,
        may_stay_open=True,
    ),
    Scenario(
        "polls-limited",
        "a poll is refused as one too many, and the polls of its lane rest for a moment",
        _polls_limited,
        may_end_as=("async",),
    ),
    Scenario("slow-poll", "a poll takes longer than its heart beats", _slowly_polled, may_end_as=("async",)),
    Scenario(
        "foreign-marker",
        "the place belonged to another ledger",
        _foreign_marker,
        meanwhile=_remove_foreign_marker,
        may_end_as=("sync", "cut"),
    ),
)
