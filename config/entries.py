"""The tables of headrace.toml -> checked entries, each mistake with its line."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypeVar

from pydantic import BaseModel, ValidationError
from pydantic_core import ErrorDetails

from config import toml_lines
from config.lanes import LaneSettings
from config.mistakes import did_you_mean, in_words, nearest
from config.schedules import Schedule
from headrace.budgets import Budget
from headrace.errors import ConfigurationError
from headrace.routing import Route

MODELS: Mapping[str, type[BaseModel]] = {
    "routes": Route,
    "lanes": LaneSettings,
    "budgets": Budget,
    "schedules": Schedule,
}


@dataclass(frozen=True)
class Origin:
    """Where a table was written, so that whoever finds a mistake can say on which line."""

    file: str
    lines: Mapping[toml_lines.Path, int]

    def mistake(self, path: toml_lines.Path, words: str) -> tuple[int, str]:
        """The line, and the whole text of a mistake: file, line, where, what."""
        line = toml_lines.nearest_line(dict(self.lines), path)
        return line, f"{self.file}:{line}: {_dotted(path)}: {words}"


def raise_mistakes(mistakes: Iterable[tuple[int, str]]) -> None:
    """ConfigurationError with the mistakes in the order of their lines, if there are any."""
    texts = [text for _, text in sorted(mistakes)]
    if texts:
        raise ConfigurationError("\n".join(texts))


Entry = TypeVar("Entry", bound=BaseModel)


class Entries:
    """Reads each entry by itself, so that one mistake does not hide another."""

    def __init__(self, data: dict[str, Any], origin: Origin) -> None:
        self._data = data
        self._origin = origin
        self.mistakes: list[tuple[int, str]] = []
        self.broken: set[str] = set()
        """The lists in which something could not be read."""
        for name in data.keys() - MODELS.keys():
            self._note((name,), f"is not known; a file holds {', '.join(MODELS)}.{did_you_mean(name, MODELS)}")
        if not data.get("routes"):
            self._note(("routes",), "there is no route; write one, beginning with [[routes]].")

    def read(self, name: str, model: type[Entry]) -> dict[int, Entry]:
        """The entries that can be read, by their place in the file."""
        written = self._data.get(name, [])
        if not isinstance(written, list) or not all(isinstance(entry, dict) for entry in written):
            self._note((name,), f"is not a list of tables; begin each with [[{name}]], in double brackets.")
            self.broken.add(name)
            return {}
        good = {}
        for index, entry in enumerate(written):
            try:
                good[index] = model.model_validate(entry)
            except ValidationError as error:
                self.broken.add(name)
                for detail in error.errors(include_url=False):
                    self._note(*_located((name, index), detail, entry))
        return good

    def _note(self, path: toml_lines.Path, words: str) -> None:
        self.mistakes.append(self._origin.mistake(path, words))


def _located(entry_path: toml_lines.Path, error: ErrorDetails, entry: Mapping[str, Any]) -> tuple[toml_lines.Path, str]:
    path = (*entry_path, *error["loc"])
    if error["type"] != "extra_forbidden":
        return path, in_words(error)
    known = _fields_at(entry_path, error["loc"][:-1])
    guess = nearest(str(error["loc"][-1]), [name for name in known if name not in entry])
    remedy = f'Did you mean "{guess}"?' if guess is not None else f"Known here: {', '.join(known)}."
    return path, f"is not known. {remedy}"


def _fields_at(entry_path: toml_lines.Path, inner: Sequence[str | int]) -> list[str]:
    """The names that may stand in the table where an unknown one stood."""
    if not inner:
        return list(MODELS[str(entry_path[0])].model_fields)
    annotation = Route.model_fields[str(inner[0])].annotation
    inside = [annotation, *getattr(annotation, "__args__", ())]
    return [
        name
        for model in inside
        if isinstance(model, type) and issubclass(model, BaseModel)
        for name in model.model_fields
    ]


def _dotted(path: toml_lines.Path) -> str:
    return "".join(f"[{part}]" if isinstance(part, int) else f".{part}" for part in path).removeprefix(".")
