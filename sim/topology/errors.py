"""The one exception that every reader and builder of topologies raises."""

import reprlib

VALUE_SHOWN_MAX = 80
SHORT_REPR = reprlib.Repr()
SHORT_REPR.maxstring = SHORT_REPR.maxother = SHORT_REPR.maxlong = VALUE_SHOWN_MAX
SHORT_REPR.maxtuple = SHORT_REPR.maxlist = SHORT_REPR.maxdict = 8


class TopologyError(ValueError):
    """A description of a machine that cannot be used, and what to do about it.

    Parameters
    ----------
    where   : str, the element or dotted key at fault, such as ``memory.latency_ns[0][1]``
    value   : object, the offending value, or None when something is missing
    allowed : str, the values that would have been accepted
    hint    : str, what to do next; may be empty

    Returns
    -------
    TopologyError, with the four arguments as attributes; ``str()`` gives one line
    """

    def __init__(self, where: str, value: object, allowed: str, hint: str = "") -> None:
        super().__init__(where, value, allowed, hint)
        self.where = where
        self.value = value
        self.allowed = allowed
        self.hint = hint

    def __str__(self) -> str:
        text = f"{self.where}: {shorten_value(self.value)} is refused; allowed: {self.allowed}"
        return one_line(f"{text}; {self.hint}" if self.hint else text)


def shorten_value(value: object) -> str:
    """Give the repr of a value, cut to a length that fits an error message.

    Parameters
    ----------
    value : object

    Returns
    -------
    str, at most VALUE_SHOWN_MAX characters and the mark of the cut
    """
    if isinstance(value, (str, bytes)):
        # Cut first: foreign text may have millions of characters.
        text = repr(value[: VALUE_SHOWN_MAX + 1])
    else:
        try:
            text = SHORT_REPR.repr(value)
        except ValueError:
            # repr() of an integer beyond 4300 digits raises.
            text = f"a huge {type(value).__name__}"
    return text if len(text) <= VALUE_SHOWN_MAX else f"{text[:VALUE_SHOWN_MAX]}..."


def one_line(text: str) -> str:
    """Fold a message that quotes foreign text into one printable line.

    Parameters
    ----------
    text : str

    Returns
    -------
    str, without line breaks or control characters
    """
    return "".join(char if char.isprintable() else " " for char in text)
