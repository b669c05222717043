"""Pages of listings are read quickly, and to the same as botocore reads them."""

import re
import threading
from contextlib import closing
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import botocore.session
import pytest
from botocore.parsers import create_parser
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import SecretStr

from headrace.errors import StorageUnavailable
from headrace.storage.listing import read_entries
from headrace.storage.s3 import S3Store, s3_client

OPERATION = botocore.session.get_session().get_service_model("s3").operation_model("ListObjectsV2")
ENTRY = (
    "<Contents><Key>in/a%2B%C3%9F.pdf</Key><LastModified>2026-11-20T12:00:01.250Z</LastModified>"
    "<ETag>&quot;d41d8cd98f00b204e9800998ecf8427e-3&quot;</ETag><Size>17</Size>"
    "<Owner><ID>x</ID><DisplayName>Y</DisplayName></Owner><StorageClass>STANDARD</StorageClass></Contents>"
)
PAGE = (
    '<?xml version="1.0" encoding="UTF-8"?>\n<ListBucketResult xmlns="http://s3.amazonaws.com/doc/2006-03-01/">'
    "<Name>inbox</Name><Prefix>in/</Prefix><EncodingType>url</EncodingType><KeyCount>2</KeyCount><MaxKeys>1000</MaxKeys>"
    "<IsTruncated>true</IsTruncated>{}<NextContinuationToken>a&amp;b</NextContinuationToken></ListBucketResult>"
)


def answered(body: str, status: int = 200) -> dict[str, Any]:
    return {
        "body": body.encode(),
        "headers": {},
        "status_code": status,
        "context": {"operation_name": "ListObjectsV2"},
    }


def parsed(answer: dict[str, Any]) -> dict[str, Any]:
    return create_parser("rest-xml").parse(answer, OPERATION.output_shape)


def facts(listing: dict[str, Any]) -> tuple[Any, ...]:
    entries = [
        (entry["Key"], entry["ETag"], entry["Size"], entry["LastModified"]) for entry in listing.get("Contents", [])
    ]
    return entries, listing.get("IsTruncated"), listing.get("NextContinuationToken"), listing.get("EncodingType")


def read_both_ways(body: str) -> tuple[dict[str, Any], dict[str, Any], bool]:
    """What botocore reads, what it reads after the handler, and whether the handler took the objects out."""
    answer, ours = answered(body), {}
    read_entries(response_dict=answer, customized_response_dict=ours, operation_model=OPERATION)
    return parsed(answered(body)), parsed(answer) | ours, bool(ours)


@pytest.mark.parametrize(
    "body",
    [
        PAGE.format(ENTRY),
        PAGE.format(ENTRY * 1000),
        re.sub(" xmlns=.*?>", ">", PAGE.format(ENTRY)),
        PAGE.format(ENTRY).replace(".250Z", "Z"),
        PAGE.format(ENTRY).replace(".250Z", "+02:00"),
        PAGE.format(ENTRY).replace("\n", " ").replace("<Contents>", "\n  <Contents>\n   "),
        PAGE.format(ENTRY.replace("&quot;", "")),
    ],
)
def test_a_page_is_read_as_botocore_reads_it(body):
    theirs, ours, taken = read_both_ways(body)
    assert facts(ours) == facts(theirs)
    assert len(ours["Contents"]) == body.count("<Contents>")
    assert taken


@pytest.mark.parametrize(
    "body",
    [
        PAGE.format(""),
        PAGE.format(ENTRY.replace("2026-11-20T12:00:01.250Z", "Fri, 20 Nov 2026 12:00:01 GMT")),
        PAGE.format(ENTRY.replace(".250Z", "")),
        PAGE.format(ENTRY + "<Contents><Key>in/b.pdf</Key></Contents>"),
        "<Error><Code>NoSuchBucket</Code><Message>No.</Message></Error>",
    ],
)
def test_what_is_not_as_expected_is_left_to_botocore(body):
    answer, ours = answered(body), {}
    read_entries(response_dict=answer, customized_response_dict=ours)
    assert (ours, answer["body"]) == ({}, body.encode())


@pytest.mark.parametrize("status", [403, 404, 500, 503])
def test_a_refusal_is_left_to_botocore(status):
    answer, ours = answered(PAGE.format(ENTRY), status), {}
    read_entries(response_dict=answer, customized_response_dict=ours)
    assert ours == {}


@settings(max_examples=200)
@given(st.integers(0, len(ENTRY) - 1), st.text("<>&/;:\"'%aZ0 \0\ufffe", max_size=4), st.integers(0, 4))
def test_a_damaged_page_is_read_as_botocore_reads_it_or_left_to_it(at, instead, lost):
    body = PAGE.format(ENTRY + ENTRY[:at] + instead + ENTRY[at + lost :])
    answer, ours = answered(body), {}
    read_entries(response_dict=answer, customized_response_dict=ours)
    if ours:
        theirs = parsed(answered(body))
        assert [entry["Key"] for entry in ours["Contents"]] == [entry["Key"] for entry in theirs["Contents"]]
    else:
        assert answer["body"] == body.encode()


@pytest.mark.parametrize(
    "entry",
    [
        ENTRY.replace("2026-11-20T12:00:01.250Z", "2026-11-20T1201.250Z"),
        "<Contents><Key>in/a.pdf</Key></Contents>",
    ],
)
def test_a_listing_that_leaves_facts_out_makes_the_store_unavailable(entry):
    class Answers(BaseHTTPRequestHandler):
        def do_GET(self):
            body = PAGE.format(entry).encode()
            self.send_response(200)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_):
            """Nobody reads it."""

    with ThreadingHTTPServer(("127.0.0.1", 0), Answers) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        client = s3_client(
            endpoint_url=f"http://127.0.0.1:{server.server_port}",
            region="us-east-1",
            access_key="a",
            secret_key=SecretStr("b"),
        )
        with closing(client), pytest.raises(StorageUnavailable, match="cannot be understood"):
            list(S3Store(client).list("inbox", "in/"))
        server.shutdown()
