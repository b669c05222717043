"""A window tells which requests in doubt were taken; what it cannot rule out is never called absent."""

import json
import random
import tracemalloc
import uuid
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import httpx
import pytest

from headrace.document import SubmissionKey
from headrace.errors import PredictionRejected, ProviderUnavailable, RateLimited
from headrace.providers import Absent, Found, Job, Sought, Unknown
from headrace.providers.nanonets import finding
from headrace.providers.nanonets.envelope import seal
from tests.clocks import ManualClock
from tests.nanonets.samples import answering, stored, stored_page

MODEL = "invoices"
NOW = datetime(2026, 11, 20, 12, 0, tzinfo=UTC)


def key(number):
    return SubmissionKey(f"{number:032x}", 1, "nanonets", "all", 1)


OURS = Sought(key(1), "invoice-7.pdf")
ANOTHER = Sought(key(2), "another.pdf")


def page(file="file-1", submission=None, **changes):
    """A page record of a window; without a submission, without metadata."""
    metadata = seal(submission.key, {"po": "4711"}) if submission else ""
    told = {"request_file_id": file, "request_metadata": metadata, "original_file_name": "else.pdf"}
    return stored_page(**told | changes)


def looked(*pages, sought=(OURS,)):
    return finding.listing(pages, MODEL, sought)


def found(*pages, one=OURS):
    return looked(*pages, sought=[one]).findings[one.key]


def test_a_key_in_the_window_is_found_with_its_job_once_for_all_its_pages():
    listing = looked(page(submission=OURS), page(submission=OURS, page=1), sought=[OURS, ANOTHER])
    assert listing.findings == {OURS.key: Found((Job("file-1", MODEL),)), ANOTHER.key: Absent()}
    assert listing.echoed


def test_how_many_pages_a_file_has_is_left_open():
    assert found(page(submission=OURS)).jobs[0].pages is None


def test_an_empty_window_has_nothing_and_echoes_nothing():
    listing = looked()
    assert listing.findings == {OURS.key: Absent()}
    assert not listing.echoed


def test_a_key_of_another_document_is_an_echo_and_nothing_more():
    listing = looked(page(submission=ANOTHER, original_file_name=OURS.name))
    assert listing.findings == {OURS.key: Absent()}
    assert listing.echoed


@pytest.mark.parametrize(
    ("first", "second"),
    [
        ({"day_since_epoch": 20000}, {"day_since_epoch": 20001}),
        ({"day_since_epoch": 20000, "hour_of_day": 3}, {"day_since_epoch": 20000, "hour_of_day": 21}),
        (
            {"id": str(uuid.UUID(fields=(1, 0, 0x1000, 0x80, 0, 1)))},
            {"id": str(uuid.UUID(fields=(2, 0, 0x1000, 0x80, 0, 1)))},
        ),
        ({"day_since_epoch": 20000}, {"day_since_epoch": "yesterday"}),
        ({}, {}),
    ],
)
def test_two_jobs_under_one_key_come_the_oldest_first(first, second):
    pages = [page("older", OURS, **first), page("younger", OURS, **second)]
    if first != second:
        pages.reverse()
    assert [job.id for job in found(*pages).jobs] == ["older", "younger"]


def test_a_file_is_as_old_as_its_oldest_page():
    pages = [page("a", OURS, day_since_epoch=9), page("b", OURS, day_since_epoch=8), page("a", OURS, day_since_epoch=7)]
    assert [job.id for job in found(*pages).jobs] == ["a", "b"]


def test_a_listing_full_of_one_key_is_cut_short():
    jobs = found(*(page(f"file-{number}", OURS) for number in range(1000))).jobs
    assert len(jobs) == finding.MOST_JOBS
    assert jobs[0].id == "file-0"


@pytest.mark.parametrize("file", ["", None, 7, {}, "a/b", "x" * 300])
def test_a_key_without_a_usable_file_id_is_unknown(file):
    assert isinstance(found(page(file, OURS)), Unknown)


def test_one_usable_file_id_is_enough():
    assert found(page(None, OURS), page("file-2", OURS)) == Found((Job("file-2", MODEL),))


@pytest.mark.parametrize(
    "metadata", ["", None, "order=7", "{}", '{"headrace": 7}', "[[", 7, {"a": 1}, '{"headrace":"not-a-key"}', "null"]
)
def test_a_file_of_the_same_name_without_a_key_might_be_ours(metadata):
    assert isinstance(found(page(request_metadata=metadata, original_file_name=OURS.name)), Unknown)
    assert found(page(request_metadata=metadata)) == Absent()


@pytest.mark.parametrize(
    ("sent", "told"),
    [
        ('quo"te.pdf', "quo%22te.pdf"),
        ('quo"te.pdf', 'quo"te.pdf'),
        ("a%22b.pdf", "a%22b.pdf"),
        ("C:\\temp\\x.pdf", "x.pdf"),
        ("half\ud800.pdf", "half?.pdf"),
        ("Ä.pdf", "A\u0308.pdf"),
        ("Scan.WEBP", "scan.pdf"),
        ("two\r\nlines.pdf", "two%0D%0Alines.pdf"),
        ("", "document"),
    ],
)
def test_a_name_counts_however_it_was_spelt_on_its_way(sent, told):
    assert isinstance(found(page(original_file_name=told), one=replace(OURS, name=sent)), Unknown)


def test_a_live_record_has_its_name_elsewhere():
    assert isinstance(found(page(original_file_name=None, input=OURS.name)), Unknown)


@pytest.mark.parametrize("name", ["", 7, ["else.pdf"], {"name": "else.pdf"}, True])
def test_a_file_without_key_and_name_might_be_any(name):
    assert isinstance(found(page(original_file_name=name)), Unknown)


def test_what_went_out_without_a_name_might_be_any_file_without_a_key():
    nameless = replace(OURS, name=None)
    assert isinstance(found(page(), one=nameless), Unknown)
    assert found(page(submission=ANOTHER), one=nameless) == Absent()
    assert found(page(submission=OURS), one=nameless) == Found((Job("file-1", MODEL),))


@pytest.mark.parametrize(
    "damage",
    [lambda text: text[:60], lambda text: text.replace('"', "&quot;"), json.dumps],
    ids=["cut", "escaped", "wrapped"],
)
def test_damaged_metadata_that_names_the_document_is_no_absence(damage):
    metadata = damage(seal(OURS.key, {}))
    assert isinstance(found(page(request_metadata=metadata)), Unknown)
    assert found(page(request_metadata=metadata), one=ANOTHER) == Absent()


def test_what_is_found_stays_found_whatever_else_is_there():
    assert found(page(original_file_name=OURS.name), page("file-2", OURS)) == Found((Job("file-2", MODEL),))


def test_a_full_text_is_in_no_list():
    text = replace(OURS, text_only=True)
    listing = looked(page(submission=ANOTHER), sought=[text])
    assert isinstance(listing.findings[text.key], Unknown)


def test_no_record_however_strange_is_more_than_unknown():
    strange = [None, True, 0, -1, 1e308, "", "x" * 20_000, [], [[]], {}, {"a": {}}, "\x00", "2026", key(1).document]
    dice = random.Random(7)
    for _ in range(2000):
        names = ("request_file_id", "request_metadata", "original_file_name", "input", "id", "day_since_epoch")
        record = {name: dice.choice(strange) for name in names if dice.random() < 0.8}
        assert isinstance(found(record | {"hour_of_day": dice.choice(strange)}), Absent | Unknown)


def test_memory_does_not_grow_with_the_window():
    sought = [Sought(key(number), f"{number}.pdf") for number in range(100)]
    records = (page(f"file-{n}", Sought(key(n), ""), original_file_name=f"{n}.pdf") for n in range(20_000))
    tracemalloc.start()
    try:
        listing = finding.listing(records, MODEL, sought)
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert all(isinstance(one, Found) for one in listing.findings.values())
    assert peak < 2 * 1024 * 1024


# Through the provider.


def asked(handler, *, since=NOW, until=NOW, now=NOW, seconds=30.0, sought=(OURS,)):
    return answering(handler, ManualClock(now)).find(MODEL, sought, since, until, deadline_seconds=seconds)


@pytest.mark.parametrize(
    ("since", "until", "days"),
    [
        (datetime(2026, 11, 20, 0, 0, tzinfo=UTC), datetime(2026, 11, 20, 23, 59, 59, tzinfo=UTC), (20, 20)),
        (datetime(2026, 11, 20, 23, 59, 59, tzinfo=UTC), datetime(2026, 11, 21, 0, 0, 1, tzinfo=UTC), (20, 21)),
        (
            datetime.fromisoformat("2026-11-21T00:30:00+02:00"),
            datetime.fromisoformat("2026-11-20T20:00:00-05:00"),
            (20, 21),
        ),
    ],
)
def test_the_window_goes_from_the_day_before_to_two_days_after_in_utc(since, until, days):
    seen = []

    def handler(request):
        seen.append(request.url)
        return httpx.Response(200, json=stored())

    asked(handler, since=since, until=until)
    (url,) = seen
    epoch = datetime(1970, 1, 1, tzinfo=UTC)
    first, last = ((datetime(2026, 11, day, tzinfo=UTC) - epoch).days for day in days)
    assert url.path.endswith(f"/Inferences/Model/{MODEL}/ImageLevelInferences")
    # And one day more: nobody says whether the first one is in.
    assert dict(url.params) == {"start_day_interval": str(first - 2), "current_batch_day": str(last + 2)}


def test_all_keys_are_looked_for_in_one_call():
    calls = []

    def handler(request):
        calls.append(request)
        return httpx.Response(200, json=stored(page(submission=OURS), moderated=[page("file-2", ANOTHER)]))

    listing = asked(handler, sought=[OURS, ANOTHER])
    assert len(calls) == 1
    assert listing.findings == {OURS.key: Found((Job("file-1", MODEL),)), ANOTHER.key: Found((Job("file-2", MODEL),))}


@pytest.mark.parametrize(
    ("response", "error"),
    [
        (httpx.Response(401, json={}), PredictionRejected),
        (httpx.Response(429, json={}), RateLimited),
        (httpx.Response(503, json={}), ProviderUnavailable),
        (httpx.Response(200, html="<html>"), ProviderUnavailable),
        (httpx.Response(200, content=b'{"moderated_images": [{"id": "a"}'), ProviderUnavailable),
        (httpx.Response(200, json={"moderated_images": [7]}), ProviderUnavailable),
        (httpx.Response(200, json={}), ProviderUnavailable),
        (
            httpx.Response(200, content=b'{"moderated_images": [{"id": "' + b"x" * 34_000_000 + b'"}]}'),
            ProviderUnavailable,
        ),
        (
            httpx.Response(200, content=b'{"moderated_images": [{"id": ' + b"[" * 5000 + b"]" * 5000 + b"}]}"),
            ProviderUnavailable,
        ),
    ],
)
def test_a_listing_that_does_not_come_to_its_end_tells_nothing(response, error):
    with pytest.raises(error):
        asked(lambda _request: response)


def test_a_listing_has_its_time_and_no_more():
    clock = ManualClock(NOW)

    def handler(_request):
        clock.sleep(31)
        return httpx.Response(200, json=stored(page(submission=OURS)))

    with pytest.raises(ProviderUnavailable):
        answering(handler, clock).find(MODEL, [OURS], NOW, NOW + timedelta(hours=1), deadline_seconds=30)


def test_where_only_full_texts_are_sought_nothing_is_asked():
    def handler(request):
        raise AssertionError("Such a lane has no model that could be asked.")

    text = replace(OURS, text_only=True)
    found = answering(handler, ManualClock(NOW)).find("", [text], NOW, NOW, deadline_seconds=30)
    assert isinstance(found.findings[text.key], Unknown)
    assert not found.echoed
