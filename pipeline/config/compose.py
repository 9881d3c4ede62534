"""The front door: a command line in Hydra's grammar, composed by Hydra, with errors in our words.

Hydra composes one configuration from the overrides that are not swept, and serves `--help`, `--cfg`
and tab completion. The swept overrides are taken off the command line before Hydra sees them, so
that no `-m` is needed and no job directory is made; `pipeline/config/study.py` expands them. A plain
`key=value` is handed on as `++key=value`: Hydra alone would refuse keys that a file of `conf/` leaves
at their default, and the schema refuses unknown keys with a better message.
"""

import os
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any, TypeVar

import hydra
import yaml
from hydra.core.global_hydra import GlobalHydra
from hydra.core.override_parser.types import Override, OverrideType
from hydra.errors import HydraException, MissingConfigException
from omegaconf import DictConfig, OmegaConf, open_dict
from omegaconf.errors import MissingMandatoryValue, OmegaConfBaseException

from pipeline.config.axes import TEXT_KEYS, parse_overrides
from pipeline.config.constraint_words import expand_constraints, expand_objectives
from pipeline.config.erl_flags import expand_flags
from pipeline.config.groupfile import store_files
from pipeline.errors import NO_VALUE, ConfigError, did_you_mean, shorten

T = TypeVar("T")
CONFIG_NAME = "config"
GROUPS = (
    "topology", "workload", "policy", "cost", "binding", "faults", "sweep", "cluster", "tracking",
    "debug", "experiment",
)  # fmt: skip
# Flags of Hydra that take a value as a word of its own.
FLAGS_WITH_VALUE = (
    "--cfg", "-c", "--package", "-p", "--config-path", "-cp", "--config-name", "-cn",
    "--config-dir", "-cd", "--experimental-rerun", "--info", "-i",
)  # fmt: skip
COMPLETION_FLAGS = ("--shell-completion", "-sc")
FULL_ERROR = "HYDRA_FULL_ERROR"


@dataclass(frozen=True)
class Command:
    """A command line, taken apart.

    typed : its words without the program, as typed but for flags="..." and constraint="...", for which the
            keys stand that they mean
    flags : Hydra's flags
    fixed : overrides that hold for every point, ready for Hydra
    swept : overrides that sweep, by key; the last one counts
    is_erl : whether it had flags="...", those of `erl`
    """

    typed: tuple[str, ...] = ()
    flags: tuple[str, ...] = ()
    fixed: tuple[Override, ...] = ()
    swept: Mapping[str, Override] = field(default_factory=dict)
    is_erl: bool = False

    @property
    def fixed_texts(self) -> list[str]:
        """The fixed overrides as text."""
        return [str(override.input_line) for override in self.fixed]

    @property
    def has_axes(self) -> bool:
        """Whether the command line itself says what to sweep."""
        keys = [o.key_or_group for o in self.fixed]
        return bool(self.swept) or any(k == "sweep" or k.startswith("sweep.axes") for k in keys)

    def fixes(self, key: str) -> bool:
        """Whether a key has a plain value."""
        return any(o.key_or_group == key for o in self.fixed)


def read_command(words: Sequence[str], *, use_default_study: bool = True) -> Command:
    """Take a command line apart.

    The default study is for command lines that do not say what to sweep: `key=1,2,4` or `sweep=...`
    replaces it as a whole, unless `experiment=` is given too.

    Parameters
    ----------
    words             : command line without the program
    use_default_study : False: the default experiment never applies, as for a single point
    """
    words, is_erl = expand_flags(expand_objectives(expand_constraints(words)))
    flags, texts = split_flags(words)
    parsed = [prepare(override) for override in parse_overrides(store_files(texts))]
    last: dict[str, Override] = {}
    for override in parsed:
        # Later ones win, whether fixed or swept; deletions stand beside settings.
        last[override.get_key_element().lstrip("+")] = override
    fixed = tuple(o for o in last.values() if not o.is_sweep_override())
    swept = {o.key_or_group: o for o in last.values() if o.is_sweep_override()}
    command = Command(tuple(words), tuple(flags), fixed, swept, is_erl)
    if (command.has_axes or not use_default_study) and not command.fixes("experiment"):
        (off,) = parse_overrides(["experiment=none"])
        command = Command(command.typed, command.flags, (off, *fixed), swept, is_erl)
    return command


def split_flags(words: Sequence[str]) -> tuple[list[str], list[str]]:
    """Hydra's flags with their values, and the overrides. `-m` is dropped: it is not needed."""
    flags: list[str] = []
    texts: list[str] = []
    takes_value = False
    for word in words:
        if takes_value or word.startswith("-"):
            if word not in ("-m", "--multirun"):
                flags.append(word)
            takes_value = not takes_value and word in FLAGS_WITH_VALUE
        else:
            texts.append(word)
    return flags, texts


def prepare(override: Override) -> Override:
    """Let a plain override of a leaf also name a key that the composed files leave out.

    Raises
    ------
    ConfigError for a group set to null, which no group may be
    """
    key = override.key_or_group
    if key in GROUPS and not override.is_delete() and override.value() is None:
        raise ConfigError(key, None, "must be the name of an option", f"see conf/{key}")
    if key in TEXT_KEYS and not override.is_sweep_override() and type(override.value()) is int:
        # Here, unlike in a file, 8:4 is text already, so a number is one.
        override.input_line = f"{key}='{override.value()}'"
        override.type = OverrideType.CHANGE
    is_leaf = key not in GROUPS and "/" not in key
    is_plain = override.type == OverrideType.CHANGE and override.package is None
    if is_leaf and is_plain and not override.is_hydra_override():
        override.input_line = f"++{override.input_line}"
        override.type = OverrideType.FORCE_ADD
    return override


def with_hydra(command: Command, task: Callable[[], T]) -> T:
    """Run `task` inside Hydra, initialised with the command's flags and fixed overrides.

    Flags that only show something (`--help`, `--cfg job`) end the program as in any Hydra
    application. Leaves no file behind.

    Raises
    ------
    ConfigError for whatever Hydra refuses; anything that `task` raises
    """
    if not command.flags:
        # The same, without the two compositions that Hydra's own main makes before it calls us.
        GlobalHydra.instance().clear()
        with hydra.initialize_config_module("conf", job_name="coreshift", version_base="1.3"):
            return task()
    return with_hydra_main(command, task)


def with_hydra_main(command: Command, task: Callable[[], T]) -> T:
    """`with_hydra` for a command line with flags of Hydra's."""
    results: list[T] = []
    failures: list[Exception] = []

    def entry(_: DictConfig) -> None:
        # Hydra would print a line of its own about an exception, so none passes through it.
        try:
            results.append(task())
        except Exception as error:
            failures.append(error)

    decorate = hydra.main(version_base="1.3", config_path="pkg://conf", config_name=CONFIG_NAME)
    with hydra_arguments([*command.flags, *command.fixed_texts]):
        try:
            decorate(entry)()
        except (HydraException, OmegaConfBaseException, yaml.YAMLError) as error:
            raise explain_hydra(error) from None
        except ValueError as error:
            raise ConfigError("command line", NO_VALUE, str(error)) from None
    if failures:
        raise failures[0]
    if not results:
        raise SystemExit(0)
    return results[0]


@contextmanager
def hydra_arguments(words: Sequence[str]) -> Iterator[None]:
    """Give Hydra a command line, and have it raise its errors rather than print them."""
    argv, full = sys.argv, os.environ.get(FULL_ERROR)
    sys.argv = [argv[0], *words]
    os.environ[FULL_ERROR] = "1"
    try:
        yield
    finally:
        sys.argv = argv
        os.environ.pop(FULL_ERROR)
        if full is not None:
            os.environ[FULL_ERROR] = full


def complete_shell(words: Sequence[str]) -> bool:
    """Serve Hydra's tab completion; False if the command line does not ask for it."""
    if not any(flag in words for flag in COMPLETION_FLAGS):
        return False
    hydra.main(version_base="1.3", config_path="pkg://conf", config_name=CONFIG_NAME)(print)()
    return True


def compose(overrides: Sequence[str]) -> tuple[dict[str, Any], dict[str, str]]:
    """Compose one configuration inside `with_hydra`.

    Returns
    -------
    the configuration as plain data, and the option chosen in each group

    Raises
    ------
    ConfigError for whatever Hydra refuses
    """
    try:
        config = hydra.compose(CONFIG_NAME, list(overrides), return_hydra_config=True)
        choices = dict(config.hydra.runtime.choices)
        with open_dict(config):
            del config.hydra
        plain = OmegaConf.to_container(config, resolve=True, throw_on_missing=True)
    except (HydraException, OmegaConfBaseException, yaml.YAMLError) as error:
        raise explain_hydra(error) from None
    assert isinstance(plain, dict)
    chosen = {group: choices[group] for group in GROUPS if choices.get(group)}
    return {str(key): value for key, value in plain.items()}, chosen


def current_loader() -> Any:
    """Hydra's loader, inside `with_hydra`."""
    return GlobalHydra.instance().config_loader()


def explain_hydra(error: Exception) -> ConfigError:
    """Hydra's, OmegaConf's and YAML's errors in words: the key, the value, and what to do."""
    if isinstance(error, MissingConfigException):
        return explain_missing(error)
    if isinstance(error, MissingMandatoryValue):
        key = getattr(error, "full_key", None) or "configuration"
        return ConfigError(str(key), NO_VALUE, "must be given", f"add {key}=...")
    if isinstance(error, yaml.YAMLError):
        reason = shorten(" ".join(str(error).split()), 200)
        return ConfigError("configuration file", NO_VALUE, f"is not YAML: {reason}")
    cause = error.__cause__ or error
    key = getattr(cause, "full_key", None) or "configuration"
    lines = [line.strip() for line in f"{error}\n{cause}".splitlines() if line.strip()]
    told = [line for line in lines if not line.startswith(("full_key:", "object_type="))]
    text = "; ".join(dict.fromkeys(told)) or repr(error)
    return ConfigError(str(key), NO_VALUE, f"cannot be composed: {shorten_text(text)}")


def shorten_text(text: str, most: int = 300) -> str:
    """Text on one line, cut to `most` characters."""
    line = " ".join(text.split())
    return line if len(line) <= most else line[: most - 3] + "..."


def explain_missing(error: MissingConfigException) -> ConfigError:
    """A group's option, or a whole configuration, that does not exist."""
    group, _, option = str(error.missing_cfg_file or "").rpartition("/")
    options = [str(name) for name in error.options or ()]
    if group and options:
        hint = did_you_mean(option, options)
        return ConfigError(group, option, f"must be one of {', '.join(options)}", hint)
    if group in GROUPS or option in GROUPS:
        return ConfigError(group or option, option, "has no such option", f"see conf/{group or option}")
    reason = shorten_text(str(error))
    return ConfigError("configuration", NO_VALUE, reason, f"the groups are {', '.join(GROUPS)}")


def program_words(module: str, command: Command) -> list[str]:
    """The command line that runs this again."""
    return ["python", "-m", module, *command.typed]
