"""Start the simulator: `python -m simulator --help`."""

import sys

from simulator.app import make_app
from simulator.journal import Journal, JournalMistake
from simulator.models import Models, ModelsMistake
from simulator.options import read_options
from simulator.server import HOST, PortTaken, listen, serve


def main() -> int:
    """Exit codes: 0 stopped, 1 could not start, 2 wrong usage."""
    options = read_options(sys.argv[1:])
    try:
        models = Models.load(options.models)
        listening = listen(options.port)
        journal = Journal(options.state)
    except (ModelsMistake, JournalMistake, PortTaken) as mistake:
        sys.stderr.write(f"The simulator cannot start: {mistake}\n")
        return 1
    port = listening.getsockname()[1]
    sys.stdout.write(f"simulated Nanonets API at http://{HOST}:{port}/api/v2, bill at /simulator/bill\n")
    sys.stdout.flush()
    try:
        serve(make_app(options, models, journal), listening)
    finally:
        journal.close()
    return 0


if __name__ == "__main__":
    sys.exit(main())
