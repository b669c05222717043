"""Lives with a request of which nobody knows at first whether it was taken."""

import operator
from collections.abc import Callable

import httpx

from headrace.document import SubmissionKey
from headrace.providers.nanonets.envelope import seal
from headrace.states import END_STATES, Reason, State
from tests.fault_points import person
from tests.fault_points.scenarios import Scenario
from tests.fault_points.world import World
from tests.pdfs import make_pdf
from tests.simulator.process import API_KEY
from workers.cli.exits import Exit

_PERSON = frozenset({"person"})
_SETTLING = frozenset({"settle", "submit"})


def _taken_and_cut(world: World) -> None:
    world.put("paid/short.pdf", make_pdf(2))
    world.order(do="cut")


def _long_taken_and_cut(world: World) -> None:
    world.put("paid/long.pdf", make_pdf(5))
    world.order(do="cut")


def _not_taken(world: World) -> None:
    world.put("paid/short.pdf", make_pdf(2))
    world.order(do="answer", status=502, body="html", billed=False)


def _taken_twice(world: World) -> None:
    """Another request under the very key was taken before ours; nobody knows why."""
    document = world.put("paid/short.pdf", make_pdf(2))
    key = SubmissionKey(document.id, 1, "nanonets", "all", 1)
    httpx.post(
        f"{world.servers.simulator_url}/OCR/Model/{world.model}/LabelFile/",
        auth=(API_KEY, ""),
        files={"file": ("short.pdf", make_pdf(2))},
        data={"request_metadata": seal(key, {"team": "intake"})},
        trust_env=False,
    ).raise_for_status()
    world.order(do="cut")


def _slow(world: World) -> None:
    world.put("paid/short.pdf", make_pdf(2))
    world.order(do="slow", seconds=7)


def _sleeping(world: World) -> None:
    world.put("paid/short.pdf", make_pdf(2))
    world.order(do="slow", seconds=8)
    # So that the sleeper is the first to tell how it ended.
    world.order(do="answer", status=500, on="window", times=5)


def _taken_over_once(world: World) -> None:
    run = person.run_of(world)
    if run is not None and run.state is State.ADMITTED and run.token == 2 and run.deliveries == 1:
        person.take_over(world)


def _not_taken_and_held(world: World) -> None:
    _not_taken(world)
    person.live_before(world, lambda world: person.is_out(world, State.HELD))


def _ask_again(world: World) -> None:
    """A person has the provider asked again, now that the account is known to tell our keys."""
    if person.is_out(world, State.HELD):
        world.services.ledger.note_echo(world.lane)
        person.headrace(world, "resolve", "--ask", "--yes", may_end_with=(Exit.OK, Exit.FAILED))


def _cut_and_not_listed(world: World) -> None:
    _taken_and_cut(world)
    world.order(do="answer", status=500, on="window", times=1000)


def _settle_by_hand(*choice: str) -> Callable[[World], None]:
    """What a person does who makes this choice once the run is held."""

    def act(world: World) -> None:
        person.until(lambda: person.is_out(world, *END_STATES), "the run has not ended")
        if person.is_out(world, State.HELD):
            person.headrace(world, "resolve", *choice, "--yes", may_end_with=(Exit.OK, Exit.FAILED))

    return act


def _adopt_by_hand(world: World) -> None:
    """A person looks the job up in the provider's own pages, and has it used."""
    person.until(lambda: _is_in_doubt(world) or person.is_out(world, State.EXPORTED), "the run came into no doubt")
    for key, entry in world.bill().items():
        if _is_in_doubt(world) and key.startswith(f"{world.runs()[0].document.id}-"):
            choice = (key, "--adopt", entry["jobs"][0], "--yes")
            person.headrace(world, "resolve", *choice, may_end_with=(Exit.OK, Exit.FAILED))


def _is_in_doubt(world: World) -> bool:
    run = person.run_of(world)
    return run is not None and run.reason is Reason.IN_DOUBT


def _is_settled(world: World) -> bool:
    return person.is_out(world, State.EXPORTED, State.FAILED)


SCENARIOS = (
    Scenario("cut", "the answer is cut off; the request is found", _taken_and_cut, focus=_SETTLING),
    Scenario("cut-async", "the same of a long document", _long_taken_and_cut, focus=frozenset({"settle"})),
    Scenario(
        "not-taken", "an error page; the request is nowhere", _not_taken, focus=_SETTLING, may_end_as=("sync", "cut")
    ),
    Scenario(
        "resubmit",
        "nobody can tell, and the route has it sent again",
        _not_taken,
        focus=frozenset({"settle"}),
        echoed=False,
        route_options={"on_doubt": "resubmit"},
        spent_to_billed=operator.ge,
        may_end_as=("sync", "cut"),
    ),
    Scenario("held", "nobody can tell, and a person is to decide", _not_taken, echoed=False, may_stay_open=True),
    Scenario(
        "resend",
        "nobody can tell, and a person has it sent again",
        _not_taken,
        act=_settle_by_hand("--resend"),
        spent_to_billed=operator.ge,
        also=_is_settled,
        echoed=False,
        focus=_PERSON,
        may_end_as=("sync", "cut"),
    ),
    Scenario(
        "give-up",
        "nobody can tell, and a person lets it go",
        _not_taken,
        act=_settle_by_hand("--give-up"),
        also=_is_settled,
        echoed=False,
        focus=_PERSON,
        spent_to_billed=operator.ge,
    ),
    Scenario(
        "ask",
        "held, and a person has the provider asked again",
        _not_taken_and_held,
        act=_ask_again,
        also=_is_settled,
        echoed=False,
        focus=_PERSON,
        may_end_as=("sync", "cut"),
    ),
    Scenario(
        "adopt",
        "the list cannot be had, and a person knows the job",
        _cut_and_not_listed,
        act=_adopt_by_hand,
        also=_is_settled,
        focus=_PERSON,
        may_end_as=("sync", "cut"),
    ),
    Scenario("taken-twice", "two requests were taken under one key", _taken_twice, spent_to_billed=operator.le),
    Scenario("slow", "the answer takes longer than a lease is renewed", _slow, may_end_as=("cut",)),
    Scenario(
        "taken-over",
        "a worker sleeps past its lease and wakes after another one took its run",
        _sleeping,
        meanwhile=_taken_over_once,
        may_end_as=("sync", "cut"),
    ),
)
