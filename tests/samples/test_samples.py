from copy import deepcopy
from pathlib import Path

import pytest

from headrace.states import Reason
from samples.check import differences, truth_of
from samples.make_samples import all_samples

SAMPLES = Path(__file__).parents[2] / "samples"


def rows(truth):
    return deepcopy(truth["fields"]), deepcopy(truth["cells"])


def test_the_documents_and_their_truth_are_made_again_to_the_same_bytes():
    made = all_samples()
    assert {path.name for path in (SAMPLES / "documents").iterdir()} == set(made)
    for name, (content, truth) in made.items():
        assert (SAMPLES / "documents" / name).read_bytes() == content, name
        assert truth_of(name) == truth, name


def test_bad_documents_name_a_reason_that_exists():
    failures = {name: truth["failure"] for name, (_, truth) in all_samples().items() if truth["failure"]}
    assert failures == {
        "damaged.pdf": Reason.UNREADABLE,
        "encrypted.pdf": Reason.ENCRYPTED,
        "not-a-pdf.pdf": Reason.UNSUPPORTED_TYPE,
    }


def test_rows_that_say_the_truth_differ_in_nothing():
    truth = truth_of("invoice-ruled.pdf")
    assert differences(truth, *rows(truth)) == []


def test_white_space_makes_no_difference():
    truth = truth_of("hostile-text.pdf")
    fields, cells = rows(truth)
    for cell in cells:
        cell["text"] = f" {cell['text']}\n".replace(" ", "  ")
    assert differences(truth, fields, cells) == []


@pytest.mark.parametrize("index", [0, 1])
def test_a_row_too_few_or_too_many_is_told(index):
    truth = truth_of("invoice-ruled.pdf")
    lost, doubled = rows(truth), rows(truth)
    lost[index].pop()
    doubled[index].append(doubled[index][0])
    assert any("missing" in line for line in differences(truth, *lost))
    assert any("not in the truth" in line for line in differences(truth, *doubled))


@pytest.mark.parametrize(
    ("index", "column", "wrong"),
    [(0, "text", "x"), (0, "value", "x"), (0, "page", 2), (1, "text", "x"), (1, "table", 2), (1, "label", "x")],
)
def test_a_wrong_row_is_told(index, column, wrong):
    truth = truth_of("invoice-ruled.pdf")
    changed = rows(truth)
    changed[index][0][column] = wrong
    assert differences(truth, *changed)


def test_a_provider_that_reads_no_values_is_judged_by_its_texts():
    truth = truth_of("invoice-ruled.pdf")
    fields, cells = rows(truth)
    for field in fields:
        field["kind"] = field["value"] = None
    assert differences(truth, fields, cells) == []
