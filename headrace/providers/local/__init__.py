"""The local provider: reads documents that have a text layer, with no key and no network.

Importing this package is cheap; PDFium, camelot and what they bring load when a document is read.
"""

from headrace.labels import LabelRule
from headrace.providers.local.provider import LocalProvider
from headrace.providers.local.reading import read_document

__all__ = ["LabelRule", "LocalProvider", "read_document"]
