"""A figure on the page: title, legend, boxes for its charts, caption, and the data that the script draws."""

from collections.abc import Sequence
from typing import Any

from pipeline.charts.figure import Figure, Key
from pipeline.page.text import escape

SHAPES = {
    "square": "<rect x='9' y='3' width='9' height='9' {0}/>",
    "circle": "<circle cx='13.5' cy='7.5' r='4.8' {0}/>",
    "triangle-up": "<polygon points='13.5,2 19,12 8,12' {0}/>",
    "triangle-down": "<polygon points='13.5,13 19,3 8,3' {0}/>",
    "triangle-right": "<polygon points='9,2 19,7.5 9,13' {0}/>",
    "triangle-left": "<polygon points='18,2 8,7.5 18,13' {0}/>",
    "diamond": "<polygon points='13.5,1.5 19,7.5 13.5,13.5 8,7.5' {0}/>",
    "cross": "<path d='M11.5 2h4v3.5H19v4h-3.5V13h-4V9.5H8v-4h3.5z' {0}/>",
    "stroke": "<rect x='8' y='6.5' width='11' height='2' {0}/>",
}


def figure_part(figure: Figure, title: str) -> str:
    """One figure, or why there is none; `title` stands above it if it is not ""."""
    head = f"<h3>{escape(title)}</h3>" if title else ""
    name = escape(figure.name)
    if not figure.panels:
        return f"<figure id='figure-{name}'>{head}<p class=none>{escape(figure.note)}</p></figure>"
    body = picked(figure) if figure.pick else panels_of(figure)
    return (
        f"<figure id='figure-{name}'>{head}{legend(figure.keys)}{body}"
        f"<figcaption>{escape(figure.caption)}</figcaption></figure>"
    )


def panels_of(figure: Figure) -> str:
    """All panels, beside each other where there is room."""
    if len(figure.panels) == 1:
        return f"<div class='panel one'>{chart_box(figure, 0)}</div>"
    boxes = [
        f"<div class=panel><h4>{escape(panel.title)}</h4>{chart_box(figure, i)}</div>"
        for i, panel in enumerate(figure.panels)
    ]
    wide = "two" if figure.columns == 2 else "three"
    return f"<div class='panels {wide}'>{''.join(boxes)}</div>"


def picked(figure: Figure) -> str:
    """One panel, and a list of all to choose from."""
    options = "".join(f"<option>{escape(panel.title)}</option>" for panel in figure.panels)
    box = f"pick-{escape(figure.name)}"
    return (
        f"<p class=pick><label>metric <select data-pick='{box}' autocomplete=off>{options}</select>"
        "</label></p>"
        f"<div class='panel one'>{chart_box(figure, 0, box)}</div>"
    )


def chart_box(figure: Figure, panel: int, name: str = "") -> str:
    """Where a chart is drawn, with its words for those who do not see it."""
    label = escape(f"{figure.panels[panel].title}. {figure.title}" if not figure.pick else figure.title)
    own = f" id='{name}'" if name else ""
    return (
        f"<div class=chart{own} role=img aria-label='{label}' data-chart='{escape(figure.name)}' "
        f"data-panel={panel}></div>"
    )


def legend(keys: Sequence[Key]) -> str:
    """The legend of a figure: words with their colour, shape and dash."""
    if not keys:
        return ""
    lines = [f"<li class=key>{swatch(key)} {escape(key.text)}</li>" for key in keys]
    return f"<ul class=keys>{''.join(lines)}</ul>"


def swatch(key: Key) -> str:
    """The mark of a legend's line."""
    if key.shape == "none":
        return ""
    colour = escape(key.colour)
    line = ""
    if key.dash:
        dashes = " ".join(map(str, key.dash))
        dash = "" if key.dash == (1, 0) else f" stroke-dasharray='{dashes}'"
        line = f"<line x1='0' y1='7.5' x2='27' y2='7.5' stroke='{colour}' stroke-width='2'{dash}/>"
    shape = SHAPES.get(key.shape, SHAPES["square"]).format(f"fill='{colour}' stroke='#333' stroke-width='.5'")
    return f"<svg width='27' height='15' aria-hidden='true'>{line}{shape}</svg>"


def chart_data(figures: Sequence[Figure]) -> dict[str, list[dict[str, Any]]]:
    """Name of a figure -> the specifications of its panels."""
    return {figure.name: [panel.page_spec for panel in figure.panels] for figure in figures if figure.panels}
