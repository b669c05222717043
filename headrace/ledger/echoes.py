"""Which accounts were seen to tell our own keys again: only there it means something that a key is not told."""

from sqlalchemy import select

from headrace.clock import Clock
from headrace.ledger.engine import Database
from headrace.ledger.schema import echoes
from headrace.ledger.upserts import insert_new
from headrace.routing import Lane


class Echoes(Database):
    """The calls of whoever reads an answer or a listing, and of settling."""

    def __init__(self, url: str, clock: Clock) -> None:
        super().__init__(url, clock)
        self._echoed: set[tuple[str, str]] = set()  # what this process has noted

    def note_echo(self, lane: Lane) -> None:
        """Note that a key of ours came back from the lane's account; again, it changes nothing and costs nothing."""
        account = (lane.provider, lane.account)
        if account in self._echoed:
            return
        row = {"provider": lane.provider, "account": lane.account, "seen_at": self._clock.now()}
        with self._transaction("note_echo") as tx:
            insert_new(tx, echoes, [row])
        self._echoed.add(account)

    def is_echoed(self, lane: Lane) -> bool:
        """Whether a key of ours ever came back from the lane's account."""
        ours = (echoes.c.provider == lane.provider) & (echoes.c.account == lane.account)
        with self._reading() as connection:
            return connection.execute(select(echoes.c.seen_at).where(ours)).first() is not None
