"""The report: its numbers are those of the tables, and nothing in a name can break the page."""

import json
import math
import re
from dataclasses import replace
from html.parser import HTMLParser
from xml.etree import ElementTree

import numpy as np
import polars as pl
import pytest
import yaml

from pipeline.charts import figures as figures_module
from pipeline.charts.evidence import robustness_figure, rounds_figure, sensitivity_figure
from pipeline.charts.figures import draw_figures
from pipeline.charts.front import feasible_mask, front_figure, front_frame
from pipeline.charts.funnel import REASONS, funnel_frame
from pipeline.charts.heat import heat_pairs, heat_panels
from pipeline.charts.lines import line_panels
from pipeline.charts.spread import box_frame, dot_frame, lane_frame
from pipeline.config.goals import goals_of
from pipeline.errors import UserError
from pipeline.evidence.analyse import analyse
from pipeline.page.asked import workload_part
from pipeline.page.html import page
from pipeline.page.machine import machine_data, machine_svg
from pipeline.page.table import ROWS_MOST, columns_of, json_element, settings_table, words
from pipeline.report import kinds_of
from sim.topology import topology_from_description
from tests.unit.analysis.synthetic import write_run

HOSTILE = "</script><img src=x onerror=alert(1)>\"'&"


@pytest.fixture(scope="module")
def found(tmp_path_factory):
    """A run that was analysed, without pictures."""
    return analyse(write_run(tmp_path_factory.mktemp("runs") / "s" / "abcdef123456"), draw=False)


def datasets(spec):
    """The rows of every dataset of a chart."""
    return [row for rows in spec["datasets"].values() for row in rows]


def test_funnel_falls_from_the_attempts_to_what_was_done():
    row = {f"denied_{reason}_mean": 0.0 for reason in REASONS}
    row |= {"migration_attempt_count_mean": 100.0, "migration_count_mean": 30.0}
    row |= {"denied_benefit_mean": 45.0, "denied_mask_mean": 5.0, "denied_system_limit_mean": 20.0}
    frame = funnel_frame(row)
    assert frame["step"].to_list() == ["attempted", "− mask", "− system limit", "− benefit", "done"]
    assert frame["count"].to_list() == [100, 5, 20, 45, 30]
    denied = frame.filter(pl.col("kind") == "denied")
    assert denied["high"].to_list() == [100, 95, 75]
    assert denied["low"].to_list() == [95, 75, 30]
    assert frame["share"].sum() == pytest.approx(2.0)


def test_front_shows_the_means_of_the_table_and_what_constraints_leave_out(found):
    config = {"front": {"constraints": ["load_imbalance <= 20%", "slowdown_p99 <= 9"]}}
    run = replace(found.run, config=found.run.config | config)
    (chosen,) = found.recommendations
    goals = goals_of(run.config)
    frame = front_frame(run, found.summary, goals, ("migration_overhead_share", "load_imbalance"))
    for row in frame.iter_rows(named=True):
        table = found.summary.row(by_predicate=pl.col("point") == row["point"], named=True)
        assert row["x"] == table["migration_overhead_share_mean"]
        assert (row["y"], row["y_low"]) == (table["load_imbalance_mean"], table["load_imbalance_low"])
        assert row["on_front"] == table["front_probability"]
        assert row["feasible"] == (table["load_imbalance_mean"] <= 0.2 and table["slowdown_p99_mean"] <= 9)
    assert 0 < frame["feasible"].sum() < frame.height
    assert feasible_mask(found.summary, ()).all()
    figure = front_figure(run, found.summary, chosen, "front")
    spec = figure.panels[0].page_spec
    bounds = [row for row in datasets(spec) if "at" in row]
    assert {(row["at"], row["text"]) for row in bounds} == {(0.2, "load_imbalance <= 0.2")}
    crossed = [layer for layer in spec["layer"] if layer["mark"].get("text") == "✕"]
    assert len(crossed) == 1
    assert "crossed out" in figure.caption


def test_three_objectives_are_shown_in_pairs(found):
    config = {"front": {"objectives": ["load_imbalance", "migration_overhead_share", "throughput_per_s"]}}
    run = replace(found.run, config=found.run.config | config)
    figure = front_figure(run, found.summary, found.recommendations[0], "front")
    assert len(figure.panels) == 3
    assert "more throughput" in figure.caption
    assert len(figure.spec["concat"]) == 4  # and the legend


def test_heat_map_has_the_value_of_each_setting(found):
    (chosen,) = found.recommendations
    axes = ("policy.threshold_factor", "policy.limits.core.rate_per_s")
    assert heat_pairs(found.run, found.summary, chosen, axes) == [axes]
    panels = heat_panels(found.run, found.summary, chosen, axes)
    (panel,) = (one for one in panels if one.title.startswith("sojourn p99"))
    fields = {row["point"]: row["v"] for row in datasets(panel.page_spec) if row["point"] != chosen.point}
    rows = found.summary.filter((pl.col("policy") == "adaptive") & (pl.col("point") != chosen.point))
    means = dict(rows.select("point", pl.col("sojourn_p99_ns_mean") / 1000).iter_rows())
    assert fields == pytest.approx(means)


def test_a_recommended_setting_without_a_place_on_the_axis_leaves_the_lines_drawn(found):
    (chosen,) = found.recommendations
    # Its policy was not swept over the factor.
    axis, point = "policy.threshold_factor", 0
    value = pl.when(pl.col("point") == point).then(math.inf).otherwise(axis)
    rows = found.summary.with_columns(value.alias(axis))
    panels, _ = line_panels(found.run, rows, replace(chosen, point=point), [axis])
    assert panels
    for panel in panels:
        json_element("specs", panel.page_spec)


def test_boxes_are_quartiles_of_lanes_and_dots_are_lanes(found):
    (chosen,) = found.recommendations
    lanes = lane_frame(found.run, found.summary, ["slowdown_p99"])
    assert lanes.height == 20 * 6
    box = box_frame(lanes, "slowdown_p99").row(by_predicate=pl.col("policy") == "adaptive", named=True)
    values = lanes.filter(pl.col("policy") == "adaptive")["slowdown_p99"].to_numpy()
    five = [box[name] for name in ("least", "first", "median", "third", "greatest")]
    assert five == pytest.approx(np.quantile(values, (0, 0.25, 0.5, 0.75, 1)).tolist())
    dots = dot_frame(lanes, "slowdown_p99", chosen.point)
    assert sorted(dots["v"]) == sorted(lanes["slowdown_p99"])
    assert set(dots.filter("is_recommended")["point"]) == {chosen.point}


def test_further_tables_are_drawn_where_there_are_any(found, tmp_path):
    (chosen,) = found.recommendations
    run = replace(found.run, folder=tmp_path)
    for make in (sensitivity_figure, robustness_figure, rounds_figure):
        assert make(run, chosen, "x") is None
    (tmp_path / "rounds.parquet").write_bytes(b"no table")
    assert rounds_figure(run, chosen, "x") is None
    pl.DataFrame(
        {"round": [1, 2], "points_alive": [20, 7], "lanes": [40, 14], "dropped": [13, 2]}
    ).write_parquet(tmp_path / "rounds.parquet")
    rounds = rounds_figure(run, chosen, "x")
    assert [row["points_alive"] for row in datasets(rounds.panels[0].page_spec)] == [20, 7]
    matrix = {
        "setting": ["s", "s", "t", "t"], "found_in": ["a", "a", "b", "b"], "checked_in": ["a", "b"] * 2,
        "regret": [0.0, 0.25, 0.5, None], "regret_low": [0.0, 0.1, 0.4, None],
        "regret_high": [0.0, 0.3, 0.6, None], "feasible": [True, False, True, None],
    }  # fmt: skip
    pl.DataFrame(matrix).write_parquet(tmp_path / "robustness.parquet")
    robust = robustness_figure(run, chosen, "x")
    texts = {(row["row"], row["column"]): row["words"] for row in datasets(robust.panels[0].page_spec)}
    assert texts == {("A", "1"): "0.0 %", ("A", "2"): "25.0 % ✕", ("B", "1"): "50.0 %", ("B", "2"): "n/a"}
    rows = [("epyc_7763_2s", "ttb_last", 0.5), ("epyc_7763_2s", "other", 0.1), (None, None, 0.2)]
    table = [
        {"topology": t, "workload": w, "metric": "load_imbalance", "parameter": "policy.threshold_factor",
         "method": "eta_squared", "value": value, "low": value - 0.1, "high": value + 0.1}
        for t, w, value in rows
    ]  # fmt: skip
    pl.DataFrame(table).write_parquet(tmp_path / "sensitivity.parquet")
    shown = datasets(sensitivity_figure(run, chosen, "x").panels[0].page_spec)
    assert [(row["name"], row["value"]) for row in shown] == [("threshold_factor", 0.5)]


def test_a_run_without_some_metrics_has_a_report_all_the_same(found):
    (chosen,) = found.recommendations
    drawn = draw_figures(found.run, found.summary, [chosen], found.folder / "figures", ())
    notes = {figure.name: figure.note for figure in drawn.specs if not figure.panels}
    # These lanes have no distances, and no simulator made them.
    assert "not measured" in notes["costs"]
    assert "another version of the simulator" in notes["lane"]


class Tags(HTMLParser):
    """The tags of a page, and the texts of its JSON elements."""

    def __init__(self):
        super().__init__()
        self.tags, self.data, self._is_json = [], [], False

    def handle_starttag(self, tag, attrs):
        self.tags.append((tag, dict(attrs)))
        self._is_json = dict(attrs).get("type") == "application/json"

    def handle_data(self, data):
        if self._is_json:
            self.data.append(data)

    def handle_endtag(self, tag):
        self._is_json = False


def test_names_are_text_wherever_they_stand(tmp_path, monkeypatch):
    folder = write_run(tmp_path / "s" / "k", cells=[(HOSTILE, "w")], thresholds=(1.0, 2.0), replicates=2)
    points = pl.read_parquet(folder / "points.parquet")
    points = points.with_columns(pl.col("policy").replace("adaptive", HOSTILE))
    points.write_parquet(folder / "points.parquet")
    manifest = json.loads((folder / "manifest.json").read_text())
    manifest |= {"study": HOSTILE, "policies": {}, "command": ["python", HOSTILE], "git": {"commit": HOSTILE}}
    (folder / "manifest.json").write_text(json.dumps(manifest))
    config = yaml.safe_load((folder / "config.yaml").read_text())
    config["workload"] = {"kind": "classes", "name": HOSTILE, "classes": {HOSTILE: {"count": HOSTILE}}}
    (folder / "config.yaml").write_text(yaml.safe_dump(config))
    found = analyse(folder, draw=False)
    monkeypatch.setattr(figures_module, "write_figure", lambda *_: {})
    drawn = draw_figures(found.run, found.summary, found.recommendations, folder / "figures")
    text = page(found.run, found.summary, found.recommendations, drawn.specs, "")
    tags = Tags()
    tags.feed(text)
    assert not [tag for tag, _ in tags.tags if tag in ("img", "iframe", "object")]
    assert not [name for _, names in tags.tags for name in names if name.startswith("on")]
    assert len(tags.data) == 3
    for data in tags.data:
        assert "<" not in data
        json.loads(data)
    assert HOSTILE in json.dumps([json.loads(data) for data in tags.data], ensure_ascii=False).replace(
        '\\"', '"'
    )


def test_table_has_all_settings_with_their_numbers(found):
    (chosen,) = found.recommendations
    text = settings_table(found.run, found.summary, chosen, "settings")
    data = json.loads(re.search(r"id=settings>(.*?)</script>", text)[1])
    assert len(data["rows"]) == found.summary.height == text.count("<tr") - 1
    columns = columns_of(found.run, found.summary)
    at = [column.title for column in columns].index("sojourn p99 (µs)")
    shown = {row[0]: row[at] for row in data["rows"]}
    means = found.summary.select("point", pl.col("sojourn_p99_ns_mean") / 1000)
    assert shown == pytest.approx(dict(means.iter_rows()))
    assert data["marks"][0] == "recommended"
    assert [words(columns[at], value) for value in (None, 1234.5, 0.5)] == ["n/a", "1,234", "0.5"]
    rate = next(column for column in columns if column.title == "core rate per s")
    assert "no limit" in {words(rate, value) for value in rate.values}


def test_a_class_with_arrivals_shows_them():
    step = {"op": "run", "draw": {"kind": "exponential", "mean": 20000}}
    arrival = {"kind": "poisson", "rate_per_s": None, "load": 0.7}
    classes = {
        "request": {"count": 0, "arrival": arrival, "program": [step]},
        "worker": {"count": 8, "arrival": None, "program": [step]},
    }
    text = workload_part({"kind": "classes", "classes": classes})
    assert "<td>0</td><td>poisson load 0.7</td>" in text
    assert "run exponential mean 20000" in text


def test_a_long_table_says_what_it_leaves_out(found):
    (chosen,) = found.recommendations
    many = pl.concat([found.summary] * (ROWS_MOST // found.summary.height + 1))
    text = settings_table(found.run, many, chosen, "settings")
    assert f"the first {ROWS_MOST:,} are listed" in text
    assert text.count("<tr") == 101


def test_machine_has_a_mark_for_each_cpu():
    clusters = [
        {"repeat": 2, "cores": 4, "smt": 2, "type": "P", "frequency_mhz": 3000},
        {"repeat": 1, "cores": 4, "type": "E", "speed": 0.5, "frequency_mhz": 2000},
    ]
    description = {"clusters": clusters}
    machine = machine_data(topology_from_description(description, name="m"))
    tree = ElementTree.fromstring(machine_svg(HOSTILE, machine).replace("class=machine role=img", ""))
    marks = [node.tag for node in tree.iter() if node.get("stroke-width") == ".5"]
    assert (marks.count("rect"), marks.count("circle")) == (16, 4)
    boxes = [node.text for node in tree.iter("text")]
    assert [text for text in boxes if text.startswith("cluster")] == ["cluster 0", "cluster 1", "cluster 2"]


def test_kinds_of_figures_are_checked():
    assert kinds_of("") == ()
    assert kinds_of("svg, png") == ("svg", "png")
    with pytest.raises(UserError, match="figures=gif: must be some of png, svg"):
        kinds_of("gif")
