"""Where documents are taken, billed, and handed to the reader."""

import json
from collections.abc import Sequence
from itertools import takewhile
from uuid import uuid1, uuid4

import structlog

from simulator.calls import Caller, Refusal
from simulator.chances import Chances
from simulator.clock import now
from simulator.journal import Accepted, File, Journal
from simulator.options import Options
from simulator.orders import Order
from simulator.pace import MINUTE_SECONDS, Arrival, Pace
from simulator.rates import Rates
from simulator.reading import Reader
from simulator.receiving import Asked
from simulator.uploads import Upload

log = structlog.get_logger()

# Page ids are UUIDs of version 1. A node with this first bit is nobody's network card (RFC 9562, section 6.10).
_NODE = 0x01_73_69_6D_75_6C


class Till:
    """Keeps the quota and the pace. Called by one thread only."""

    def __init__(self, options: Options, journal: Journal, reader: Reader, *, chances: Chances, rates: Rates) -> None:
        self._options = options
        self._journal = journal
        self._reader = reader
        self._chances = chances
        self._rates = rates
        self._pace = Pace()
        for request in _of_the_last_minute(journal.accepted):
            self._pace.take((request.account, request.model), Arrival(request.arrived_at, request.pages))

    def check_limits(self, caller: Caller, uploads: Sequence[Upload], asked: Asked) -> None:
        """Refusal where the key's pages, or what is allowed at once, are used up; nothing is billed then."""
        pages = _pages(uploads)
        quota = self._options.quota_pages
        if quota is not None and self._journal.pages_paid(caller.account) + pages > quota:
            raise Refusal(402, "The free pages of this API key are used up.")
        rate = self._rates.of(caller.model)
        if rate is None or not rate.refuses(asynchronous=asked.asynchronous):
            return
        if self._pace.is_above(rate, caller, Arrival(asked.arrived_at, pages)):
            self._rates.refused[caller] += 1
            words = "What the model takes in a minute, or in a second, is used up."
            raise Refusal(429, words, retry_after=rate.retry_after)

    def accept(
        self,
        caller: Caller,
        asked: Asked,
        uploads: Sequence[tuple[Upload, int]],
        order: Order | None,
    ) -> list[File]:
        """Take and bill the documents, each with its turn, and begin to read them."""
        accepted_at = now()
        later = self._options.async_seconds if asked.asynchronous else 0.0
        later += self._paced(caller, Arrival(asked.arrived_at, _pages([upload for upload, _ in uploads])))
        files = [
            File(
                id=str(uuid4()),
                model=caller.model,
                name=upload.name,
                suffix=upload.suffix,
                metadata=asked.metadata,
                asynchronous=asked.asynchronous,
                pages=upload.pages,
                page_ids=tuple(str(uuid1(_NODE)) for _ in upload.pages),
                accepted_at=accepted_at,
                ready_at=accepted_at + later,
                listed_at=accepted_at + self._lag(order),
                digest=upload.digest,
                turn=turn,
                failing=self._failing(upload, turn, order),
                blank=() if order is None else order.pages_of("blank", upload.pages),
                approved=(order is not None and order.do == "approve") or self._chances.approved(upload.digest, turn),
                variants={} if order is None else order.variants,
            )
            for upload, turn in uploads
        ]
        for file, (upload, _) in zip(files, uploads, strict=True):
            upload.path.replace(self._reader.content(file.id))
        submission = _submission(asked.metadata)
        accepted = Accepted(
            account=caller.account,
            submission=submission,
            language=asked.language,
            arrived_at=asked.arrived_at,
            files=tuple(files),
        )
        self._journal.append(accepted)
        log.info("document billed", submission=submission, pages=accepted.pages, asynchronous=asked.asynchronous)
        for file in files:
            self._reader.begin(file)
        return files

    def _paced(self, caller: Caller, arrival: Arrival) -> float:
        """Count it; how many seconds later it is done because of all that came within the minute."""
        self._pace.take(caller, arrival)
        rate = self._rates.of(caller.model)
        return 0.0 if rate is None else self._pace.slower_by(rate, caller, arrival.at)

    def _lag(self, order: Order | None) -> float:
        """How many seconds later windows have the file."""
        return order.seconds if order is not None and order.do == "lag" else self._options.listing_lag

    def _failing(self, upload: Upload, turn: int, order: Order | None) -> tuple[int, ...]:
        """The pages that fail, by the dice or by the order."""
        failing = set(self._chances.failing(upload.digest, turn, upload.pages))
        if order is not None:
            failing |= set(order.pages_of("fail", upload.pages))
        return tuple(sorted(failing))


def _of_the_last_minute(accepted: Sequence[Accepted]) -> list[Accepted]:
    recent = takewhile(lambda request: request.arrived_at > now() - MINUTE_SECONDS, reversed(accepted))
    return list(recent)[::-1]


def _pages(uploads: Sequence[Upload]) -> int:
    return sum(len(upload.pages) for upload in uploads)


def _submission(metadata: str) -> str | None:
    """headrace's own key in the metadata that came along, if it is there."""
    try:
        content = json.loads(metadata)
    except (ValueError, RecursionError):
        return None
    key = content.get("headrace") if isinstance(content, dict) else None
    return key if isinstance(key, str) else None
