"""The processes: the Celery app, the listener, the local stack, the command line."""
