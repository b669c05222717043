"""Making the ledger's tables, checking that they are there, and knowing which ledger this is."""

import sqlite3
from uuid import uuid4

from sqlalchemy import select, update

from headrace.errors import LedgerUnavailable
from headrace.ledger.engine import Database, one_at_a_time
from headrace.ledger.records import Identity
from headrace.ledger.schema import identity
from headrace.ledger.upserts import insert_new

_WAL_TRIES = 100
_WAL_PAUSE_SECONDS = 0.1


class Setup(Database):
    """The calls of whoever starts a process, and of the marker.

    What knows of versions is loaded when it is asked, for loading it takes longer than most commands do.
    """

    def migrate(self) -> None:
        """Bring the tables to this version; two processes may do so at once."""
        from headrace.ledger import versions

        if self._url.get_backend_name() == "sqlite":
            self._write_ahead()
        with self._transaction("migrate") as tx:
            one_at_a_time(tx, "migrate")
            versions.upgrade(tx)
            insert_new(tx, identity, [{"only": 1, "id": uuid4().hex, "sequence": 0}])

    def check(self) -> None:
        """LedgerUnavailable, with what to do, unless the ledger answers and its tables are of this version."""
        from headrace.ledger import versions

        with self._reading() as connection:
            found = versions.version_of(connection)
        wanted = versions.newest()
        if found == wanted:
            return
        if found is None or versions.is_known(found):
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
