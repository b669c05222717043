import io
from datetime import timedelta
from types import SimpleNamespace

import pytest
from rich.console import Console

from config.settings import Settings
from headrace.document import Document
from headrace.ledger import Ledger
from headrace.ledger.records import Advance
from headrace.routing import Lane
from headrace.states import Reason, State
from tests.clocks import ManualClock
from workers.stack.errors import StackError
from workers.stack.folder import DataFolder
from workers.stack.onlooker import LONGEST_RUN, Onlooker
from workers.stack.stopping import StopRequest

NEVER_ENDS = Document("inbox", "local/never-ends.pdf", "etag")


class HurryingClock(ManualClock):
    """Each look at it takes two minutes."""

    def monotonic(self):
        self.pass_(timedelta(minutes=2))
        return super().monotonic()


@pytest.fixture
def ledger(tmp_path):
    made = Ledger(f"sqlite:///{tmp_path}/ledger.db", ManualClock())
    made.migrate()
    made.record([NEVER_ENDS])
    return made


def onlooker(ledger, tmp_path, *, failing=()):
    supervisor = SimpleNamespace(restarts=dict, trouble=None, failing=lambda: list(failing))
    console = Console(file=io.StringIO(), width=200, color_system=None)
    services = SimpleNamespace(ledger=ledger, settings=Settings())
    clock = HurryingClock()
    return Onlooker(
        console, DataFolder(tmp_path), None, supervisor, services, StopRequest(), clock, started_at=clock.now()
    )


@pytest.mark.parametrize(
    ("staying", "further"), [(True, "they are still worked on"), (False, "the next start goes on where this one stops")]
)
def test_a_document_that_never_ends_is_told_of_after_the_limit(ledger, tmp_path, staying, further):
    looks_on = onlooker(ledger, tmp_path)
    assert not looks_on.watch([NEVER_ENDS], staying=staying)
    told = looks_on.console.file.getvalue()
    assert f"Not ended after {LONGEST_RUN}: local/never-ends.pdf: received. " in told
    assert told.rstrip().endswith(f"{further}.")


def test_a_process_that_dies_again_and_again_ends_only_what_nobody_wants_to_stay(ledger, tmp_path):
    broken = SimpleNamespace(name="beat", log=tmp_path / "beat.log")
    assert not onlooker(ledger, tmp_path, failing=[broken]).watch([NEVER_ENDS], staying=True)
    with pytest.raises(StackError, match=r"beat ends by itself again and again, see .*beat\.log"):
        onlooker(ledger, tmp_path, failing=[broken]).watch([NEVER_ENDS], staying=False)


@pytest.mark.parametrize(
    ("staying", "further"), [(True, "it is settled then"), (False, "the next start settles it then")]
)
def test_one_that_waits_in_doubt_is_told_of_once_it_was_looked_for_in_vain(ledger, tmp_path, staying, further):
    looks_on = onlooker(ledger, tmp_path)
    claim = ledger.claim(f"{NEVER_ENDS.id}-1", {State.RECEIVED})
    until = looks_on.clock.now() + timedelta(seconds=1020)
    facts = {"lane": Lane("nanonets", "nanonets", "m"), "route": "paid"}
    ledger.advance(claim, Advance(State.WAITING, Reason.IN_DOUBT, due_at=until, facts=facts))
    assert not looks_on.watch([NEVER_ENDS], staying=staying)
    told = looks_on.console.file.getvalue()
    assert f"{further}: local/never-ends.pdf: route paid, waiting (in_doubt, until {until:%H:%M} UTC)." in told
    # It was waited for about as long as it takes to be found, and not until the limit.
    assert timedelta(minutes=2) <= looks_on.clock.now() - claim.run.created_at <= timedelta(minutes=6)
    assert "Not ended after" not in told
