"""docs/configuration.md, written from the models: `python -m config.docs > docs/configuration.md`."""

import sys
from collections.abc import Callable
from decimal import Decimal
from enum import StrEnum
from pathlib import Path
from types import NoneType
from typing import Any, Literal, get_args, get_origin

from pydantic import BaseModel, SecretStr
from pydantic.fields import FieldInfo

from config.lanes import LaneSettings
from config.presets import PRESETS, Preset
from config.schedules import Schedule
from config.settings import VENDOR_NAMES, Settings, variable
from headrace.budgets import Budget
from headrace.labels import LabelRule
from headrace.polling import PollSchedule
from headrace.routing import Route

_EXAMPLE = Path(__file__).parents[1] / "deploy" / "headrace.toml"

_OPENING = """\
<!-- Written by `python -m config.docs > docs/configuration.md`; change the models in config/ and headrace/ instead. -->
# Configuration

Two things are configured: **settings**, from the environment (servers, keys, limits of the machine), and
**routes**, in `headrace.toml` (which documents, where to, what comes out). Both are checked when a process
starts, in three rounds, each of which tells all that it finds: the settings, by name and never by value; the file, with
lines (an entry that cannot be read is not yet compared with others); then the keys and passwords that routes name and
no setting has. Values are of TOML's own kinds: `true`, not `"yes"`; `3`, not `"3"`; `["a"]`, not `"a"`.
`headrace routes check` checks the file without starting anything; `headrace doctor` tries the servers and keys.

## Settings

The command line also reads a `.env` file in its folder; the real environment stands above it. An empty value counts as
not set. A `HEADRACE_` name that is not in this table is an error. `deploy/example.env` has all of them to copy.
"""

_ROUTES = """\
## headrace.toml

A complete example, also in `deploy/headrace.toml`:

"""

_ROUTE = """\
### [[routes]]

One entry a route. An object belongs to the route with the longest prefix that takes it. Outputs and privates may not
lie where documents are looked for, nor inside one another; routes with one output declare the same columns.

"""

_METADATA = """\
A document's metadata comes from the route's `metadata`, from what `key_pattern` names in its key, and from its own
`x-amz-meta-*`; where two give the same name, the earlier of these stands. In a pattern a name stands for one character
or more, never a slash, and as few as fit; a key of another form gets no names.
"""

_LANE = """\
### [[lanes]]

A lane is a provider, an account and a model: one entry each, where anything but the defaults is to hold for it. All
of it holds for all workers together ([limits.md](limits.md)), and what is kept back goes on by itself. A lane that no
entry describes has the defaults: no rate, and no price. All prices are in one currency, since costs are added up. The
`local` provider has no rate.

"""

_PRESETS = """\
A vendor changes its limits, and its own pages do not always agree: where yours told you other figures, or answers
"too much" (429) again and again, write those instead. The presets:

"""

_BUDGET = """\
### [[budgets]]

What a route, or an account with all that uses it, may spend in a day or a month of UTC. Where several budgets cover a
document, it has to fit into all of them. What does not fit waits, and what is larger than the whole of a budget
fails; [limits.md](limits.md#budgets) says what counts. A budget may be changed at any time; what was spent is known
by day and route, so it counts at once, also in a budget that is new. Its name is what `headrace budget raise` raises.

"""

_SCHEDULE = """\
### [[schedules]]

What was missed while nothing ran is made up for once, at its newest time; a new schedule looks back two minutes. A
reprocess is paid for again.

"""

_QUEUE = """\
## The queues

With `HEADRACE_SQS_QUEUE_URLS` the listener takes bucket notifications (`s3:ObjectCreated:*`) from each of these queues,
and deletes a message once the ledger has every document in it. A message that it cannot read, wholly or in part, is
parked in the ledger for a person: `headrace events parked` lists those. Where the queue has a redrive policy, the
message is then left for the queue to move to its dead-letter queue; where it has none, it is deleted. While the ledger
cannot be reached, nothing is received. That an object was removed is read and not acted on: what is gone is found to be
gone when it is to be read.
[operations.md](operations.md) says how a queue is set up, and which rights it takes.
"""


def page() -> str:
    """The whole page."""
    return "\n".join(
        [
            _OPENING,
            _table(Settings, named=_with_alias),
            _ROUTES + _fenced(_EXAMPLE.read_text(encoding="utf-8")),
            _ROUTE + _table(Route),
            _METADATA,
            "### [routes.poll]\n\n" + _table(PollSchedule),
            "### [[routes.fields]]\n\n" + _table(LabelRule),
            _LANE + _table(LaneSettings),
            _PRESETS + _presets(),
            _BUDGET + _table(Budget),
            _SCHEDULE + _table(Schedule),
            _QUEUE.rstrip("\n"),
        ]
    )


def _table(model: type[BaseModel], named: Callable[[str], str] = "`{}`".format) -> str:
    rows = ["| name | kind | default | |", "|---|---|---|---|"]
    for name, field in model.model_fields.items():
        shown = f"`{name}`" if named is None else named(name)
        rows.append(
            f"| {shown} | {_kind(field.annotation)} | {_default(field)} | {_escaped(field.description or '')} |"
        )
    return "\n".join(rows) + "\n"


def _presets() -> str:
    rows = ["| preset | of | what it allows | |", "|---|---|---|---|"]
    for name, preset in PRESETS.items():
        about = f"{preset.about} {preset.published}"
        rows.append(f"| `{name}` | {preset.provider} | {_allowed(preset)} | {about} |")
    return "\n".join(rows) + "\n"


def _allowed(preset: Preset) -> str:
    pages, requests = preset.rate.pages_per_minute, preset.rate.requests_per_second
    said = [] if pages is None else [f"{pages} pages a minute"]
    said += [] if requests is None else [f"{requests:.3g} requests a second ({requests * 60:g} a minute)"]
    return ", ".join(said)


def _with_alias(name: str) -> str:
    names = [variable(name), *(vendor for vendor, setting in VENDOR_NAMES.items() if setting == name)]
    return ", ".join(f"`{each}`" for each in names)


def _default(field: FieldInfo) -> str:
    if field.is_required():
        return "**needed**"
    value = field.default
    if isinstance(value, BaseModel) or value in (None, "", (), {}):
        return ""
    if isinstance(value, tuple):
        value = ", ".join(str(part) for part in value)
    return f"`{value}`"


def _kind(annotation: Any) -> str:
    origin, inside = get_origin(annotation), [each for each in get_args(annotation) if each is not NoneType]
    if origin is Literal:
        return " or ".join(f"`{each}`" for each in inside)
    if origin is tuple:
        return "list"
    if origin is dict:
        return "table"
    if origin is not None and inside:
        return _kind(inside[0])
    if not isinstance(annotation, type):
        return "text"
    kinds = {
        bool: "yes or no",
        int: "whole number",
        float: "number",
        Decimal: "number",
        SecretStr: "secret",
        Path: "path",
    }
    if issubclass(annotation, StrEnum):
        return "reason"
    if issubclass(annotation, BaseModel):
        return "table"
    return kinds.get(annotation, "text")


def _escaped(text: str) -> str:
    return text.replace("|", "\\|")


def _fenced(text: str) -> str:
    return f"```toml\n{text.rstrip()}\n```\n"


if __name__ == "__main__":
    sys.stdout.write(page())
