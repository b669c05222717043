"""Making the ledger's tables, checking that they are there, and knowing which ledger this is."""

import sqlite3
from pathlib import Path
from uuid import uuid4

from alembic import command
from alembic.config import Config
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import select, update

from headrace.errors import LedgerUnavailable
from headrace.ledger.engine import Database, one_at_a_time
from headrace.ledger.records import Identity
from headrace.ledger.schema import identity
from headrace.ledger.upserts import insert_new

_MIGRATIONS = Path(__file__).parent / "migrations"
_WAL_TRIES = 100
_WAL_PAUSE_SECONDS = 0.1


class Setup(Database):
    """The calls of whoever starts a process, and of the marker."""

    def migrate(self) -> None:
        """Bring the tables to this version; two processes may do so at once."""
        if self._url.get_backend_name() == "sqlite":
            self._write_ahead()
        with self._transaction("migrate") as tx:
            one_at_a_time(tx, "migrate")
            config = _alembic()
            config.attributes["connection"] = tx
            command.upgrade(config, "head")
            insert_new(tx, identity, [{"only": 1, "id": uuid4().hex, "sequence": 0}])

    def check(self) -> None:
        """LedgerUnavailable, with what to do, unless the ledger answers and its tables are of this version."""
        with self._reading() as connection:
            found = MigrationContext.configure(connection).get_current_revision()
        script = ScriptDirectory.from_config(_alembic())
        wanted = script.get_current_head()
        if found == wanted:
            return
        if found is None or found in {step.revision for step in script.walk_revisions()}:
            raise LedgerUnavailable(
                f"The tables of the ledger {self._place} are of version {found or 'none'}, this program's of {wanted}. "
                "Run `headrace migrate`."
            )
        raise LedgerUnavailable(
            f"The tables of the ledger {self._place} are of version {found}, which this program does not know: "
            f"it knows {wanted}. A newer headrace made them; run that one."
        )

    def identity(self) -> Identity:
        """Which ledger this is, and its sequence."""
        with self._reading() as connection:
            row = connection.execute(select(identity)).one()
        return Identity(row.id, row.sequence)

    def raise_sequence(self) -> int:
        """Count the sequence up by one; what it is now."""
        with self._transaction("raise_sequence") as tx:
            raised = update(identity).values(sequence=identity.c.sequence + 1).returning(identity.c.sequence)
            sequence: int = tx.execute(raised).scalar_one()
        return sequence

    def _write_ahead(self) -> None:
        """Let readers and a writer go side by side (the file remembers it).

        SQLite refuses the change at once, whatever the timeout, while another connection is busy.
        """
        for tries_left in reversed(range(_WAL_TRIES)):
            with self._plain_errors(), self._engine.connect() as connection:
                cursor = connection.connection.cursor()
                try:
                    cursor.execute("PRAGMA journal_mode = WAL")
                except sqlite3.OperationalError as error:
                    if not tries_left or error.sqlite_errorcode != sqlite3.SQLITE_BUSY:
                        raise
                else:
                    return
            self._clock.sleep(_WAL_PAUSE_SECONDS)


def _alembic() -> Config:
    config = Config()
    # Alembic reads % in its options as interpolation.
    config.set_main_option("script_location", str(_MIGRATIONS).replace("%", "%%"))
    return config
