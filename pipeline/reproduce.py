"""`python -m pipeline.reproduce RUN [key=value ...]`: check a recorded run, run it again, compare.

RUN is an MLflow run id (a sweep's, or a point's), a run folder, a run key or its beginning, or a
study (its newest sweep). Compared are the commit, the simulator's sources, packages, settings and
inputs; what differs is shown with the command that brings it back. Nothing is checked out, and
nothing recorded is changed. If what decides is the same, the run is made again and its tables are
compared.

  point=3             only this point, with all its replicates (a point's MLflow run means that)
  --check             compare the working tree only, run nothing
  --anyway            run even if something differs that decides
  --dvc               print the run's conf/dvc/params.yaml, for `dvc repro`, and end
  into=outputs/reproduced  where the new tables go
  cluster=...         where to run, and cluster.*=, as for a sweep
  outputs=outputs     where runs and the MLflow database are looked for
  tracking.uri=...    MLflow server (http://HOST:PORT), or sqlite:///FILE
  tracking.file=...   SQLite file of MLflow; default mlflow.db in outputs=

Exit codes: 0 identical (--check: nothing that decides differs), 1 not, 2 not found or damaged.
"""

import json
import sys
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import yaml

from pipeline.config.compose import read_command, with_hydra
from pipeline.config.grid import Study
from pipeline.config.study import make_study
from pipeline.entry import run_main, split_words
from pipeline.errors import ConfigError, UserError
from pipeline.reproduction.check import Check, check_all, commit_of, study_words
from pipeline.reproduction.compare import Difference, compare_means, compare_point, compare_tables
from pipeline.reproduction.find import Recorded, find_recorded
from pipeline.reproduction.point import lone_point
from pipeline.reproduction.text import print_answer
from pipeline.run.checksums import check_tables, file_digest, stated_tables
from pipeline.run.fanout import outputs_folder, run_study
from pipeline.run.lanes import LanePlan, coreshift_toolkit
from pipeline.run.study_run import StudyRun

OPTIONS = {
    "point": "", "into": "outputs/reproduced", "outputs": "outputs", "output": "table",
    "tracking.uri": "", "tracking.file": "",
}  # fmt: skip
FLAGS = ("--check", "--anyway", "--dvc")


@dataclass
class Answer:
    """What the command found out.

    result      : identical, differs, same (nothing was run) or changed (nor can it be: something decides)
    checks      : the working tree beside the recorded one
    differences : of the tables
    compared    : what was compared, in words
    folder      : where the new tables are; "" if nothing was run
    """

    result: str
    checks: list[Check]
    differences: list[Difference] = field(default_factory=list)
    compared: str = ""
    folder: str = ""

    @property
    def exit_code(self) -> int:
        """0 if all is as it was recorded."""
        return 0 if self.result in ("identical", "same") else 1


def reproduce(words: Sequence[str]) -> int:
    """Find the run, check, run again, compare, and tell; gives the exit code."""
    if {"-h", "--help", "help"} & {*words}:
        print((__doc__ or "").strip())
        return 0
    flags = {word for word in words if word in FLAGS}
    clusters = [word for word in words if word.startswith(("cluster=", "cluster."))]
    rest = [word for word in words if word not in flags and word not in clusters]
    named, options = split_words(rest, OPTIONS)
    if len(named) != 1 or named[0].startswith("-"):
        raise UserError(
            f"{' '.join(named) or 'no run'}: name one run",
            "an MLflow run id, a run folder, a run key or a study; see --help",
        )
    recorded = find_recorded(named[0], options)
    if "--dvc" in flags:
        print(dvc_params(study_words(recorded)), end="")
        return 0
    if recorded.folder is not None:
        check_tables(recorded.folder, recorded.tables)
    again = [*study_words(recorded), "tracking=off", f"outputs.folder={options['into']}", "resume=false"]
    answer = answer_of(recorded, [*again, *clusters], flags)
    if options["output"] == "json":
        print(json.dumps(answer_json(recorded, answer), indent=1, default=str))
    else:
        print_answer(recorded, answer)
    return answer.exit_code


def answer_of(recorded: Recorded, words: Sequence[str], flags: set[str]) -> Answer:
    """Check the working tree; if that is meant and makes sense, run again and compare."""
    command = read_command(words)
    try:
        study = with_hydra(command, lambda: make_study(command, "pipeline.sweep"))
    except ConfigError as error:
        commit = commit_of(recorded)
        advice = f"git checkout {commit}" if commit else error.hint
        return Answer("changed", [Check("settings", False, True, "valid then", error.message, advice)])
    plan = LanePlan(study, coreshift_toolkit())
    checks = check_all(recorded, study, plan)
    is_changed = any(check.decides and not check.same for check in checks)
    if "--check" in flags or (is_changed and "--anyway" not in flags):
        return Answer("changed" if is_changed else "same", checks)
    if recorded.point is not None:
        return point_again(recorded, study, checks)
    return study_again(recorded, study, plan, checks)


def study_again(recorded: Recorded, study: Study, plan: LanePlan, checks: list[Check]) -> Answer:
    """Run the whole study into a fresh folder, and compare every table."""
    check_apart(recorded, study, plan.key)
    if recorded.tables is None and recorded.folder is None:
        raise UserError(
            f"{recorded.origin}: neither the tables nor their checksums are at hand",
            "record the run again from where its tables lie (python -m pipeline.record)",
        )
    run = run_study(study)
    stated = recorded.tables or table_digests(Path(recorded.folder or "."))
    found = compare_tables(stated, recorded.folder, table_digests(run.folder), run.folder)
    text = f"{len(stated)} tables, {run.lanes} lanes, by SHA-256"
    return told(run, checks, found, text)


def point_again(recorded: Recorded, study: Study, checks: list[Check]) -> Answer:
    """Run one point with all its replicates, and compare its lanes."""
    number = recorded.point
    assert number is not None
    single = lone_point(recorded, study, number)
    check_apart(recorded, single, LanePlan(single, coreshift_toolkit()).key)
    run = run_study(single)
    if recorded.folder is None:
        found = compare_means(recorded.means, run.folder)
        text = (
            f"{len(recorded.means)} figures of point {number} in MLflow, as its lanes are not on this machine"
        )
        return told(run, checks, found, text)
    found, digest = compare_point(recorded.folder, number, run.folder)
    return told(run, checks, found, f"the {run.lanes} lanes of point {number}, SHA-256 {digest}")


def told(run: StudyRun, checks: list[Check], found: list[Difference], text: str) -> Answer:
    """The answer after a run."""
    # Lanes that had no result then either are no difference.
    if run.failed_lanes and found:
        what = f"{len(run.failed_lanes)} lanes have no result, see {run.folder / 'failures.json'}"
        found = [*found, Difference("lanes", "", what)]
    return Answer("differs" if found else "identical", checks, found, text, str(run.folder))


def check_apart(recorded: Recorded, study: Study, key: str) -> None:
    """Refuse a folder where the new tables would take the place of recorded ones."""
    folder = outputs_folder(study) / key
    root = Path(study.config.outputs.folder).expanduser().resolve()
    if recorded.folder is not None and (
        folder == recorded.folder.resolve() or root == recorded.folder.resolve().parent.parent
    ):
        raise UserError(f"into={root}: the recorded tables lie there", "name another folder: into=...")


def table_digests(folder: Path) -> dict[str, str]:
    """Table -> SHA-256 of a folder's tables of points and lanes."""
    stated = stated_tables(folder)
    if stated is not None:
        return stated
    paths = [folder / "points.parquet", *sorted((folder / "lanes").glob("part-*.parquet"))]
    return {path.relative_to(folder).as_posix(): file_digest(path) for path in paths}


def dvc_params(words: Sequence[str]) -> str:
    """The content of conf/dvc/params.yaml that makes `dvc repro` run the study of these words."""
    # Here, as it brings the libraries of charts along.
    from pipeline.dvc_stages import KNOBS

    params: dict[str, Any] = dict.fromkeys(KNOBS)
    further = []
    for word in words:
        key, _, value = word.partition("=")
        if key in KNOBS:
            params[key] = int(value) if value.isdecimal() else value
        else:
            further.append(word)
    return yaml.safe_dump({**params, "overrides": further}, sort_keys=False, allow_unicode=True)


def answer_json(recorded: Recorded, answer: Answer) -> Mapping[str, Any]:
    """The answer as plain data."""
    return {
        "result": answer.result,
        "run": recorded.origin,
        "study": recorded.study,
        "run_key": recorded.key,
        "point": recorded.point,
        "commit": commit_of(recorded),
        "command": recorded.manifest.get("command"),
        "checks": [asdict(check) for check in answer.checks],
        "compared": answer.compared,
        "differences": [asdict(one) for one in answer.differences],
        "recorded_tables": None if recorded.folder is None else str(recorded.folder),
        "new_tables": answer.folder,
    }


def main(words: Sequence[str] | None = None) -> int:
    """Entry point of `python -m pipeline.reproduce` and `coreshift reproduce`."""
    return run_main(reproduce, words)


if __name__ == "__main__":
    sys.exit(main())
