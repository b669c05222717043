"""The models that exist, and the label rules of each: the TOML file of --models."""

import tomllib
from collections.abc import Mapping
from pathlib import Path

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from headrace.providers.local import LabelRule

_INVENTED_LABELS = ("invoice_number", "invoice_date", "seller_address", "total")


class ModelsMistake(Exception):
    """The models file cannot be used; the text says why."""


Rules = tuple[LabelRule, ...]


class Model(BaseModel):
    """One model: its id, and what it looks for."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    id: str = Field(min_length=1)
    fields: Rules = ()


class _ModelsFile(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")

    models: tuple[Model, ...]


class Models:
    """Every id is a model where no file was given."""

    def __init__(self, known: Mapping[str, Rules] | None) -> None:
        self._known = known

    @classmethod
    def load(cls, path: Path | None) -> "Models":
        """Read the file; ModelsMistake where it cannot be used."""
        if path is None:
            return cls(None)
        try:
            content = _ModelsFile.model_validate(tomllib.loads(path.read_text(encoding="utf-8")))
        except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError, ValidationError) as error:
            raise ModelsMistake(f"{path} is not a file of models: {error}") from error
        return cls({model.id: model.fields for model in content.models})

    def rules(self, model: str) -> Rules | None:
        """What a model looks for; None where it does not exist."""
        if self._known is None:
            return tuple(LabelRule(label=label) for label in _INVENTED_LABELS)
        return self._known.get(model)
