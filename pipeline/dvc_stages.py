"""The stages of `dvc.yaml`: `python -m pipeline.dvc_stages compose | sweep | analyse`.

DVC composes nothing itself: on `dvc repro` it would not, and would call a stale result up to date.
The stage `compose` depends on all of conf/ and on the simulator, lets Hydra compose, and writes what
fixes the result to `resolved.yaml`, the run key first. An edit of a file that the study does not use
leaves that file as it is, and nothing else runs.
"""

import json
import shutil
import sys
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import polars as pl
import vl_convert
import yaml

from pipeline.adaptive.rounds import DROPPED, ROUNDS
from pipeline.config.compose import read_command, with_hydra
from pipeline.config.goals import goals_of
from pipeline.config.grid import DESIGN, Study
from pipeline.config.schema_front import OBJECTIVES
from pipeline.config.study import make_study
from pipeline.entry import pick_action, run_main
from pipeline.errors import UserError
from pipeline.evidence.aggregate import LABELS, read_run, write_text
from pipeline.evidence.analyse import Analysis, analyse_tables, finite
from pipeline.evidence.point_names import setting_of
from pipeline.evidence.recommend import Recommendation
from pipeline.run.checksums import COMPLETE
from pipeline.run.fanout import outputs_folder, run_study
from pipeline.run.files import write_atomic
from pipeline.run.lanes import LanePlan, coreshift_toolkit

PARAMS = Path("conf/dvc/params.yaml")
FOLDER = Path("outputs/dvc")
RESOLVED = FOLDER / "resolved.yaml"
TABLES = FOLDER / "tables"
RESULTS = FOLDER / "results"
TEMPLATE = Path(".dvc/plots.html")
SHOWN = ("slowdown_p99", "throughput_per_s")
KNOBS = ("experiment", "topology", "workload", "policy", "binding", "faults", "seed", "replicates")
# Where a study runs and goes does not change what comes out.
PLACES = ("cluster", "tracking", "outputs", "output", "resume", "sweep", "topology", "workload", "debug")
# What a clock or a machine would write is left out: equal studies have equal tables.
KEPT = ("study", "run_key", "command", "source_digest", "axes", "baseline", "points", "replicates", "lanes",
        "seed", "policies", "design")  # fmt: skip


def study_words() -> list[str]:
    """The command line that `conf/dvc/params.yaml` describes.

    Raises
    ------
    UserError for a key that is not known there.
    """
    params = yaml.safe_load(PARAMS.read_text()) or {}
    unknown = sorted(set(params) - {*KNOBS, "overrides"})
    further = params.get("overrides") or []
    if unknown:
        raise UserError(
            f"{PARAMS}: {', '.join(unknown)}: unknown key",
            f"known here: {', '.join(KNOBS)}, overrides (a list of key=value)",
        )
    if not isinstance(further, list) or not all(isinstance(word, str) for word in further):
        raise UserError(f"{PARAMS}: overrides = {further!r}: must be a list of key=value")
    words = [f"{key}={params[key]}" for key in KNOBS if params.get(key) is not None]
    return [*words, *further, f"outputs.folder={FOLDER / 'runs'}", "output=table"]


def make() -> Study:
    """The study of the parameters, composed and validated."""
    command = read_command(study_words())
    study = with_hydra(command, lambda: make_study(command))
    for point in study.points:
        check_watched(point.config)
    return study


def check_watched(config: Any) -> None:
    """Refuse what DVC cannot watch: a change there would leave a stale result "up to date".

    Raises
    ------
    UserError for a file outside conf/, or for this very machine as the topology.
    """
    for section in ("topology", "workload"):
        part = getattr(config, section)
        if getattr(part, "kind", "") == "host":
            raise UserError(
                "topology=host: the result would differ from machine to machine",
                "export it first (python -m pipeline.topology), and put the file into conf/",
            )
        for key in ("file", "trace", "latency_csv"):
            path = Path(str(getattr(part, key, None) or ""))
            inside = path.resolve().is_relative_to(Path("conf").resolve())
            if path.is_file() and not inside:
                raise UserError(
                    f"{section}.{key}={path}: DVC does not watch this file",
                    "copy it into conf/ and name it there",
                )


def compose(_: Sequence[str]) -> int:
    """Write what fixes the result, so that the later stages run when it changes, and only then."""
    study = make()
    plan = LanePlan(study, coreshift_toolkit())
    config = study.config.model_dump(mode="json")
    resolved = {
        "run_key": plan.key,
        "study": study.name,
        "seed": study.seed,
        "replicates": study.replicates,
        "axes": list(study.axes),
        "points": len(study.points),
        "topology": sorted({point.labels["topology"] for point in study.points}),
        "workload": sorted({point.labels["workload"] for point in study.points}),
        "faults": sorted({point.labels["faults"] for point in study.points}),
        "config": {key: value for key, value in config.items() if key not in PLACES},
    }
    write_text(RESOLVED, yaml.safe_dump(resolved, sort_keys=False, allow_unicode=True))
    return 0


def sweep(_: Sequence[str]) -> int:
    """Simulate the study, and put its tables under a path that DVC can name.

    A run that was killed is gone on with. One that is complete is computed anew: DVC calls this only
    when something changed, or when it was told to check (`dvc repro --force`).
    """
    study = make()
    plan = LanePlan(study, coreshift_toolkit())
    stated = yaml.safe_load(RESOLVED.read_text())["run_key"]
    if stated != plan.key:
        raise UserError(f"{RESOLVED} is of another study", "run `dvc repro`, not one stage of it")
    folder = outputs_folder(study) / plan.key
    if (folder / COMPLETE).exists():
        shutil.rmtree(folder)
    run = run_study(study)
    if run.failed_lanes:
        raise UserError(
            f"{len(run.failed_lanes)} lanes have no result, so there is nothing to hash",
            f"see {run.folder}/failures.json",
        )
    copy_tables(run.folder, TABLES)
    return 0


def copy_tables(run_folder: Path, target: Path) -> None:
    """Copy the tables, the configuration and the lasting part of the manifest."""
    if target.exists():
        shutil.rmtree(target)
    (target / "lanes").mkdir(parents=True)
    names = ["points.parquet", *(f"lanes/{p.name}" for p in run_folder.glob("lanes/part-*.parquet"))]
    # Of adaptive designs, and of one for sensitivities.
    names += [name for name in (ROUNDS, DROPPED, DESIGN) if (run_folder / name).is_file()]
    for name in sorted(names):
        write_atomic(target / name, (run_folder / name).read_bytes())
    config = yaml.safe_load((run_folder / "config.yaml").read_text())
    config = {key: value for key, value in config.items() if key not in ("cluster", "outputs", "tracking")}
    write_text(target / "config.yaml", yaml.safe_dump(config, sort_keys=False, allow_unicode=True))
    manifest = json.loads((run_folder / "manifest.json").read_text())
    kept = {key: manifest[key] for key in KEPT if key in manifest}
    write_text(target / "manifest.json", json.dumps(kept, indent=1) + "\n")


def analyse(_: Sequence[str]) -> int:
    """Aggregate the tables; write the results, a few metrics, and the points and the front for plots."""
    if RESULTS.exists():
        shutil.rmtree(RESULTS)
    run = replace(read_run(TABLES), folder=RESULTS)
    found = analyse_tables(run, draw=False)
    write_text(FOLDER / "metrics.json", json.dumps(answer_of(found), indent=1, allow_nan=False) + "\n")
    table = points_of(found)
    write_text(FOLDER / "points.csv", table.write_csv())
    write_text(FOLDER / "front.csv", table.filter("pareto").sort(OBJECTIVES[1], "point").write_csv())
    write_template()
    return 0


def metrics_of(found: Analysis) -> list[str]:
    """The study's objectives, and the metrics that the plots of dvc.yaml show whatever it asks for."""
    names = dict.fromkeys((*goals_of(found.run.config).metrics, *OBJECTIVES, *SHOWN))
    return [name for name in names if f"{name}_mean" in found.summary.columns]


def answer_of(found: Analysis) -> dict[str, Any]:
    """The answer in few columns of `dvc exp show` and `dvc metrics diff`: by study cell if there are several.

    All of its figures are in `results/metrics.json`.
    """
    answers = {one.slug: cell_answer(found, one) for one in found.recommendations}
    return next(iter(answers.values())) if len(answers) == 1 else answers


def cell_answer(found: Analysis, chosen: Recommendation) -> dict[str, Any]:
    """The recommended setting of one study cell, what it gives, and what it gains on the baseline."""
    row = found.summary.row(by_predicate=pl.col("point") == chosen.point, named=True)
    gains = {name: finite(row.get(f"{name}_diff")) for name in goals_of(found.run.config).objectives}
    return {
        "recommended": setting_of(found.run, row),
        **{name: finite(row[f"{name}_mean"]) for name in metrics_of(found)},
        "against_baseline": {name: gain for name, gain in gains.items() if gain is not None},
        "certainty": chosen.knee_share,
        "front_points": len(chosen.front),
    }


def points_of(found: Analysis) -> pl.DataFrame:
    """A row a point under names without dots, as plots address columns by them."""
    run, summary = found.run, found.summary
    columns = [c for c in dict.fromkeys((*LABELS, *run.axes)) if c in summary.columns]
    marks = [c for c in ("pareto", "recommended", "baseline", "feasible") if c in summary.columns]
    return summary.sort("point").select(
        "point",
        *[pl.col(key).alias(key.replace(".", "_")) for key in columns],
        *[pl.col(f"{name}_mean").alias(name) for name in metrics_of(found)],
        *marks,
    )


def write_template() -> None:
    """Make the page that `dvc plots` fills in; DVC's own loads its chart library from a network."""
    if TEMPLATE.parent.is_dir() and not TEMPLATE.exists():
        make_library: Any = vl_convert.javascript_bundle
        library = make_library()
        write_text(
            TEMPLATE,
            "<!DOCTYPE html><html><head><meta charset='utf-8'><title>DVC plots</title>"
            f"<script>{library}</script></head><body>{{plot_divs}}</body></html>",
        )


def main(words: Sequence[str] | None = None) -> int:
    """Run one stage."""
    actions = {"compose": compose, "sweep": sweep, "analyse": analyse}
    return run_main(lambda given: pick_action(given, actions, __doc__), words)


if __name__ == "__main__":
    sys.exit(main())
