"""What is wrong with something that was written for the simulator, in words: pydantic's errors -> what to mend."""

from pydantic import ValidationError
from pydantic_core import ErrorDetails


def in_words(error: ValidationError) -> str:
    """Each mistake with where it is, in one sentence."""
    return "; ".join(_told(detail) for detail in error.errors(include_url=False)) + "."


def _told(error: ErrorDetails) -> str:
    path = "".join(f"[{part}]" if isinstance(part, int) else f".{part}" for part in error["loc"]).removeprefix(".")
    return f"{path}: {_words(error)}" if path else _words(error)


def _words(error: ErrorDetails) -> str:
    context = error.get("ctx", {})
    match error["type"]:
        case "missing":
            return "is missing"
        case "extra_forbidden":
            return "is not known"
        case "literal_error":
            return f"{error['input']!r} is not one of {context['expected']}"
        case "string_type":
            return f"{error['input']!r} is no text"
        case "tuple_type":
            return f"{error['input']!r} is no list"
        case "model_type" | "dict_type" | "model_attributes_type":
            return f"{error['input']!r} is no object"
        case "json_invalid":
            return f"this is no JSON: {context['error']}"
        case "value_error":
            return str(context["error"])
        case _:
            return f"{error['input']!r} cannot be used: {error['msg'][:1].lower()}{error['msg'][1:]}"
