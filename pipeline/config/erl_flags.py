"""The emulator's scheduler flags as text: `+sbt db +scl false +S 8:4`, read and written as `erl` does.

`flags="..."` among a command's words means the same as its keys below `policy.erts`; a recommended setting is
written as a line that `erl` accepts. Only flags that the simulator knows are taken: an unknown one would
change the real system and not the simulated one.
"""

import dataclasses
from collections.abc import Mapping, Sequence
from typing import Any

import sim
from pipeline.errors import ConfigError, did_you_mean
from sim import SpecError

KEY = "flags"
PREFIX = "policy.erts."
ERTS_POLICY = "erts"
# `erl` without flags; the specification leaves sbt to the group `binding`.
DEFAULT = sim.Erts(sbt="u")
# In the order in which they are written. +sct, which must come before +sbt, is the topology's.
FIELDS = ("sbt", "scl", "sub", "swt", "sws", "sbwt", "S")
SPELLINGS = {f"+{name}": name for name in FIELDS} | {"+stbt": "sbt"}
SWITCHES = {"true": True, "false": False}
HINTS = {
    "+SP": "write the numbers: +S N:M",
    "+sct": "describe the machine: topology=sct topology.sct=...",
    "+sfwi": "its default, off, is what is simulated",
    "+sbwtd": "dirty schedulers are not simulated; leave it out",
    "+swtd": "dirty schedulers are not simulated; leave it out",
}


def options_of(name: str) -> tuple[str, ...]:
    """The words that a flag takes; of S, none are listed."""
    if name in ("scl", "sub"):
        return tuple(SWITCHES)
    if name == "sbt":
        return ("u", *sim.BIND_TYPES)
    fields = {field.name: field for field in dataclasses.fields(sim.Erts)}
    return tuple(fields[name].metadata.get("options", ()))


def parse_flags(text: str) -> dict[str, str | bool]:
    """Fields of `sim.Erts` that a line of flags sets; of a flag given twice the last one counts.

    A value may stand beside its flag or be attached to it (+sbtdb, +S8:4), as for `erl`. +stbt is +sbt: here
    the binding cannot fail.

    Raises
    ------
    ConfigError naming the flag, its value and what it takes; also for flags that are not simulated
    """
    words = text.strip().strip("\"'").split()
    found: dict[str, str | bool] = {}
    place = 0
    while place < len(words):
        flag, value = split_flag(words[place])
        place += 1
        if not value:
            if place == len(words):
                raise flag_error(flag, "", "needs a value")
            value = words[place]
            place += 1
        found[SPELLINGS[flag]] = flag_value(flag, value)
    return found


def split_flag(word: str) -> tuple[str, str]:
    """A flag, and the value attached to it or ""."""
    if word in SPELLINGS:
        return word, ""
    for flag in sorted(SPELLINGS, key=len, reverse=True):
        rest = word.removeprefix(flag)
        # +sbwtdcpu begins like +sbwt, and +SP like +S: only a value of the flag's own is a value.
        if rest != word and (rest in options_of(SPELLINGS[flag]) or (flag == "+S" and rest[0].isdigit())):
            return flag, rest
    if not word.startswith("+"):
        raise ConfigError(KEY, word, "is no flag of the emulator", 'write flags="+sbt db +scl false"')
    known = f"simulated are {', '.join(SPELLINGS)}; leave others out"
    hint = next((text for start, text in HINTS.items() if word.startswith(start)), "")
    raise ConfigError(KEY, word, "is not simulated", hint or did_you_mean(word, SPELLINGS) or known)


def flag_value(flag: str, value: str) -> str | bool:
    """The value of one flag as the specification has it."""
    name = SPELLINGS[flag]
    if name == "S":
        try:
            sim.Erts(S=value)
        except SpecError:
            hint = "the schedulers created and, after a colon, those online; both, if a colon is there"
            raise flag_error(flag, value, "takes N or N:M with M <= N, both from 1 to 1024", hint) from None
        return value
    options = options_of(name)
    if value not in options:
        raise flag_error(flag, value, f"takes {', '.join(options)}", did_you_mean(value, options))
    return SWITCHES[value] if name in ("scl", "sub") else value


def flag_error(flag: str, value: str, allowed: str, hint: str = "") -> ConfigError:
    """An error about one flag."""
    return ConfigError(KEY, f"{flag} {value}".rstrip(), allowed, hint)


def expand_flags(words: Sequence[str]) -> tuple[list[str], bool]:
    """Command-line words with `flags=...` replaced by overrides, and whether there was one.

    They choose policy=erts if no word names a policy, and +sbt u if they do not say otherwise: what `erl`
    does without it. Keys named on the command line go before flags.
    """
    texts = [word.partition("=")[2] for word in words if word.startswith(f"{KEY}=")]
    if not texts:
        return list(words), False
    rest = [word for word in words if not word.startswith(f"{KEY}=")]
    settings: dict[str, str | bool] = {"sbt": DEFAULT.sbt or "u"}
    for text in texts:
        settings |= parse_flags(text)
    named = any(word.lstrip("+").startswith("policy=") for word in rest)
    front = [] if named else [f"policy={ERTS_POLICY}"]
    front += [f"{PREFIX}{name}={override_text(value)}" for name, value in settings.items()]
    return [*front, *rest], True


def override_text(value: str | bool) -> str:
    """A value in the grammar of overrides."""
    return {True: "true", False: "false"}[value] if isinstance(value, bool) else value


def flag_words(flags: sim.Erts) -> list[str]:
    """The flags that differ from what `erl` does without them, and their values, one word each."""
    changed = [name for name in FIELDS if shown_value(flags, name) not in ("", shown_value(DEFAULT, name))]
    return [word for name in changed for word in (f"+{name}", shown_value(flags, name))]


def shown_value(flags: sim.Erts, name: str) -> str:
    """The value of a flag as `erl` reads it; "" for one that is not set."""
    if name == "S":
        count = flags.schedulers()
        return "" if count is None else f"{count[0]}:{count[1]}"
    value = getattr(flags, name)
    if name == "scl" and flags.sub:
        # The emulator turns it off by itself, so that there is nothing to ask for.
        return override_text(DEFAULT.scl)
    return "" if value is None else override_text(value)


def flag_line(flags: sim.Erts) -> str:
    """The flags that `erl` needs for this setting; "" where its defaults do."""
    return " ".join(flag_words(flags))


def full_line(flags: sim.Erts) -> str:
    """Every flag with its value; +S only where it is set, as its default is the machine's."""
    texts = {name: shown_value(flags, name) for name in FIELDS}
    texts["scl"] = override_text(flags.scl and not flags.sub)
    return " ".join(f"+{name} {text}" for name, text in texts.items() if text)


def erts_of(policy: Mapping[str, Any], binding: Mapping[str, Any] | None) -> sim.Erts | None:
    """The flags of a policy's plain data; None if it is not the BEAM's scheduler.

    Parameters
    ----------
    policy  : settings of the policy
    binding : settings of the group `binding`, which stands in for +sbt and +S; None where they are not known
    """
    given = policy.get("erts")
    if not isinstance(given, Mapping) or not given.get("enabled"):
        return None
    names = {field.name for field in dataclasses.fields(sim.Erts)}
    flags = sim.Erts(**{key: value for key, value in given.items() if key in names})
    if binding is None:
        return flags
    if flags.sbt is None and binding.get("mode") == "none":
        flags = dataclasses.replace(flags, sbt="u")
    elif flags.sbt is None and binding.get("mode") == "static" and binding.get("order") in sim.BIND_TYPES:
        flags = dataclasses.replace(flags, sbt=binding["order"])
    if flags.S is None and binding.get("schedulers"):
        flags = dataclasses.replace(flags, S=str(binding["schedulers"]))
    return flags
