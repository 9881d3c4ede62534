"""The mark of a report on a run that is not finished: "partial: N of M lanes"."""

import contextlib
import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any

FOLDER = "partial"
KEY = "partial"


def partial_words(manifest: Mapping[str, Any]) -> str:
    """The mark for people, "" for a finished run."""
    counts = manifest.get(KEY)
    if not isinstance(counts, Mapping):
        return ""
    return f"partial: {counts.get('lanes', 0):,} of {counts.get('of', 0):,} lanes"


def forget_partial(folder: Path) -> None:
    """Remove the answer so far of a run that is finished now."""
    with contextlib.suppress(FileNotFoundError):
        shutil.rmtree(folder / FOLDER)
