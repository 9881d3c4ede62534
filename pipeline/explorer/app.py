"""The browser of a run in the terminal (Textual): a list of sweeps, a table of points, a scatter.

Imported only where it is used: Textual is an optional dependency (`coreshift[explore]`).
"""

import math
import webbrowser
from collections.abc import Sequence
from dataclasses import replace
from typing import Any, ClassVar

from rich.text import Text
from textual.app import App, ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Horizontal, VerticalScroll
from textual.screen import ModalScreen, Screen
from textual.widgets import DataTable, Footer, Input, Static

from pipeline.charts.parts import metric_title
from pipeline.config.conditions import find_column, parse_conditions
from pipeline.errors import UserError
from pipeline.evidence.summary_table import compact
from pipeline.explorer.chart import FRONT, OTHER, RECOMMENDED, SELECTED, Axis, Dot, scatter
from pipeline.explorer.runs import FinishedRun, OpenRun, open_run
from pipeline.explorer.view import (
    RUN_HEADINGS,
    Wish,
    columns,
    heading_of,
    interval_text,
    mark_of,
    metric_text,
    metrics_of,
    rows_of,
    run_cells,
    telling_settings,
)
from pipeline.page.html import shown


class RunList(Screen[None]):
    """The finished sweeps, newest first; Enter opens one."""

    BINDINGS: ClassVar[list[BindingType]] = [Binding("q", "app.quit", "quit")]

    def __init__(self, runs: Sequence[FinishedRun]) -> None:
        super().__init__()
        self.runs = runs

    def compose(self) -> ComposeResult:
        """A heading and the table."""
        yield Static("Finished sweeps. Enter opens one.", classes="heading")
        yield DataTable(cursor_type="row", zebra_stripes=True)
        yield Footer()

    def on_mount(self) -> None:
        """Fill the table."""
        table = self.query_one(DataTable)
        table.add_columns(*RUN_HEADINGS)
        for run in self.runs:
            table.add_row(*run_cells(run))
        table.focus()

    def on_data_table_row_selected(self, event: DataTable.RowSelected) -> None:
        """Open the run under the cursor."""
        try:
            run = open_run(self.runs[event.cursor_row].folder)
        except UserError as error:
            self.notify(error.message, severity="error", timeout=10)
            return
        self.app.push_screen(PointTable(run, Wish()))


class PointDetails(ModalScreen[None]):
    """Every metric of a point with its interval, and the command that runs it again."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("escape,enter,q", "dismiss", "close"),
        Binding("c", "copy", "copy the command"),
    ]

    def __init__(self, run: OpenRun, row: dict[str, Any]) -> None:
        super().__init__()
        self.run, self.row = run, row

    def compose(self) -> ComposeResult:
        """One text that scrolls."""
        with VerticalScroll(id="details"):
            yield Static(self.text())
        yield Footer()

    def text(self) -> Text:
        """Settings, metrics and command."""
        lines = [f"Point {self.row['point']}  {mark_of(self.row)}", ""]
        lines += [f"  {key} = {compact(self.row[key])}" for key in self.run.settings()]
        lines += ["", "Run it again:", f"  {self.run.command(self.row)}", "", "Means ± half 95 % interval:"]
        lines += [
            f"  {metric_title(name):<44} {interval_text(self.row, name)}" for name in self.run.tables.metrics
        ]
        return Text("\n".join(lines))

    def action_copy(self) -> None:
        """Put the command on the clipboard, where the terminal allows it."""
        self.app.copy_to_clipboard(self.run.command(self.row))
        self.notify("command copied")


class PointTable(Screen[None]):
    """The points of a run: sorted by a click or a key, filtered by conditions, drawn beside."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("f", "front", "front only"),
        Binding("slash", "filter", "filter"),
        Binding("s", "sort", "sort by next"),
        Binding("r", "reverse", "reverse"),
        Binding("x", "axis(0)", "next x"),
        Binding("y", "axis(1)", "next y"),
        Binding("c", "copy", "copy command"),
        Binding("b", "report", "report"),
        Binding("escape", "back", "back"),
        Binding("q", "app.quit", "quit"),
    ]

    def __init__(self, run: OpenRun, wish: Wish) -> None:
        super().__init__()
        self.run, self.wish = run, wish
        self.rows: list[dict[str, Any]] = []
        self.metrics = metrics_of(run, wish)
        first = [
            name for name in ("migration_overhead_share", "load_imbalance") if name in run.tables.metrics
        ]
        self.axes = (first + self.metrics + list(run.tables.metrics))[:2]

    def compose(self) -> ComposeResult:
        """Heading, filter, table and scatter."""
        yield Static(id="heading", classes="heading")
        yield Input(
            placeholder="slowdown p99 <= 3 and policy = balanced   (Enter; empty shows all)", id="filter"
        )
        with Horizontal():
            yield DataTable(cursor_type="row", zebra_stripes=True, id="points")
            yield Static(id="scatter")
        yield Footer()

    def on_mount(self) -> None:
        """Fill the table; the filter shows when it is asked for."""
        entry = self.query_one("#filter", Input)
        entry.value, entry.display = self.wish.where, bool(self.wish.where)
        self.fill()

    def fill(self) -> None:
        """The table anew, for the conditions and the order that hold now."""
        table: DataTable[Any] = self.query_one("#points", DataTable)
        table.clear(columns=True)
        self.rows = rows_of(self.run, self.wish)
        settings = telling_settings(self.run, self.rows)
        # The metrics before the further settings, so that a narrow terminal shows them.
        names = [*settings[:2], *self.metrics, *settings[2:]]
        cells = {name: metric_text if name in self.metrics else setting_cell for name in names}
        titles = {"mark": "", "point": "point"} | {name: title_of(name, self.metrics) for name in names}
        table.header_height = 1 + max(title.count("\n") for title in titles.values())
        for key, title in titles.items():
            table.add_column(title + self.arrow(key), key=key)
        for row in self.rows:
            style = "bold green" if row["recommended"] else "" if row["pareto"] else "dim"
            texts = [mark_of(row), str(row["point"]), *[cells[name](row, name) for name in names]]
            table.add_row(*[Text(text, style=style) for text in texts])
        table.focus()
        self.tell()
        self.draw(0)

    def arrow(self, key: str) -> str:
        """Marks the column that the rows are sorted by."""
        if not self.wish.sort or find_column(self.wish.sort.lstrip("-"), columns(self.run)).name != key:
            return ""
        return " ▼" if self.wish.sort.startswith("-") else " ▲"

    def tell(self) -> None:
        """What is shown, in the heading."""
        manifest = self.run.tables.manifest
        front = ", on the front" if self.wish.is_front else ""
        shown = f"{len(self.rows)} of {self.run.summary.height} points{front}"
        name = f"{manifest.get('study')}/{self.run.tables.folder.name}"
        marks = "★ recommended ● front = baseline"
        self.query_one("#heading", Static).update(f"{name}: {shown}   {marks}")

    def draw(self, cursor: int) -> None:
        """The scatter of the rows, with the one under the cursor marked."""
        place = self.query_one("#scatter", Static)
        dots = []
        for index, row in enumerate(self.rows):
            x, y = (row[f"{name}_mean"] for name in self.axes)
            if x is not None and y is not None and math.isfinite(x) and math.isfinite(y):
                kind = RECOMMENDED if row["recommended"] else FRONT if row["pareto"] else OTHER
                dots.append(Dot(x, y, SELECTED if index == cursor else kind))
        axes = (
            axis_of(self.axes[0], [dot.x for dot in dots]),
            axis_of(self.axes[1], [dot.y for dot in dots]),
        )
        place.update(scatter(dots, place.content_size.width or 40, place.content_size.height or 16, axes))

    def on_resize(self) -> None:
        """Draw the scatter in its new size."""
        self.call_after_refresh(lambda: self.draw(self.query_one("#points", DataTable).cursor_row))

    def on_data_table_row_highlighted(self, event: DataTable.RowHighlighted) -> None:
        """Mark the row's point in the scatter."""
        self.draw(event.cursor_row)

    def on_data_table_row_selected(self, event: DataTable.RowSelected) -> None:
        """Show all of a point."""
        self.app.push_screen(PointDetails(self.run, self.rows[event.cursor_row]))

    def on_data_table_header_selected(self, event: DataTable.HeaderSelected) -> None:
        """Sort by a column; a second time the other way round."""
        key = str(event.column_key.value)
        if key != "mark":
            self.sort_by(f"-{key}" if self.wish.sort == key else key)

    def sort_by(self, sort: str) -> None:
        """Sort the rows."""
        self.wish = replace(self.wish, sort=sort)
        self.fill()

    def action_sort(self) -> None:
        """Sort by the next metric, then by rank again."""
        order = ["", *self.metrics]
        place = order.index(self.wish.sort.lstrip("-")) if self.wish.sort.lstrip("-") in order else 0
        self.sort_by(order[(place + 1) % len(order)])

    def action_reverse(self) -> None:
        """Turn the order round."""
        sort = self.wish.sort or "rank"
        self.sort_by(sort[1:] if sort.startswith("-") else f"-{sort}")

    def action_front(self) -> None:
        """All points, or those on the front."""
        self.wish = replace(self.wish, is_front=not self.wish.is_front)
        self.fill()

    def action_axis(self, which: int) -> None:
        """Draw the next metric along an axis."""
        names = self.run.tables.metrics
        self.axes[which] = names[(names.index(self.axes[which]) + 1) % len(names)]
        self.draw(self.query_one("#points", DataTable).cursor_row)

    def action_filter(self) -> None:
        """Show the line for conditions."""
        entry = self.query_one("#filter", Input)
        entry.display = True
        entry.focus()

    def on_input_submitted(self, event: Input.Submitted) -> None:
        """Take the conditions; a mistake is told and changes nothing."""
        try:
            parse_conditions(event.value, columns(self.run))
        except UserError as error:
            self.notify(f"{error.message}. {error.hint}", severity="error", timeout=10)
            return
        self.wish = replace(self.wish, where=event.value)
        self.metrics = metrics_of(self.run, self.wish)
        self.query_one("#filter", Input).display = bool(event.value)
        self.fill()

    def action_copy(self) -> None:
        """Put the command of the row's point on the clipboard, where the terminal allows it."""
        if self.rows:
            self.app.copy_to_clipboard(
                self.run.command(self.rows[self.query_one("#points", DataTable).cursor_row])
            )
            self.notify("command copied (Enter shows it)")

    def action_report(self) -> None:
        """Open the report in a web browser."""
        report = self.run.tables.folder / "report.html"
        if not report.is_file():
            self.notify(
                f"no report: python -m pipeline.report run={self.run.tables.folder}", severity="warning"
            )
        elif not webbrowser.open(report.resolve().as_uri()):
            self.notify(f"no web browser here: {report}", severity="warning")

    def action_back(self) -> None:
        """To the list of sweeps, or out of the filter."""
        entry = self.query_one("#filter", Input)
        if entry.has_focus:
            self.query_one("#points", DataTable).focus()
        elif len(self.app.screen_stack) > 2:
            self.app.pop_screen()
        else:
            self.app.exit()


def title_of(name: str, metrics: Sequence[str]) -> str:
    """A column's title, a word a line."""
    return metric_title(name).replace(" ", "\n") if name in metrics else heading_of(name)


def setting_cell(row: dict[str, Any], key: str) -> str:
    """A setting in few characters."""
    return compact(row[key])


def axis_of(metric: str, values: Sequence[float]) -> Axis:
    """An axis with its ends as reports show them."""
    low, high = (shown(metric, end(values)) if values else "" for end in (min, max))
    return Axis(metric_title(metric), low, high)


class Explorer(App[None]):
    """The application: a list of sweeps, or one of them at once."""

    CSS = """
    .heading { height: 1; text-style: bold; }
    #points { width: 2fr; }
    #scatter { width: 1fr; height: 100%; min-width: 30; padding: 0 1; }
    #details { margin: 1 4; border: round $primary; background: $surface; }
    """
    TITLE = "Coreshift"
    ENABLE_COMMAND_PALETTE = False

    def __init__(self, runs: Sequence[FinishedRun], run: OpenRun | None, wish: Wish) -> None:
        super().__init__()
        self.first: Screen[None] = RunList(runs) if run is None else PointTable(run, wish)

    def on_mount(self) -> None:
        """Show the first screen."""
        self.push_screen(self.first)
