"""The library: documents, what is decided about them, and the outside world. Knows no queue."""
