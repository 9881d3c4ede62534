"""What is asked of a finished sweep's tables: objectives, weights, constraints, or one metric to choose by.

None of it changes a lane, so a run folder can be asked again. Its `config.yaml`, and the command that its
manifest names, always state the question that its results answer.
"""

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import yaml

from pipeline.run.files import write_atomic

KEYS = ("front", "objective")


def is_question(word: str) -> bool:
    """Whether a word of a command line is about the question alone."""
    return word.partition("=")[0].lstrip("+~").split(".")[0] in KEYS and "=" in word


def restate(folder: Path, asked: Mapping[str, Any], words: Sequence[str]) -> bool:
    """Put another question into a run folder's configuration and command; the tables stay as they are.

    Parameters
    ----------
    asked : `front` and `objective` as plain data
    words : those of the command line that ask it, which replace the ones that asked before

    Returns
    -------
    bool, whether it was another question
    """
    path = folder / "config.yaml"
    if not path.is_file():
        return False
    config = yaml.safe_load(path.read_text(encoding="utf-8")) or {}
    if all(as_yaml(config.get(key)) == as_yaml(asked.get(key)) for key in KEYS):
        return False
    config |= {key: asked.get(key) for key in KEYS}
    write_atomic(path, yaml.safe_dump(config, sort_keys=False, allow_unicode=True).encode())
    restate_command(folder / "manifest.json", words)
    return True


def restate_command(path: Path, words: Sequence[str]) -> None:
    """Replace the words of a manifest's command that ask the question."""
    manifest = json.loads(path.read_text(encoding="utf-8"))
    command = manifest.get("command")
    if isinstance(command, list):
        kept = [word for word in command if not is_question(str(word))]
        manifest["command"] = [*kept, *(word for word in words if is_question(word))]
        write_atomic(path, (json.dumps(manifest, indent=1, default=str) + "\n").encode())


def as_yaml(value: Any) -> str:
    """A value as text that is the same for lists and tuples, and in whatever order its keys are."""
    return json.dumps(value, sort_keys=True, default=str)
