"""The marker in the bucket: which ledger belongs to a private place, and how far it has come.

A ledger that was lost, an old copy, or somebody else's must not submit: it does not know what was paid.
"""

import json
from collections.abc import Iterable
from dataclasses import dataclass

import structlog
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from headrace.clock import Clock
from headrace.errors import ForeignLedger, HeadraceError, ObjectNotFound, PreconditionFailed
from headrace.faults import fault_point
from headrace.ledger import Ledger
from headrace.ledger.records import Identity
from headrace.storage import Location, ObjectStore

log = structlog.get_logger()

NAME = "ledger.json"
_TRIES = 5


class Mark(BaseModel):
    """What the marker says. `sequence` is never ahead of the ledger's own: the ledger is raised first."""

    model_config = ConfigDict(frozen=True)

    ledger: str = Field(min_length=1)
    sequence: int = Field(ge=0, le=2**62)


@dataclass(frozen=True)
class Standing:
    """The marker that stands at a place: None where there is none (no eTag either), or none that can be read."""

    mark: Mark | None
    etag: str | None


class _NoMarker(ForeignLedger):
    """Nothing stands there."""


class _DamagedMarker(ForeignLedger):
    """What stands there is no marker."""

    def __init__(self, message: str, etag: str) -> None:
        super().__init__(message)
        self.etag = etag


class Marker:
    """Keeps `{private}/ledger.json` of each private place.

    Beside ForeignLedger, every call raises what the store and the ledger raise where they cannot be used.
    """

    def __init__(self, store: ObjectStore, ledger: Ledger, clock: Clock) -> None:
        self._store = store
        self._ledger = ledger
        self._clock = clock

    def establish(self, location: Location) -> None:
        """Make the place ours at the first start; at every later one, check that it is."""
        body = self._body(self._ledger.identity())
        key = location.key(NAME)
        try:
            fault_point("marker.establish.before")
            self._store.put(location.bucket, key, body, content_type="application/json", if_none_match=True)
            fault_point("marker.establish.after")
        except PreconditionFailed:
            self.check(location)
        else:
            log.info("marker established", place=str(location))

    def check(self, location: Location) -> None:
        """ForeignLedger unless this ledger may submit under the place: the marker names it, and no later sequence."""
        # In this order: the ledger's sequence is raised first, so it is not behind what the marker said before.
        mark, _ = self._read(location)
        _compare(mark, self._ledger.identity(), location)

    def standing(self, location: Location) -> "Standing":
        """What stands there, whoever's it is, for a rebuild."""
        try:
            mark, etag = self._read(location)
        except _NoMarker:
            return Standing(None, None)
        except _DamagedMarker as error:
            return Standing(None, error.etag)
        return Standing(mark, etag)

    def claim(self, location: Location, mark: Mark, standing: "Standing") -> None:
        """Write the mark in place of what stood there; PreconditionFailed where that changed meanwhile."""
        body, key = self._body(Identity(mark.ledger, mark.sequence)), location.key(NAME)
        fault_point("marker.claim.before")
        self._store.put(
            location.bucket,
            key,
            body,
            content_type="application/json",
            if_match=standing.etag,
            if_none_match=standing.etag is None,
        )
        fault_point("marker.claim.after")

    def raise_(self, locations: Iterable[Location]) -> None:
        """Raise the ledger's sequence, then the markers'. One place that fails does not stop the others.

        Where a marker names another ledger or a later sequence, and where none can be read at all, nothing is
        raised: an old copy would otherwise come level with the marker by and by. Raises the last of the errors,
        once all places were tried.
        """
        ours, failure = self._ours(locations)
        if ours:
            self._ledger.raise_sequence()
        for location in ours:
            try:
                self._raise_one(location)
            except HeadraceError as error:
                log.warning("marker not raised", place=str(location), error=str(error))
                failure = error
        if failure is not None:
            raise failure

    def _ours(self, locations: Iterable[Location]) -> tuple[list[Location], HeadraceError | None]:
        """The places whose marker can be read, and why the last of the others cannot.

        Raises ForeignLedger if one of those that can be read is not ours.
        """
        marks: dict[Location, Mark] = {}
        failure: HeadraceError | None = None
        for location in locations:
            try:
                marks[location], _ = self._read(location)
            except HeadraceError as error:
                log.warning("marker cannot be read", place=str(location), error=str(error))
                failure = error
        # Read after the marks, as in `check`.
        identity = self._ledger.identity()
        for location, mark in marks.items():
            _compare(mark, identity, location)
        return list(marks), failure

    def _raise_one(self, location: Location) -> None:
        for tries_left in reversed(range(_TRIES)):
            mark, etag = self._read(location)
            identity = self._ledger.identity()
            _compare(mark, identity, location)
            if mark.sequence == identity.sequence:
                return  # another process raised both meanwhile
            body, key = self._body(identity), location.key(NAME)
            try:
                fault_point("marker.raise.before")
                self._store.put(location.bucket, key, body, content_type="application/json", if_match=etag)
                fault_point("marker.raise.after")
            except PreconditionFailed:
                if not tries_left:
                    raise
            else:
                return

    def _read(self, location: Location) -> tuple[Mark, str]:
        """The marker and the eTag under which it stands."""
        try:
            head, body = self._store.get(location.bucket, location.key(NAME))
        except ObjectNotFound as error:
            raise _NoMarker(
                f"There is no marker at {location}/{NAME}: the place was never set up, or somebody emptied it. "
                "Nothing is submitted. If nothing was paid from there, start headrace again: it sets the place up. "
                "Else stop the workers and run `headrace rebuild`."
            ) from error
        return _parse(body, location, head.etag), head.etag

    def _body(self, identity: Identity) -> bytes:
        mark = {"ledger": identity.id, "sequence": identity.sequence, "raised_at": self._clock.now().isoformat()}
        return json.dumps(mark).encode()


def _parse(body: bytes, location: Location, etag: str) -> Mark:
    try:
        return Mark.model_validate_json(body)
    except ValidationError as error:
        raise _DamagedMarker(
            f"The marker {location}/{NAME} cannot be read: it is not what headrace writes. Nothing is submitted. "
            "Restore it, or stop the workers and run `headrace rebuild`, which writes it anew.",
            etag,
        ) from error


def _compare(mark: Mark, identity: Identity, location: Location) -> None:
    if mark.ledger != identity.id:
        raise ForeignLedger(
            f"{location} belongs to the ledger {mark.ledger}; this one is {identity.id}. It does not know what was "
            "paid there, so nothing is submitted. Connect the ledger that belongs to the place, or give the route "
            "another private prefix. If that ledger is lost, `headrace rebuild` makes an empty one, as this may be, "
            "the place's own; no worker should run meanwhile."
        )
    if mark.sequence > identity.sequence:
        raise ForeignLedger(
            f"{location} was last used at sequence {mark.sequence} of this ledger, which is now at "
            f"{identity.sequence}: it is an old copy, and has forgotten what was paid since. Nothing is submitted. "
            "Restore the latest copy. If this is the latest that there is, stop the workers and run "
            "`headrace rebuild`: it brings this ledger up to date from the place."
        )
