"""docs/retries.md is what the program does."""

import re
from pathlib import Path

from config.retry_docs import DOUBTS, ENDS, WAITS, page
from headrace.breaking import FAILURES, REFUSALS
from headrace.retrying import RULES, UNCOUNTED
from headrace.states import Reason

RETRIES = Path(__file__).parents[2] / "docs" / "retries.md"


def test_the_page_of_retries_is_current():
    current = RETRIES.read_text(encoding="utf-8") == page()
    assert current, "run: python -m config.retry_docs > docs/retries.md"


def test_the_page_has_every_reason():
    assert set(re.findall(r"`([a-z_]+)`", page())) >= set(Reason)


def test_each_row_of_the_rules_is_on_the_page_with_its_attempts_and_pauses():
    for reason, rule in RULES.items():
        (row,) = re.findall(rf"^\| `{reason}` \| (\d+) \| (.*) \|$", page(), re.MULTILINE)
        assert int(row[0]) == rule.most
    assert "| `unreachable` | 10 | 30 s, 1 min, 2 min, 4 min, 8 min, then 10 min each |" in page()


def test_what_waits_for_something_else_counts_no_attempt():
    assert set(WAITS) >= REFUSALS | {Reason.RATE_LIMITED}
    assert not set(RULES) & UNCOUNTED


def test_what_is_in_doubt_is_never_sent_again_after_a_pause():
    assert not set(DOUBTS) & set(RULES)
    assert set(FAILURES) <= {*DOUBTS, Reason.UNREACHABLE}


def test_what_ends_a_run_neither_waits_nor_is_in_doubt():
    assert not set(ENDS) & {*RULES, *WAITS, *DOUBTS}
    assert Reason.BAD_REQUEST in ENDS
