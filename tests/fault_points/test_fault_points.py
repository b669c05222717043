"""A sample of the proof, and the decisions of the harness itself; `make prove` plays all of it."""

import subprocess
import sys
from pathlib import Path

import pytest

from tests.fault_points.boundaries import name_of_call, name_of_request
from tests.fault_points.cases import new_or_in_focus, pairs, thorough
from tests.fault_points.judgement import differences
from tests.fault_points.passings import Passing

ROOT = Path(__file__).parents[2]
SAMPLE_SECONDS = "6"


@pytest.mark.timeout(400)  # half a minute on a quiet machine
def test_a_sample_of_all_cases_holds():
    command = [sys.executable, "-m", "tests.fault_points", "--sample", SAMPLE_SECONDS]
    played = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False, timeout=390)
    assert played.returncode == 0, played.stdout + played.stderr
    assert "All of it holds." in played.stdout


def test_passings_can_be_read_again():
    passing = Passing("submit", "wire.s3.PUT.note.sent", 2)
    assert Passing.parse(str(passing)) == passing


def test_a_thorough_life_is_cut_at_the_first_and_the_last_passing_in_each_step():
    trace = [Passing("export", "exports.file.after", number) for number in (1, 2, 3)] + [
        Passing("submit", "a.after", 1)
    ]
    assert [str(one) for one in thorough(trace)] == [
        "export:exports.file.after#1",
        "export:exports.file.after#3",
        "submit:a.after#1",
    ]


def test_what_comes_by_the_clock_is_cut_once():
    trace = [Passing("sweep", "ledger.sweep.before_commit", number) for number in (1, 2)]
    assert [one.number for one in thorough(trace)] == [1]


def test_other_lives_are_cut_where_they_are_new_and_where_their_focus_writes():
    known = pairs(
        [Passing("submit", "a.after", 1), Passing("route", "a.after", 1), Passing("submit", "wire.s3.GET.x", 1)]
    )
    trace = [
        Passing("submit", "a.after", 1),
        Passing("route", "a.after", 1),
        Passing("submit", "wire.s3.GET.x", 1),
        Passing("settle", "b.after", 1),
    ]
    chosen = new_or_in_focus(trace, known, frozenset({"submit"}))
    assert [str(one) for one in chosen] == ["submit:a.after#1", "settle:b.after#1"]


@pytest.mark.parametrize(
    ("method", "path", "name"),
    [
        ("PUT", "/private/c1/submissions/k.json", "wire.s3.PUT.note"),
        ("PUT", "/private/c1/ledger.json", "wire.s3.PUT.marker"),
        ("GET", "/private/c1/runs/d/1/n/prediction.json.gz", "wire.s3.GET.prediction"),
        ("PUT", "/outbox/c1/rows/csv/fields/received=2026-11-20/o.csv", "wire.s3.PUT.rows"),
        ("PUT", "/outbox/c1/rows/documents/received=2026-11-20/o.json", "wire.s3.PUT.manifest"),
        ("HEAD", "/inbox/c1/paid/a.pdf", "wire.s3.HEAD.document"),
        ("GET", "/inbox?list-type=2&prefix=c1", "wire.s3.LIST"),
        ("PUT", "/inbox", "wire.s3.PUT.bucket"),
    ],
)
def test_requests_of_the_store_are_named_by_what_they_are_about(method, path, name):
    assert name_of_request(method, f"http://127.0.0.1:1{path}") == name


def test_calls_of_the_api_are_named_by_what_they_are_for():
    calls = ["/api/v2/OCR/Model/m/LabelFile/", "/api/v2/Inferences/Model/m/ImageLevelInferences"]
    assert [name_of_call(path) for path in calls] == ["wire.api.submit", "wire.api.listing"]


def test_a_difference_says_where_it_is_and_what_was_found():
    expected = {"runs": [{"state": "exported"}], "bill": {"a": 1}}
    found = {"runs": [{"state": "held"}], "bill": {"a": 1, "b": 1}}
    assert list(differences(expected, found)) == [
        "/bill/b: not expected ('1')",
        "/runs[0]/state: expected 'exported', found 'held'",
    ]
