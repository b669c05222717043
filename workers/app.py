"""The Celery app that workers and beat run: `celery -A workers.app:app worker --queues …`."""

import sys
from typing import Any

from celery import Celery
from celery.signals import setup_logging

from config.settings import environment, load_settings
from headrace.errors import ConfigurationError
from workers.factory import make_app
from workers.logging import configure_logging
from workers.private_memory import keep_memory_private


def _configured() -> Celery:
    """The app as the environment says; a mistake there ends the process with its remedy, not a traceback."""
    keep_memory_private()
    try:
        settings = load_settings(environment())
        made = make_app(settings)
        # Asked for now, a mistake in the routes shows at the start and not at the first document.
        _ = made.services.routes
    except ConfigurationError as error:
        sys.stderr.write(f"{error}\n")
        raise SystemExit(3) from None
    configure_logging(settings.log_level, settings.log_format, secrets=settings.secrets())
    return made


@setup_logging.connect
def _logging_is_ours(**_: Any) -> None:
    """Being connected is enough: Celery then leaves the configured logging alone."""


app = _configured()
