"""Making the tables, telling what is wrong, and what holds whatever the operation."""

import multiprocessing
import os
import sqlite3
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack

import pytest
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from sqlalchemy import event, text

from headrace.clock import SystemClock
from headrace.errors import ConfigurationError, LedgerError, LedgerUnavailable
from headrace.faults import set_fault_handler
from headrace.ledger import Ledger
from headrace.ledger.schema import metadata
from headrace.states import State
from tests.clocks import ManualClock
from tests.ledger.conftest import emptied
from tests.ledger.lives import document, received


def _migrate(url):
    ledger = Ledger(url, SystemClock())
    ledger.migrate()
    ledger.close()


def _claim(url, run_id, results):
    ledger = Ledger(url, ManualClock())
    results.put(ledger.claim(run_id, {State.RECEIVED}) is not None)
    ledger.close()


def test_migrations_make_exactly_the_tables_of_the_schema(ledger):
    ledger.migrate()
    ledger.check()
    with ledger._reading() as connection:
        differences = compare_metadata(MigrationContext.configure(connection, opts={"compare_type": True}), metadata)
    assert differences == []


def test_processes_that_migrate_at_once_do_no_harm(bare_url):
    context = multiprocessing.get_context("spawn")
    processes = [context.Process(target=_migrate, args=(bare_url,)) for _ in range(2)]
    for process in processes:
        process.start()
    for process in processes:
        process.join(60)
    assert [process.exitcode for process in processes] == [0, 0]
    ledger = Ledger(bare_url, ManualClock())
    ledger.check()
    assert len(ledger.identity().id) == 32
    ledger.close()


def test_of_processes_that_claim_at_once_one_wins(ledger, url):
    run_id = received(ledger)
    context = multiprocessing.get_context("spawn")
    results = context.Queue()
    processes = [context.Process(target=_claim, args=(url, run_id, results)) for _ in range(2)]
    for process in processes:
        process.start()
    granted = [results.get(timeout=60) for _ in processes]
    for process in processes:
        process.join(60)
    assert sorted(granted) == [False, True]


def test_a_ledger_without_tables_says_what_to_run(bare_url):
    ledger = Ledger(bare_url, ManualClock())
    with pytest.raises(LedgerUnavailable, match=r"headrace migrate"):
        ledger.check()
    with pytest.raises(LedgerUnavailable, match=r"headrace migrate"):
        ledger.record([document()])
    with pytest.raises(LedgerUnavailable, match=r"headrace migrate"):
        ledger.run("x-1")
    ledger.close()


def test_tables_of_a_newer_version_are_not_touched(ledger):
    with ledger._transaction("test") as tx:
        ours = tx.execute(text("SELECT version_num FROM alembic_version")).scalar_one()
        tx.execute(text("UPDATE alembic_version SET version_num = '9999'"))
    with pytest.raises(LedgerUnavailable, match="newer headrace"):
        ledger.check()
    with ledger._transaction("test") as tx:
        tx.execute(text("UPDATE alembic_version SET version_num = :ours"), {"ours": ours})
    ledger.check()


def test_the_sequence_only_rises_and_the_id_stays(ledger, open_ledger):
    before = ledger.identity()
    others = [open_ledger() for _ in range(4)]
    with ThreadPoolExecutor(4) as pool:
        raised = list(pool.map(lambda other: other.raise_sequence(), others))
    assert sorted(raised) == [before.sequence + step for step in (1, 2, 3, 4)]
    ledger.migrate()
    assert ledger.identity() == type(before)(before.id, before.sequence + 4)


@pytest.mark.parametrize(
    "url",
    [
        "postgresql+psycopg://reader:hunter2@127.0.0.1:1/ledger",
        "postgresql://reader:hunter2@127.0.0.1:1/ledger",
        "postgresql+psycopg://reader@127.0.0.1:1/ledger?password=hunter2",
    ],
)
def test_a_database_that_is_away_is_named_without_its_password(url):
    ledger = Ledger(url, ManualClock())
    with pytest.raises(LedgerUnavailable, match=r"127\.0\.0\.1:1/ledger cannot be used") as caught:
        ledger.check()
    error = caught.value
    while error is not None:
        assert "hunter2" not in str(error)
        error = error.__cause__
    assert "hunter2" not in repr(ledger)
    assert "127.0.0.1:1/ledger" in repr(ledger)


def test_a_row_that_is_there_already_is_worth_another_try_and_no_value_is_told(ledger):
    row = text("INSERT INTO objects (id, received_on) VALUES ('a-private-name', '2026-11-20')")
    with ledger._transaction("once") as tx:
        tx.execute(row)
    with pytest.raises(LedgerUnavailable, match="objects") as caught, ledger._transaction("again") as tx:
        tx.execute(row)
    assert "a-private-name" not in str(caught.value)
    assert "trying again helps" in str(caught.value)


def test_a_value_that_the_database_cannot_keep_is_an_error_of_ours_that_does_not_tell_it(migrated_postgres):
    ledger = Ledger(emptied(migrated_postgres), ManualClock())
    with pytest.raises(LedgerError, match="NumericValueOutOfRange") as caught:
        ledger.record([document(size=2**63)])
    ledger.close()
    assert not isinstance(caught.value, LedgerUnavailable)
    assert str(2**63) not in str(caught.value)


@pytest.mark.parametrize(
    "url",
    ["", "ledger.db", "mysql://a:hunter2@b/c", "postgresql+asyncpg://a:hunter2@b/c", "sqlite://", "sqlite:///:memory:"],
)
def test_a_url_that_cannot_be_a_ledger_is_refused_without_repeating_its_password(url):
    with pytest.raises(ConfigurationError, match=r"sqlite:////folder/ledger\.db") as caught:
        Ledger(url, ManualClock())
    assert "hunter2" not in str(caught.value)
    assert caught.value.__cause__ is None


def test_a_folder_that_is_missing_is_named(tmp_path):
    ledger = Ledger(f"sqlite:///{tmp_path}/missing/ledger.db", ManualClock())
    for call in (ledger.migrate, ledger.check):
        with pytest.raises(LedgerUnavailable, match="its folder exists"):
            call()


def test_a_file_that_is_no_database_is_named(tmp_path):
    path = tmp_path / "ledger.db"
    path.write_text("not a database " * 100)
    ledger = Ledger(f"sqlite:///{path}", ManualClock())
    with pytest.raises(LedgerUnavailable, match="not a database"):
        ledger.check()
    ledger.close()


def test_nothing_connects_before_it_is_used(tmp_path):
    Ledger(f"sqlite:///{tmp_path / 'ledger.db'}", ManualClock())
    assert list(tmp_path.iterdir()) == []


def test_as_many_connections_are_kept_as_a_worker_has_threads(ledger):
    opened = []
    event.listen(ledger._engine, "connect", lambda *_: opened.append(1))
    for _ in range(2):
        with ExitStack() as together:
            for _ in range(16):
                together.enter_context(ledger._reading())
    assert len(opened) <= 16


def test_a_connection_to_sqlite_keeps_half_a_megabyte_of_the_ledger_at_most(tmp_path):
    with Ledger(f"sqlite:///{tmp_path / 'ledger.db'}", ManualClock())._reading() as connection:
        assert connection.exec_driver_sql("PRAGMA cache_size").scalar_one() == -512  # KiB


def test_sqlite_keeps_what_was_committed_and_lets_readers_in(tmp_path):
    ledger = Ledger(f"sqlite:///{tmp_path / 'ledger.db'}", ManualClock())
    ledger.migrate()
    with ledger._reading() as connection:
        pragmas = {name: connection.exec_driver_sql(f"PRAGMA {name}").scalar_one()
                   for name in ("journal_mode", "synchronous", "busy_timeout", "foreign_keys")}  # fmt: skip
    assert pragmas == {"journal_mode": "wal", "synchronous": 2, "busy_timeout": 30_000, "foreign_keys": 1}
    run_id = received(ledger)
    with ledger._transaction("test"):
        assert ledger.run(run_id).state is State.RECEIVED
        other = sqlite3.connect(tmp_path / "ledger.db", timeout=0)
        with pytest.raises(sqlite3.OperationalError, match="locked"):
            other.execute("BEGIN IMMEDIATE")
        other.close()
    ledger.close()


def test_a_forked_child_makes_connections_of_its_own(ledger):
    """The parent has a connection; the child writes by another one, and the parent goes on with its own."""
    run_id = received(ledger)
    parents = ledger._engine
    child = os.fork()
    if child == 0:
        status = 1
        try:
            claim = ledger.claim(run_id, {State.RECEIVED})
            status = 0 if claim is not None and ledger._engine is not parents else 2
        finally:
            os._exit(status)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
    assert ledger._engine is parents
    assert ledger.run(run_id).token == 1


def test_a_process_that_stops_before_the_commit_has_written_nothing(ledger):
    run_id = received(ledger)
    passed = []

    def stop(name):
        passed.append(name)
        if name == "ledger.claim.before_commit":
            raise KeyboardInterrupt

    set_fault_handler(stop)
    try:
        with pytest.raises(KeyboardInterrupt):
            ledger.claim(run_id, {State.RECEIVED})
        assert ledger.run(run_id).token == 0
        passed.clear()
        ledger.raise_sequence()
    finally:
        set_fault_handler(None)
    assert passed == ["ledger.raise_sequence.before_commit", "ledger.raise_sequence.after_commit"]
