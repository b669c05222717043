"""The account's models: what the API says of them, and what its states mean."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from headrace.providers.nanonets.answers import UnreadableBody

# https://docs.nanonets.com/reference, "state" of a model.
STATES: Mapping[int, str] = {
    -1: "training failed",
    0: "created",
    1: "files uploaded, not all annotated",
    2: "annotated",
    3: "waiting for training",
    4: "training",
    5: "live",
    6: "live, training again",
}
_LIVE = frozenset({5, 6})
# The body of a list is not published: a bare list, or one under such a name.
_LISTS = ("models", "result", "results", "data")


@dataclass(frozen=True)
class Category:
    """A label that a model finds; `count` is in how many files it was annotated, where that is told."""

    name: str
    count: int | None


@dataclass(frozen=True)
class Model:
    """One model. `status` is what the vendor says in words, if anything."""

    id: str
    type: str
    state: int | None
    status: str
    categories: tuple[Category, ...]

    @property
    def state_in_words(self) -> str:
        """What the state means; a state that nobody published shows as its number."""
        if self.state is None:
            return "not told"
        return STATES.get(self.state, f"state {self.state}")

    @property
    def is_live(self) -> bool:
        """Whether documents can be sent to it."""
        return self.state in _LIVE


def read_models(content: bytes) -> list[Model]:
    """The models in the answer to a list call; UnreadableBody where there is no list of models."""
    body = _parsed(content)
    if isinstance(body, dict):
        lists = [value for name, value in body.items() if name.lower() in _LISTS]
        if not lists:
            raise UnreadableBody("The body has no list of models.")
        body = lists[0]
    if body is not None and not isinstance(body, list):
        raise UnreadableBody("The body has something else where a list of models should be.")
    return [_model(entry) for entry in body or []]


def read_model(content: bytes) -> Model:
    """The model in the answer to a get or a create call; UnreadableBody where there is none."""
    return _model(_parsed(content))


def _model(entry: Any) -> Model:
    if not isinstance(entry, dict):
        raise UnreadableBody("The body has something else where a model should be.")
    model_id = next((text for name in ("model_id", "id") if (text := _text(entry.get(name)))), "")
    if not model_id:
        raise UnreadableBody("The body has a model without an id.")
    found = entry.get("categories")
    return Model(
        id=model_id,
        type=_text(entry.get("model_type")),
        state=_whole(entry.get("state")),
        status=_text(entry.get("status")),
        categories=tuple(map(_category, found if isinstance(found, list) else [])),
    )


def _category(entry: Any) -> Category:
    """Created ones are named only; those of a model come with how often they were annotated."""
    if isinstance(entry, dict):
        return Category(_text(entry.get("name")), _whole(entry.get("count")))
    return Category(_text(entry), None)


def _text(value: Any) -> str:
    return value if isinstance(value, str) else ""


def _whole(value: Any) -> int | None:
    return value if isinstance(value, int) and not isinstance(value, bool) else None


def _parsed(content: bytes) -> Any:
    try:
        return json.loads(content)
    except (ValueError, RecursionError) as error:
        raise UnreadableBody("The body is not JSON.") from error
