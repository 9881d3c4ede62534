"""What every command shares: one clear message and an exit code in place of a traceback."""

import os
import sys
from collections.abc import Callable, Mapping, Sequence

from pipeline.errors import UserError, did_you_mean
from sim import SpecError, TopologyError, TraceError

EXIT_BAD_INPUT = 2
EXIT_INTERRUPTED = 130
EXIT_BROKEN_PIPE = 141  # as a shell reports a program that SIGPIPE ended


def run_main(action: Callable[[Sequence[str]], int], words: Sequence[str] | None = None) -> int:
    """Run a command; what the user can mend is told on stderr.

    Parameters
    ----------
    action : the command; gets its words, returns its exit code
    words  : None = those of this process

    Returns
    -------
    int, exit code: 2 for bad input, 130 after Ctrl-C
    """
    try:
        return action(sys.argv[1:] if words is None else words)
    except UserError as error:
        return tell(error.message, error.hint, error.exit_code)
    except (SpecError, TopologyError, TraceError) as error:
        return tell(str(error), "", EXIT_BAD_INPUT)
    except KeyboardInterrupt:
        return tell("interrupted", "", EXIT_INTERRUPTED)
    except BrokenPipeError:
        # The reader has seen enough (`... | head`). Python would complain once more as it flushes at exit.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return EXIT_BROKEN_PIPE


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
