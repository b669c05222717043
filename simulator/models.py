"""The models that exist: those of the TOML file of --models, and those that were created by a call."""

import tomllib
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from uuid import uuid4

from pydantic import BaseModel, ConfigDict, Field, TypeAdapter, ValidationError

from headrace.providers.local import LabelRule
from simulator.kept import replace
from simulator.mistakes import in_words

# What the vendor's `state` says, as far as it goes here.
CREATED, LIVE = 0, 5
# Where every id is a model, somebody who lists them is shown this one.
_EXAMPLE = "demo"
_INVENTED_LABELS = ("invoice_number", "invoice_date", "seller_address", "total")


class ModelsMistake(Exception):
    """The models file cannot be used; the text says why."""


Rules = tuple[LabelRule, ...]


class Model(BaseModel):
    """One model: its id, what it looks for, and whether it was ever trained."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    id: str = Field(min_length=1)
    fields: Rules = ()
    model_type: str = "ocr"
    state: int = LIVE

    @property
    def is_live(self) -> bool:
        return self.state == LIVE


class _Listed(BaseModel):
    """A model as the file names it: those are live."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    id: str = Field(min_length=1)
    fields: Rules = ()


class _ModelsFile(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")

    models: tuple[_Listed, ...]


_CREATED_MODELS = TypeAdapter(list[Model])


class Models:
    """Every id is a live model where no file was given, but for those that were created."""

    def __init__(self, known: Mapping[str, Model] | None, created: Path) -> None:
        """`created` keeps the models that were created; ModelsMistake where it holds something else."""
        self._known = known
        self._path = created
        try:
            kept = _CREATED_MODELS.validate_json(created.read_bytes()) if created.exists() else []
        except ValidationError as error:
            raise ModelsMistake(f"{created} holds no models of this simulator; delete it.") from error
        self._created = {model.id: model for model in kept}

    @classmethod
    def load(cls, path: Path | None, created: Path) -> "Models":
        """Read the file; ModelsMistake where it cannot be used."""
        if path is None:
            return cls(None, created)
        content = _read(path)
        return cls({model.id: Model(id=model.id, fields=model.fields) for model in content.models}, created)

    def find(self, model: str) -> Model | None:
        """The model with this id, if there is one."""
        if model in self._created:
            return self._created[model]
        if self._known is None:
            return _invented(model)
        return self._known.get(model)

    def rules(self, model: str) -> Rules:
        """What is looked for on a page; "" is no model, as for a full text."""
        found = self.find(model) if model else None
        return () if found is None else found.fields

    def all(self) -> Iterator[Model]:
        """Every model that is known by name."""
        yield from self._known.values() if self._known is not None else [_invented(_EXAMPLE)]
        yield from self._created.values()

    def create(self, categories: Sequence[str], model_type: str) -> Model:
        """A new model that looks for these; it was never trained. On return it outlasts a kill."""
        fields = tuple(LabelRule(label=category) for category in categories)
        model = Model(id=str(uuid4()), fields=fields, model_type=model_type, state=CREATED)
        self._created[model.id] = model
        replace(self._path, _CREATED_MODELS.dump_json(list(self._created.values())))
        return model


def _read(path: Path) -> _ModelsFile:
    try:
        return _ModelsFile.model_validate(tomllib.loads(path.read_text(encoding="utf-8")))
    except FileNotFoundError as error:
        raise ModelsMistake(f"{path}: there is no such file; --models names a TOML file (--help shows one).") from error
    except OSError as error:
        raise ModelsMistake(f"{path} cannot be read: {error.strerror}.") from error
    except UnicodeDecodeError as error:
        raise ModelsMistake(f"{path} is not a file of models: it is not UTF-8 text.") from error
    except tomllib.TOMLDecodeError as error:
        raise ModelsMistake(f"{path} is not a file of models: it is no TOML: {error}.") from error
    except ValidationError as error:
        raise ModelsMistake(f"{path} is not a file of models: {in_words(error)} --help shows one.") from error


def _invented(model: str) -> Model:
    return Model(id=model, fields=tuple(LabelRule(label=label) for label in _INVENTED_LABELS))
