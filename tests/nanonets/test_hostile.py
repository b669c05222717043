"""Whatever comes as an answer is read, or said to be unreadable; never anything else."""

import json
import random
from copy import deepcopy

from hypothesis import given, settings
from hypothesis import strategies as st

from headrace.exports.jsonl import write_jsonl
from headrace.flattening import flatten, merge, text_of, words_of
from headrace.prediction import Prediction
from headrace.providers.nanonets import answers, bodies, reading
from headrace.providers.nanonets.answers import UnreadableBody
from tests.exports.rows import CONTEXT
from tests.nanonets.captures import CAPTURES, as_bytes, leaves

JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(st.characters(exclude_categories=()), max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=8,
)
ODD = st.sampled_from(
    [
        None, True, 0, -1, 10**350, 1e308, -0.0, 0.5, "", "0", "Failure", "pending", [], [None], {}, [[]], [{}],
        [{"row": 1, "col": 1}], '{"headrace": "k", "metadata": {"a": ' + "[" * 500 + "]" * 500 + "}}",
    ]
)  # fmt: skip
PAGES_AT_MOST = 50


def check(body):
    """Read a body in every way; what is read must be storable, and come back as it was stored."""
    written = as_bytes(body)
    try:
        parsed = bodies.parse(written)
        pages = answers.records(parsed)
        answers.standing(pages, 2)
        answers.inputs(parsed)
        if pages:
            answers.accepted(pages)
    except UnreadableBody:
        pass
    try:
        prediction = reading.prediction_of(bodies.parse(written), "m")
    except UnreadableBody:
        return
    stored = json.dumps(prediction.model_dump(exclude_defaults=True))
    assert Prediction.model_validate(json.loads(stored)) == prediction
    assert all(page.number >= 1 for page in prediction.pages)
    # Boxes that a person corrected are there twice: as a difference, and as they were.
    assert len(stored) < 6 * len(written) + 1000
    rows = flatten(merge([prediction]), CONTEXT)
    write_jsonl([*rows.fields, *rows.table_rows, *rows.cells, *words_of(prediction, CONTEXT)])
    if len(prediction.pages) < PAGES_AT_MOST:
        text_of(prediction)


def changed(body, path, value):
    """The same body with something else at one place, or with nothing there."""
    body = deepcopy(body)
    part = body
    for step in path[:-1]:
        part = part[step]
    if value is ...:
        del part[path[-1]]
    else:
        part[path[-1]] = value
    return body


def places(value, path=()):
    """Every place in a JSON value, lists and objects too."""
    if path:
        yield path
    steps = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for step, part in steps:
        yield from places(part, (*path, step))


@settings(max_examples=80, deadline=None)
@given(
    st.sampled_from(sorted(CAPTURES)),
    st.lists(st.tuples(st.randoms(use_true_random=False), ODD | JSON | st.just(...)), min_size=1, max_size=4),
)
def test_a_changed_capture_is_read_or_unreadable(name, changes):
    body = CAPTURES[name]
    for chance, value in changes:
        if known := sorted(places(body), key=repr):
            body = changed(body, chance.choice(known), value)
    check(body)


def test_a_capture_with_any_value_missing_or_null_is_read_or_unreadable():
    for body in CAPTURES.values():
        for path in places(body):
            check(changed(body, path, ...))
            check(changed(body, path, None))


def test_a_capture_cut_off_or_with_changed_bytes_is_read_or_unreadable():
    chance = random.Random(7)
    whole = as_bytes(CAPTURES["by file"])
    for _ in range(300):
        damaged = bytearray(whole[: chance.randrange(len(whole))] if chance.random() < 0.3 else whole)
        for _ in range(chance.randrange(1, 4)):
            damaged[chance.randrange(len(damaged) or 1) : 0] = bytes([chance.randrange(256)])
        try:
            reading.prediction_of(bodies.parse(bytes(damaged)), "m")
        except UnreadableBody:
            continue


@settings(max_examples=60, deadline=None)
@given(st.dictionaries(st.sampled_from(["result", "results", "moderated_images", "unmoderated_images", "x"]), JSON))
def test_any_json_is_read_or_unreadable(body):
    check(body)


def test_the_captures_themselves_are_read():
    for body in CAPTURES.values():
        check(body)
        assert list(leaves(reading.prediction_of(body, "m").model_dump()))
