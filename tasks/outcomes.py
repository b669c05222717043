"""What a provider's answer makes of a run: its pages, cost, marks, and which pages are missing."""

from collections.abc import Collection, Iterable, Sequence
from typing import Any

from config.lanes import LaneSettings
from headrace.document import SubmissionKey
from headrace.flattening import merge
from headrace.ledger.records import Advance, Run, SubmissionChange
from headrace.prediction import Page, Prediction
from headrace.routing import Route, pages_missing
from headrace.states import Mark, State, SubmissionState

# A message names no more; the manifest names every one.
_MOST_SPANS_NAMED = 20


def predicted(run: Run, route: Route, predictions: Sequence[Prediction], lane: LaneSettings) -> Advance:
    """The advance of a run whose parts, at least one, are all answered; its cost and length are those of the answers.

    Where the route has only some pages read, the answers do not tell how long the document is.
    """
    whole = merge(predictions)
    numbers = whole.page_numbers
    absent = pages_missing(numbers, run.walked_pages, route)
    facts: dict[str, Any] = {"marks": _marks(whole, absent), "cost": cost_of(len(numbers), lane)}
    if numbers and len(numbers) != run.pages and not route.pages_to_process:
        facts |= {"pages": len(numbers), "pages_source": "answered"}
    return Advance(State.PREDICTED, detail=missing_pages(whole, absent), facts=facts)


def answered(key: SubmissionKey, prediction: Prediction, advance: Advance, *, job: str | None) -> SubmissionChange:
    """What became of the only submission of a run that `predicted` moves on."""
    return SubmissionChange(
        key,
        SubmissionState.ANSWERED,
        job=job,
        pages=len(prediction.pages),
        cost=advance.facts["cost"],
        provider_cost=prediction.cost,
    )


def cost_of(pages: int, lane: LaneSettings) -> float | None:
    """What so many pages cost in this lane, in its currency; None where it has no price."""
    return None if lane.price_per_page is None else float(pages * lane.price_per_page)


def missing_pages(prediction: Prediction, absent: Sequence[int] = ()) -> str:
    """Which pages the provider could not read, and which its answer leaves out (`absent`), in words for people.

    Empty where it read them all.
    """
    failed = set(prediction.failed_pages)
    if not failed and not absent:
        return ""
    others = len(prediction.page_numbers - failed)
    if not others and not absent:
        return "No page could be read."
    said = []
    if failed:
        said.append(f"{_pages(failed)} could not be read")
    if absent:
        said.append(f"{_pages(absent)} {'is' if len(absent) == 1 else 'are'} missing from the answer")
    rest = {0: "no page is exported", 1: "the other one is exported"}.get(others, f"the other {others} are exported")
    text = "; ".join([*said, rest])
    return f"{text[0].upper()}{text[1:]}."


def _pages(numbers: Collection[int]) -> str:
    return f"{'page' if len(numbers) == 1 else 'pages'} {_named(numbers)}"


def _named(numbers: Iterable[int]) -> str:
    """
    >>> _named({2, 7}), _named({4, 2, 3, 9})
    ('2 and 7', '2–4 and 9')
    """
    spans: list[list[int]] = []
    for number in sorted(numbers):
        if spans and number == spans[-1][-1] + 1:
            spans[-1][1:] = [number]
        else:
            spans.append([number])
    named = ["–".join(map(str, span)) for span in spans]
    if len(named) > _MOST_SPANS_NAMED:
        named = [*named[:_MOST_SPANS_NAMED], "more"]
    return named[0] if len(named) == 1 else f"{', '.join(named[:-1])} and {named[-1]}"


def _marks(prediction: Prediction, absent: Sequence[int]) -> tuple[Mark, ...]:
    marks = []
    if prediction.failed_pages or absent:
        marks.append(Mark.PARTIAL)
    if any(_failed_a_check(page) or _is_approved_without_boxes(page) for page in prediction.pages):
        marks.append(Mark.NEEDS_REVIEW)
    return tuple(marks)


def _failed_a_check(page: Page) -> bool:
    """Whether a check of the provider failed: of a field, a table, or a cell."""
    checks = [*(field.validation_status for field in page.fields), *(table.validation_status for table in page.tables)]
    return any((check or "").strip().lower() == "failed" for check in checks) or any(
        (cell.failed_validation or "").strip() for table in page.tables for cell in table.cells
    )


def _is_approved_without_boxes(page: Page) -> bool:
    """Whether a person approved the page and nobody said so of what was found on it: perhaps all of it was deleted."""
    said = [field.moderated for field in page.fields]
    said += [cell.moderated for table in page.tables for cell in table.cells]
    return page.moderated is True and any(word is not True for word in said)
