"""What the simulator can be told when it starts, and how that reads on the command line."""

import argparse
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from simulator.chances import Rates
from simulator.dialects import DIALECTS
from simulator.help import DESCRIPTION, EPILOG
from simulator.rates import WHAT_IS_ABOVE, Rate
from simulator.variants import Variants, values_of

# With --awkward, unless they are given.
_AWKWARD_FAIL_PAGES = 0.05
_AWKWARD_MODERATED = 0.2


@dataclass(frozen=True)
class Options:
    """How this simulator behaves; the help says what each means. `variants` are those that were given."""

    port: int = 18080
    state: Path | None = None
    dialects: tuple[str, ...] = ()
    keys: tuple[str, ...] = ()
    models: Path | None = None
    forbidden: tuple[str, ...] = ()
    quota_pages: int | None = None
    rate: Rate | None = None
    engine: str = "invented"
    seed: int = 0
    sync_seconds: float = 0.0
    async_seconds: float = 5.0
    listing_lag: float = 0.0
    rates: Rates = field(default_factory=Rates)
    variants: Mapping[str, Any] = field(default_factory=dict)
    awkward: bool = False


def read_options(arguments: Sequence[str]) -> Options:
    """Parse a command line; exits with a message and status 2 where it makes no sense."""
    parser = argparse.ArgumentParser(
        prog="headrace simulate",
        usage="%(prog)s [options]",
        description=DESCRIPTION,
        epilog=EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    _add_server(parser.add_argument_group("the server"))
    _add_account(parser.add_argument_group("the account"))
    _add_pages(parser.add_argument_group("the pages"))
    _add_troubles(parser.add_argument_group("trouble, by the seed"))
    _add_variants(parser.add_argument_group("variants of answers; the first choice of each is what was captured last"))
    return _options(vars(parser.parse_args(arguments)))


def _options(values: dict[str, Any]) -> Options:
    named = {name: values.pop(name) for name in Variants.model_fields}
    fail_pages, moderated = values.pop("fail_pages"), values.pop("moderated")
    limits = {name: values.pop(name) for name in ("pages_per_minute", "requests_per_second", "above", "retry_after")}
    is_limited = limits["pages_per_minute"] is not None or limits["requests_per_second"] is not None
    usual = (_AWKWARD_FAIL_PAGES, _AWKWARD_MODERATED) if values["awkward"] else (0.0, 0.0)
    rates = Rates(
        fail_pages=usual[0] if fail_pages is None else fail_pages,
        moderated=usual[1] if moderated is None else moderated,
        faults=values.pop("fault_rate"),
    )
    return Options(
        keys=tuple(values.pop("key")),
        dialects=tuple(values.pop("dialect")),
        forbidden=tuple(values.pop("forbid")),
        rates=rates,
        rate=Rate.model_validate(limits) if is_limited else None,
        variants={name: value for name, value in named.items() if value is not None},
        **values,
    )


def _add_server(group: argparse._ArgumentGroup) -> None:
    add = group.add_argument
    add("--port", type=int, default=Options.port, help="where to listen on 127.0.0.1; 0 takes a free one (%(default)s)")
    add("--state", type=Path, help="file that keeps bill and jobs over a restart, or a kill (in memory only)")
    add(
        "--dialect",
        action="append",
        choices=DIALECTS,
        default=[],
        help="answer the paths of the published OpenAPI file, or of the integration guide, too; repeatable",
    )


def _add_account(group: argparse._ArgumentGroup) -> None:
    add = group.add_argument
    add("--key", action="append", default=[], help="an API key to accept, repeatable (any key, unless given)")
    add("--models", type=Path, help="TOML file of the models that exist (every model, unless given)")
    add("--forbid", action="append", default=[], metavar="MODEL", help="a model that no key may use: 403; repeatable")
    add("--quota-pages", type=_count, metavar="N", help="pages that each key may use in all: 402 above it (no limit)")
    add(
        "--pages-per-minute",
        type=_count,
        metavar="N",
        help="what each key may send to each model (no limit)",
    )
    add(
        "--requests-per-second",
        type=_positive,
        metavar="R",
        help="requests that each key may send to each model (no limit)",
    )
    add(
        "--above",
        choices=WHAT_IS_ABOVE,
        default="slower",
        help="what is above these two: sync is 429 and async takes longer, all is 429, or only noted (%(default)s)",
    )
    add("--retry-after", type=_count, metavar="S", help="what a 429 above them says of when to come back (nothing)")


def _add_pages(group: argparse._ArgumentGroup) -> None:
    add = group.add_argument
    add("--engine", choices=("invented", "local"), default=Options.engine, help="who makes the pages (%(default)s)")
    add("--seed", type=int, default=Options.seed, help="other pages, oddities and faults (%(default)s)")
    add(
        "--sync-seconds",
        type=_seconds,
        default=Options.sync_seconds,
        metavar="S",
        help="least time of a sync answer (%(default)s)",
    )
    add(
        "--async-seconds",
        type=_seconds,
        default=Options.async_seconds,
        metavar="S",
        help="until an async job is ready (%(default)s)",
    )
    add(
        "--listing-lag",
        type=_seconds,
        default=Options.listing_lag,
        metavar="S",
        help="until a window has a file that was taken (%(default)s)",
    )


def _add_troubles(group: argparse._ArgumentGroup) -> None:
    add = group.add_argument
    add(
        "--awkward",
        action="store_true",
        help="each document is answered in variants of its own (those that are given stay); some pages fail, and some "
        "files are approved",
    )
    add("--fail-pages", type=_rate, metavar="RATE", help="how many pages fail, from 0 to 1 (0; awkward: 0.05)")
    add(
        "--moderated",
        type=_rate,
        metavar="RATE",
        help="how many files somebody corrected and approved, from 0 to 1 (0; awkward: 0.2)",
    )
    add(
        "--fault-rate",
        type=_rate,
        default=0.0,
        metavar="RATE",
        help="how many calls meet a fault: 429, 5xx, HTML, a cut connection, a slow answer (%(default)s)",
    )


def _add_variants(group: argparse._ArgumentGroup) -> None:
    for name, described in Variants.model_fields.items():
        choices = values_of(name)
        option = "--" + name.replace("_", "-")
        group.add_argument(option, type=type(choices[0]), choices=choices, help=described.description)


def _seconds(text: str) -> float:
    return _between(float(text), 3600)


def _rate(text: str) -> float:
    return _between(float(text), 1)


def _between(number: float, most: float) -> float:
    if not 0 <= number <= most:
        raise argparse.ArgumentTypeError(f"{number} is not between 0 and {most}")
    return number


def _positive(text: str) -> float:
    number = float(text)
    if not 0 < number <= 1_000_000:
        raise argparse.ArgumentTypeError(f"{number} is not between 0 and 1000000")
    return number


def _count(text: str) -> int:
    number = int(text)
    if number < 1:
        raise argparse.ArgumentTypeError(f"{number} is less than 1")
    return number
