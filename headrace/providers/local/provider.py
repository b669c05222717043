"""The local engine as a provider: free, and answered at once."""

from collections.abc import Collection, Mapping, Sequence
from datetime import datetime

from headrace.prediction import Prediction
from headrace.providers import (
    Absent,
    Answer,
    Capabilities,
    Job,
    Listing,
    Pending,
    Refused,
    Request,
    Sought,
    Source,
    Unknown,
)
from headrace.providers.local.engine import LocalEngine


class LocalProvider:
    """Reads PDFs that have a text layer, in a process that can be killed; its raw answer is its prediction."""

    # Ten pages take some ten seconds, a tenth of what a task may last.
    capabilities = Capabilities(
        paid=False,
        asynchronous=False,
        urls=False,
        media_types=frozenset({"application/pdf"}),
        part_pages=10,
    )

    def __init__(self, engine: LocalEngine | None = None) -> None:
        self._engine = engine or LocalEngine()

    def submit(self, source: Source, request: Request) -> Answer:
        """Read the pages that were asked for. Raises what `LocalEngine.pages` does."""
        prediction = Prediction(
            provider="local",
            model=request.model,
            key=str(request.key),
            pages=self._engine.pages(source.read_range, source.size, request.rules, request.pages),
            metadata=dict(request.metadata),
        )
        return Answer(prediction, prediction.model_dump_json(exclude_defaults=True).encode())

    def fetch(
        self,
        jobs: Sequence[Job],
        *,
        deadline_seconds: float,  # noqa: ARG002  there is nothing to wait for
    ) -> Mapping[Job, Answer | Pending | Refused]:
        """Nothing is ever under way here: `submit` answers, so no job of ours exists."""
        if jobs:
            raise ValueError(f"the local provider accepts no jobs, yet was asked for {len(jobs)}")
        return {}

    def find(
        self,
        model: str,  # noqa: ARG002  nothing is asked
        sought: Collection[Sought],
        since: datetime,  # noqa: ARG002
        until: datetime,  # noqa: ARG002
        *,
        deadline_seconds: float,  # noqa: ARG002
    ) -> Listing:
        """Nothing is ever in doubt here: it costs nothing, and simply runs again."""
        return Listing({one.key: Unknown("it is free and keeps no list") for one in sought}, echoed=False)

    def listed(
        self,
        model: str,  # noqa: ARG002  there are none
        jobs: Collection[Job],  # noqa: ARG002
        since: datetime,  # noqa: ARG002
        until: datetime,  # noqa: ARG002
        *,
        deadline_seconds: float,  # noqa: ARG002  there is nothing to wait for
    ) -> Mapping[Job, Answer | Pending | Absent]:
        """The local engine has no jobs, and lists none."""
        return {}

    def known(
        self,
        job: Job,  # noqa: ARG002  there are none
        *,
        deadline_seconds: float,  # noqa: ARG002  there is nothing to wait for
    ) -> None:
        """The local engine has no jobs: what it is asked for it answers at once."""
        return

    def read(self, raw: bytes, model: str) -> Prediction:  # noqa: ARG002  the answer names its model
        """The prediction in a stored answer."""
        return Prediction.model_validate_json(raw)

    def close(self) -> None:
        """End the engine's process."""
        self._engine.close()
