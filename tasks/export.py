"""The step that publishes rows and manifest. It costs nothing and may run again."""

from collections.abc import Sequence
from dataclasses import replace

from headrace.document import run_id
from headrace.flattening import merge
from headrace.ledger.records import Advance, Run, Submission
from headrace.prediction import Prediction
from headrace.routing import pages_missing
from headrace.states import END_STATES, State, SubmissionState
from headrace.storage import Location
from tasks.hints import EXPORT
from tasks.outcomes import missing_pages
from tasks.step import Held, step


@step(EXPORT, claims={State.PREDICTED, *END_STATES}, queue="export")
def export(held: Held) -> None:
    """Publish the rows of a predicted run, or the manifest of one that has ended."""
    services, run = held.services, held.run
    if run.revision is None:
        # No route took it, so there is no place for its manifest: the ledger alone tells.
        services.ledger.published(held.claim)
        return
    location = Location.parse(held.route.private)
    submissions = services.ledger.submissions(run.id)
    held.keep_revision(location)
    services.answers.keep_run_facts(location, run, submissions)
    if run.state is State.PREDICTED:
        prediction = _prediction(held, location, submissions)
        absent = pages_missing(prediction.page_numbers, run.walked_pages, held.route)
        detail = missing_pages(prediction, absent)
        # What it waited for until now is over.
        exported = replace(run, state=State.EXPORTED, reason=None, detail=detail, ended_at=services.clock.now())
        _publish(held, exported, prediction)
        held.advance(Advance(State.EXPORTED, detail=detail, published=True))
        return
    _publish(held, run, _prediction(held, location, submissions) if run.state is State.EXPORTED else None)
    services.ledger.published(held.claim)


def _publish(held: Held, run: Run, prediction: Prediction | None) -> None:
    """Publish; a newer run whose rows stand is published once more, as ours may have got among them."""
    newer = held.services.exporter.publish(run, held.route, prediction).overtaken_by
    if newer is None:
        return
    # Ahead of our own advance, which is refused where we were stopped for long.
    hint = held.services.ledger.publish_again(run_id(newer.document, newer.run))
    if hint is not None:
        held.services.hints.hint(hint.run_id, hint.state)


def _prediction(held: Held, location: Location, submissions: Sequence[Submission]) -> Prediction:
    """All parts of the run's answer together; AnswerLost where one is gone."""
    return merge(
        [
            held.services.answers.needed(location, entry.key)
            for entry in submissions
            if entry.state is SubmissionState.ANSWERED
        ]
    )
