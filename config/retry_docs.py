"""docs/retries.md, written from the rules: `python -m config.retry_docs > docs/retries.md`."""

import sys
import textwrap
from collections.abc import Iterator, Mapping
from datetime import timedelta
from typing import NamedTuple

from headrace import doubt, polling, putting_off
from headrace.breaking import FAILURES, FIRST_PAUSE, LONGEST_PAUSE, MOST_FAILURES, REFUSED_PAUSE
from headrace.limits.rate import FIRST_PAUSE_SECONDS, LONGEST_PAUSE_SECONDS
from headrace.retrying import JITTER, RULES, Rule
from headrace.states import Reason


class Wait(NamedTuple):
    """What a reason waits for, when that is looked at, and what ends it."""

    what: str
    looked_at: str
    ends: str


_OPENING = f"""\
<!-- Written by `python -m config.retry_docs > docs/retries.md`; change headrace/retrying.py instead. -->
# What is tried again
Only a request that the provider certainly did not take is sent again, under the same key. Nobody ever sends again
what it may have taken: it is [asked whether it did](architecture.md#settling-doubt). This page has every reason that
a document may have to wait, and what ends it; [outputs.md](outputs.md#reasons) has every reason in words.

Each attempt stays in the history of its run, with time, reason and the provider's words: `headrace status` with the
address of the document shows it. (Of a store that fails many times on end, the history tells of the 1st, 2nd, 4th,
8th time; merely to wait in a queue is no line of it.) `headrace retry` takes a failed document up again, and its
attempts count from the first.

## After a pause, and only so often
A pause is longer or shorter by up to {JITTER:.0%}, so that what failed together does not come back together. After
the last attempt the document fails with this reason.

| reason | attempts | pauses between them |
|---|---|---|
"""

_BROKEN_OFF = """
`storage`, `storage_refused` and `source_refused` stand here for requests that the store broke off; before and after
the request they only wait, as below. While a lane's breaker is open, nothing of it is tried, so no attempt is lost.
"""

_WAITING = """\

## As soon as it may
These count no attempt, and by themselves never fail a document but where the table says so. What waits in a queue
waits there for all of its queue; `headrace status` says until when. What comes back unsent keeps its place there, but
for what the key was refused for, and what was refused as too much for the third time: others go first then.

| reason | what it waits for | when that is looked at | what ends it |
|---|---|---|---|
"""

_DOUBT = """\

## In doubt

The run waits as `in_doubt`, and its request says how that arose: {reasons}. The provider's list is asked {first}
after that, then ever more rarely, and once more when it can be decided, `HEADRACE_SETTLE_SECONDS` after the request
can have left. What it has is used. What it has not is sent again as `not_taken`, a job not before those are done, or
given up, that the provider took earlier; where nobody can tell, the run is held for a person, or sent under the next
key where its route says `on_doubt = "resubmit"`. A provider that cannot be asked is asked for {day}.

All of these but `in_doubt` itself and `worker_died` count for the lane's breaker, and so does `unreachable`: {most}
of them in a row stop the lane (`provider_failing`).
"""

_ENDING = """\

## Not by itself

{reasons} end a run, or say why it ended. Trying again would not help before somebody does something; then `headrace
retry` does.

## Calls that are free

Asking for the answer of an accepted job is no attempt. While the provider says that it is pending, the job is asked
for again until the time of the route's poll schedule (`[routes.poll]`) is over: `prediction_timed_out`. Where the
provider is away, answers 5xx, or refuses to be asked, nothing was said of the job, which is given up only {untold}
after that time. Where it says "too much", or refuses the key, all polls of the lane rest: as long as it asks, else
{first_rest}, doubling to {longest_rest}; {refused_rest} for a key. A job that is given up is paid: `headrace retry`
asks for it again, and pays nothing.

Routing, exporting and publishing cost nothing: they are done
again whenever a worker dies, five times without a word (`poison`), and as long as the store is away.
"""

_PROBED = "goes on once a probe is taken, or at once by `headrace resume`"


def _said(pause: timedelta) -> str:
    """A length of time in words.

    >>> [_said(timedelta(seconds=seconds)) for seconds in (15, 60, 600, 86_400)]
    ['15 s', '1 min', '10 min', '24 h']
    """
    seconds = pause.total_seconds()
    for unit, name in ((3600, "h"), (60, "min")):
        if seconds >= unit and seconds % unit == 0:
            return f"{seconds / unit:g} {name}"
    return f"{seconds:g} s"


_REFUSED = f"every {_said(REFUSED_PAUSE)}, by one document"

WAITS: Mapping[Reason, Wait] = {
    Reason.RATE: Wait(
        "a place in the lane's rate",
        "when there is one, known to the second; every few seconds while Redis cannot be asked",
        "the place",
    ),
    Reason.IN_FLIGHT: Wait(
        "one of the lane's documents to come back", "whenever one does, and every 5 s", "room in the lane"
    ),
    Reason.BUDGET: Wait(
        "a budget that has room for it",
        "when its day or month is over; whenever something is given back or raised",
        "room; what is larger than the whole budget fails as `over_budget`",
    ),
    Reason.RATE_LIMITED: Wait(
        "the end of the lane's pause after a 429",
        f"after `Retry-After`, else {FIRST_PAUSE_SECONDS:g} s, doubling to "
        f"{_said(timedelta(seconds=LONGEST_PAUSE_SECONDS))} at each 429 that follows such a pause",
        "a request that is taken",
    ),
    Reason.PROVIDER_FAILING: Wait(
        f"the provider, which failed {MOST_FAILURES} times in a row",
        f"after {_said(FIRST_PAUSE)}, doubling to {_said(LONGEST_PAUSE)}, by one document: the probe",
        _PROBED,
    ),
    Reason.KEY_REFUSED: Wait("an API key that is taken (401); for the whole account", _REFUSED, _PROBED),
    Reason.QUOTA_USED_UP: Wait("credit (402); for the whole account", _REFUSED, _PROBED),
    Reason.FORBIDDEN: Wait("the right to use the model (403); for the lane", _REFUSED, _PROBED),
    Reason.PAUSED: Wait("whoever said `headrace pause`", "never by itself", "`headrace resume`"),
    Reason.STORAGE: Wait(
        "an object store that answers",
        f"after {_said(putting_off.FIRST_PAUSE)}, then half as long as it has lasted, to "
        f"{_said(putting_off.LONGEST_WHILE_AWAY)}",
        "the store",
    ),
    Reason.STORAGE_REFUSED: Wait(
        "a right, or room, in the object store",
        f"the same, to {_said(putting_off.LONGEST_WHILE_REFUSED)}",
        "the store",
    ),
    Reason.SOURCE_REFUSED: Wait(
        "the right to read the document",
        f"the same, to {_said(putting_off.LONGEST_WHILE_REFUSED)}",
        f"the right; after {_said(putting_off.SOURCE_REFUSED_FOR)} the document fails, if nothing was paid for it",
    ),
}
"""Reasons that wait for something else than time. Those that RULES has too count attempts once a request was begun."""

DOUBTS = (
    *(reason for reason in Reason if reason in FAILURES and reason not in RULES),
    Reason.WORKER_DIED,
    Reason.IN_DOUBT,
)
"""What may have been taken."""

ENDS = tuple(reason for reason in Reason if reason not in (*RULES, *WAITS, *DOUBTS))
"""What does not go on before somebody does something."""


def page() -> str:
    """The whole page."""
    return "".join(
        [
            _OPENING,
            *(f"| `{reason}` | {rule.most} | {', '.join(_pauses(rule))} |\n" for reason, rule in RULES.items()),
            _BROKEN_OFF,
            _WAITING,
            *(f"| `{reason}` | {wait.what} | {wait.looked_at} | {wait.ends} |\n" for reason, wait in WAITS.items()),
            _filled(
                _DOUBT,
                reasons=_named(reason for reason in DOUBTS if reason is not Reason.IN_DOUBT),
                first=_said(doubt.first_pause(timedelta(minutes=15))),
                day=_said(doubt.LONGEST_UNREACHABLE),
                most=MOST_FAILURES,
            ),
            _filled(
                _ENDING,
                reasons=_named(ENDS),
                first_rest=_said(polling.FIRST_REST),
                longest_rest=_said(polling.LONGEST_REST),
                refused_rest=_said(polling.REFUSED_REST),
                untold=_said(polling.UNTOLD_FOR),
            ),
        ]
    )


def _filled(text: str, **words: object) -> str:
    """A text with its words in it, each paragraph filled anew; a heading is one by itself."""
    paragraphs = text.format(**words).strip("\n").split("\n\n")
    return "\n" + "\n\n".join(textwrap.fill(each, 120, break_on_hyphens=False) for each in paragraphs) + "\n"


def _pauses(rule: Rule) -> Iterator[str]:
    """The pauses of a rule, each once."""
    if not rule.longest:
        yield "none: its absence was waited for"
        return
    for attempts in range(1, rule.most):
        pause = rule.pause_after(attempts)
        if pause is None or pause >= rule.longest:
            break
        yield _said(pause)
    yield f"then {_said(rule.longest)} each"


def _named(reasons: Iterator[Reason] | tuple[Reason, ...]) -> str:
    *all_but_last, last = (f"`{reason}`" for reason in reasons)
    return f"{', '.join(all_but_last)} and {last}"


if __name__ == "__main__":
    sys.stdout.write(page())
