"""A lost ledger is made anew from the bucket, and nothing is paid a second time."""

import json
from datetime import timedelta

import pytest

from headrace.errors import ForeignLedger, InDoubt, PredictionRejected, RateLimited
from headrace.faults import set_fault_handler
from headrace.ledger.records import RunFilter
from headrace.states import Reason, State, SubmissionState
from headrace.storage import Location
from tests.pdfs import make_pdf
from tests.rebuilding.losing import connect
from tests.tasks.conftest import PAID
from tests.tasks.scripted import ScriptedProvider, accepted, answer

PLACE = Location("private", "notes")


def go_on(world, rounds=3):
    for _ in range(rounds):
        world.clock.pass_(timedelta(seconds=16))
        world.sweep()
        world.deliver_all()


@pytest.fixture
def lived(world, provider):
    """A world with a run of every kind, by name."""
    runs = {}

    def drop(name, outcome, route="paid"):
        provider.submits.append(outcome)
        runs[name] = world.drop(f"{route}/{name}.pdf", make_pdf(1))
        world.deliver_all()

    drop("exported", answer(cost=0.3))
    drop("refused", PredictionRejected("No.", Reason.BAD_REQUEST))
    drop("doubted", InDoubt("It may have been taken.", Reason.TIMED_OUT))
    runs["free"] = world.drop("free/a.pdf", make_pdf(1))
    world.deliver_all()
    provider.submits.append(accepted("job-9", 5))
    runs["accepted"] = world.drop("paid/accepted.pdf", make_pdf(5))
    while world.state(runs["accepted"]) is not State.SUBMITTED:
        assert world.deliver() is not None
    polls = list(world.app.messages)
    world.app.messages.clear()
    # It has the whole lane wait, so it is the last one.
    drop("limited", RateLimited("Too fast."))
    world.app.messages.extend(polls)
    runs["received"] = world.drop("paid/received.pdf", make_pdf(1))
    return runs


def facts(run):
    return (
        run.number,
        run.state,
        run.reason,
        run.detail,
        run.marks,
        run.route,
        run.revision,
        run.lane,
        run.mode,
        run.pages,
        run.pages_source,
        run.cost,
        run.document,
        run.received_on,
        run.published,
    )


def test_a_lost_ledger_has_what_ended_again_just_as_it_was(world, lived, each_ledger, rebuilt):
    before = {name: world.ledger.run(run) for name, run in lived.items()}
    connect(world, each_ledger)
    summary = rebuilt(world)
    assert summary.problem_count == 0
    for name in ("exported", "refused", "free"):
        run = world.ledger.run(lived[name])
        assert facts(run) == facts(before[name]), name
        assert run.token > before[name].token + 1000
        assert world.ledger.route_at(run.revision).name == run.route
        assert run.received_at == before[name].received_at
        assert run.ended_at == before[name].ended_at
        (submission,) = world.ledger.submissions(run.id)
        assert submission.provider_cost == (0.3 if name == "exported" else None)
        assert (
            submission.state
            is {
                "exported": SubmissionState.ANSWERED,
                "free": SubmissionState.ANSWERED,
                "refused": SubmissionState.REJECTED,
            }[name]
        )
    assert world.ledger.run(lived["received"]) is None
    assert sum(one.runs for one in summary.restored) == len(lived) - 1


def test_what_was_under_way_goes_on_and_nothing_is_sent_that_may_have_been_taken(
    world, lived, provider, ledger, rebuilt
):
    sent = len(provider.requests)
    connect(world, ledger)
    rebuilt(world)
    assert world.state(lived["accepted"]) is State.ADMITTED
    assert world.state(lived["limited"]) is State.WAITING
    provider.polls.append(answer(5, job="job-9"))
    provider.submits.append(answer())
    go_on(world, 4)
    assert world.state(lived["accepted"]) is State.EXPORTED
    assert world.state(lived["limited"]) is State.EXPORTED
    doubted = world.ledger.run(lived["doubted"])
    assert (doubted.state, doubted.reason) == (State.WAITING, Reason.IN_DOUBT)
    assert [str(request.key) for request in provider.requests[sent:]] == [f"{lived['limited']}-nanonets-all-1"]


def test_an_empty_ledger_uses_no_answer_that_is_stored_there_before_it_is_rebuilt(world, lived, ledger):
    connect(world, ledger)
    run = world.see("paid/exported.pdf")
    world.deliver_all()
    assert world.state(run) is State.ADMITTED
    assert world.ledger.history(world.ledger.run(run).document.id)[-1].event == "handed back"


def test_seeing_the_objects_again_starts_and_publishes_nothing_that_is_known(world, lived, provider, ledger, rebuilt):
    connect(world, ledger)
    rebuilt(world)
    written = len(world.store.calls)
    for name in ("exported", "refused"):
        assert world.see(f"paid/{name}.pdf") == lived[name]
    assert world.see("free/a.pdf") == lived["free"]
    assert not world.app.messages
    assert not [key for call, key in world.store.calls[written:] if call == "put"]
    assert world.see("paid/received.pdf") == lived["received"]
    # The lane still waits, as its last answer asked.
    go_on(world)
    assert world.state(lived["received"]) is State.EXPORTED


def test_nobody_submits_before_the_ledger_is_rebuilt_nor_with_a_copy_of_the_lost_one_afterwards(
    world, lived, ledger, rebuilt
):
    lost = world.ledger
    connect(world, ledger)
    with pytest.raises(ForeignLedger, match="headrace rebuild"):
        world.marker.check(PLACE)
    rebuilt(world)
    world.marker.check(PLACE)
    for _ in range(1500):
        lost.raise_sequence()
    connect(world, lost)
    with pytest.raises(ForeignLedger, match="old copy"):
        world.marker.check(PLACE)


def test_a_rebuilt_ledger_has_nothing_to_rebuild(world, lived, ledger, rebuilt, rebuild_of):
    assert rebuild_of(world).plan() is None
    connect(world, ledger)
    rebuilt(world)
    assert rebuild_of(world).plan() is None
    world.marker.raise_([PLACE])
    assert rebuild_of(world).plan() is None


class Killed(BaseException):
    """Stands for SIGKILL."""


POINTS = [
    "marker.claim.before",
    "marker.claim.after",
    "ledger.begin_pass.before_commit",
    "ledger.begin_pass.after_commit",
    "ledger.restore_revision.after_commit",
    "ledger.restore.before_commit",
    "ledger.restore.after_commit",
    "ledger.save_pass.before_commit",
    "ledger.save_pass.after_commit",
    "ledger.outdate_claims.before_commit",
    "ledger.outdate_claims.after_commit",
    "ledger.become.before_commit",
]


@pytest.fixture
def killed_at():
    """Has a rebuild killed where it comes to a fault point."""

    def do(work, point):
        def handler(here):
            if here == point:
                raise Killed(point)

        set_fault_handler(handler)
        try:
            with pytest.raises(Killed, match=point):
                work()
        finally:
            set_fault_handler(None)

    yield do
    set_fault_handler(None)


def test_a_rebuild_that_is_killed_anywhere_goes_on_and_comes_to_the_same(
    world, lived, each_ledger, rebuilt, rebuild_of, killed_at
):
    connect(world, each_ledger)
    for point in POINTS:
        killed_at(lambda: rebuilt(world), point)
        with pytest.raises(ForeignLedger):
            world.marker.check(PLACE)
    summary = rebuilt(world)
    world.marker.check(PLACE)
    assert sum(one.runs for one in summary.restored) == len(lived) - 1
    assert world.state(lived["exported"]) is State.EXPORTED
    assert rebuild_of(world).plan() is None


def test_a_rebuild_that_is_killed_after_its_last_act_is_done(world, lived, ledger, rebuilt, rebuild_of, killed_at):
    connect(world, ledger)
    killed_at(lambda: rebuilt(world), "ledger.become.after_commit")
    world.marker.check(PLACE)
    assert rebuild_of(world).plan() is None


def test_an_old_copy_learns_what_was_paid_since(world, lived, provider, each_ledger, rebuilt):
    """The copy is made by a first rebuild; then work goes on, and the copy comes back."""
    connect(world, each_ledger)
    rebuilt(world)
    copy = _copy(world.ledger)
    identity = world.ledger.identity()
    # Since then: one is answered, one is sent anew by a person, one is new, and the marker rises.
    provider.polls.append(answer(5, job="job-9"))
    provider.submits += [answer(), answer()]
    go_on(world, 4)
    world.ledger.retry(RunFilter(state=State.FAILED, reason=Reason.BAD_REQUEST), by="test")
    go_on(world)
    assert world.state(lived["refused"]) is State.EXPORTED
    provider.submits.append(answer())
    new = world.drop("paid/new.pdf", make_pdf(1))
    world.deliver_all()
    for _ in range(3):
        world.marker.raise_([PLACE])
    before = {run.id: facts(run) for run in world.ledger.runs(RunFilter(latest=False), 100)}
    sent = len(provider.requests)
    # The copy is restored over it, and its workers run on it before anybody notices.
    _restore(world.ledger, copy)
    assert world.ledger.identity() == identity
    go_on(world, 6)
    assert len(provider.requests) == sent
    with pytest.raises(ForeignLedger, match="old copy"):
        world.marker.check(PLACE)
    rebuilt(world)
    world.marker.check(PLACE)
    go_on(world, 4)
    assert len(provider.requests) == sent
    after = {run.id: facts(run) for run in world.ledger.runs(RunFilter(latest=False), 100)}
    doubted = lived["doubted"]
    assert {run: told for run, told in after.items() if run != doubted} == {
        run: told for run, told in before.items() if run != doubted
    }
    assert world.state(new) is State.EXPORTED
    assert world.ledger.run(doubted).reason is Reason.IN_DOUBT


def _copy(ledger):
    """All rows of a ledger, as a backup has them."""
    from headrace.ledger.schema import metadata

    with ledger._engine.connect() as connection:
        return {
            table.name: [dict(row._mapping) for row in connection.execute(table.select())]
            for table in metadata.sorted_tables
        }


def _restore(ledger, copy):
    from headrace.ledger.schema import metadata

    with ledger._engine.begin() as connection:
        for table in reversed(metadata.sorted_tables):
            connection.execute(table.delete())
        for table in metadata.sorted_tables:
            if copy[table.name]:
                connection.execute(table.insert(), copy[table.name])


def test_a_ledger_with_documents_of_its_own_is_never_mixed(world, lived, ledger, rebuilt, rebuild_of):
    connect(world, ledger)
    world.see("paid/received.pdf")
    marker = world.store.read("private", "notes/ledger.json")
    with pytest.raises(ForeignLedger, match="documents of its own"):
        rebuild_of(world).plan()
    assert world.store.read("private", "notes/ledger.json") == marker


def test_places_of_several_ledgers_are_never_made_one(world, lived, ledger, make_world, rebuild_of):
    other = PAID.model_copy(update={"name": "other", "prefix": "other/", "private": "s3://private/other"})
    world.store.put("private", "other/ledger.json", json.dumps({"ledger": "another", "sequence": 4}).encode())
    connect(world, ledger)
    world.routes = type(world.routes)((*world.routes.routes, other), world.routes.lanes)
    with pytest.raises(ForeignLedger, match="different ledgers"):
        rebuild_of(world).plan()


def test_two_workers_of_which_one_is_of_the_lost_ledger_never_both_send(world, provider, ledger, rebuilt):
    """A worker of the lost ledger has passed the marker and is about to send, while the ledger is rebuilt."""
    lost = world.ledger

    def slow(_source, request):
        connect(world, ledger)
        rebuilt(world)
        go_on(world)
        world.ledger, world.marker.__dict__["_ledger"] = lost, lost
        return answer()

    provider.submits.append(slow)
    run = world.drop("paid/a.pdf", make_pdf(1))
    world.deliver_all()
    connect(world, ledger)
    for _ in range(4):
        go_on(world)
    assert len(provider.requests) == 1
    assert world.ledger.run(run).state in (State.EXPORTED, State.WAITING)


@pytest.mark.parametrize("is_lost", [True, False], ids=["lost", "old_copy"])
def test_nothing_is_paid_twice_where_workers_and_listener_run_all_the_while(
    world, lived, provider, ledger, rebuild_of, is_lost
):
    """They use the ledger that is being rebuilt: objects are told of, claims given out, jobs asked for in between."""
    before = {name: world.state(run) for name, run in lived.items()}
    sent = len(provider.requests)
    if is_lost:
        connect(world, ledger)
    else:
        copy = _copy(world.ledger)
        world.marker.raise_([PLACE])
        _restore(world.ledger, copy)
    work, seen = rebuild_of(world), []
    provider.polls.extend([answer(5, job="job-9")] * 9)

    def meanwhile(_progress):
        for page in world.store.list("inbox", ""):
            for head in page:
                world.see(head.key)
        go_on(world, 1)
        seen.append(len(provider.requests) - sent)

    work.run(work.plan(), meanwhile)
    assert set(seen) == {0}, "nobody submits before it is done"
    go_on(world, 12)
    # Of what was sent before, only what was certainly not taken is sent again.
    keys = sorted(str(request.key) for request in provider.requests[sent:])
    assert keys == sorted(f"{lived[name]}-nanonets-all-1" for name in ("limited", "received"))
    for name in ("exported", "refused", "free"):
        assert world.state(lived[name]) is before[name], name
    for name in ("accepted", "limited", "received"):
        assert world.state(lived[name]) is State.EXPORTED, name
    assert world.ledger.run(lived["doubted"]).reason is Reason.IN_DOUBT


def test_a_revision_is_had_from_headrace_toml_where_the_bucket_has_none(world, lived, ledger, rebuilt):
    world.store.delete("private", f"notes/revisions/{PAID.revision}.json")
    connect(world, ledger)
    assert rebuilt(world).problem_count == 0
    assert world.ledger.route_at(PAID.revision) == PAID


def test_runs_of_a_route_that_nobody_knows_any_more_end_and_tell_so(world, lived, provider, ledger, rebuilt):
    world.store.put("private", f"notes/revisions/{PAID.revision}.json", b"{}")
    changed = PAID.model_copy(update={"most_pages": 7})
    world.routes = type(world.routes)((changed, *world.routes.routes[1:]), world.routes.lanes)
    sent = len(provider.requests)
    connect(world, ledger)
    summary = rebuilt(world)
    (problem,) = summary.problems
    assert problem.place == f"s3://private/notes/revisions/{PAID.revision}.json"
    assert "changed or damaged" in problem.why
    assert world.ledger.run(lived["accepted"]).reason is Reason.IN_DOUBT
    assert world.ledger.run(lived["limited"]).reason is Reason.CONFIGURATION
    assert world.state(lived["exported"]) is State.EXPORTED
    go_on(world)
    assert len(provider.requests) == sent


DAMAGE = [
    b"",
    b"\xff\xfe\x00",
    b"[" * 100_000,
    b"x" * (1024 * 1024 + 1),
    "another",
    "naive times",
    "huge token",
    "a day that climbs",
]


def damaged(body, how):
    told = json.loads(body)
    match how:
        case "another":
            told["document"]["key"] = "paid/another.pdf"
        case "naive times":
            for name in ("at", "updated_at"):
                if name in told:
                    told[name] = "2026-11-20T12:00:00"
        case "huge token":
            told["token"] = 2**62
        case "a day that climbs":
            for part in (told, told["document"]):
                for name in ("received", "received_on"):
                    if name in part:
                        part[name] = "../../ledger"
        case _:
            return how
    return json.dumps(told).encode()


def test_a_damaged_note_is_named_and_its_request_never_sent(world, lived, provider, fresh_ledger, rebuilt):
    sent = len(provider.requests)
    keys = [key for key in world.store.keys("private") if "/submissions/" in key]
    whole = {key: world.store.read("private", key) for key in keys}
    for how in DAMAGE:
        for key in keys:
            world.store.put("private", key, damaged(whole[key], how))
        connect(world, fresh_ledger())
        summary = rebuilt(world)
        assert {problem.place for problem in summary.problems} == {f"s3://private/{key}" for key in keys}, how
        for key in ("exported", "refused", "doubted", "limited", "accepted"):
            world.see(f"paid/{key}.pdf")
        go_on(world, 1)
        assert world.state(lived["exported"]) is State.EXPORTED
        # Where only another thing than its outcome was changed, a note that says "refused" is still believed.
        again = {str(request.key) for request in provider.requests[sent:]}
        believed = {lived["limited"], lived["refused"]} if isinstance(how, str) else set()
        assert again <= {f"{run}-nanonets-all-1" for run in believed}, how


def test_damaged_run_files_are_named_and_what_the_notes_tell_counts(world, lived, provider, fresh_ledger, rebuilt):
    sent = len(provider.requests)
    keys = [key for key in world.store.keys("private") if key.endswith("/run.json")]
    whole = {key: world.store.read("private", key) for key in keys}
    for how in DAMAGE[2:]:
        for key in keys:
            world.store.put("private", key, damaged(whole[key], how))
        connect(world, fresh_ledger())
        summary = rebuilt(world)
        assert {problem.place for problem in summary.problems} == {f"s3://private/{key}" for key in keys}, how
        assert world.state(lived["refused"]) is State.FAILED
        # The free run's document is known to nobody; it is taken up again, and costs nothing.
        assert world.ledger.run(lived["free"]) is None
    assert world.see("free/a.pdf") == lived["free"]
    go_on(world, 1)
    assert world.state(lived["exported"]) is State.EXPORTED
    assert world.state(lived["free"]) is State.EXPORTED
    assert {str(request.key) for request in provider.requests[sent:]} <= {f"{lived['limited']}-nanonets-all-1"}


def test_damaged_manifests_are_named_and_written_again(world, lived, ledger, rebuilt):
    keys = [key for key in world.store.keys("out") if "/documents/" in key]
    for key in keys:
        world.store.put("out", key, b"{")
    connect(world, ledger)
    summary = rebuilt(world)
    assert {problem.place for problem in summary.problems} == {f"s3://out/{key}" for key in keys}
    go_on(world, 1)
    for key in keys:
        assert json.loads(world.store.read("out", key))["document"]


def test_files_of_others_are_named_and_left_alone(world, lived, ledger, rebuilt):
    strange = "notes/submissions/aa-not-a-note.txt"
    world.store.put("private", strange, b"hello")
    connect(world, ledger)
    (problem,) = rebuilt(world).problems
    assert problem.place == f"s3://private/{strange}"


def test_a_place_without_a_marker_is_taken_with_all_that_was_paid_there(world, lived, ledger, rebuilt):
    world.store.delete("private", "notes/ledger.json")
    connect(world, ledger)
    rebuilt(world)
    world.marker.check(PLACE)
    assert world.state(lived["exported"]) is State.EXPORTED


@pytest.mark.parametrize("body", [b"?", b'{"ledger": "a", "sequence": 99999999999999999999}', b"{}"])
def test_a_damaged_marker_is_written_anew(world, ledger, rebuilt, body):
    world.drop("paid/a.pdf", make_pdf(1))
    world.deliver_all()
    world.store.put("private", "notes/ledger.json", body)
    connect(world, ledger)
    with pytest.raises(ForeignLedger, match="writes it anew"):
        world.marker.check(PLACE)
    rebuilt(world)
    world.marker.check(PLACE)


def test_what_a_person_decided_on_doubt_is_not_forgotten(world, provider, ledger, rebuilt):
    runs = {}
    for name in ("given_up", "resent"):
        provider.submits.append(InDoubt("Perhaps.", Reason.TIMED_OUT))
        runs[name] = world.drop(f"paid/{name}.pdf", make_pdf(1))
        world.deliver_all()
        (submission,) = world.ledger.submissions(runs[name])
        note = world.notes.read(PLACE, str(submission.key))
        update = {"outcome": "abandoned", "reason": Reason.GIVEN_UP if name == "given_up" else None}
        path = f"notes/submissions/{note.key}.json"
        world.store.put("private", path, note.model_copy(update=update).model_dump_json().encode())
    connect(world, ledger)
    rebuilt(world)
    provider.submits.append(answer())
    go_on(world)
    given_up = world.ledger.run(runs["given_up"])
    assert (given_up.state, given_up.reason) == (State.FAILED, Reason.GIVEN_UP)
    assert str(provider.requests[-1].key).endswith("-all-2")
    assert world.state(runs["resent"]) is State.EXPORTED
    assert len(provider.requests) == 3


@pytest.mark.parametrize("seconds", [0, 5])
def test_the_newest_content_of_a_key_stays_the_current_one(world, provider, ledger, rebuilt, seconds):
    world.store.now = world.clock.now
    runs = []
    for text in ("first", "second"):
        provider.submits.append(answer())
        runs.append(world.drop("paid/a.pdf", make_pdf(1) + f"\n%{text}".encode()))
        world.deliver_all()
        world.clock.pass_(timedelta(seconds=seconds))
    connect(world, ledger)
    rebuilt(world)
    go_on(world, 1)
    assert [world.state(run) for run in runs] == [State.EXPORTED] * 2
    written = len(world.store.calls)
    assert world.see("paid/a.pdf") == runs[1]
    world.deliver_all()
    if seconds:
        assert not [key for call, key in world.store.calls[written:] if call == "put"]
    (manifest,) = [key for key in world.store.keys("out") if "/documents/" in key]
    assert json.loads(world.store.read("out", manifest))["document"] == runs[1].removesuffix("-1")


def test_the_free_provider_needs_no_notes(make_world, ledger, rebuilt):
    free = ScriptedProvider([answer(2, job=None), answer(1, job=None)], paid=False, part_pages=2)
    world = make_world(ScriptedProvider(), free=free)
    run = world.drop("free/a.pdf", make_pdf(3))
    world.deliver_all()
    manifest = next(key for key in world.store.keys("out") if "/documents/" in key)
    world.store.delete("out", manifest)
    connect(world, ledger)
    rebuilt(world)
    assert world.state(run) is State.PREDICTED
    go_on(world, 1)
    assert world.state(run) is State.EXPORTED
    assert len(free.requests) == 2
    assert world.store.head("out", manifest)


@pytest.mark.parametrize("reason", [Reason.KEY_REFUSED, Reason.QUOTA_USED_UP, Reason.FORBIDDEN])
def test_what_waits_for_a_key_waits_after_a_rebuild_too(world, provider, ledger, rebuilt, reason):
    provider.submits.append(PredictionRejected("No.", reason))
    run = world.drop("paid/a.pdf", make_pdf(1))
    world.deliver_all()
    connect(world, ledger)
    rebuilt(world)
    assert world.state(run) is State.WAITING
    provider.submits.append(answer())
    go_on(world, 4)
    assert world.state(run) is State.EXPORTED
