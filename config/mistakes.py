"""What is wrong with a configured value, in words: pydantic's errors -> what to do."""

from collections.abc import Iterable
from difflib import get_close_matches
from typing import Any

from pydantic_core import ErrorDetails

_LONGEST_SHOWN = 80


def nearest(name: str, known: Iterable[str]) -> str | None:
    """The known name that somebody who wrote `name` most probably meant."""
    matches = get_close_matches(name, list(known), n=1, cutoff=0.6)
    return matches[0] if matches else None


def did_you_mean(name: str, known: Iterable[str]) -> str:
    """A question with a space before it, or nothing where no known name is near."""
    guess = nearest(name, known)
    return "" if guess is None else f' Did you mean "{guess}"?'


def shown(value: Any) -> str:
    """A value as it may be repeated in a message: short, on one line."""
    text = f'"{value}"' if isinstance(value, str) else str(value)
    text = "".join(char if char.isprintable() else "\N{REPLACEMENT CHARACTER}" for char in text)
    return text if len(text) <= _LONGEST_SHOWN else text[: _LONGEST_SHOWN - 1] + "…"


def in_words(error: ErrorDetails) -> str:
    """What was found and what is expected, from an error that holds its input."""
    context = error.get("ctx", {})
    match error["type"]:
        case "missing":
            return "is missing; write it."
        case "literal_error" | "enum":
            return _not_one_of(error["input"], str(context["expected"]))
        case "value_error":
            return str(context["error"])
        case "string_pattern_mismatch":
            return f"{shown(error['input'])} does not look right; expected is {_pattern_in_words(context['pattern'])}."
        case _:
            return f"{shown(error['input'])} cannot be used here: {_expectation(error)}."


def without_input(error: ErrorDetails) -> str:
    """The same for values that may be secret: only what is expected."""
    context = error.get("ctx", {})
    match error["type"]:
        case "literal_error":
            return f"must be one of {_choices(str(context['expected']))}."
        case "value_error":
            return str(context["error"])
        case _:
            return f"cannot be used: {_expectation(error)}."


def _expectation(error: ErrorDetails) -> str:
    message = error["msg"].rstrip(".")
    return message[:1].lower() + message[1:]


def _choices(expected: str) -> str:
    return expected.replace("'", "").replace(" or ", ", ")


def _not_one_of(found: Any, expected: str) -> str:
    choices = _choices(expected)
    return f"{shown(found)} is not one of {choices}.{did_you_mean(str(found), choices.split(', '))}"


def _pattern_in_words(pattern: str) -> str:
    if pattern.startswith("^s3://"):
        return "s3://bucket/prefix, without empty parts"
    if pattern.startswith("^[a-z0-9]["):
        return "1 to 63 of a-z, 0-9, - and _, beginning with a letter or digit"
    return f"text that matches {pattern}"
