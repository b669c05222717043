"""Processes that may be killed: documents are opened there, because nobody knows what they hold."""
