"""A slice of the fuzzing that `python -m bench.fuzz_pages` does for longer."""

from itertools import count

from bench.fuzz_pages import fuzz, made_documents, make_case


def test_every_damaged_document_has_pages_or_a_known_reason_in_time():
    documents = made_documents()
    report = fuzz((make_case(7, number, documents) for number in count()), seconds=3)
    assert report.failures == []
    assert report.killed == []
    assert report.cases > 10
    assert report.outcomes["pages"] > 0


def test_a_case_follows_from_its_seed_and_number():
    documents = made_documents()
    assert make_case(7, 40, documents) == make_case(7, 40, documents)
    assert make_case(7, 40, documents) != make_case(8, 40, documents)
