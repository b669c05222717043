"""Start the simulator: `python -m simulator --help`."""

import sys
from collections.abc import Sequence
from contextlib import closing

from simulator.app import make_app
from simulator.journal import Journal, JournalMistake
from simulator.models import Models, ModelsMistake
from simulator.options import read_options
from simulator.orders import Orders, OrdersMistake
from simulator.rates import Rates, RatesMistake
from simulator.server import HOST, PortTaken, exit_on_signals, listen, serve


def main(arguments: Sequence[str]) -> int:
    """Run until a signal. Exit codes: 0 stopped, 1 could not start, 2 wrong usage."""
    options = read_options(arguments)
    try:
        with listen(options.port) as listening, closing(Journal(options.state)) as journal:
            models = Models.load(options.models, journal.folder / "models.json")
            orders = Orders(journal.folder / "orders.json")
            rates = Rates(options.rate, journal.folder / "rates.json")
            exit_on_signals()
            port = listening.getsockname()[1]
            sys.stdout.write(f"simulated Nanonets API at http://{HOST}:{port}/api/v2, bill at /simulator/bill\n")
            sys.stdout.flush()
            serve(make_app(options, models, journal, orders, rates), listening)
    except (ModelsMistake, JournalMistake, OrdersMistake, RatesMistake, PortTaken) as mistake:
        sys.stderr.write(f"The simulator cannot start: {mistake}\n")
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
