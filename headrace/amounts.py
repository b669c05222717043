"""What an amount on a page means: a decimal number, written one way.

"1.234,50 €", "1,234.50", "(1 234.50)" and "1'234.50-" all are money; the value is text such as
"1234.50", so that no digit is lost on the way through JSON. The decimals stay as many as were written.
"""

import re

# Symbols, three-letter codes (also glued to the number) and Swiss dashes for "no cents".
_CURRENCY = re.compile(r"[€$£¥₪₹]|(?<![A-Za-z])(?:[A-Z]{3}|Fr\.|Kč|kr\.?|zł)(?![A-Za-z])")
_SPACES = re.compile(r"[\s\u00a0\u2009\u202f'’]+")
_NUMBER = re.compile(r"\d+(?:[.,]\d+)*")
_NO_CENTS = re.compile(r"[.,](?:--?|–|—)$")


def read_amount(text: str) -> str | None:
    """The number in "1.234,50 €" as "1234.50"; None where the text is something else.

    Where both separators stand, the last is the decimal one. Where one kind stands once before
    exactly three digits it groups thousands ("1.234" is 1234), but for a number that starts with a
    single 0 ("0.125"). A minus before or after, or parentheses, make it negative.
    """
    bare = _CURRENCY.sub(" ", text).strip()
    negative = False
    if bare.startswith("(") and bare.endswith(")"):
        negative, bare = True, bare[1:-1].strip()
    bare = _NO_CENTS.sub("", bare)
    for minus in ("-", "−", "–"):
        if bare.startswith(minus):
            negative, bare = True, bare[1:].strip()
            break
        if bare.endswith(minus):
            negative, bare = True, bare[:-1].strip()
            break
    bare = bare.removeprefix("+")
    if not re.fullmatch(r"[\d.,\s\u00a0\u2009\u202f'’]+", bare):
        return None
    if _SPACES.search(bare.strip()) and not _groups_well(_SPACES.split(bare.strip())):
        return None
    number = _plain(_SPACES.sub("", bare))
    if number is None:
        return None
    is_zero = not number.strip("0.")
    return f"-{number}" if negative and not is_zero else number


def _groups_well(groups: list[str]) -> bool:
    """Whether numbers between spaces are thousands of one number: "1 234,50", not "12 11"."""
    first, *rest = groups
    *inner, last = rest
    return (
        first.isascii()
        and first.isdigit()
        and len(first) <= 3
        and all(len(group) == 3 and group.isdigit() for group in inner)
        and re.fullmatch(r"\d{3}(?:[.,]\d+)?", last) is not None
    )


def _plain(digits: str) -> str | None:
    """A number of ASCII digits, points and commas, with at most one decimal point."""
    if not digits.isascii() or not _NUMBER.fullmatch(digits):
        return None
    point = _decimal_separator(digits)
    if point is None:
        whole, decimals = digits, ""
    else:
        whole, _, decimals = digits.rpartition(point)
    groups = re.split(r"[.,]", whole)
    if len(groups) > 1 and not _are_thousands(groups, whole):
        return None
    joined = "".join(groups).lstrip("0") or "0"
    return f"{joined}.{decimals}" if decimals else joined


def _decimal_separator(digits: str) -> str | None:
    points, commas = digits.count("."), digits.count(",")
    if points and commas:
        last = "." if digits.rfind(".") > digits.rfind(",") else ","
        return last if digits.count(last) == 1 else None
    separator = "." if points else ","
    if points + commas != 1:
        return None
    whole, decimals = digits.split(separator)
    return None if len(decimals) == 3 and len(whole) <= 3 and whole != "0" else separator


def _are_thousands(groups: list[str], whole: str) -> bool:
    """Whether the groups are of three digits, or of two and a last of three as in India, by one separator."""
    first, *inner, last = groups
    same_separator = "." not in whole or "," not in whole
    return (
        same_separator
        and 1 <= len(first) <= 3
        and len(last) == 3
        and (all(len(group) == 3 for group in inner) or all(len(group) == 2 for group in inner))
    )
