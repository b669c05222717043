"""What providers answered, kept in the bucket: created once, and where one exists the stored one counts."""

import gzip
import json
import zlib
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from hashlib import sha256

import structlog
from pydantic import ValidationError

from headrace.document import SubmissionKey
from headrace.errors import AnswerLost, ObjectNotFound, PreconditionFailed, StorageUnavailable
from headrace.exports.jsonl import to_json
from headrace.exports.order import Order
from headrace.faults import fault_point
from headrace.flattening import storable
from headrace.ledger.records import Run, Submission
from headrace.prediction import Prediction
from headrace.storage import Location, ObjectStore

log = structlog.get_logger()

MOST_UNPACKED_BYTES = 256 * 1024 * 1024
TRIES = 5
_RAW_DIGEST = "headrace-raw-sha256"
_TOKEN = "headrace-token"  # noqa: S105  a fencing token, no secret


class Answers:
    """The stored answers of all submissions. Every method raises StorageUnavailable and StorageRefused."""

    def __init__(self, store: ObjectStore, *, most_unpacked_bytes: int = MOST_UNPACKED_BYTES) -> None:
        self._store = store
        self._most_unpacked_bytes = most_unpacked_bytes

    def keep(self, location: Location, key: SubmissionKey, raw: bytes, prediction: Prediction) -> Prediction:
        """Store an answer and return the one that counts: this one, or the one that was stored before.

        The prediction goes first: it is what is paid for and what everything later reads. The raw bytes
        beside it are always those that it was read out of.
        """
        digest = sha256(raw).hexdigest()
        try:
            self._create_prediction(location, key, prediction, digest)
        except PreconditionFailed:
            stored = self.prediction(location, key)
            if stored is None:
                raise StorageUnavailable(f"The stored answer of {key} vanished while it was read.") from None
            head = self._store.head(location.bucket, location.key(*_folder(key), "prediction.json.gz"))
            if head.metadata.get(_RAW_DIGEST) != digest:
                return stored
            prediction = stored
        try:
            self._create_raw(location, key, raw)
        except PreconditionFailed:
            log.debug("raw answer stored before", submission=str(key))
        return prediction

    def raw(self, location: Location, key: SubmissionKey) -> bytes | None:
        """The provider's answer; None where none is stored."""
        return self._unpacked(location, key, "raw.json.gz")

    def prediction(self, location: Location, key: SubmissionKey) -> Prediction | None:
        """The stored prediction; None where none is stored, AnswerLost where it is damaged."""
        body = self._unpacked(location, key, "prediction.json.gz")
        if body is None:
            return None
        try:
            # Not by pydantic's own parser: texts may hold lone surrogates, boxes may hold NaN.
            return Prediction.model_validate(json.loads(body))
        except (ValidationError, ValueError, RecursionError):
            # Their texts quote the answer, which belongs in no log.
            raise _damaged(location, key) from None

    def needed(self, location: Location, key: SubmissionKey) -> Prediction:
        """The stored prediction of a submission that was answered; AnswerLost where it is gone or damaged."""
        prediction = self.prediction(location, key)
        if prediction is None:
            raise AnswerLost(
                f"The stored answer of {key} is gone from {location}: somebody deleted it. "
                "Restore it, or reprocess the document."
            )
        return prediction

    def keep_run_facts(self, location: Location, run: Run, submissions: Sequence[Submission] = ()) -> None:
        """Write the run's own facts, and its submissions', for a rebuild; those of a later claim of the run stay."""
        path = location.key("runs", run.document.id, str(run.number), "run.json")
        body = to_json(run_facts(run, submissions)).encode()
        etag: str | None = None
        for _ in range(TRIES):
            try:
                self._put_run_facts(location.bucket, path, body, run.token, etag)
            except PreconditionFailed:
                try:
                    head = self._store.head(location.bucket, path)
                except ObjectNotFound:
                    etag = None
                    continue
                if _token(head.metadata) > run.token:
                    return
                etag = head.etag
            else:
                return
        raise StorageUnavailable(f"The facts of run {run.id} kept changing while they were written.")

    def _create_prediction(self, location: Location, key: SubmissionKey, prediction: Prediction, digest: str) -> None:
        path = location.key(*_folder(key), "prediction.json.gz")
        body = _packed(_written(prediction))
        metadata = {_RAW_DIGEST: digest}
        fault_point("answers.prediction.before")
        self._store.put(
            location.bucket, path, body, content_type="application/gzip", metadata=metadata, if_none_match=True
        )
        fault_point("answers.prediction.after")

    def _create_raw(self, location: Location, key: SubmissionKey, raw: bytes) -> None:
        path, body = location.key(*_folder(key), "raw.json.gz"), _packed(raw)
        fault_point("answers.raw.before")
        self._store.put(location.bucket, path, body, content_type="application/gzip", if_none_match=True)
        fault_point("answers.raw.after")

    def _put_run_facts(self, bucket: str, path: str, body: bytes, token: int, etag: str | None) -> None:
        fault_point("answers.run_facts.before")
        self._store.put(
            bucket,
            path,
            body,
            content_type="application/json",
            metadata={_TOKEN: str(token)},
            if_match=etag,
            if_none_match=etag is None,
        )
        fault_point("answers.run_facts.after")

    def _unpacked(self, location: Location, key: SubmissionKey, name: str) -> bytes | None:
        try:
            packed = self._store.read(location.bucket, location.key(*_folder(key), name))
        except ObjectNotFound:
            return None
        # 31: a gzip header is expected.
        unpacking = zlib.decompressobj(wbits=31)
        try:
            body = unpacking.decompress(packed, self._most_unpacked_bytes)
        except zlib.error as error:
            raise _damaged(location, key) from error
        if not unpacking.eof:
            raise _damaged(location, key)
        return body


def _folder(key: SubmissionKey) -> tuple[str, ...]:
    return "runs", key.document, str(key.run), f"{key.provider}-{key.part}-{key.n}"


def _packed(body: bytes) -> bytes:
    # No time in it, so that the same answer always is the same bytes.
    return gzip.compress(body, compresslevel=6, mtime=0)


def set_aside_form(raw: bytes, prediction: Prediction) -> tuple[bytes, bytes]:
    """An answer as it is kept elsewhere while the bucket does not take it: packed."""
    return _packed(raw), _packed(_written(prediction))


def read_set_aside(raw: bytes, prediction: bytes) -> tuple[bytes, Prediction]:
    """What `set_aside_form` packed."""
    return gzip.decompress(raw), Prediction.model_validate(json.loads(gzip.decompress(prediction)))


def _written(prediction: Prediction) -> bytes:
    # What says nothing is left out: of a table cell that is nearly all.
    return json.dumps(prediction.model_dump(exclude_defaults=True)).encode()


def _damaged(location: Location, key: SubmissionKey) -> AnswerLost:
    return AnswerLost(
        f"The stored answer of {key} in {location} is damaged: it was cut or changed, or unpacks to more than "
        "an answer may hold. Restore it, or reprocess the document."
    )


def run_facts(run: Run, submissions: Sequence[Submission]) -> dict[str, object]:
    """What run.json says of a run, as values of JSON and times."""
    passing = {
        "due_at",
        "lease_until",
        "deliveries",
        "put_offs",
        "put_off_for",
        "put_off_since",
        "stands_until",
        "published",
    }
    facts = {name: value for name, value in asdict(run).items() if name not in passing} | {
        "document_id": run.document.id,
        "lane": run.lane._asdict() if run.lane is not None else None,
        "order": asdict(Order.of(run)),
        "submissions": [asdict(one) | {"key": str(one.key), "lane": one.lane._asdict()} for one in submissions],
    }
    cleaned: dict[str, object] = storable(facts)
    return cleaned


def _token(metadata: Mapping[str, str]) -> int:
    text = metadata.get(_TOKEN, "")
    return int(text) if text.isascii() and text.isdigit() else -1
