"""What the far end refuses, in words that say what to do about it."""

from pipeline.errors import UserError
from pipeline.recorder.options import COOKIE_VARIABLE, RecordOptions


def refusal(kind: str, text: str, options: RecordOptions) -> UserError:
    """The error for a refusal of the helper or the node.

    Parameters
    ----------
    kind : word of coreshift_helper.erl
    text : what it adds
    """
    node = options.node or "the program"
    host = node.rpartition("@")[2]
    told = {
        "no_host": (f"{node}: no host is called {host}", "check the name, or /etc/hosts"),
        "no_epmd": (
            f"{node}: no epmd answers on {host}",
            "is the node running with -sname or -name? port=... reaches one that is in no epmd",
        ),
        "no_node": (f"{node}: epmd on {host} knows no such node", "`epmd -names` lists those it knows"),
        "no_answer": (
            f"{node}: does not answer ({text})",
            "is it running, and its port open to this machine?",
        ),
        "not_allowed": (
            f"{node}: refuses the connection",
            f"is the cookie right (cookie=... or ${COOKIE_VARIABLE}), and the name as the node says it?",
        ),
        "too_old": (f"{node}: runs Erlang/OTP {text}", "the recorder needs 25 or later"),
        "busy": (f"{node}: another recording is under way", "wait for it to end"),
        "traced": (f"{node}: is traced already, by {text}", "end that first: one tracer at a time"),
        "gone": (
            f"{node}: {text}",
            "nothing was kept; a node that still runs has switched tracing off itself",
        ),
        "failed": (f"{node}: the recording ended early: {text}", "tracing is off; try again"),
        "no_load": (
            f"{node}: does not take the recorder's code ({text})",
            "use an `erl` of the node's own release, or an older one",
        ),
        "disk": (f"the raw data could not be written ({text})", "free some space for temporary files"),
    }
    message, hint = told.get(kind, (f"{node}: {kind}: {text[:300]}", "please report this"))
    return UserError(message, hint)
