"""Lives in which a person calls a command; who is interrupted in it calls it again."""

from types import SimpleNamespace

from config.schedules import Schedule
from headrace.states import State
from tests.fault_points import person
from tests.fault_points.scenarios import Scenario
from tests.fault_points.world import INBOX, World
from tests.pdfs import make_pdf
from workers.doctor.provider import examine_lanes
from workers.doctor.store import examine_store
from workers.stack.drops import drop_samples
from workers.stack.run import _prepare

_PERSON = frozenset({"person"})


def _short(world: World) -> None:
    world.put("paid/short.pdf", make_pdf(2))


def _refused(world: World) -> None:
    _short(world)
    world.order(do="answer", status=400)


def _retry(world: World) -> None:
    person.until(lambda: person.is_out(world, State.FAILED, State.EXPORTED), "the run did not fail")
    if person.is_out(world, State.FAILED):
        person.headrace(world, "retry", "--yes", may_end_with=(0, 1))


def _is_exported(world: World) -> bool:
    return person.is_out(world, State.EXPORTED)


def _reprocess(world: World) -> None:
    person.until(lambda: _is_exported(world), "the run was not exported")
    if person.run_of(world, 2) is None:
        person.headrace(world, "reprocess", f"s3://{INBOX}/{world.key('paid/short.pdf')}", "--yes")


def _reprocess_and_cut(world: World) -> None:
    person.until(lambda: _is_exported(world), "the run was not exported")
    if person.run_of(world, 2) is None:
        world.order(do="cut")
    _reprocess(world)


def _exported_before(world: World) -> None:
    _short(world)
    person.live_before(world, _is_exported)


def _republish(world: World) -> None:
    person.headrace(world, "republish", "--prefix", f"s3://{INBOX}/{world.key('paid/')}")


def _drop(world: World) -> None:
    file = world.folder / "short.pdf"
    file.write_bytes(make_pdf(2))
    person.headrace(world, "drop", str(file), f"s3://{INBOX}/{world.key('paid/')}")
    person.headrace(world, "ingest", f"s3://{INBOX}/{world.key('paid/')}")


def _drop_samples(world: World) -> None:
    file = world.folder / "short.pdf"
    file.write_bytes(make_pdf(2))
    drop_samples(world.services.store, [file], world.routes.routes)


def _set_up(world: World) -> None:
    _prepare(world.services, SimpleNamespace(s3=True))


def _doctor(world: World) -> None:
    services = world.services
    list(examine_store(services.store, world.routes.routes))
    list(
        examine_lanes(
            (route.lane for route in world.routes.routes), world.settings.api_keys, world.servers.simulator_url
        )
    )


def _lost_ledger(world: World) -> None:
    _short(world)
    person.live_before(world, _is_exported)
    world.lose_ledger()


def _rebuild(world: World) -> None:
    person.headrace(world, "rebuild", "--yes")


def _scan(world: World) -> None:
    person.headrace(world, "scan", f"s3://{INBOX}/{world.key('paid/')}", may_end_with=(0, 1))


def _removed_later(world: World) -> None:
    _short(world)
    person.live_before(world, _is_exported)
    world.services.store.delete(INBOX, world.key("paid/short.pdf"))


SCENARIOS = (
    Scenario(
        "retry",
        "`headrace retry` of what was refused",
        _refused,
        act=_retry,
        also=_is_exported,
        focus=_PERSON,
        may_end_as=("sync", "cut"),
    ),
    Scenario("republish", "`headrace republish`", _exported_before, act=_republish, also=_is_exported, focus=_PERSON),
    Scenario(
        "reprocess",
        "`headrace reprocess`",
        _short,
        act=_reprocess,
        runs=2,
        focus=_PERSON,
        may_end_as=("reprocess-cut",),
    ),
    Scenario("reprocess-cut", "the same, and the second answer is cut off", _short, act=_reprocess_and_cut, runs=2),
    Scenario(
        "schedule",
        "a schedule retries what was refused",
        _refused,
        schedules=(Schedule(name="again", every_seconds=4, action="retry"),),
        also=_is_exported,
        focus=frozenset({"schedules"}),
        may_end_as=("sync", "cut"),
    ),
    Scenario(
        "drop", "`headrace drop`, then `headrace ingest`", lambda _world: None, act=_drop, may_end_as=("sync", "cut")
    ),
    Scenario("samples", "the stack's own samples", lambda _world: None, act=_drop_samples, runs=2),
    Scenario(
        "set-up",
        "the stack prepares ledger, buckets and markers",
        _short,
        act_before=_set_up,
        may_end_as=("sync", "cut"),
    ),
    Scenario("doctor", "`headrace doctor`", _short, act=_doctor, may_end_as=("sync", "cut")),
    Scenario(
        "rebuild",
        "the ledger was lost, `headrace rebuild` makes it anew",
        _lost_ledger,
        act_before=_rebuild,
        focus=_PERSON,
    ),
    Scenario("scan", "`headrace scan` of a bucket whose object was removed", _removed_later, act=_scan, focus=_PERSON),
)
