"""Large answers are bounded before they take memory, and are read one at a time."""

import json
import threading

import pytest

from headrace.errors import InDoubt
from headrace.providers.nanonets import bodies, reading
from headrace.providers.nanonets.answers import UnreadableBody
from headrace.states import Reason
from tests.clocks import ManualClock
from tests.nanonets.samples import BytesSource, a_request, always, live, live_page, table

WAIT_SECONDS = 20
SMALL = json.dumps(live(live_page())).encode()
LARGE = json.dumps(live(live_page(custom_response="x" * 5_000_000))).encode()
MANY_CELLS = live(live_page(prediction=[table(*[{"row": 1, "col": 1}] * 30_000)]))


def body_of(item, count):
    return b'{"result": [' + b",".join([item] * count) + b"]}"


@pytest.mark.parametrize(
    "body",
    [
        body_of(b"{}", bodies.MOST_PARTS),
        body_of(b"[]", bodies.MOST_PARTS),
        body_of(b"0", 10_000_002),
    ],
    ids=["objects", "lists", "values"],
)
def test_a_body_of_more_parts_than_any_document_has_is_unreadable(body):
    with pytest.raises(UnreadableBody, match="more than 500,000 objects and lists"):
        bodies.parse(body)


def test_it_is_doubt_in_answer_to_a_paid_call():
    body = body_of(b'{"row":1,"col":1}', bodies.MOST_PARTS)
    with pytest.raises(InDoubt) as caught:
        always(200, content=body).submit(BytesSource(), a_request(ManualClock()))
    assert caught.value.reason is Reason.UNREADABLE_ANSWER


@pytest.mark.parametrize(
    ("small", "large"),
    [
        (lambda: bodies.parse(SMALL), lambda: bodies.parse(LARGE)),
        (lambda: reading.prediction_of(json.loads(SMALL), "m"), lambda: reading.prediction_of(MANY_CELLS, "m")),
        (
            lambda: reading.prediction_of_text({"result": [{"raw_text": "x"}]}, "m"),
            lambda: reading.prediction_of_text({"result": [{"raw_text": "x", "words": [{}] * 30_000}]}, "m"),
        ),
    ],
    ids=["parsed", "read", "text"],
)
def test_a_large_body_waits_for_another_one_and_a_small_one_never(small, large):
    done = threading.Event()
    reader = threading.Thread(target=lambda: (large(), done.set()), daemon=True)
    with bodies.turn(is_large=True):
        reader.start()
        small()
        assert not done.wait(0.1)
    assert done.wait(WAIT_SECONDS)
    reader.join(WAIT_SECONDS)


def test_a_turn_ends_where_reading_fails():
    for _ in range(2):
        with pytest.raises(UnreadableBody):
            bodies.parse(LARGE[:-1])


def test_texts_of_other_alphabets_stay_and_half_characters_are_replaced():
    body = '{"a": "Größe 木 😀", "b": "\\ud83d\\ude00", "c": "\\ud800"}'.encode()
    assert bodies.parse(body) == {"a": "Größe 木 😀", "b": "😀", "c": "\ufffd"}
