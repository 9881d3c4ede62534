"""`dvc.yaml` names everything that its stages read: what it forgot would be a stale "up to date"."""

import ast
import json
import re
from pathlib import Path

import pytest
import yaml

from pipeline import dvc_stages
from pipeline.errors import UserError

ROOT = Path(__file__).resolve().parents[2]
# What each stage calls; their imports, and the imports of those, are what it depends on.
ENTRIES = {
    "compose": ("pipeline.config.study", "pipeline.run.lanes"),
    "sweep": ("pipeline.config.study", "pipeline.run.lanes", "pipeline.run.fanout"),
    "analyse": ("pipeline.evidence.analyse", "pipeline.evidence.point_names"),
}


def stages():
    return yaml.safe_load((ROOT / "dvc.yaml").read_text())["stages"]


def source_of(module):
    path = ROOT / Path(*module.split("."))
    return next((p for p in (path.with_suffix(".py"), path / "__init__.py") if p.is_file()), None)


def imported(path):
    """Modules of pipeline that a file imports."""
    names = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.ImportFrom) and node.module:
            names |= {node.module, *(f"{node.module}.{alias.name}" for alias in node.names)}
        elif isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
    return {name for name in names if name.split(".")[0] == "pipeline"}


def closure(modules):
    """Source files that a stage needs, below the root."""
    seen, todo = set(), list(modules)
    while todo:
        path = source_of(todo.pop())
        if path is not None and path not in seen:
            seen.add(path)
            todo += imported(path)
    return {path.relative_to(ROOT) for path in seen}


@pytest.mark.parametrize("name", list(ENTRIES))
def test_every_source_of_a_stage_is_a_dependency(name):
    deps = {Path(dep) for dep in stages()[name]["deps"]}
    missing = {str(file) for file in closure(ENTRIES[name]) if not deps & {file, *file.parents}}
    assert missing == set(), "add these to dvc.yaml"


@pytest.mark.parametrize("name", list(ENTRIES))
def test_no_stage_depends_on_what_it_does_not_read(name):
    deps = {dep for dep in stages()[name]["deps"] if dep.startswith("pipeline/")}
    needed = closure(ENTRIES[name])
    extra = {d for d in deps if not any(Path(d) in (f, *f.parents) for f in needed)}
    assert extra == {"pipeline/dvc_stages.py"}, "take these out of dvc.yaml"


def test_dependencies_exist():
    made = {"outputs/dvc/resolved.yaml", "outputs/dvc/tables"}
    for stage in stages().values():
        for dep in set(stage["deps"]) - made:
            assert (ROOT / dep).exists(), dep


def test_stages_form_a_chain_and_the_database_is_no_output():
    found = stages()
    assert "conf" in found["compose"]["deps"]
    assert "outputs/dvc/resolved.yaml" in found["sweep"]["deps"]
    assert "outputs/dvc/tables" in found["analyse"]["deps"]
    outs = [next(iter(o)) if isinstance(o, dict) else o for s in found.values() for o in s["outs"]]
    assert all(out.startswith("outputs/dvc/") and "mlflow" not in out for out in outs)


def test_templates_of_the_plots_are_there():
    plots = yaml.safe_load((ROOT / "dvc.yaml").read_text())["plots"]
    for name, plot in ((name, plot) for one in plots for name, plot in one.items()):
        text = (ROOT / ".dvc" / "plots" / f"{plot['template']}.json").read_text()
        # What DVC fills in; without them it refuses the template.
        assert {"<DVC_METRIC_DATA>", "<DVC_METRIC_COLOR>", "<DVC_METRIC_TITLE>"} <= set(
            re.findall(r"<DVC_METRIC_\w+>", text)
        ), name
        assert json.loads(text)["layer"]


def test_nothing_phones_home():
    config = (ROOT / ".dvc" / "config").read_text()
    assert "analytics = false" in config
    assert "check_update = false" in config


@pytest.fixture
def params(tmp_path, monkeypatch):
    """A function that writes the parameter file."""
    monkeypatch.chdir(tmp_path)
    dvc_stages.PARAMS.parent.mkdir(parents=True)
    return dvc_stages.PARAMS.write_text


def test_parameters_become_words(params):
    params("experiment: smoke\npolicy: null\nseed: 3\noverrides: ['policy.threshold_factor=1,2']")
    words = dvc_stages.study_words()
    assert words[:3] == ["experiment=smoke", "seed=3", "policy.threshold_factor=1,2"]
    assert "outputs.folder=outputs/dvc/runs" in words


@pytest.mark.parametrize(
    ("text", "word"),
    [("polcy: none", "polcy"), ("overrides: a=1", "overrides"), ("overrides: [1]", "overrides")],
)
def test_bad_parameters_are_named(params, text, word):
    params(text)
    with pytest.raises(UserError, match=word):
        dvc_stages.study_words()
