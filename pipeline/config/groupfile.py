"""Files in place of options: `policy=outputs/.../recommended.yaml`, `topology=machine.xml`."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import yaml
from hydra.core.config_store import ConfigStore

import conf
from pipeline.errors import ConfigError, shorten

CONF = Path(str(conf.__path__[0]))
GROUPS_OF_FILES = ("topology", "workload", "policy", "cost", "binding", "faults")
SUFFIXES = (".yaml", ".yml", ".xml", ".parquet")


def store_files(texts: Sequence[str]) -> list[str]:
    """Put the files that overrides name where Hydra finds them, and their names in their place.

    Applies to the groups in GROUPS_OF_FILES, also within a list `a,b`. A YAML file
    is one as in `conf/<group>/`; an XML file a machine as hwloc exports it; a Parquet file a trace.

    Raises
    ------
    ConfigError if such a file cannot be read
    """
    return [store_override(text) for text in texts]


def store_override(text: str) -> str:
    """One override, with files replaced by names."""
    key, sign, value = text.partition("=")
    group = key.lstrip("+")
    if not sign or group not in GROUPS_OF_FILES or "(" in value or not value:
        return text
    words = [word.strip().strip("\"'") for word in value.split(",")]
    if not any(Path(word).suffix in SUFFIXES for word in words):
        return text
    return f"{key}=" + ",".join(store_file(group, word) for word in words)


def store_file(group: str, word: str) -> str:
    """Register a file as an option of its group; anything else is an option already."""
    path = Path(word).expanduser()
    if path.suffix not in SUFFIXES:
        return word
    if not path.is_file():
        raise ConfigError(group, word, "is no file", f"give a path, or an option as in conf/{group}")
    name = file_name(group, path)
    node: Mapping[str, Any]
    if path.suffix == ".xml":
        node = {"kind": "hwloc", "path": str(path.resolve())}
    elif path.suffix == ".parquet":
        node = {"kind": "replay", "trace": str(path.resolve())}
    else:
        node = read_mapping(group, path)
    ConfigStore.instance().store(group=group, name=name, node=dict(node))
    return name


def file_name(group: str, path: Path) -> str:
    """The option's name that a file is stored under."""
    name = "".join(c if c.isalnum() or c in "-_" else "_" for c in path.stem)
    # Hydra would take a stored node of the same name for the schema of that option.
    return f"{name}_file" if (CONF / group / f"{name}.yaml").exists() else name


def read_mapping(group: str, path: Path) -> dict[str, Any]:
    """The settings in a YAML file."""
    try:
        data = yaml.safe_load(path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, yaml.YAMLError) as error:
        reason = shorten(" ".join(str(error).split()), 160)
        raise ConfigError(group, str(path), f"cannot be read as YAML: {reason}") from None
    if not isinstance(data, dict):
        raise ConfigError(group, str(path), "must hold a mapping of keys to values")
    if "defaults" in data:
        raise ConfigError(group, str(path), "must not have a defaults list", f"copy it to conf/{group}/")
    return {str(key): value for key, value in data.items()}
