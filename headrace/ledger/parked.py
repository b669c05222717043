"""Messages that could not be read, kept for a person."""

from collections.abc import Collection, Sequence
from dataclasses import replace
from datetime import datetime
from hashlib import sha256

from sqlalchemy import Connection, delete, func, select, update

from headrace.ledger.documents import in_pieces
from headrace.ledger.engine import Database
from headrace.ledger.records import ParkedEvent, ParkedSummary
from headrace.ledger.schema import parked_events
from headrace.ledger.upserts import insert_new

MOST_BODY_BYTES = 262_144
"""As much as a bucket's notification can have several times over, and as long as a message of SQS used to be."""

MOST_PARKED_WHOLE = 10_000
"""With so many parked already, of a further one no more is kept than tells a person what it is."""
MOST_BODY_BYTES_BEYOND = 1024


def body_bytes(text: str) -> bytes:
    """A message's body as it is kept: UTF-8, half of a surrogate pair included, as the reader of events takes it."""
    return text.encode("utf-8", "surrogatepass")


def parked_event(queue: str, message: str, body: bytes, why: str, at: datetime) -> ParkedEvent:
    """A message as it is parked: named by its queue and the queue's id of it, and cut where it is too long."""
    if len(body) > MOST_BODY_BYTES:
        why = f"Only the first {MOST_BODY_BYTES} of its {len(body)} bytes are kept here. {why}"
    name = sha256(f"{queue}\0{message}".encode()).hexdigest()[:16]
    return ParkedEvent(id=name, queue=queue, message=message, why=why, body=body[:MOST_BODY_BYTES], parked_at=at)


class Parked(Database):
    """The calls of the queues' doors, and of `headrace events`."""

    def park(self, events: Sequence[ParkedEvent]) -> set[str]:
        """Keep these messages; the ids of those that were not kept yet. One that was stays as it is.

        With `MOST_PARKED_WHOLE` parked already, the others are cut, and said to be; one that comes again when there is
        room is kept whole then. `parked_whole` says what became of them.
        """
        if not events:
            return set()
        by_id = {event.id: event for event in events}
        with self._transaction("park") as tx:
            there = _sizes(tx, by_id)
            new = by_id.keys() - there.keys()
            room = max(MOST_PARKED_WHOLE - _count_to(tx, MOST_PARKED_WHOLE), 0)
            kept = {one: by_id[one] if place < room else _cut(by_id[one]) for place, one in enumerate(sorted(new))}
            insert_new(tx, parked_events, [vars(event) for event in kept.values()])
            if room > len(new):
                for one in [one for one, size in there.items() if size < len(by_id[one].body)]:
                    whole = {"body": by_id[one].body, "why": by_id[one].why}
                    tx.execute(update(parked_events).where(parked_events.c.id == one).values(whole))
        return new

    def parked_whole(self, events: Sequence[ParkedEvent]) -> set[str]:
        """The ids of those of these messages that are parked with all that `parked_event` took of them."""
        with self._reading() as connection:
            sizes = _sizes(connection, {event.id for event in events})
        return {event.id for event in events if sizes.get(event.id) == len(event.body)}

    def parked(self, limit: int) -> list[ParkedSummary]:
        """What is parked, the newest first, without the bodies."""
        columns = [column for column in parked_events.c if column.name != "body"]
        query = (
            select(*columns, func.length(parked_events.c.body).label("size_bytes"))
            .order_by(parked_events.c.parked_at.desc(), parked_events.c.id)
            .limit(limit)
        )
        with self._reading() as connection:
            return [ParkedSummary(**row._mapping) for row in connection.execute(query)]

    def parked_count(self) -> int:
        """How many messages are parked."""
        with self._reading() as connection:
            return connection.execute(select(func.count()).select_from(parked_events)).scalar_one()

    def parked_ids(self) -> list[str]:
        """The id of every parked message, the oldest first."""
        query = select(parked_events.c.id).order_by(parked_events.c.parked_at, parked_events.c.id)
        with self._reading() as connection:
            return list(connection.execute(query).scalars())

    def parked_event(self, event_id: str) -> ParkedEvent | None:
        """A parked message with its body."""
        with self._reading() as connection:
            row = connection.execute(select(parked_events).where(parked_events.c.id == event_id)).one_or_none()
        return None if row is None else ParkedEvent(**row._mapping)

    def forget_parked(self, event_ids: Collection[str]) -> int:
        """Remove these messages for good; how many of them were there."""
        removed = 0
        for chunk in in_pieces(sorted(set(event_ids))):
            with self._transaction("forget_parked") as tx:
                gone = delete(parked_events).where(parked_events.c.id.in_(chunk)).returning(parked_events.c.id)
                removed += len(tx.execute(gone).all())
        return removed


def _sizes(connection: Connection, event_ids: Collection[str]) -> dict[str, int]:
    """How many bytes are kept of each of these messages that is parked."""
    size = func.length(parked_events.c.body).label("size")
    query = select(parked_events.c.id, size).where(parked_events.c.id.in_(event_ids))
    return {row.id: row.size for row in connection.execute(query)}


def _count_to(connection: Connection, most: int) -> int:
    """How many messages are parked; where they are more than `most`, that many."""
    some = select(parked_events.c.id).limit(most).subquery()
    return connection.execute(select(func.count()).select_from(some)).scalar_one()


def _cut(event: ParkedEvent) -> ParkedEvent:
    if len(event.body) <= MOST_BODY_BYTES_BEYOND:
        return event
    why = (
        f"Only the first {MOST_BODY_BYTES_BEYOND} bytes of it are kept here, for {MOST_PARKED_WHOLE} messages "
        f"are parked already. {event.why}"
    )
    return replace(event, why=why, body=event.body[:MOST_BODY_BYTES_BEYOND])
