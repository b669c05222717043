"""What counting the pages of a document may cost."""

from headrace.ranges import Budget

WHOLE_BYTES = 8 * 1024 * 1024
"""Up to here one request for everything is quicker than several for pieces."""

BUDGET = Budget(requests=8, bytes=512 * 1024)
LARGER_BUDGET = Budget(requests=256, bytes=16 * 1024 * 1024)
"""Where the count would otherwise be wrong, or the document refused."""

MOST_COPIED_BYTES = 256 * 1024 * 1024
"""Of what can only be read as a whole, no more than this is fetched."""
