"""A composed configuration: its structure composed once, numbers set on plain data.

Hydra composes one configuration for each combination of groups (topology, workload, policy, cost,
binding, faults): 70 ms each. Every other axis is a leaf that is set on the validated data of one section,
and each distinct section is validated and built once, so that ten thousand points take seconds.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from pipeline.config.axes import Scalar
from pipeline.config.build import section_digest
from pipeline.config.compose import Command, compose
from pipeline.config.leaves import combined_digest, set_leaves, suggest_key
from pipeline.config.relative import RELATIVE, SCHEDULERS_KEY, resolve_schedulers, schedulers_text
from pipeline.config.schema import SIMULATED, Config
from pipeline.config.schema_errors import load_config, load_section
from pipeline.errors import ConfigError

GROUP_AXES = ("topology", "workload", "policy", "cost", "binding", "faults")
# Groups whose sections have a name of their own.
NAMED = ("topology", "workload", "policy", "faults")


@dataclass
class Structure:
    """A composed configuration before leaves are set, with the sections derived from it so far.

    relative : +S as it was written, if it is relative to the machine
    """

    config: Config
    choices: dict[str, str]
    relative: str | None = None
    sections: dict[tuple[Any, ...], tuple[Any, str]] = field(default_factory=dict)

    @property
    def names(self) -> str:
        """The choices that distinguish it, for messages."""
        return " ".join(f"{group}={self.choices[group]}" for group in GROUP_AXES if group in self.choices)

    def section(self, name: str, leaves: Mapping[str, Scalar]) -> tuple[Any, str]:
        """A section with some leaves set, and its digest; made once."""
        key = (name, *((path, type(value), value) for path, value in leaves.items()))
        if key not in self.sections:
            part = getattr(self.config, name)
            if leaves:
                part = load_section(name, set_leaves(part, leaves, self.names))
            self.sections[key] = part, section_digest(name, part)
        return self.sections[key]

    def with_leaves(self, leaves: Mapping[str, Scalar]) -> tuple[Config, str]:
        """The configuration with some leaves set, and the digest of what it simulates."""
        leaves = self.counted(leaves)
        changed: dict[str, Any] = {}
        digests = []
        for name in SIMULATED:
            own = {key: value for key, value in leaves.items() if key.split(".")[0] == name}
            part, digest = self.section(name, own)
            digests.append(digest)
            if own:
                changed[name] = part
        config = self.config.model_copy(update=changed) if changed else self.config
        return config, combined_digest(digests)

    def counted(self, leaves: Mapping[str, Scalar]) -> Mapping[str, Scalar]:
        """Leaves with +S as a number where it is one relative to the machine, which they may change."""
        word = leaves.get(SCHEDULERS_KEY, self.relative)
        is_set_before = SCHEDULERS_KEY not in leaves and not any_of(leaves, "topology", "binding")
        if word not in RELATIVE or is_set_before:
            return leaves
        parts = [
            self.section(name, {k: v for k, v in leaves.items() if any_of([k], name)})[0]
            for name in ("topology", "binding")
        ]
        return {**leaves, SCHEDULERS_KEY: schedulers_text(str(word), parts[0], parts[1].schedulers)}


def any_of(keys: Iterable[str], *sections: str) -> bool:
    """Whether a key is one of these sections."""
    return any(key.split(".", maxsplit=1)[0] in sections for key in keys)


class Composer:
    """Composes structures for a command, each once."""

    def __init__(self, command: Command) -> None:
        self.command = command
        self.structures: dict[tuple[Any, ...], Structure] = {}

    def structure(self, choices: Mapping[str, str], *, keep_policy: bool = True) -> Structure:
        """The structure with these options; `keep_policy=False` drops overrides of policy leaves."""
        key = (keep_policy, *choices.items())
        if key not in self.structures:
            fixed = [
                str(o.input_line)
                for o in self.command.fixed
                if o.key_or_group not in choices and (keep_policy or not o.key_or_group.startswith("policy."))
            ]
            plain, chosen = compose([*fixed, *(f"{group}={name}" for group, name in choices.items())])
            relative = resolve_schedulers(plain)
            self.structures[key] = Structure(self.load(plain, chosen), chosen, relative)
        return self.structures[key]

    def load(self, plain: dict[str, Any], choices: Mapping[str, str]) -> Config:
        """Validate composed data; sections are named after their options unless named by hand."""
        for group in NAMED:
            section = plain.get(group)
            if isinstance(section, dict) and group in choices:
                if group == "policy" and not self.command.fixes("policy.name"):
                    section["name"] = choices[group]
                section.setdefault("name", choices[group])
        try:
            return load_config(plain)
        except ConfigError as error:
            if error.allowed != "unknown key":
                raise
            hint = suggest_key(error.key, plain) or error.hint
            raise ConfigError(error.key, error.value, error.allowed, hint) from None
