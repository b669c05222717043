"""A document, its pages and the routes: which route, sync or async, or a refusal."""

import pytest

from headrace.document import Document
from headrace.errors import DocumentTooLarge, DocumentTooLong, NoPages, NoRoute, UnreadableDocument
from headrace.page_count import PageCount
from headrace.routing import (
    Route,
    choose_mode,
    choose_route,
    page_numbers,
    pages_sent,
    refuse_large,
    refuse_lower_bound,
)
from headrace.states import Mode


def route(name: str = "route", **facts: object) -> Route:
    given = {"bucket": "inbox", "provider": "local", "output": "s3://out/rows", "private": "s3://own/private"}
    return Route.model_validate({"name": name, **given, **facts})


ROUTE = route(most_pages=20)


@pytest.mark.parametrize(
    ("pages", "mode"),
    [
        (1, Mode.SYNC),
        (3, Mode.SYNC),  # the limit itself is still sync
        (4, Mode.ASYNC),
        (20, Mode.ASYNC),  # the longest that is taken
    ],
)
def test_mode_follows_the_sync_page_limit(pages, mode):
    assert choose_mode(pages, ROUTE) is mode


def test_more_pages_never_go_back_to_sync():
    modes = [choose_mode(pages, ROUTE) is Mode.ASYNC for pages in range(1, ROUTE.most_pages + 1)]
    assert modes == sorted(modes)


def test_a_route_without_sync_pages_sends_all_async():
    assert choose_mode(1, route(sync_page_limit=0)) is Mode.ASYNC


def test_one_page_past_the_limit_is_refused_with_a_remedy():
    with pytest.raises(DocumentTooLong, match="21 pages; the route accepts at most 20"):
        choose_mode(21, ROUTE)


def bound(pages: int, *, at_least: bool) -> PageCount:
    return PageCount(pages, "walked", "image/tiff", at_least=at_least)


def test_a_lower_bound_passes_no_limit():
    refuse_lower_bound(bound(20, at_least=False), ROUTE)
    with pytest.raises(DocumentTooLong, match="at least 21 pages; the route accepts at most 20"):
        refuse_lower_bound(bound(21, at_least=True), ROUTE)
    with pytest.raises(UnreadableDocument, match="at least 20 pages; how many more is not known"):
        refuse_lower_bound(bound(20, at_least=True), ROUTE)


@pytest.mark.parametrize(
    ("pages", "numbers", "sent"),
    [
        (9, (1, 5, 7), 3),
        (5, (1, 5), 2),  # the last page itself is there
        (4, (1,), 1),
    ],
)
def test_only_pages_that_the_document_has_are_sent(pages, numbers, sent):
    some = route(provider="nanonets", model="m", pages_to_process=[5, 1, 7])
    assert (page_numbers(pages, some), pages_sent(pages, some)) == (numbers, sent)
    assert (page_numbers(pages, ROUTE), pages_sent(pages, ROUTE)) == ((), pages)


def test_a_document_that_has_none_of_the_pages_is_refused():
    late = route(provider="nanonets", model="m", pages_to_process=[5, 7])
    with pytest.raises(NoPages, match=r"has 4 pages, and pages_to_process of the route begins with page 5"):
        choose_mode(4, late)
    assert choose_mode(5, late) is Mode.SYNC


@pytest.mark.parametrize(
    ("numbers", "mode"), [([1, 2, 3], Mode.SYNC), ([1, 2, 3, 4], Mode.ASYNC), ([1, 2, 3, 99], Mode.SYNC)]
)
def test_the_pages_that_are_sent_decide_the_mode(numbers, mode):
    assert choose_mode(20, route(provider="nanonets", model="m", pages_to_process=numbers)) is mode


def test_the_limit_is_for_the_whole_document_however_few_pages_are_sent():
    with pytest.raises(DocumentTooLong):
        choose_mode(21, route(provider="nanonets", model="m", pages_to_process=[1], most_pages=20))


def test_the_text_alone_is_always_answered_at_once():
    assert choose_mode(400, route(provider="nanonets", text_only=True, sync_page_limit=0)) is Mode.SYNC


@pytest.mark.parametrize(("size", "refused"), [(None, False), (0, False), (10, False), (11, True)])
def test_one_byte_past_the_limit_is_refused(size, refused):
    document = Document("inbox", "a.pdf", "e", size=size)
    if not refused:
        refuse_large(document, route(most_bytes=10))
        return
    with pytest.raises(DocumentTooLarge, match="11 bytes"):
        refuse_large(document, route(most_bytes=10))


def test_the_longest_prefix_wins_in_any_order():
    routes = [route("all"), route("deep", prefix="in/deep/"), route("in", prefix="in/")]
    for order in (routes, routes[::-1]):
        assert choose_route("inbox", "in/deep/a.pdf", order).name == "deep"
        assert choose_route("inbox", "in/a.pdf", order).name == "in"
        assert choose_route("inbox", "a.pdf", order).name == "all"


def test_a_longer_prefix_that_does_not_take_the_suffix_leaves_it_to_a_shorter_one():
    routes = [route("all"), route("pictures", prefix="in/", suffixes=[".png"])]
    assert choose_route("inbox", "in/a.pdf", routes).name == "all"


@pytest.mark.parametrize(
    ("bucket", "key"),
    [("other", "in/a.pdf"), ("inbox", "out/a.pdf"), ("inbox", "in/a.txt"), ("inbox", "in/folder.pdf/")],
)
def test_what_no_route_takes_is_refused(bucket, key):
    with pytest.raises(NoRoute, match="No route takes"):
        choose_route(bucket, key, [route(prefix="in/")])


def test_a_suffix_is_taken_in_any_case():
    assert choose_route("inbox", "A.PDF", [ROUTE]) is ROUTE


def test_a_routes_revision_changes_with_anything_of_it():
    assert route().revision == route().revision
    assert len({route().revision, route(most_pages=7).revision, route(metadata={"a": "b"}).revision}) == 3


def test_the_account_is_the_providers_unless_given():
    assert route().lane == ("local", "local", "")
    assert route(provider="nanonets", model="m", account="emea").lane == ("nanonets", "emea", "m")
