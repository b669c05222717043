"""What periodic work remembers: short leases, due times that were used, how far a watch has come."""

from datetime import datetime, timedelta

from sqlalchemy import delete, select

from headrace.ledger.engine import Database
from headrace.ledger.schema import leases, schedules, watches
from headrace.ledger.upserts import insert_or_update


class Leases(Database):
    """The calls of periodic tasks."""

    def lease(self, name: str, holder: str, duration: timedelta) -> bool:
        """Take (or keep) a named lease for a while; False while somebody else has it."""
        with self._transaction("lease") as tx:
            now = self._clock.now()
            row = {"name": name, "holder": holder, "until": now + duration}
            return insert_or_update(tx, leases, row, where=(leases.c.until <= now) | (leases.c.holder == holder))

    def release(self, name: str, holder: str) -> None:
        """Give the lease up, if it is ours."""
        with self._transaction("release") as tx:
            tx.execute(delete(leases).where(leases.c.name == name, leases.c.holder == holder))

    def schedule_due(self, name: str, at: datetime) -> bool:
        """Whether this due time of a schedule is ours to serve: True for one caller, and never for an earlier time."""
        with self._transaction("schedule_due") as tx:
            row = {"name": name, "last_run_at": at}
            return insert_or_update(tx, schedules, row, where=schedules.c.last_run_at < at)

    def schedule_served(self, name: str) -> datetime | None:
        """The due time of a schedule that was served last; None where none was."""
        with self._reading() as connection:
            last = select(schedules.c.last_run_at).where(schedules.c.name == name)
            served: datetime | None = connection.execute(last).scalar_one_or_none()
            return served

    def watch_cursor(self, bucket: str, prefix: str) -> str:
        """How far the watch of this place has come; empty at first."""
        here = (watches.c.bucket == bucket) & (watches.c.prefix == prefix)
        with self._reading() as connection:
            return connection.execute(select(watches.c.cursor).where(here)).scalar_one_or_none() or ""

    def save_watch_cursor(self, bucket: str, prefix: str, cursor: str) -> None:
        """Remember how far the watch of this place has come."""
        row = {"bucket": bucket, "prefix": prefix, "cursor": cursor, "updated_at": self._clock.now()}
        with self._transaction("save_watch_cursor") as tx:
            insert_or_update(tx, watches, row)
