"""Nanonets OCR (api/v2): the provider, the client's calls beyond it, and the HTTP client that both take."""

from headrace.providers.nanonets.api import NanonetsApi
from headrace.providers.nanonets.client import BASE_URL, nanonets_client
from headrace.providers.nanonets.dialect import DIALECTS
from headrace.providers.nanonets.provider import NanonetsProvider

__all__ = ["BASE_URL", "DIALECTS", "NanonetsApi", "NanonetsProvider", "nanonets_client"]
