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
    if isinstance(value, bool):
        text = text.lower()  # as TOML writes it
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
        case "tuple_type":
            return f"{shown(error['input'])} is no list; write it in brackets, as {_as_list(error['input'])}."
        case "bool_type" | "bool_parsing":
            return f"{shown(error['input'])} is neither true nor false; write one of the two, without quotes."
        case "int_type" | "int_parsing" | "int_from_float":
            return f"{shown(error['input'])} is no whole number; write one, without quotes and without a point."
        case "float_type" | "float_parsing" | "decimal_type" | "decimal_parsing":
            return f"{shown(error['input'])} is no number; write one, without quotes."
        case "string_type":
            return f"{shown(error['input'])} is no text; write it in quotes."
        case "dict_type" | "model_type":
            return f'{shown(error["input"])} is no table; write names and values, as {{name = "value"}}.'
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


def _as_list(value: Any) -> str:
    """The list that was probably meant: of the numbers in a text like "1,2", else of the one value."""
    numbers = value.replace(",", " ").split() if isinstance(value, str) else []
    if numbers and all(number.isdecimal() for number in numbers):
        return f"[{', '.join(numbers)}]"
    return f"[{shown(value)}]"


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
    if pattern == r"^([a-z]{2,3})?$":
        return "two or three small letters, as de"
    if pattern == r"^[A-Z]{3}$":
        return "three capital letters, as USD"
    return f"text that matches {pattern}"
