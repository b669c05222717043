"""Lives of a key that holds one content after another."""

import time

from headrace.states import State
from tests.fault_points import person
from tests.fault_points.scenarios import Scenario
from tests.fault_points.world import INBOX, World
from tests.pdfs import make_pdf

_A, _B = make_pdf(1), make_pdf(2)
_PREDICTED = (State.PREDICTED, State.EXPORTED)
_KEY = "paid/changing.pdf"


def _first(world: World) -> None:
    world.put(_KEY, _A)


def _second_and_first_again(world: World) -> None:
    """B once A is out, A again once B is out; S3 tells the time in whole seconds."""
    person.until(lambda: _are_out(world, 1), "A was not exported")
    if len(world.runs()) == 1 and _lies_there(world) == _etag(world, _A):
        time.sleep(1.1)
        world.put(_KEY, _B)
    person.until(lambda: _are_out(world, 2), "B was not exported")
    if _lies_there(world) == _etag(world, _B):
        time.sleep(1.1)
        world.put(_KEY, _A)


def _are_out(world: World, number: int) -> bool:
    runs = world.runs()
    return len(runs) >= number and all(run.published and run.state is State.EXPORTED for run in runs)


def _stand_still_until_b_is_out(world: World) -> None:
    person.until(
        lambda: any(run.document.etag == _etag(world, _B) and run.published for run in world.runs()),
        "B was not exported",
    )


def _lies_there(world: World) -> str:
    return world.services.store.head(INBOX, world.key(_KEY)).etag


def _etag(world: World, body: bytes) -> str:
    from hashlib import md5

    return md5(body, usedforsecurity=False).hexdigest()


def _a_is_published(world: World) -> bool:
    """Whether the manifest of the key tells of A."""
    return any(f'"etag": "{_etag(world, _A)}"' in text.replace('":"', '": "') for text in world.manifests())


def _second_at_once(world: World) -> None:
    """B as soon as A is predicted."""
    person.until(lambda: world.runs() and world.runs()[0].state in _PREDICTED, "A was not predicted")
    if _lies_there(world) == _etag(world, _A):
        time.sleep(1.1)
        world.put(_KEY, _B)


SCENARIOS = (
    Scenario(
        "overtaken",
        "a worker stands still while it publishes A, and B is published meanwhile",
        _first,
        act=_second_at_once,
        runs=2,
        disturbances={"export:wire.s3.PUT.rows.before#2": _stand_still_until_b_is_out},
        focus=frozenset({"export"}),
    ),
    Scenario(
        "back-again",
        "A, then B, then A again under one key",
        _first,
        act=_second_and_first_again,
        runs=2,
        also=_a_is_published,
        focus=frozenset({"door", "export"}),
        may_end_as=(),
    ),
)
