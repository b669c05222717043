"""The project's own samples, read by the local provider, against their truth."""

import tomllib
from pathlib import Path

import pytest

from headrace.errors import PermanentError
from headrace.flattening import RowContext, flatten
from headrace.labels import LabelRule
from headrace.prediction import Prediction
from headrace.providers.local import read_document
from samples.check import differences, truth_of

SAMPLES = Path(__file__).parents[2] / "samples"
RULES = [LabelRule(**rule) for rule in tomllib.loads((SAMPLES / "rules.toml").read_text(encoding="utf-8"))["fields"]]
DOCUMENTS = sorted(path.name for path in (SAMPLES / "documents").iterdir())
GOOD = [name for name in DOCUMENTS if truth_of(name)["failure"] is None]
PDF_FAILURES = ["damaged.pdf", "encrypted.pdf"]


@pytest.mark.parametrize("name", GOOD)
def test_a_sample_reads_as_its_truth_says(name):
    truth = truth_of(name)
    pages = read_document((SAMPLES / "documents" / name).read_bytes(), RULES)
    prediction = Prediction(provider="local", model="samples", pages=pages)
    context = RowContext("0" * 32, 1, "inbox", name, "local", "local", "samples")
    rows = flatten(prediction, context)
    assert len(pages) == truth["pages"]
    assert all(row["kind"] is not None for row in rows.fields)
    assert differences(truth, rows.fields, rows.cells) == []


@pytest.mark.parametrize("name", PDF_FAILURES)
def test_a_bad_sample_fails_for_its_own_reason(name):
    with pytest.raises(PermanentError) as caught:
        read_document((SAMPLES / "documents" / name).read_bytes(), RULES)
    assert caught.value.reason == truth_of(name)["failure"]
