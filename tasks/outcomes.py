"""What a provider's answer makes of a run: its pages, cost and marks."""

from collections.abc import Sequence
from typing import Any

from config.lanes import LaneSettings
from headrace.document import SubmissionKey
from headrace.ledger.records import Advance, Run, SubmissionChange
from headrace.prediction import Prediction
from headrace.states import Mark, State, SubmissionState


def predicted(run: Run, predictions: Sequence[Prediction], lane: LaneSettings) -> Advance:
    """The advance of a run whose parts are all answered; pages and cost are corrected from the answers."""
    pages = len({page.number for prediction in predictions for page in prediction.pages})
    facts: dict[str, Any] = {"marks": _marks(predictions), "cost": cost_of(pages, lane)}
    if pages and pages != run.pages:
        facts |= {"pages": pages, "pages_source": "answered"}
    return Advance(State.PREDICTED, facts=facts)


def answered(key: SubmissionKey, prediction: Prediction, advance: Advance, *, job: str | None) -> SubmissionChange:
    """What became of the only submission of a run that `predicted` moves on."""
    return SubmissionChange(
        key, SubmissionState.ANSWERED, job=job, pages=len(prediction.pages), cost=advance.facts["cost"]
    )


def cost_of(pages: int, lane: LaneSettings) -> float | None:
    """What so many pages cost in this lane, in its currency; None where it has no price."""
    return None if lane.price_per_page is None else float(pages * lane.price_per_page)


def _marks(predictions: Sequence[Prediction]) -> tuple[Mark, ...]:
    pages = [page for prediction in predictions for page in prediction.pages]
    marks = []
    if any(page.failure is not None for page in pages):
        marks.append(Mark.PARTIAL)
    if any(field.validation_status == "failed" for page in pages for field in page.fields):
        marks.append(Mark.NEEDS_REVIEW)
    return tuple(marks)
