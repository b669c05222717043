"""The marker keeps a foreign, an empty and an old ledger from submitting, through the steps; the doctor says so."""

import json
import sqlite3
from datetime import timedelta

import pytest

from headrace.ledger import Ledger
from headrace.states import State
from headrace.storage import Location
from tests.pdfs import make_pdf
from tests.rebuilding.losing import connect
from tests.tasks.scripted import accepted, answer
from workers.doctor.findings import Grade
from workers.doctor.ledger import examine_markers

PLACE = Location("private", "notes")


def go_on(world, rounds=4):
    for _ in range(rounds):
        world.clock.pass_(timedelta(seconds=70))
        world.sweep()
        world.deliver_all()


@pytest.fixture
def backup(world, tmp_path):
    """Copies the world's SQLite ledger as docs/operations.md says, and puts the copy in its place."""
    ledger, copy = tmp_path / "ledger.db", tmp_path / "backup.db"

    class Backup:
        def make(self):
            with sqlite3.connect(ledger) as connection:
                connection.execute(f"VACUUM INTO '{copy}'")
            connection.close()

        def restore(self):
            world.ledger.close()
            for suffix in ("", "-wal", "-shm"):
                ledger.with_name(f"ledger.db{suffix}").unlink(missing_ok=True)
            copy.rename(ledger)
            connect(world, Ledger(f"sqlite:///{ledger}", world.clock))
            world.ledger.migrate()

    yield Backup()
    world.ledger.close()


def refused(world, provider, *, found):
    """That nothing is sent, and that the doctor names the remedy."""
    sent = len(provider.requests)
    run = world.drop("paid/refused.pdf", make_pdf(1))
    go_on(world)
    assert world.state(run) is State.ADMITTED
    assert len(provider.requests) == sent
    assert not [key for key in world.store.keys("private") if run in key]
    (finding,) = examine_markers(world.marker, world.store, [PLACE])
    assert finding.grade is Grade.WRONG
    assert found in finding.found
    assert "`headrace rebuild`" in finding.found
    return run


def test_an_empty_ledger_sends_nothing(world, provider, ledger):
    world.drop("paid/a.pdf", make_pdf(1))
    world.deliver_all()
    connect(world, ledger)
    refused(world, provider, found="belongs to the ledger")


def test_a_foreign_ledger_sends_nothing(world, provider):
    world.store.put("private", "notes/ledger.json", json.dumps({"ledger": "theirs", "sequence": 0}).encode())
    refused(world, provider, found="belongs to the ledger theirs")


def test_an_old_copy_sends_nothing_until_it_is_rebuilt_and_then_only_what_was_not_paid(
    world, provider, backup, rebuilt
):
    provider.submits += [answer(), accepted("job-1", 5)]
    known = world.drop("paid/known.pdf", make_pdf(1))
    world.deliver_all()
    waiting = world.drop("paid/waiting.pdf", make_pdf(5))
    world.marker.raise_([PLACE])
    backup.make()
    # Paid after the backup: what the copy has as received, and what it never saw.
    while world.state(waiting) is not State.SUBMITTED:
        assert world.deliver() is not None
    provider.submits.append(answer())
    unseen = world.drop("paid/unseen.pdf", make_pdf(1))
    world.app.messages.rotate(1)
    while world.state(unseen) is not State.EXPORTED:
        assert world.deliver() is not None
    world.marker.raise_([PLACE])
    rows = {key: world.store.read("out", key) for key in world.store.keys("out")}
    sent = len(provider.requests)

    backup.restore()
    assert world.ledger.run(unseen) is None
    new = refused(world, provider, found="old copy")
    assert rebuilt(world).problem_count == 0
    provider.polls.append(answer(5, job="job-1"))
    provider.submits.append(answer())
    go_on(world)
    assert {world.state(run) for run in (known, waiting, unseen, new)} == {State.EXPORTED}
    assert [request.key.document for request in provider.requests[sent:]] == [new.removesuffix("-1")]
    assert {key: world.store.read("out", key) for key in rows} == rows
    assert world.see("paid/unseen.pdf") == unseen


def test_a_ledger_that_was_rebuilt_is_fine_to_the_doctor(world, ledger, rebuilt):
    world.drop("paid/a.pdf", make_pdf(1))
    world.deliver_all()
    connect(world, ledger)
    rebuilt(world)
    (finding,) = examine_markers(world.marker, world.store, [PLACE])
    assert finding.grade is Grade.OK
