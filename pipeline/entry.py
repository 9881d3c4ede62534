"""What every command shares: one clear message and an exit code in place of a traceback.

Words that every command takes, before a lone `--`: `--json` is output=json; `-q` or `--quiet` keeps progress
and notes back unless the command fails; `--traceback` (or CORESHIFT_TRACEBACK=1, or HYDRA_FULL_ERROR=1) shows
where an error comes from.
"""

import codecs
import contextlib
import io
import os
import sys
import tempfile
from collections import deque
from collections.abc import Callable, Iterator, Mapping, Sequence

from pipeline.cli_help import answer_help
from pipeline.errors import UserError, did_you_mean, told_of
from pipeline.run.signals import EXIT_INTERRUPTED, handled, interrupt

EXIT_BAD_INPUT = 2
EXIT_BROKEN_PIPE = 141  # as a shell reports a program that SIGPIPE ended
COMPLETION = ("-sc", "--shell-completion")
TRACEBACK = "--traceback"
TRACEBACK_VARIABLES = ("CORESHIFT_TRACEBACK", "HYDRA_FULL_ERROR")
QUIET = ("-q", "--quiet")
KEPT_LINES = 40


def run_main(action: Callable[[Sequence[str]], int], words: Sequence[str] | None = None) -> int:
    """Run a command; what goes wrong is told on stderr.

    Parameters
    ----------
    action : the command; gets its words, returns its exit code
    words  : None = those of this process

    Returns
    -------
    int, exit code: 2 for what the user can mend, 70 for a bug, 130 after Ctrl-C or SIGTERM
    """
    words, asked = take_common(sys.argv[1:] if words is None else words)
    if any(word in COMPLETION for word in words):
        # Imported here, as only a shell asks for it.
        from pipeline.cli_complete import complete

        action = complete
    bear_any_text()
    try:
        asked_help = answer_help(getattr(action, "__name__", ""), words)
        if asked_help is None:
            return 0
        words = asked_help
        with handled(interrupt), held_back(is_quiet=bool(asked & {*QUIET})) as notes:
            code = action(words)
    except KeyboardInterrupt:
        return tell("interrupted", "", EXIT_INTERRUPTED)
    except BrokenPipeError:
        # The reader has seen enough (`... | head`). Python would complain once more as it flushes at exit.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return EXIT_BROKEN_PIPE
    except Exception as error:
        if TRACEBACK in asked or any(
            os.environ.get(name, "0") not in ("", "0") for name in TRACEBACK_VARIABLES
        ):
            raise
        known = told_of(error)
        return tell(known.message, known.hint, known.exit_code)
    if code:
        sys.stderr.writelines(notes)
    return code


def bear_any_text() -> None:
    """Let a terminal or file of a narrow encoding show "?" for a character: no reason to lose an answer."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper) and codecs.lookup(stream.encoding).name != "utf-8":
            stream.reconfigure(errors="replace")


def take_common(words: Sequence[str]) -> tuple[list[str], set[str]]:
    """Take the words that every command knows off a command line; gives the rest, and those found."""
    end = list(words).index("--") if "--" in words else len(words)
    own = {word for word in words[:end] if word in (*QUIET, TRACEBACK)}
    kept = ["output=json" if word == "--json" else word for word in words[:end] if word not in own]
    return [*kept, *words[end:]], own


@contextlib.contextmanager
def held_back(*, is_quiet: bool) -> Iterator[list[str]]:
    """If quiet, keep what is written to stderr; its last lines are in the list when the block has ended."""
    notes: list[str] = []
    if not is_quiet:
        yield notes
        return
    # A real file, as libraries ask stderr for its descriptor.
    with tempfile.TemporaryFile("w+", encoding="utf-8") as file:
        with contextlib.redirect_stderr(file):
            yield notes
        file.seek(0)
        notes += deque(file, KEPT_LINES)


def tell(message: str, hint: str, exit_code: int) -> int:
    """Print a message and what to do about it."""
    print(f"coreshift: {message}" + (f"\n  {hint}" if hint else ""), file=sys.stderr)
    return exit_code


def split_words(words: Sequence[str], defaults: Mapping[str, str]) -> tuple[list[str], dict[str, str]]:
    """Positional words, and `key=value` options over their defaults.

    Raises
    ------
    UserError for an unknown key
    """
    positional: list[str] = []
    options = dict(defaults)
    for word in words:
        key, sign, value = word.partition("=")
        if not sign:
            positional.append(word)
        elif key in defaults:
            options[key] = value
        else:
            known = ", ".join(f"{name}=" for name in defaults) or "none"
            hint = did_you_mean(key, defaults) or f"known here: {known}"
            raise UserError(f"{word}: unknown option", hint)
    return positional, options


def pick_action(
    words: Sequence[str],
    actions: Mapping[str, Callable[[Sequence[str]], int]],
    usage: str | None,
) -> int:
    """Run the action that the first word names; without one, or with `--help`, print the usage.

    Raises
    ------
    UserError for an unknown action
    """
    if not words or words[0] in ("-h", "--help", "help"):
        print((usage or "").strip())
        return 0 if words else EXIT_BAD_INPUT
    if words[0] not in actions:
        known = ", ".join(actions)
        hint = did_you_mean(words[0], actions) or f"known: {known}"
        raise UserError(f"{words[0]}: unknown action", hint)
    return actions[words[0]](words[1:])
