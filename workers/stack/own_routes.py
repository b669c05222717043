"""The routes of the stack itself: its samples under two routes, one read here, one by the simulated Nanonets."""

import json
import tomllib
from collections.abc import Iterable
from pathlib import Path

from headrace.labels import LabelRule
from headrace.routing import Route
from workers.stack.processes import PROJECT

SAMPLES = PROJECT / "samples"
RULES_FILE = SAMPLES / "rules.toml"
INBOX = "inbox"
OUTBOX = "outbox"
MODEL = "samples"
PRICE_PER_PAGE = "0.01"

_TOP = """\
# Written by `headrace run` at each start, for its samples.
# To have routes of your own, write a headrace.toml in the project's folder: it is used instead of this one.
"""

_COMMON = f"""\
bucket = "{INBOX}"
output = "s3://{OUTBOX}/rows"
private = "s3://{OUTBOX}-private/headrace"
columns = ["Item", "Description", "Quantity", "Price", "Amount"]
"""

_LOCAL = f"""
[[routes]]
name = "local"
prefix = "local/"
provider = "local"
{_COMMON}"""

_NANONETS = f"""
[[routes]]
name = "nanonets"
prefix = "nanonets/"
provider = "nanonets"
model = "{MODEL}"
{_COMMON}"""

_POLL = """
[routes.poll]
first_seconds = 2
longest_seconds = 5
polls = 60
"""

_LANE = f"""
[[lanes]]
provider = "nanonets"
account = "nanonets"
model = "{MODEL}"
price_per_page = "{PRICE_PER_PAGE}"
"""


def read_rules(path: Path = RULES_FILE) -> tuple[LabelRule, ...]:
    """What is looked for on the samples."""
    return tuple(LabelRule.model_validate(row) for row in tomllib.loads(path.read_text(encoding="utf-8"))["fields"])


def routes_toml(rules: Iterable[LabelRule], *, simulated: bool) -> str:
    """The route table; without the simulator there is no simulated route, for it would cost real money."""
    fields = "".join(_table("routes.fields", rule) for rule in rules)
    nanonets = _NANONETS + _POLL + fields + _LANE if simulated else ""
    return _TOP + _LOCAL + fields + nanonets


def models_toml(routes: Iterable[Route]) -> str:
    """The models that the simulator has: those of the routes, each finding what its first route looks for.

    A route without a model asks for the text alone.
    """
    models = {route.model: route.fields for route in reversed(list(routes)) if route.model}
    if not models:
        return "models = []\n"
    return "".join(
        f"[[models]]\nid = {_quoted(model)}\n" + "".join(_table("models.fields", rule) for rule in rules) + "\n"
        for model, rules in models.items()
    )


def _quoted(value: object) -> str:
    # A JSON string or list of strings is TOML as well.
    return json.dumps(value, ensure_ascii=False)


def _table(name: str, rule: LabelRule) -> str:
    lines = (f"{key} = {_quoted(value)}" for key, value in rule.model_dump(mode="json").items())
    return "\n".join(["", f"[[{name}]]", *lines, ""])
