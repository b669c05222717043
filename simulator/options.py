"""What the simulator can be told when it starts, and how that reads on the command line."""

import argparse
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from simulator.dialects import DIALECTS

_DESCRIPTION = """\
Answers like the Nanonets OCR API (api/v2), on 127.0.0.1 only, so that headrace can be developed and
tried without a key. It says that it is simulated, and it bills: GET /simulator/bill tells what each
API key would have paid, and how often each submission was billed.
"""

_EPILOG = """\
examples:
  # Answer with invented pages; any API key and any model will do.
  $ headrace simulate --port 18080
  $ curl -u any-key: -F file=@invoice.pdf http://127.0.0.1:18080/api/v2/OCR/Model/demo/LabelFile/

  # Read the documents for real with the local engine, by the label rules of a file; asynchronous
  # answers take 20 seconds. A restart remembers jobs and bill.
  $ headrace simulate --port 18080 --engine local --models models.toml --async-seconds 20 --state simulator.jsonl

  # Point headrace to it.
  $ HEADRACE_NANONETS_BASE_URL=http://127.0.0.1:18080/api/v2 NANONETS_API_KEY=any-key headrace run

  # Who paid what?
  $ curl http://127.0.0.1:18080/simulator/bill

  # Have the next two documents taken and billed, and the connection cut instead of an answer.
  $ curl -d '{"do": "cut", "times": 2}' http://127.0.0.1:18080/simulator/faults

  # Further orders: {"do": "answer", "status": 429}, {"do": "answer", "status": 502, "body": "html"},
  # {"do": "answer", "status": 200, "body": "empty"}, {"do": "slow", "seconds": 30}, {"do": "fail"},
  # {"do": "fail", "pages": [2]}. Each may name "times", "on" ("submit" or "fetch"), "model", "file".
  # An answer of 5xx or 200 is billed first unless "billed" is false; one of 4xx is not unless it is true.
  $ curl -d '{"do": "answer", "status": 402, "times": 1}' http://127.0.0.1:18080/simulator/faults

models file (TOML), for --models:
  [[models]]
  id = "invoices"
  [[models.fields]]
  label = "invoice_number"
  synonyms = ["Invoice no."]
"""


@dataclass(frozen=True)
class Options:
    """How this simulator behaves; the help says what each means."""

    port: int = 18080
    keys: tuple[str, ...] = ()
    models: Path | None = None
    seed: int = 0
    engine: str = "invented"
    sync_seconds: float = 0.0
    async_seconds: float = 5.0
    accept_shape: str = "nested"
    pending: str = "empty"
    score_scale: int = 1
    pages_per_minute: int | None = None
    state: Path | None = None
    dialects: tuple[str, ...] = ()


def read_options(arguments: Sequence[str]) -> Options:
    """Parse a command line; exits with a message and status 2 where it makes no sense."""
    parser = argparse.ArgumentParser(
        prog="headrace simulate",
        description=_DESCRIPTION,
        epilog=_EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    add = parser.add_argument
    add("--port", type=int, default=Options.port, help="where to listen on 127.0.0.1; 0 takes a free one (%(default)s)")
    add("--key", action="append", default=[], help="an API key to accept, repeatable (any key, unless given)")
    add("--models", type=Path, help="TOML file of the models that exist (every model, unless given)")
    add("--seed", type=int, default=Options.seed, help="other invented pages for the same content (%(default)s)")
    add("--engine", choices=("invented", "local"), default=Options.engine, help="who makes the pages (%(default)s)")
    add("--sync-seconds", type=_seconds, default=Options.sync_seconds, help="least time of a sync answer (%(default)s)")
    add(
        "--async-seconds",
        type=_seconds,
        default=Options.async_seconds,
        help="until an async job is ready (%(default)s)",
    )
    add("--accept-shape", choices=("nested", "flat"), default=Options.accept_shape, help="async accept (%(default)s)")
    add("--pending", choices=("empty", "pages"), default=Options.pending, help="an unready job's body (%(default)s)")
    add("--score-scale", type=int, choices=(1, 100), default=Options.score_scale, help="highest score (%(default)s)")
    add("--pages-per-minute", type=int, help="per model: sync above it is 429, async takes longer (no limit)")
    add("--state", type=Path, help="file that keeps bill and jobs over a restart, or a kill (in memory only)")
    add(
        "--dialect",
        action="append",
        choices=DIALECTS,
        default=[],
        help="answer the paths of the published OpenAPI file, or of the integration guide, too; repeatable",
    )
    values = vars(parser.parse_args(arguments))
    return Options(keys=tuple(values.pop("key")), dialects=tuple(values.pop("dialect")), **values)


def _seconds(text: str) -> float:
    seconds = float(text)
    if not 0 <= seconds <= 3600:
        raise ValueError(text)
    return seconds
