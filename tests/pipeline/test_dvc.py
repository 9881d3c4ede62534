"""DVC in a clone of its own, with a tiny study: what runs again after which change, and to which bytes."""

import json
import os
import re
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
import vl_convert
import yaml

pytestmark = [pytest.mark.slow, pytest.mark.xdist_group("dvc"), pytest.mark.timeout(900)]
ROOT = Path(__file__).resolve().parents[2]
COPIED = ("conf", "pipeline", "sim", ".dvc", ".dvcignore", "dvc.yaml", "pyproject.toml", "requirements.lock")
PARAMS = "conf/dvc/params.yaml"
TINY = ["cluster=inline", "simulation.horizon_ns=5_000_000", "simulation.warmup_ns=1_000_000"]


class Clone:
    """A copy of the checkout in a git repository of its own."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def fill(self):
        """Copy the checkout, and commit it."""
        folder = self.folder
        skip = shutil.ignore_patterns("__pycache__", "tmp", "cache", "plots.html")
        for name in COPIED:
            source = ROOT / name
            copy = shutil.copytree if source.is_dir() else shutil.copy
            copy(source, folder / name, **({"ignore": skip} if source.is_dir() else {}))
        (folder / ".gitignore").write_text("__pycache__/\noutputs/*\n!outputs/dvc/\n")
        (folder / "outputs" / "dvc").mkdir(parents=True)
        ignored = "/runs\n/tables\n/results\n/resolved.yaml\n"
        (folder / "outputs" / "dvc" / ".gitignore").write_text(ignored)
        self.params(experiment="smoke", overrides=TINY)
        self.git("init", "-q")
        self.commit("start")

    def environment(self):
        path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
        # The clone's own sources, whatever is installed.
        return {**os.environ, "PATH": path, "PYTHONPATH": str(self.folder), "DVC_NO_ANALYTICS": "1"}

    def run(self, *words, check=True):
        done = subprocess.run(
            words, cwd=self.folder, env=self.environment(), capture_output=True, text=True, check=False
        )
        assert not check or done.returncode == 0, f"{words}: {done.stdout[-2000:]}{done.stderr[-2000:]}"
        return done.stdout + done.stderr

    def git(self, *words):
        return self.run("git", "-c", "user.email=a@b.invalid", "-c", "user.name=t", *words)

    def dvc(self, *words, check=True):
        return self.run(sys.executable, "-m", "dvc", *words, check=check)

    def commit(self, message):
        self.git("add", "-A")
        self.git("commit", "-qm", message)

    def params(self, **values):
        path = self.folder / PARAMS
        path.write_text(yaml.safe_dump({**yaml.safe_load(path.read_text()), **values}))

    def edit(self, name, old, new):
        path = self.folder / name
        text = path.read_text()
        assert old in text, f"{name} has no {old!r}"
        path.write_text(text.replace(old, new, 1))

    def repro(self, *words):
        """Run `dvc repro`; gives the stages that ran."""
        return re.findall(r"Running stage '(\w+)'", self.dvc("repro", *words))

    def hashes(self):
        """Output hashes that dvc.lock states."""
        lock = yaml.safe_load((self.folder / "dvc.lock").read_text())
        return {out["path"]: out["md5"] for s in lock["stages"].values() for out in s["outs"]}


@pytest.fixture(scope="module")
def template(tmp_path_factory):
    """A clone in which `dvc repro` ran once, committed, and a copy to return to."""
    made = Clone(tmp_path_factory.mktemp("clone"))
    made.fill()
    assert made.repro() == ["compose", "sweep", "analyse"]
    made.commit("first")
    kept = tmp_path_factory.mktemp("kept") / "clone"
    shutil.copytree(made.folder, kept)
    return made, kept


@pytest.fixture
def clone(template):
    """The clone as it was. Always at the same path: elsewhere the kernels would be compiled anew."""
    made, kept = template
    shutil.rmtree(made.folder)
    shutil.copytree(kept, made.folder)
    return made


def test_nothing_changed_nothing_runs(clone):
    assert clone.repro() == []
    assert "up to date" in clone.dvc("status")
    assert clone.git("status", "--porcelain") == ""


def test_force_gives_the_same_hashes(clone):
    before = clone.hashes()
    assert clone.repro("--force") == ["compose", "sweep", "analyse"]
    assert clone.hashes() == before


def test_edit_of_an_unused_option_runs_the_composition_only(clone):
    before = clone.hashes()
    clone.edit("conf/topology/altra_2s.yaml", "kind:", "# an edit\nkind:")
    assert clone.repro() == ["compose"]
    assert clone.hashes() == before


def test_edit_of_a_used_option_runs_all(clone):
    before = clone.hashes()
    clone.edit("conf/experiment/smoke.yaml", "0.5,2,8", "0.5,2")
    assert clone.repro() == ["compose", "sweep", "analyse"]
    assert clone.hashes()["outputs/dvc/tables"] != before["outputs/dvc/tables"]


def test_comment_in_a_used_option_changes_no_result(clone):
    clone.edit("conf/experiment/smoke.yaml", "study:", "# words only\nstudy:")
    assert clone.repro() == ["compose"]


def test_edit_of_the_analysis_does_not_simulate(clone):
    clone.edit("pipeline/evidence/recommend.py", '"""', '"""An edit. ')
    assert clone.repro() == ["analyse"]


def test_edit_of_what_only_mlflow_uses_runs_nothing(clone):
    clone.edit("pipeline/mlflow_runs/views.py", '"""', '"""An edit. ')
    assert clone.repro() == []


def test_edit_of_the_simulator_simulates(clone):
    clone.edit("sim/simulate.py", '"""', '"""An edit. ')
    assert clone.repro() == ["compose", "sweep", "analyse"]


def test_experiment_with_a_changed_parameter(clone):
    before = clone.hashes()
    clone.dvc("exp", "run", "-S", f"{PARAMS}:seed=7", "-S", f"{PARAMS}:policy=aggressive")
    assert clone.hashes()["outputs/dvc/tables"] != before["outputs/dvc/tables"]
    config = yaml.safe_load((clone.folder / "outputs/dvc/resolved.yaml").read_text())
    assert config["seed"] == 7
    assert config["config"]["policy"]["name"] == "aggressive"
    (differences,) = json.loads(clone.dvc("metrics", "diff", "--json")).values()
    changed = {"recommended", "load_imbalance", "migration_overhead_share", "slowdown_p99"}
    assert changed <= set(differences)
    assert all(value["old"] != value["new"] for value in differences.values())
    table = clone.dvc("exp", "show", "--csv", "--only-changed", "--drop", ".*/.*|conf|sim")
    columns = table.splitlines()[0].split(",")
    assert {*changed, "policy", "seed", "certainty"} <= set(columns)
    # Few enough to be read, and no digests.
    assert len(columns) < 20
    assert not re.search(r"[0-9a-f]{32}", table)
    assert PARAMS in clone.dvc("params", "diff", "--md")


def test_misspelt_parameter_is_named_and_loses_nothing(clone):
    before = clone.hashes()
    clone.params(policy="agressive")
    text = clone.dvc("repro", check=False)
    assert "agressive" in text
    assert "aggressive" in text
    assert clone.hashes() == before


def test_what_dvc_cannot_watch_is_refused(clone):
    clone.params(topology="host")
    assert "differ from machine to machine" in clone.dvc("repro", check=False)


def test_plots_need_no_network(clone):
    page = clone.dvc("plots", "show")
    path = Path(re.search(r"file://(\S+)", page).group(1))
    text = path.read_text()
    assert "vegaEmbed" in text
    assert not re.search(r"<script[^>]+src=", text)


def test_plots_of_two_revisions_draw_their_fronts(clone):
    clone.params(policy="aggressive")
    clone.repro()
    folder = clone.folder / "specs"
    page = clone.dvc("plots", "diff", "HEAD", "-o", str(folder))
    text = Path(re.search(r"file://(\S+)", page).group(1)).read_text()
    specs = [json.loads(found) for found in re.findall(r"var spec = (\{.*\});", text)]
    front = next(spec for spec in specs if spec["title"]["text"] == "Pareto front")
    marks = [layer["mark"]["type"] for layer in front["layer"]]
    assert marks == ["point", "line", "point"]
    rows = front["data"]["values"]
    assert {row["rev"] for row in rows} == {"HEAD", "workspace"}
    assert set(front["encoding"]["color"]["scale"]["domain"]) == {"HEAD", "workspace"}
    assert sum(row["recommended"] == "true" for row in rows) == 2
    assert any(row["pareto"] == "true" for row in rows)
    # Vega draws it without a network, and not an empty frame.
    picture = vl_convert.vegalite_to_svg(front)
    assert picture.count("<path") > len(rows)
    assert "load imbalance" in picture


def test_killed_sweep_goes_on_to_the_same_hashes(clone):
    before = clone.hashes()
    runs = clone.folder / "outputs" / "dvc" / "runs"
    shutil.rmtree(runs)
    with subprocess.Popen(
        [sys.executable, "-m", "dvc", "repro", "--force"], cwd=clone.folder, env=clone.environment(),
        stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, start_new_session=True,
    ) as process:  # fmt: skip
        end = time.monotonic() + 600
        while not list(runs.glob("*/*/manifest.json")) and time.monotonic() < end:
            time.sleep(0.05)
        os.killpg(process.pid, signal.SIGKILL)
    lock = clone.folder / ".dvc" / "tmp" / "rwlock"
    lock.unlink(missing_ok=True)
    clone.repro("--force")
    assert clone.hashes() == before
