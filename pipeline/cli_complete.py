"""Tab completion in bash, zsh and fish: groups, options and keys by Hydra, other words by command.

    eval "$(python -m pipeline.sweep -sc install=bash)"       or zsh; for fish: ... -sc install=fish | source

Hydra's own script looks for `python FILE.py` and so never completes `python -m pipeline.sweep`, nor the
commands of `coreshift`; its answers are used as they are.
"""

import os
import re
from collections.abc import Iterable, Sequence
from pathlib import Path

from pipeline.cli import COMMANDS
from pipeline.errors import UserError

BASH = r"""
_coreshift_complete() {
    local line="${COMP_LINE:0:COMP_POINT}" program word start reply
    if [[ $line =~ ^[[:space:]]*([^[:space:]]*python[0-9.]*)[[:space:]]+-m[[:space:]]+pipeline\. ]]
    then program=("${BASH_REMATCH[1]}" -m pipeline.cli)
    elif [[ $line =~ ^[[:space:]]*([^[:space:]]*coreshift)[[:space:]] ]]
    then program=("${BASH_REMATCH[1]}")
    else return
    fi
    word="${line##*[[:space:]]}"
    # bash replaces the part of a word behind its last = or :
    start="${word%"${word##*[=:]}"}"
    [[ $COMP_WORDBREAKS == *=* && $COMP_WORDBREAKS == *:* ]] || start=""
    COMPREPLY=()
    while IFS= read -r reply; do
        [[ -n $reply ]] && COMPREPLY+=("${reply#"$start"}")
    done < <(COMP_LINE="$line" "${program[@]}" -sc query=bash 2>/dev/null)
}
complete -o nospace -o bashdefault -o default -F _coreshift_complete coreshift python python3
"""
ZSH = r"""
_coreshift_complete() {
    local line="${BUFFER[1,CURSOR]}"
    local -a program replies
    if [[ $line =~ '^[[:space:]]*([^[:space:]]*python[0-9.]*)[[:space:]]+-m[[:space:]]+pipeline\.' ]]
    then program=("${match[1]}" -m pipeline.cli)
    elif [[ $line =~ '^[[:space:]]*([^[:space:]]*coreshift)[[:space:]]' ]]
    then program=("${match[1]}")
    else _default; return
    fi
    replies=("${(@f)$(COMP_LINE="$line" "${program[@]}" -sc query=zsh 2>/dev/null)}")
    compadd -U -Q -S '' -- ${replies:#} || _default
}
(( $+functions[compdef] )) || { autoload -Uz compinit && compinit; }
compdef _coreshift_complete coreshift python python3
"""
FISH = r"""
function __coreshift_complete
    set -l words (commandline -opc)
    set -l line (commandline -cp)
    switch "$words[1]"
        case '*coreshift'
            COMP_LINE="$line" $words[1] -sc query=fish 2>/dev/null
        case '*python*'
            string match -qr -- '-m +pipeline\.' "$line"
            and COMP_LINE="$line" $words[1] -m pipeline.cli -sc query=fish 2>/dev/null
    end
end
complete -c coreshift -f -a '(__coreshift_complete)'
complete -c python -a '(__coreshift_complete)'
complete -c python3 -a '(__coreshift_complete)'
"""
SCRIPTS = {"bash": BASH, "zsh": ZSH, "fish": FISH}
UNINSTALL = {
    "bash": "complete -r coreshift python python3; unset -f _coreshift_complete",
    "zsh": "compdef -d coreshift python python3; unfunction _coreshift_complete",
    "fish": "complete -e -c coreshift; complete -e -c python; complete -e -c python3",
}
COMMON = ("--help", "--json", "--quiet", "--traceback")
# Commands whose words are Hydra's, and what they take beside its groups and keys.
LISTS = ("front.objectives.", "front.constraints.")
HYDRA_WORDS = {
    "sweep": (),
    "simulate": (
        "point=", "decisions=", "decisions_capacity=", "flags=", "timeline=", "timeline_events=",
        "timeline_from_ns=", "timeline_until_ns=", "timeline_replicate=",
    ),
}  # fmt: skip
OWN_WORDS = {
    "compare": ("STUDY", "format=table", "format=csv", "outputs.folder="),
    "explore": (
        "STUDY", "list", "--front", "--where", "--sort", "--top", "--metrics", "--table", "--csv",
        "--browser", "--serve", "--port", "--outputs", "--columns",
    ),
    "report": (
        "run=RUN", "outputs=", "draw=true", "draw=false", "record=true", "record=false", "output=table",
        "output=json", "tracking.file=", "tracking.uri=", "tracking.children=", "figures=",
        "front.objectives=", "front.weights=", "constraint=", "objective.metric=",
    ),
    "record": ("STUDY", "outputs=", "tracking.file=", "tracking.uri=", "tracking.children="),
    "reproduce": (
        "STUDY", "point=", "--check", "--anyway", "--dvc", "into=", "cluster=inline", "cluster=local",
        "outputs=", "tracking.uri=", "tracking.file=",
    ),
    "doctor": ("--quick", "outputs=", "python", "packages", "kernels", "ray", "mlflow", "dvc", "git"),
    "topology": (
        "list", "show", "import", "export", "binding", "TOPOLOGY", "out=", "format=sct",
        "format=cpu_topology", "output=json", "latency_csv=", "schedulers=", "allowed=", "force=true",
    ),
    "trace": (
        "list", "show", "import", "record", "check", "out=", "start_ms=", "stop_ms=", "seconds=",
        "picture=", "output=json", "markdown=", "force=true", "cookie=", "mode=", "messages=", "gc=",
        "max_events=", "port=", "after=", "prof=", "ns_per_reduction=", "schedulers=", "wrap=", "partial=",
    ),
    "calibrate": (
        "host", "trace", "out=", "seconds=", "holdout=", "frequency_mhz=", "force=true", "output=json",
    ),
    "ui": ("port=", "outputs=", "file="),
}  # fmt: skip
MODULE = re.compile(r"^\s*\S*python[0-9.]*\s+-m\s+pipeline\.(?P<name>[a-z_]*)(?P<rest>\s.*)?$", re.S)
SCRIPT = re.compile(r"^\s*\S*coreshift\s+(?P<name>[a-z_]*)(?P<rest>\s.*)?$", re.S)


def complete(words: Sequence[str]) -> int:
    """Serve `-sc install=SHELL`, `uninstall=SHELL` and `query=SHELL`.

    Raises
    ------
    UserError for another word or shell
    """
    asked = next((word for word in words if "=" in word and not word.startswith("-")), "")
    action, _, shell = asked.partition("=")
    if shell not in SCRIPTS or action not in ("install", "uninstall", "query"):
        raise UserError(
            f"-sc {asked}: must be install, uninstall or query of {', '.join(SCRIPTS)}",
            'write eval "$(python -m pipeline.sweep -sc install=bash)"',
        )
    if action == "query":
        print("\n".join(answers(os.environ.get("COMP_LINE", ""))))
    elif action == "install":
        print(SCRIPTS[shell].strip())
    else:
        print(UNINSTALL[shell])
    return 0


def answers(line: str) -> list[str]:
    """What the last word of a command line can become; nothing for a line that is not ours."""
    found = MODULE.match(line) or SCRIPT.match(line)
    if found is None:
        return []
    name, rest = found["name"], found["rest"]
    if rest is None:
        start = "pipeline." if MODULE.match(line) else ""
        return [f"{start}{command} " for command in COMMANDS if command.startswith(name)]
    if name not in COMMANDS:
        return []
    word = "" if rest[-1].isspace() else rest.split()[-1]
    try:
        return sorted({*own_answers(name, word), *hydra_answers(name, rest, word)})
    except Exception:
        # In the middle of a word a configuration may be anything; a shell has no place for the reason.
        return []


def own_answers(name: str, word: str) -> Iterable[str]:
    """The words that a command knows beside Hydra's."""
    known = [*OWN_WORDS.get(name, HYDRA_WORDS.get(name, ())), *COMMON]
    for text in known:
        for one in studies() if text == "STUDY" else runs() if text == "run=RUN" else [text]:
            if one.startswith(word) and one != "TOPOLOGY" and (word or not one.startswith("-")):
                yield one


def studies() -> list[str]:
    """The studies that have a finished sweep, below the usual folder."""
    return sorted({path.parent.parent.name for path in Path("outputs").glob("*/*/COMPLETE")})


def runs() -> list[str]:
    """The words that name a finished sweep's folder."""
    return [f"run={path.parent}" for path in sorted(Path("outputs").glob("*/*/COMPLETE"))]


def hydra_answers(name: str, rest: str, word: str) -> Iterable[str]:
    """Groups, options and keys by Hydra; of a list `a,b` the last one."""
    if name not in HYDRA_WORDS and "TOPOLOGY" not in OWN_WORDS.get(name, ()):
        return []
    if name not in HYDRA_WORDS and not (word.startswith("topology=") or "topology=".startswith(word)):
        return []
    import hydra
    from hydra._internal.core_plugins.bash_completion import BashCompletion
    from hydra.core.global_hydra import GlobalHydra

    key, equals, values = word.partition("=")
    before, comma, _ = values.rpartition(",")
    last = f"{key}={values.rpartition(',')[2]}" if equals else word
    # The words of other commands are no overrides, so Hydra sees the last one alone.
    asked = rest.removesuffix(word) + last if name in HYDRA_WORDS else last
    with hydra.initialize_config_module("conf", job_name="coreshift", version_base="1.3"):
        plugin = BashCompletion(GlobalHydra.instance().config_loader())
        found = plugin._query("config", asked.lstrip())
    if equals and comma:
        found = [f"{key}={before},{one.partition('=')[2]}" for one in found]
    if name not in HYDRA_WORDS:
        return [one for one in found if one.startswith("topology")]
    # Hydra offers the places of a list, as in front.objectives.0, which no command takes.
    found = [one.removesuffix(".") + "=" if one in LISTS else one for one in found]
    return [one for one in found if not one.startswith(("hydra", "dvc"))]
