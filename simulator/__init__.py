"""The remote prediction APIs on loopback, with faults on demand: `python -m simulator --help`."""
