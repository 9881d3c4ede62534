"""The documentation as a site: `make docs` builds outputs/docs from the Markdown pages where they lie.

Sphinx reads this file as its configuration, so the lower-case names are its options. Nothing is fetched from
anywhere when it is built, nor when it is read: formulas become MathML, and fonts are the reader's own.
"""

from pathlib import Path
from typing import Any

from docutils import nodes  # type: ignore[import-untyped]
from docutils.utils.math import latex2mathml  # type: ignore[import-untyped]
from sphinx.application import Sphinx

ROOT = Path(__file__).resolve().parents[2]
START = "README"
# The order of the navigation. A page that is not named here is added at the end of the last part.
CONTENTS: dict[str, tuple[str, ...]] = {
    "Begin": ("pipeline/TUTORIAL", "pipeline/RECORD", "pipeline/ERL_FLAGS", "pipeline/COMMANDS"),
    "Do": (
        "pipeline/DESIGNS",
        "pipeline/EXTEND",
        "pipeline/CLUSTER",
        "pipeline/REPRODUCE",
        "pipeline/TIMELINE",
        "conf/traces/README",
    ),
    "Judge": (
        "pipeline/EVIDENCE",
        "pipeline/LIMITS",
        "pipeline/FAULTS",
        "sim/VALIDATION",
        "sim/REPLAY",
        "sim/PUBLISHED",
        "sim/STATISTICS",
    ),
    "Look up": (
        "sim/MODEL",
        "pipeline/KEYS",
        "sim/REFERENCE",
        "sim/DESIGN",
        "sim/PERFORMANCE",
        "tests/bench/README",
        "CHANGELOG",
    ),
}
FOLDERS = ("sim", "pipeline", "conf/traces", "tests/bench")

project = "Coreshift"
author = "Coreshift"
project_copyright = "Apache-2.0"
extensions = ["myst_parser"]
root_doc = START
include_patterns = ["README.md", "CHANGELOG.md", *(f"{folder}/*.md" for folder in FOLDERS)]
# Not walked at all. `.*` would match `.` too, which is how Sphinx calls the folder of static files.
exclude_patterns = [".?*", ".?*/**", "outputs", "**/__pycache__"]
nitpicky = True

myst_enable_extensions = ["dollarmath"]
myst_fence_as_directive = ["math"]
myst_heading_anchors = 6
myst_dmath_double_inline = True
suppress_warnings: list[str] = []

html_theme = "furo"
html_title = "Coreshift"
html_math_renderer = "mathml"
html_copy_source = False
html_show_sourcelink = False
html_static_path = ["static"]
html_css_files = ["formulas.css"]
html_theme_options: dict[str, Any] = {"footer_icons": []}
highlight_language = "none"


def navigation(pages: set[str]) -> str:
    """The table of contents of those pages that exist, as MyST writes it; the git host never sees it."""
    named = [page for part in CONTENTS.values() for page in part]
    rest = tuple(sorted(pages - {START, *named}))
    parts = {**CONTENTS}
    last = list(parts)[-1]
    parts[last] += rest
    blocks = []
    for caption, part in parts.items():
        lines = [f"/{page}" for page in part if page in pages]
        blocks.append("\n".join(["```{toctree}", ":hidden:", f":caption: {caption}", "", *lines, "```"]))
    return "\n\n".join(blocks)


def add_navigation(app: Sphinx, page: str, source: list[str]) -> None:
    """Give the start page its table of contents."""
    if page == START:
        source[0] += "\n\n" + navigation(set(app.project.docnames)) + "\n"


def write_index(app: Sphinx, error: Exception | None) -> None:
    """Lead from the folder to the start page."""
    if error is None and app.builder.format == "html":
        head = f'<meta charset="utf-8"><meta http-equiv="refresh" content="0; url={START}.html">'
        page = f'<!doctype html>{head}<title>Coreshift</title><a href="{START}.html">Coreshift</a>\n'
        (Path(app.outdir) / "index.html").write_text(page, encoding="utf-8")


def visit_math(translator: Any, node: nodes.Element) -> None:
    """A formula as MathML, which browsers show by themselves."""
    is_block = isinstance(node, nodes.math_block)
    markup = latex2mathml.tex2mathml(node.astext(), as_block=is_block)
    translator.body.append(f'<div class="math-block">{markup}</div>' if is_block else markup)
    raise nodes.SkipNode


def setup(app: Sphinx) -> dict[str, bool]:
    """Connect the parts above."""
    app.add_html_math_renderer("mathml", (visit_math, None), (visit_math, None))
    app.connect("source-read", add_navigation)
    app.connect("build-finished", write_index)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
