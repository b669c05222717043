"""What vendors publish of their limits, by names that a lane may give instead of figures of its own."""

from collections.abc import Mapping
from dataclasses import dataclass

from headrace.limits.rate import Rate


@dataclass(frozen=True, slots=True)
class Preset:
    """What a vendor allows; `about` says to whom, and `published` where that is written."""

    provider: str
    rate: Rate
    about: str
    published: str


_NANONETS = "https://docs.nanonets.com/docs/rate-limit"

PRESETS: Mapping[str, Preset] = {
    "nanonets-free": Preset(
        "nanonets",
        Rate(pages_per_minute=2),
        "Without a plan, once the first 50 pages are used up.",
        "https://support.nanonets.com",
    ),
    "nanonets-pro": Preset("nanonets", Rate(pages_per_minute=150), "Pro or Enterprise, a custom model.", _NANONETS),
    "nanonets-pro-instant": Preset(
        "nanonets", Rate(pages_per_minute=75), "Pro or Enterprise, an instant-learning model.", _NANONETS
    ),
    "mindee": Preset(
        "mindee",
        Rate(requests_per_second=200 / 60),
        "Each organisation: share it among the lanes of one. headrace has no such provider yet.",
        "https://docs.mindee.com",
    ),
}
