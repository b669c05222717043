"""The models' own calls, at no cost: list, look at one, create one."""

from collections.abc import Mapping
from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field, ValidationError
from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from simulator.calls import Caller, Endpoint, Faults, Refusal
from simulator.dialects import Call
from simulator.models import LIVE, Model, Models
from simulator.streaming import Json
from simulator.variants import Variants


class _Wanted(BaseModel):
    """The body of a create call; what else it may hold is not known."""

    model_config = ConfigDict(frozen=True, extra="ignore")

    categories: tuple[Annotated[str, Field(min_length=1)], ...] = Field(min_length=1, max_length=1_000)
    model_type: str = "ocr"


class ModelCalls:
    """Over the models that there are."""

    def __init__(self, models: Models, usual: Variants, faults: Faults) -> None:
        self._models = models
        self._usual = usual
        self._faults = faults

    def endpoints(self) -> Mapping[Call, Endpoint]:
        return {"models": self._list, "model": self._one, "create_model": self._create}

    async def _list(self, request: Request, caller: Caller) -> Response:
        return await self._fault(request, caller) or JSONResponse(self._listed())

    async def _one(self, request: Request, caller: Caller) -> Response:
        """The model's own record: what a client asks to see whether its key is right."""
        model = self._models.find(caller.model)
        assert model is not None  # noqa: S101  nobody gets here with an unknown one
        return await self._fault(request, caller) or JSONResponse(_record(model))

    async def _create(self, request: Request, caller: Caller) -> Response:
        try:
            wanted = _Wanted.model_validate_json(await request.body())
        except ValidationError as mistake:
            raise Refusal(400, 'The body is to be like {"categories": ["total"], "model_type": "ocr"}.') from mistake
        fault = await self._fault(request, caller)
        return fault or JSONResponse(_record(self._models.create(wanted.categories, wanted.model_type)))

    def _listed(self) -> Json | list[Json]:
        records = [_record(model) for model in self._models.all()]
        return records if self._usual.model_list == "list" else {"simulated": True, "models": records}

    async def _fault(self, request: Request, caller: Caller) -> Response | None:
        return await self._faults.of_free_call("models", request, caller.model, "", caller.model)


def _record(model: Model) -> Json:
    return {
        "simulated": True,
        "model_id": model.id,
        "model_type": model.model_type,
        "state": model.state,
        "status": ("live" if model.state == LIVE else "created, not trained") + ", simulated",
        "categories": [{"name": rule.label, "count": 0} for rule in model.fields],
    }
