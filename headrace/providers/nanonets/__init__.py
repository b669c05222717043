"""Nanonets OCR (api/v2): the provider, and the client that it takes."""

from headrace.providers.nanonets.client import BASE_URL, nanonets_client
from headrace.providers.nanonets.provider import NanonetsProvider

__all__ = ["BASE_URL", "NanonetsProvider", "nanonets_client"]
