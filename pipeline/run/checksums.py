"""The checksums of a finished run's tables: what its COMPLETE marker states, and whether that holds."""

import hashlib
import json
from collections.abc import Mapping
from pathlib import Path

from pipeline.errors import UserError

COMPLETE = "COMPLETE"
SHOWN = 12


def stated_tables(folder: Path) -> dict[str, str] | None:
    """Table -> SHA-256 as the COMPLETE marker states; None if the run was not finished.

    Raises
    ------
    UserError for a marker that cannot be read
    """
    path = folder / COMPLETE
    try:
        return tables_of(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        return None
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        hint = "the sweep's own command writes it anew, after a look at every table"
        raise UserError(f"{path}: is damaged ({' '.join(str(error).split())[:80]})", hint) from None


def tables_of(text: str) -> dict[str, str]:
    """The checksums in a COMPLETE marker's text."""
    return {str(name): str(digest) for name, digest in json.loads(text)["tables"].items()}


def format_of(text: str) -> int | None:
    """The version of the tables' format in a COMPLETE marker's text."""
    found = json.loads(text).get("format")
    return found if isinstance(found, int) else None


def file_digest(path: Path) -> str:
    """SHA-256 of a file, read in pieces."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def damaged_tables(folder: Path, stated: Mapping[str, str]) -> dict[str, str]:
    """Tables that have not the checksum stated: name -> what is wrong."""
    wrong = {}
    for name, digest in sorted(stated.items()):
        path = folder / name
        if not path.is_file():
            wrong[name] = "is missing"
        elif (found := file_digest(path)) != digest:
            wrong[name] = f"has checksum {found[:SHOWN]}..., was written with {digest[:SHOWN]}..."
    return wrong


def check_tables(folder: Path, stated: Mapping[str, str] | None = None) -> None:
    """Refuse tables that were changed after the run wrote them.

    Parameters
    ----------
    stated : checksums to hold them against; None = those of the COMPLETE marker, if there is one

    Raises
    ------
    UserError naming the first such table
    """
    known = stated_tables(folder) if stated is None else stated
    wrong = damaged_tables(folder, known or {})
    for name, fault in wrong.items():
        further = f" (and {len(wrong) - 1} more tables)" if len(wrong) > 1 else ""
        raise UserError(
            f"{folder / name}: {fault}{further}: changed or damaged since it was written",
            "the sweep's own command, in the folder's manifest.json, computes what is damaged anew",
        )
