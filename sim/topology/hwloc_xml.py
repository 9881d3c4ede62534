"""A small, bounded reader of untrusted XML: elements, attributes, and the text of a few tags."""

import os
import stat
from dataclasses import dataclass, field
from pathlib import Path
from xml.parsers import expat

from sim.topology.errors import TopologyError

FILE_BYTES_MAX = 64 << 20
DEPTH_MAX = 64
ELEMENTS_MAX = 200_000
LABEL_LENGTH_MAX = 80
TEXT_TAGS = ("indexes", "u64values")


@dataclass
class Element:
    """One XML element and where it was read, for error messages."""

    tag: str
    attributes: dict[str, str]
    source: str
    line: int
    children: list["Element"] = field(default_factory=list)
    text: list[str] = field(default_factory=list)  # pieces; kept for TEXT_TAGS only

    @property
    def where(self) -> str:
        """Name the element as hwloc's users do: its type and index, or its name."""
        kind = self.attributes.get("type", self.tag) if self.tag == "object" else self.tag
        index = self.attributes.get("os_index", self.attributes.get("name", ""))
        return f"{self.source} line {self.line}: {f'{kind} {index}'.strip()[:LABEL_LENGTH_MAX]}"


def read_bytes(path: str | os.PathLike[str], bytes_max: int = FILE_BYTES_MAX) -> bytes:
    """Read a regular file, refusing one that is too large, missing or unreadable.

    Parameters
    ----------
    path      : path
    bytes_max : int, bytes, largest file accepted

    Returns
    -------
    bytes

    Raises
    ------
    TopologyError
    """
    where = str(path)
    try:
        # A pipe or a device would block or never end, so it is refused before it is opened.
        mode = Path(path).stat().st_mode
        if not stat.S_ISREG(mode):
            raise TopologyError(where, stat.filemode(mode), "a regular file")
        with Path(path).open("rb") as file:
            data = file.read(bytes_max + 1)
    except (OSError, ValueError, TypeError) as error:
        if isinstance(error, TopologyError):
            raise
        raise TopologyError(where, str(error), "a readable file", "check the path") from error
    if len(data) > bytes_max:
        raise TopologyError(where, f"over {bytes_max} bytes", f"a file of at most {bytes_max} bytes")
    return data


def parse_xml(data: bytes, source: str) -> Element:
    """Parse a document into elements, without any feature that a hostile file could use.

    A document type declaration that names an external DTD is accepted and nothing is loaded;
    one with an internal subset, hence any entity or attribute definition, is refused.

    Parameters
    ----------
    data   : bytes, the document
    source : str, the file's name for error messages

    Returns
    -------
    Element, the root

    Raises
    ------
    TopologyError if it is not well-formed, nested deeper than DEPTH_MAX, or has more than
    ELEMENTS_MAX elements
    """
    if not data.strip():
        raise TopologyError(source, "", "an hwloc XML document", "the file is empty")
    builder = _TreeBuilder(source)
    try:
        builder.parser.Parse(data, True)
    except TopologyError:
        raise
    except (expat.ExpatError, ValueError, LookupError, UnicodeError) as error:
        hint = "write the file again with: lstopo --of xml FILE"
        raise TopologyError(source, str(error), "well-formed XML", hint) from error
    # A parse without an error has seen one root.
    assert builder.root is not None
    return builder.root


class _TreeBuilder:
    """The handlers of one parse, and the limits they enforce."""

    def __init__(self, source: str) -> None:
        self.source = source
        self.root: Element | None = None
        self.stack: list[Element] = []
        self.element_count = 0
        self.parser = expat.ParserCreate()
        self.parser.buffer_text = True
        self.parser.StartElementHandler = self.start
        self.parser.EndElementHandler = self.end
        self.parser.CharacterDataHandler = self.characters
        self.parser.StartDoctypeDeclHandler = self.doctype
        self.parser.EntityDeclHandler = self.refuse_entity
        # Without the external DTD expat skips unknown entities in text rather than refuse them.
        self.parser.SkippedEntityHandler = self.refuse_entity

    def here(self) -> str:
        return f"{self.source} line {self.parser.CurrentLineNumber}"

    def doctype(
        self, name: str, system_id: str | None, public_id: str | None, has_internal_subset: bool
    ) -> None:
        if has_internal_subset:
            self.refuse_entity(name)

    def refuse_entity(self, name: str, *details: object) -> None:
        where = f"{self.here()}: DOCTYPE or ENTITY {name}"
        hint = "delete the definitions in brackets after DOCTYPE"
        raise TopologyError(where, name, "no definition of entities or of a DTD", hint)

    def start(self, tag: str, attributes: dict[str, str]) -> None:
        self.element_count += 1
        if self.element_count > ELEMENTS_MAX:
            raise TopologyError(self.here(), tag, f"at most {ELEMENTS_MAX} elements")
        if len(self.stack) >= DEPTH_MAX:
            raise TopologyError(self.here(), tag, f"elements nested at most {DEPTH_MAX} deep")
        element = Element(tag, attributes, self.source, self.parser.CurrentLineNumber)
        if self.stack:
            self.stack[-1].children.append(element)
        else:
            self.root = element
        self.stack.append(element)

    def end(self, tag: str) -> None:
        self.stack.pop()

    def characters(self, text: str) -> None:
        if self.stack and self.stack[-1].tag in TEXT_TAGS:
            self.stack[-1].text.append(text)
