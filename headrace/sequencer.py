"""Sequencers: what a bucket notification gives to order the drops of one S3 key."""

import re

_HEXADECIMAL = re.compile(r"[0-9a-f]{1,64}", re.ASCII)


def spelled(sequencer: str | None) -> str | None:
    """A sequencer in one spelling, lower-case; None where it is none (events come from outside)."""
    if sequencer is None:
        return None
    lower = sequencer.strip().lower()
    return lower if _HEXADECIMAL.fullmatch(lower) else None


def place(sequencer: str | None) -> int | None:
    """Where a drop stands among those of its key: the later one has the higher number. None where that is not known.

    Sequencers are hexadecimal. Should two differ in length, they are compared as the numbers that they are, which
    is to fill the shorter one up at its left. Amazon's texts have named either side over the years.
    """
    text = spelled(sequencer)
    return None if text is None else int(text, 16)
