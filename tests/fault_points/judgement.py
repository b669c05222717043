"""Whether a disturbed life came to what an undisturbed one comes to, and in what it did not."""

from collections.abc import Callable, Iterator
from typing import Any

_AROUND_CHARACTERS = 60


def failures(result: dict[str, Any], undisturbed: dict[str, Any]) -> list[str]:
    """What is wrong with a case's result, in words; nothing where all is well."""
    if not result:
        return []
    found = [] if result["ended"] else ["not everything had ended in time"]
    found += [f"left open: {entry}" for entry in result["open"] if entry not in undisturbed["open"]]
    found += differences(undisturbed["outcome"], result["outcome"])
    return found


def miscounted(result: dict[str, Any], is_right: Callable[[int, int], bool]) -> list[str]:
    """What a budget counts wrongly, in words; `is_right` compares the pages that it counts with the billed ones."""
    if not result:
        return []
    billed = sum(entry["pages"] for entry in result["outcome"]["bill"].values())
    spent = result["outcome"]["spent"]
    return [] if is_right(spent, billed) else [f"{billed} pages were billed, and the budget counts {spent}"]


def differences(expected: Any, found: Any, place: str = "") -> Iterator[str]:
    """Each place where two values of JSON differ, with what was expected there and what was found."""
    if isinstance(expected, dict) and isinstance(found, dict):
        for name in sorted(expected.keys() | found.keys()):
            if name not in found:
                yield f"{place}/{name}: missing"
            elif name not in expected:
                yield f"{place}/{name}: not expected ({_shortened(found[name], 0)})"
            else:
                yield from differences(expected[name], found[name], f"{place}/{name}")
    elif isinstance(expected, list) and isinstance(found, list) and len(expected) == len(found):
        for index, pair in enumerate(zip(expected, found, strict=True)):
            yield from differences(*pair, f"{place}[{index}]")
    elif expected != found:
        at = _first_difference(str(expected), str(found))
        yield f"{place}: expected {_shortened(expected, at)}, found {_shortened(found, at)}"


def _first_difference(one: str, other: str) -> int:
    return next((at for at, (a, b) in enumerate(zip(one, other, strict=False)) if a != b), min(len(one), len(other)))


def _shortened(value: Any, at: int) -> str:
    return repr(str(value)[max(0, at - _AROUND_CHARACTERS) : at + _AROUND_CHARACTERS])
