"""What an answer makes of a run: its marks, and the pages that are named as missing."""

import json
from datetime import timedelta

import pytest

from config.lanes import LaneSettings
from headrace.polling import PollSchedule
from headrace.prediction import Cell, Field, Page, Prediction, Table
from headrace.providers import Refused
from headrace.states import Mark, Reason, State
from tasks.outcomes import missing_pages, predicted
from tests.exports.rows import ROUTE
from tests.exports.rows import run as a_run
from tests.pdfs import make_pdf
from tests.tasks.conftest import PAID
from tests.tasks.scripted import accepted, answer, prediction

LANE = LaneSettings(provider="nanonets")
SAID = "Pages 2 and 4 could not be read; the other 3 are exported."


def manifests(world):
    keys = [head.key for page in world.store.list("out", "rows/documents/") for head in page]
    return [json.loads(world.store.read("out", key)) for key in keys]


def test_a_run_says_which_of_its_pages_could_not_be_read(world, provider):
    run = world.drop("paid/a.pdf", make_pdf(5))
    provider.submits.append(accepted(pages=5))
    provider.polls.append(answer(5, failed=(2, 4)))
    world.deliver_all()
    ended = world.ledger.run(run)
    assert (ended.state, ended.marks, ended.detail) == (State.EXPORTED, (Mark.PARTIAL,), SAID)
    assert SAID in [entry.detail for entry in world.ledger.history(ended.document.id)]
    (manifest,) = manifests(world)
    assert (manifest["detail"], manifest["marks"], manifest["failed_pages"]) == (SAID, ["partial"], [2, 4])
    assert manifest["failures"] == [{"page": page, "failure": "it would not"} for page in (2, 4)]


def test_the_pages_are_still_named_when_the_manifest_is_published_again(world, provider):
    run = world.drop("paid/a.pdf", make_pdf(3))
    provider.submits.append(answer(3, failed=(1,)))
    world.deliver_all()
    before = manifests(world)
    world.app.send_task("headrace.export", args=[run], queue="export", retry=False)
    world.deliver_all()
    assert manifests(world) == before
    assert world.ledger.run(run).detail == "Page 1 could not be read; the other 2 are exported."


def test_a_document_that_was_read_whole_says_nothing(world, provider):
    run = world.drop("paid/a.pdf", make_pdf(2))
    provider.submits.append(answer(2))
    world.deliver_all()
    assert world.ledger.run(run).detail == ""
    assert [(manifest["failed_pages"], manifest["failures"]) for manifest in manifests(world)] == [([], [])]


def listed_bit_by_bit(world, provider, *answers, promised=None):
    """A run whose job told `promised` pages, and its answer ever more of five."""
    run = world.drop("paid/a.pdf", make_pdf(5))
    provider.submits.append(accepted(pages=promised))
    provider.polls.extend(answers)
    world.deliver_all()
    world.live(600)
    return world.ledger.run(run)


def test_pages_of_a_job_of_untold_length_that_are_not_listed_yet_are_waited_for(world, provider):
    ended = listed_bit_by_bit(world, provider, answer(1), answer(3), answer(5))
    assert (ended.state, ended.marks, ended.detail) == (State.EXPORTED, (), "")
    assert not provider.polls


def test_pages_that_never_come_are_waited_for_a_few_minutes_and_then_named(make_world, provider):
    world = make_world(provider, routes=(PAID.model_copy(update={"poll": PollSchedule()}),))
    began = world.clock.now()
    ended = listed_bit_by_bit(world, provider, *[answer(4)] * 30)
    assert (ended.state, ended.marks) == (State.EXPORTED, (Mark.PARTIAL,))
    assert ended.detail == "Page 5 is missing from the answer; the other 4 are exported."
    assert timedelta(minutes=3) <= ended.ended_at - began <= timedelta(minutes=5)


def test_a_job_that_told_its_length_is_taken_as_it_is(world, provider):
    ended = listed_bit_by_bit(world, provider, answer(4), answer(5), promised=4)
    assert (ended.state, ended.marks) == (State.EXPORTED, (Mark.PARTIAL,))
    assert len(provider.polls) == 1


def test_the_last_poll_of_a_schedule_takes_what_is_there(make_world, provider):
    world = make_world(provider, routes=(PAID.model_copy(update={"poll": PollSchedule(polls=2)}),))
    ended = listed_bit_by_bit(world, provider, *[answer(4)] * 5)
    assert (ended.state, ended.marks) == (State.EXPORTED, (Mark.PARTIAL,))
    assert len(provider.polls) == 3


def test_a_document_of_which_no_page_was_read_is_not_exported(world, provider):
    run = world.drop("paid/a.pdf", make_pdf(5))
    provider.submits.append(accepted(pages=5))
    provider.polls.append(Refused(Reason.PREDICTION_FAILED, "none"))
    world.deliver_all()
    assert world.state(run) is State.FAILED


def part(first, last, failed=()):
    whole = prediction(last, failed=failed)
    return whole.model_copy(update={"pages": whole.pages[first - 1 :]})


def test_failed_pages_of_all_parts_are_named():
    advance = predicted(a_run(), ROUTE, [part(1, 10, failed=(3,)), part(11, 14, failed=(11, 12, 13))], LANE)
    assert advance.detail == "Pages 3 and 11–13 could not be read; the other 10 are exported."
    assert advance.facts["marks"] == (Mark.PARTIAL,)


def test_a_page_that_a_later_answer_read_is_not_missing():
    advance = predicted(a_run(), ROUTE, [part(1, 3, failed=(2,)), part(1, 3)], LANE)
    assert (advance.detail, advance.facts["marks"]) == ("", ())


def test_an_answer_corrects_how_long_a_document_is():
    facts = predicted(a_run(pages=9), ROUTE, [part(1, 8)], LANE).facts
    assert (facts["pages"], facts["pages_source"]) == (8, "answered")


def test_pages_that_the_answer_leaves_out_are_marked_and_named(world, provider):
    run = world.drop("paid/a.pdf", make_pdf(3))
    provider.submits.append(answer(2))
    world.deliver_all()
    said = "Page 3 is missing from the answer; the other 2 are exported."
    ended = world.ledger.run(run)
    assert (ended.state, ended.marks, ended.detail) == (State.EXPORTED, (Mark.PARTIAL,), said)
    assert (ended.pages, ended.walked_pages, ended.cost) == (2, 3, pytest.approx(0.2))
    (manifest,) = manifests(world)
    assert (manifest["missing_pages"], manifest["failed_pages"], manifest["detail"]) == ([3], [], said)
    world.app.send_task("headrace.export", args=[run], queue="export", retry=False)
    world.deliver_all()
    assert manifests(world) == [manifest]


def test_pages_of_an_answer_that_was_polled_are_missed_too(world, provider):
    run = world.drop("paid/a.pdf", make_pdf(5))
    provider.submits.append(accepted(pages=None))
    provider.polls.extend([answer(3, failed=(2,))] * 10)
    world.deliver_all()
    world.live(600)
    said = "Page 2 could not be read; pages 4–5 are missing from the answer; the other 2 are exported."
    assert (world.ledger.run(run).marks, world.ledger.run(run).detail) == ((Mark.PARTIAL,), said)


def test_other_pages_than_those_sent_do_not_stand_for_them():
    advance = predicted(a_run(pages=3, walked_pages=3), ROUTE, [part(1, 1), part(4, 4)], LANE)
    assert advance.detail == "Pages 2–3 are missing from the answer; the other 2 are exported."


def test_no_page_is_missing_where_all_parts_together_have_it():
    advance = predicted(a_run(pages=14, walked_pages=14), ROUTE, [part(1, 10), part(11, 14)], LANE)
    assert (advance.detail, advance.facts["marks"]) == ("", ())


def test_more_pages_than_were_walked_correct_the_count():
    advance = predicted(a_run(pages=2, walked_pages=2), ROUTE, [part(1, 3)], LANE)
    assert (advance.detail, advance.facts["pages"], advance.facts["pages_source"]) == ("", 3, "answered")


def test_a_count_that_is_not_certain_misses_no_page():
    advance = predicted(a_run(pages=3, pages_source="declared"), ROUTE, [part(1, 2)], LANE)
    assert (advance.detail, advance.facts["marks"], advance.facts["pages"]) == ("", (), 2)


@pytest.mark.parametrize(
    ("answered", "said"),
    [
        ((2, 5), ""),
        ((1, 2), ""),  # Nobody published by which numbers chosen pages come back.
        ((2,), "Page 5 is missing from the answer; the other one is exported."),
    ],
)
def test_of_chosen_pages_those_that_were_not_sent_are_not_missed(answered, said):
    some = ROUTE.model_copy(update={"pages_to_process": (2, 5, 30)})
    whole = prediction(5)
    came = whole.model_copy(update={"pages": tuple(page for page in whole.pages if page.number in answered)})
    advance = predicted(a_run(pages=9, walked_pages=9), some, [came], LANE)
    assert advance.detail == said
    assert advance.facts["marks"] == ((Mark.PARTIAL,) if said else ())


def test_where_only_some_pages_were_asked_for_a_document_keeps_its_length():
    some = ROUTE.model_copy(update={"pages_to_process": (1, 5)})
    asked = prediction(5).model_copy(update={"pages": tuple(prediction(5).pages[at] for at in (0, 4))})
    priced = LaneSettings(provider="nanonets", price_per_page=0.5)
    facts = predicted(a_run(pages=9), some, [asked], priced).facts
    assert "pages" not in facts
    assert facts["cost"] == 1


@pytest.mark.parametrize(
    ("pages", "failed", "said"),
    [
        (1, (), ""),
        (2, (1,), "Page 1 could not be read; the other one is exported."),
        (9, (7, 2), "Pages 2 and 7 could not be read; the other 7 are exported."),
        (9, (2, 3, 4, 9), "Pages 2–4 and 9 could not be read; the other 5 are exported."),
        (9, (1, 3, 5), "Pages 1, 3 and 5 could not be read; the other 6 are exported."),
        (2, (1, 2), "No page could be read."),
    ],
)
def test_missing_pages_are_told_in_words(pages, failed, said):
    assert missing_pages(prediction(pages, failed=failed)) == said


def test_of_very_many_missing_pages_some_are_named():
    said = missing_pages(prediction(1000, failed=tuple(range(1, 1000, 2))))
    assert len(said) < 200
    assert said.endswith("37, 39 and more could not be read; the other 500 are exported.")


@pytest.mark.parametrize(
    ("page", "marks"),
    [
        (Page(number=1, fields=(Field(label="a", validation_status="Failed"),)), (Mark.NEEDS_REVIEW,)),
        (Page(number=1, fields=(Field(label="a", validation_status="success"),)), ()),
        (Page(number=1, tables=(Table(validation_status="failed"),)), (Mark.NEEDS_REVIEW,)),
        (
            Page(number=1, tables=(Table(cells=(Cell(row=1, column=1, failed_validation="sum"),)),)),
            (Mark.NEEDS_REVIEW,),
        ),
        (Page(number=1, tables=(Table(cells=(Cell(row=1, column=1, failed_validation=""),)),)), ()),
    ],
)
def test_a_failed_check_of_the_provider_needs_review(page, marks):
    found = Prediction(provider="nanonets", model="m", pages=(page,))
    assert predicted(a_run(), ROUTE, [found], LANE).facts["marks"] == marks


@pytest.mark.parametrize(("said", "marks"), [(True, ()), (None, (Mark.NEEDS_REVIEW,))])
def test_an_approved_page_needs_review_where_nobody_stands_for_what_was_found_on_it(said, marks):
    page = Page(number=1, moderated=True, fields=(Field(label="total", text="12.00", moderated=said),))
    approved = Prediction(provider="nanonets", model="invoices", pages=(page,))
    assert predicted(a_run(), ROUTE, [approved], LANE).facts["marks"] == marks
