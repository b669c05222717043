"""The boundaries of each request to the object store, a queue and the API, as points to be killed at.

`wire.{server}.{what}.{before|begun|sent|answered}`: no byte left; the head left and the body did not (API only); the
last byte left; the answer was read. No module of ours takes part in it: the clients' own are told.
"""

import re
from collections.abc import Callable
from contextvars import ContextVar
from typing import Any
from urllib.parse import urlsplit

import httpx
from botocore.awsrequest import AWSHTTPConnection
from botocore.httpsession import URLLib3Session

Pass = Callable[[str], None]

_OBJECTS = (
    (re.compile(r"/submissions/"), "note"),
    (re.compile(r"/ledger\.json$"), "marker"),
    (re.compile(r"/run\.json$"), "run_facts"),
    (re.compile(r"/raw\.json\.gz$"), "raw"),
    (re.compile(r"/prediction\.json\.gz$"), "prediction"),
    (re.compile(r"/revisions?/"), "revision"),
    (re.compile(r"/rows/documents/"), "manifest"),
    (re.compile(r"/rows/(csv|json|text)/"), "rows"),
)
_CALLS = (
    (re.compile(r"/(LabelFile|LabelUrls|FullText)"), "submit"),
    (re.compile(r"/(GetPredictions|InferenceRequestFiles)"), "fetch"),
    (re.compile(r"/ImageLevelInferences"), "listing"),
    (re.compile(r"/Model/?[^/]*$"), "model"),
)
# What httpcore tells of a request over HTTP/1.1 (its documentation: "Extensions", "trace").
_TOLD_BY_HTTPCORE = {
    "http11.send_request_body.started": "begun",
    "http11.receive_response_headers.started": "sent",
    "http11.receive_response_body.complete": "answered",
}
_request: ContextVar[str | None] = ContextVar("request", default=None)


def name_of_request(method: str, url: str, action: str | None = None) -> str:
    """What a request to S3, or to a queue (`action` says what it asks), is called."""
    address = urlsplit(url)
    if action is not None:
        return f"wire.sqs.{action}"
    if "list-type=" in address.query:
        return "wire.s3.LIST"
    if address.path.strip("/").count("/") == 0:
        return f"wire.s3.{method}.bucket"
    what = next((kind for pattern, kind in _OBJECTS if pattern.search(address.path)), "document")
    return f"wire.s3.{method}.{what}"


def name_of_call(path: str) -> str:
    """What a call of the API is called."""
    return f"wire.api.{next((kind for pattern, kind in _CALLS if pattern.search(path)), 'other')}"


def watch_boundaries(passed: Pass) -> None:
    """Have `passed` called at every boundary of every request that this process makes from here on."""
    _watch_botocore(passed)
    _watch_httpx(passed)


def _watch_botocore(passed: Pass) -> None:
    send, read_answer = URLLib3Session.send, AWSHTTPConnection.getresponse

    def watched_send(session: URLLib3Session, request: Any) -> Any:
        name = name_of_request(request.method, request.url, _action(request))
        passed(f"{name}.before")
        token = _request.set(name)
        try:
            response = send(session, request)
        finally:
            _request.reset(token)
        passed(f"{name}.answered")
        return response

    def watched_read(connection: Any) -> Any:
        passed(f"{_request.get()}.sent")
        return read_answer(connection)

    URLLib3Session.send = watched_send
    AWSHTTPConnection.getresponse = watched_read


def _action(request: Any) -> str | None:
    """What a queue is asked, as AWS's JSON protocol names it: AmazonSQS.DeleteMessageBatch."""
    target = request.headers.get("X-Amz-Target")
    if target is None:
        return None
    text = target.decode() if isinstance(target, bytes) else str(target)
    return text.rpartition(".")[2]


def _watch_httpx(passed: Pass) -> None:
    send = httpx.Client.send

    def watched_send(client: httpx.Client, request: httpx.Request, **options: Any) -> httpx.Response:
        name = name_of_call(request.url.path)

        def told(event: str, _: Any) -> None:
            boundary = _TOLD_BY_HTTPCORE.get(event)
            if boundary is not None:
                passed(f"{name}.{boundary}")

        passed(f"{name}.before")
        request.extensions["trace"] = told
        return send(client, request, **options)

    httpx.Client.send = watched_send
