"""The steps of the pipeline, as Celery tasks: thin adapters between the queue, the ledger and the library."""
