"""Small files that are replaced as a whole, so that a kill leaves the old content or the new."""

import os
from pathlib import Path


def replace(path: Path, content: bytes) -> None:
    """Write the file anew. On return it outlasts a kill."""
    unfinished = path.with_name(path.name + ".part")
    with unfinished.open("wb") as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())
    unfinished.replace(path)
