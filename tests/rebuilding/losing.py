"""Losing a ledger, and connecting another."""

from headrace.exports import Exporter
from headrace.ledger.marker import Marker


def connect(world, ledger):
    """Let the world's processes use this ledger from now on; what was on its way in the broker is gone."""
    world.ledger = ledger
    world.marker = Marker(world.store, ledger, world.clock)
    world.exporter = Exporter(world.store, ledger)
    world.app.messages.clear()
