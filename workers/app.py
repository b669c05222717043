"""The Celery app that the workers and beat run: `celery -A workers.app:app worker -Q …`."""

import os

from config.settings import environment
from workers.factory import worker_app

app = worker_app(environment(), dict(os.environ))
