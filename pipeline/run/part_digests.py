"""What vouches for the parts of an unfinished run: checksums, stated beside its spill files."""

import hashlib
import json
from collections.abc import Mapping
from pathlib import Path

from pipeline.run.files import write_atomic
from pipeline.run.spills import chunks_folder, short_digest

PART_DIGESTS = "parts.json"


class PartDigests:
    """Checksums of parts, as the sessions that wrote them stated.

    Parquet has no checksum of its own that a reader would check.
    """

    def __init__(self, run_folder: Path) -> None:
        self._run_folder = run_folder
        self._path = chunks_folder(run_folder) / PART_DIGESTS
        self._known: dict[str, str] = {}

    def load(self) -> None:
        """Add what earlier sessions stated, as far as that can be read."""
        try:
            found = json.loads(self._path.read_text())
        except (OSError, ValueError):
            return
        self._known |= found if isinstance(found, dict) else {}

    def believe(self, tables: Mapping[str, str]) -> None:
        """Vouch for the parts that have the SHA-256 stated, by name relative to the run folder."""
        for name, digest in tables.items():
            path = self._run_folder / name
            if path.parent == self._path.parents[1] and path.is_file():
                data = path.read_bytes()
                if hashlib.sha256(data).hexdigest() == digest:
                    self._known[path.name] = self._digest(data)
        self._write()

    def state(self, part: Path, data: bytes) -> None:
        """Vouch for a part that is about to be written."""
        self._known[part.name] = self._digest(data)
        self._write()

    def hold(self, part: Path, data: bytes) -> bool:
        """Whether a part's bytes are those that were stated."""
        return self._known.get(part.name) == self._digest(data)

    def _write(self) -> None:
        if self._known:
            self._path.parent.mkdir(parents=True, exist_ok=True)
            write_atomic(self._path, json.dumps(self._known, indent=1, sort_keys=True).encode())

    def _digest(self, data: bytes) -> str:
        return short_digest(self._run_folder.name, data)
