"""What a scan asks of the ledger: what should lie in a bucket, and that it does not lie there any more."""

from collections.abc import Collection, Sequence
from datetime import datetime

from sqlalchemy import select, update

from headrace.ledger.documents import in_pieces
from headrace.ledger.engine import Database
from headrace.ledger.records import Lying
from headrace.ledger.schema import documents, objects


class Scans(Database):
    """The calls of a scan, and of whoever shows what it found."""

    def lying(self, bucket: str, start: str, stop: str | None, limit: int) -> list[Lying]:
        """The current content of each key from `start` on that comes before `stop`, in the order of their bytes.

        That of a key where nothing was found any more is among them, with `gone_at`.
        """
        query = (
            select(documents.c.object_id, documents.c.key, documents.c.id, documents.c.last_modified, objects.c.gone_at)
            .join(objects, (objects.c.id == documents.c.object_id) & (objects.c.current == documents.c.id))
            .where(documents.c.bucket == bucket, documents.c.key >= start)
            .order_by(documents.c.key)
            .limit(limit)
        )
        if stop is not None:
            query = query.where(documents.c.key < stop)
        with self._reading() as connection:
            return [Lying(*row) for row in connection.execute(query)]

    def mark_gone(self, missing: Sequence[Lying]) -> int:
        """Note that nothing lies under these keys any more; of how many it was news.

        One that was told of again since it was read is left alone: it may be back.
        """
        marked = 0
        for chunk in in_pieces(missing):
            with self._transaction("mark_gone") as tx:
                now = self._clock.now()
                for one in chunk:
                    told = select(documents.c.id).where(
                        documents.c.id == objects.c.current,
                        documents.c.id == one.document_id,
                        documents.c.last_modified.is_not_distinct_from(one.last_modified),
                    )
                    here = (objects.c.id == one.object_id) & objects.c.gone_at.is_(None) & told.exists()
                    marked += tx.execute(update(objects).where(here).values(gone_at=now)).rowcount
        return marked

    def gone(self, object_ids: Collection[str]) -> dict[str, datetime]:
        """Since when nothing was found under those of these keys where that is so."""
        found: dict[str, datetime] = {}
        with self._reading() as connection:
            for chunk in in_pieces(list(object_ids)):
                marked = objects.c.id.in_(chunk) & objects.c.gone_at.is_not(None)
                rows = connection.execute(select(objects.c.id, objects.c.gone_at).where(marked))
                found |= {row.id: row.gone_at for row in rows}
        return found
