"""The local engine as a provider: free, and answered at once."""

from collections.abc import Mapping, Sequence

from headrace.prediction import Prediction
from headrace.providers import Answer, Capabilities, Job, Pending, Refused, Request, Source
from headrace.providers.local.reading import read_document


class LocalProvider:
    """Reads PDFs that have a text layer; its raw answer is its prediction."""

    # Ten pages take some ten seconds, a tenth of what a task may last.
    capabilities = Capabilities(
        paid=False,
        asynchronous=False,
        urls=False,
        media_types=frozenset({"application/pdf"}),
        part_pages=10,
    )

    def submit(self, source: Source, request: Request) -> Answer:
        """Read the pages that were asked for.

        Raises NeedsOcr, EncryptedDocument or UnreadableDocument, and what `source.read` raises.
        """
        prediction = Prediction(
            provider="local",
            model=request.model,
            key=str(request.key),
            pages=read_document(source.read(), request.rules, pages=request.pages),
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

    def read(self, raw: bytes, model: str) -> Prediction:  # noqa: ARG002  the answer names its model
        """The prediction in a stored answer."""
        return Prediction.model_validate_json(raw)
