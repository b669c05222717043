"""What Nanonets knows of one file, before somebody takes it for that of a request."""

import pytest

from headrace.document import SubmissionKey
from headrace.errors import PredictionRejected, ProviderUnavailable, RateLimited
from headrace.providers import Job, Known
from headrace.providers.nanonets.envelope import seal
from tests.nanonets.samples import FILE_ID, always, stored, stored_page

JOB = Job(FILE_ID, "invoices")
KEY = SubmissionKey("a" * 32, 1, "nanonets", "all", 1)


def known(status=200, **body):
    return always(status, **body).known(JOB)


def test_a_file_is_known_with_the_key_that_it_came_with():
    pages = [stored_page(page, request_metadata=seal(KEY, {"vendor": "x"})) for page in (0, 1)]
    assert known(json=stored(*pages)) == Known(frozenset({KEY}))


@pytest.mark.parametrize("metadata", ["", "their own", None, '{"headrace": "no key", "metadata": {}}'])
def test_a_file_without_a_key_of_ours_is_known_all_the_same(metadata):
    assert known(json=stored(stored_page(0, request_metadata=metadata))) == Known()


@pytest.mark.parametrize(
    "answer",
    [
        {"status": 404, "json": {"message": "not found"}},
        {"json": stored()},
        {"json": stored(stored_page(0, request_file_id="another-file"))},
    ],
)
def test_a_file_that_is_not_there_is_not_known(answer):
    assert known(**answer) is None


@pytest.mark.parametrize(
    ("answer", "error"),
    [
        ({"status": 401, "json": {"message": "bad key"}}, PredictionRejected),
        ({"status": 429, "json": {}}, RateLimited),
        ({"status": 503, "json": {}}, ProviderUnavailable),
        ({"status": 404, "text": "<html></html>"}, ProviderUnavailable),
        ({"json": {"moderated_images": "nonsense"}}, ProviderUnavailable),
    ],
)
def test_where_it_does_not_say_that_is_an_error(answer, error):
    with pytest.raises(error):
        known(**answer)
