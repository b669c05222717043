"""The object store on S3 and on everything that speaks it."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from datetime import datetime, timedelta
from email.utils import parsedate_to_datetime
from typing import TYPE_CHECKING, Any, BinaryIO

import boto3
import botocore.session
from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError, ParamValidationError
from botocore.utils import determine_content_length, parse_timestamp
from pydantic import SecretStr
from urllib3.exceptions import HTTPError as TransportError

from headrace.errors import (
    HeadraceError,
    ObjectNotFound,
    PreconditionFailed,
    StorageFull,
    StorageRefused,
    StorageUnavailable,
)
from headrace.storage import ObjectHead, StoredObject
from headrace.storage.listing import read_entries

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client
    from mypy_boto3_s3.type_defs import GetObjectOutputTypeDef, HeadObjectOutputTypeDef

PIECE_BYTES = 64 * 1024
CONNECT_SECONDS = 5
READ_SECONDS = 30
TRIES = 3
# So small a body is sent along with its headers; for a larger one the store is asked first whether it takes it.
SMALL_BYTES = 256 * 1024

# A request that the store gave up on, or that came too fast: these say nothing against us.
_FULL = {"InsufficientStorage", "XMinioStorageFull", "QuotaExceeded", "XMinioAdminBucketQuotaExceeded"}
_COME_AGAIN = {"RequestTimeout", "SlowDown", "TooManyRequests", "Throttling", "ThrottlingException"}


def s3_client(
    endpoint_url: str | None,
    region: str,
    access_key: str | None = None,
    secret_key: SecretStr | None = None,
    *,
    connections: int = 32,
) -> "S3Client":
    """A client for AWS (no endpoint) or for another store at `endpoint_url`.

    Without keys the usual AWS chain (environment, profile, role) gives them. May be shared between
    threads, not between processes.
    """
    core = botocore.session.Session()
    core.get_component("response_parser_factory").set_parser_defaults(timestamp_parser=_time_of)
    client: S3Client = boto3.session.Session(botocore_session=core).client(
        "s3",
        endpoint_url=endpoint_url,
        region_name=region,
        aws_access_key_id=access_key,
        aws_secret_access_key=secret_key.get_secret_value() if secret_key is not None else None,
        config=Config(
            signature_version="s3v4",
            # Only AWS gives each bucket a host name of its own.
            s3={"addressing_style": "path" if endpoint_url is not None else "auto"},
            connect_timeout=CONNECT_SECONDS,
            read_timeout=READ_SECONDS,
            retries={"mode": "standard", "total_max_attempts": TRIES},
            max_pool_connections=connections,
            # Trailing checksums by default break several stores that are not AWS.
            request_checksum_calculation="when_required",
            response_checksum_validation="when_required",
            # One that is not given is put together anew for each request, twice: a quarter of a call's time.
            user_agent="headrace",
        ),
    )
    # The library calls the handlers of all operations last, and sets the header in one of them.
    client.meta.events.register_last("before-call.s3", _send_small_at_once)
    client.meta.events.register("before-parse.s3.ListObjectsV2", read_entries)
    return client


class S3Store:
    """Implements headrace.storage.ObjectStore."""

    def __init__(self, client: "S3Client") -> None:
        self._client = client

    def head(self, bucket: str, key: str, *, version_id: str | None = None) -> ObjectHead:
        with _translated(bucket, key):
            answer = self._client.head_object(Bucket=bucket, Key=key, **_version(version_id))
        return _head_of(key, answer)

    def get(
        self,
        bucket: str,
        key: str,
        *,
        version_id: str | None = None,
        if_match: str | None = None,
        most_bytes: int | None = None,
    ) -> StoredObject:
        with _translated(bucket, key):
            answer = self._client.get_object(Bucket=bucket, Key=key, **_version(version_id), **_match(if_match))
            with answer["Body"] as body:
                head = _head_of(key, answer)
                # Only what is read as a whole is known to be whole.
                is_larger = most_bytes is not None and head.size > most_bytes
                return StoredObject(head, body.read(most_bytes if is_larger else None))

    def read(
        self,
        bucket: str,
        key: str,
        *,
        start: int = 0,
        length: int | None = None,
        version_id: str | None = None,
        if_match: str | None = None,
    ) -> bytes:
        """Like a file: what lies behind the end is b""."""
        if length == 0:
            return b""
        condition = _match(if_match)
        if start or length is not None:
            last = "" if length is None else start + length - 1
            condition["Range"] = f"bytes={start}-{last}"
        with _translated(bucket, key):
            try:
                answer = self._client.get_object(Bucket=bucket, Key=key, **_version(version_id), **condition)
            except ClientError as error:
                if _status(error) == 416:
                    return b""
                raise
            with answer["Body"] as body:
                return body.read()

    def stream(
        self, bucket: str, key: str, *, version_id: str | None = None, if_match: str | None = None
    ) -> Iterator[bytes]:
        with _translated(bucket, key):
            answer = self._client.get_object(Bucket=bucket, Key=key, **_version(version_id), **_match(if_match))
        with answer["Body"] as body:
            while True:
                # Only the store's own failures are translated, not what the reader of the pieces raises.
                with _translated(bucket, key):
                    piece = body.read(PIECE_BYTES)
                if not piece:
                    return
                yield piece

    def put(
        self,
        bucket: str,
        key: str,
        body: bytes | BinaryIO,
        *,
        content_type: str = "application/octet-stream",
        metadata: Mapping[str, str] | None = None,
        if_match: str | None = None,
        if_none_match: bool = False,
    ) -> str:
        condition = _match(if_match) | ({"IfNoneMatch": "*"} if if_none_match else {})
        with _translated(bucket, key):
            try:
                answer = self._client.put_object(
                    Bucket=bucket,
                    Key=key,
                    Body=body,
                    ContentType=content_type,
                    Metadata=dict(metadata or {}),
                    **condition,
                )
            except ClientError as error:
                # If-Match on an object that is gone is answered with 404.
                if if_match is not None and _code(error) in {"NoSuchKey", "404"}:
                    raise PreconditionFailed(f"s3://{bucket}/{key} is gone.") from error
                raise
        return answer["ETag"].strip('"')

    def list(self, bucket: str, prefix: str, *, start_after: str = "") -> Iterator[list[ObjectHead]]:
        pages = self._client.get_paginator("list_objects_v2").paginate(
            Bucket=bucket, Prefix=prefix, StartAfter=start_after, PaginationConfig={"PageSize": 1000}
        )
        turning = iter(pages)
        while True:
            try:
                with _translated(bucket, prefix):
                    page = next(turning, None)
                heads = [] if page is None else [_head(entry) for entry in page.get("Contents", ())]
            except (KeyError, ValueError) as error:
                raise StorageUnavailable(
                    f"The listing of s3://{bucket}/{prefix} cannot be understood ({type(error).__name__}): something "
                    "else than an S3 server answers, or one that leaves facts out."
                ) from error
            if page is None:
                return
            if heads:
                yield heads

    def presign(self, bucket: str, key: str, *, version_id: str | None, valid_for: timedelta) -> str:
        with _translated(bucket, key):
            return self._client.generate_presigned_url(
                "get_object",
                Params={"Bucket": bucket, "Key": key, **_version(version_id)},
                ExpiresIn=int(valid_for.total_seconds()),
            )

    def delete(self, bucket: str, key: str) -> None:
        with _translated(bucket, key):
            self._client.delete_object(Bucket=bucket, Key=key)

    def create_bucket(self, bucket: str) -> None:
        region = self._client.meta.region_name
        # us-east-1 is the one region that must not be named.
        place: dict[str, Any] = (
            {} if region == "us-east-1" else {"CreateBucketConfiguration": {"LocationConstraint": region}}
        )
        with _translated(bucket, ""):
            try:
                self._client.create_bucket(Bucket=bucket, **place)
            except ClientError as error:
                if _code(error) == "BucketAlreadyExists":
                    # Some stores say this of our own bucket too: it is ours if we may look at it.
                    self._client.head_bucket(Bucket=bucket)
                elif _code(error) != "BucketAlreadyOwnedByYou":
                    raise


def _time_of(text: Any) -> datetime:
    """A time as a header gives it, which the library reads fifteen times more slowly; all others it reads."""
    if isinstance(text, str) and text.endswith(" GMT"):
        return parsedate_to_datetime(text)
    time: datetime = parse_timestamp(text)
    return time


def _send_small_at_once(params: dict[str, Any], **_: Any) -> None:
    """Take the "Expect: 100-continue" of every PUT away, which costs a journey, where the body is small."""
    length = determine_content_length(params["body"])
    if length is not None and length <= SMALL_BYTES:
        params["headers"].pop("Expect", None)


def _whole_seconds(time: datetime) -> datetime:
    # Nearly all listings give them: a copy of each of 1,000 times is not for nothing.
    return time.replace(microsecond=0) if time.microsecond else time


def _version(version_id: str | None) -> dict[str, Any]:
    return {} if version_id is None else {"VersionId": version_id}


def _real_version(version_id: str | None) -> str | None:
    return None if version_id == "null" else version_id


def _head_of(key: str, answer: "HeadObjectOutputTypeDef | GetObjectOutputTypeDef") -> ObjectHead:
    """An object as the answer to HEAD or GET tells of it."""
    return ObjectHead(
        key=key,
        etag=answer["ETag"].strip('"'),
        size=answer["ContentLength"],
        last_modified=answer["LastModified"].replace(microsecond=0),
        # An object from before versioning has the version "null", which is no version of anything.
        version_id=_real_version(answer.get("VersionId")),
        metadata={name.lower(): value for name, value in answer.get("Metadata", {}).items()},
        content_type=answer.get("ContentType"),
    )


def _head(entry: Mapping[str, Any]) -> ObjectHead:
    """An object of a listing; KeyError where a fact is missing."""
    return ObjectHead(
        key=entry["Key"],
        etag=entry["ETag"].strip('"'),
        size=entry["Size"],
        last_modified=_whole_seconds(entry["LastModified"]),
    )


def _match(etag: str | None) -> dict[str, Any]:
    return {} if etag is None else {"IfMatch": f'"{etag}"'}


@contextmanager
def _translated(bucket: str, key: str) -> Iterator[None]:
    """Turn every error of the client into one of ours. No text of the library goes along: it may hold a URL."""
    place = f"s3://{bucket}/{key}"
    try:
        yield
    except ClientError as error:
        raise _answered_no(error, place) from error
    except (ParamValidationError, UnicodeEncodeError) as error:
        raise ObjectNotFound(f"Nothing can lie at {place!r}: S3 allows no such name.") from error
    except (BotoCoreError, TransportError, OSError) as error:
        raise StorageUnavailable(
            f"The object store cannot be reached for {place} ({type(error).__name__}). "
            "Check that it runs and that HEADRACE_S3_ENDPOINT is right."
        ) from error


def _answered_no(error: ClientError, place: str) -> HeadraceError:
    status, code = _status(error), _code(error)
    if status in {409, 412}:
        return PreconditionFailed(f"{place} changed meanwhile ({code}).")
    # 405 is the answer for a version that marks a deletion.
    if status in {404, 405} or code in {"NoSuchKey", "NoSuchBucket", "NoSuchVersion"}:
        return ObjectNotFound(f"There is nothing at {place} ({code}).")
    if status == 507 or code in _FULL:
        return StorageFull(
            f"The object store has no room left for {place}: {status} ({code}). Make room, or raise its quota."
        )
    if status >= 500 or status == 429 or code in _COME_AGAIN:
        return StorageUnavailable(f"The object store failed on {place} with {status} ({code}).")
    return StorageRefused(
        f"The object store refuses {place} with {status} ({code}). "
        "Check the access key, the secret key, the region, this machine's clock, and the key's rights on the bucket."
    )


def _status(error: ClientError) -> int:
    return int(error.response.get("ResponseMetadata", {}).get("HTTPStatusCode", 0))


def _code(error: ClientError) -> str:
    return str(error.response.get("Error", {}).get("Code", "unknown"))
