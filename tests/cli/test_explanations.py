import pytest

from headrace.explanations import EXPLANATIONS, explain
from headrace.states import Reason


def test_every_reason_is_explained():
    assert set(EXPLANATIONS) == set(Reason)


@pytest.mark.parametrize("reason", Reason)
def test_an_explanation_is_two_sentences_for_a_person(reason):
    explanation = explain(reason)
    for sentence in (explanation.meaning, explanation.remedy):
        assert sentence[0].isupper()
        assert sentence.endswith(".")
        assert len(sentence) < 140
