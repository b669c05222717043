"""Copies that a provider can take, made in a process that may be killed and stored nowhere."""
