"""The checkout as a whole: its layout, what must never be written into it, and files that must agree."""

import re
import tomllib

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from tests.tidy.source import ROOT, assert_none, relative, tracked_files

TOP_LEVEL = {
    "CHANGELOG.md", "LICENSE", "Makefile", "README.md", "conf", "dvc.lock", "dvc.yaml", "outputs",
    "pipeline", "pyproject.toml", "requirements.lock", "sim", "tests",
}  # fmt: skip
FILE_BYTES = 3 * 2**20

# Put together from parts, so that this file does not contain what it looks for.
HOME_FOLDERS = "|".join(("root", "home/[a-z]+", "Users/[A-Za-z]+", "work", "tmp/bash_jobs"))
MACHINE_PATH = re.compile(rf"(?<![\w.~}}])/(?:{HOME_FOLDERS})/")
REGISTRY = re.compile(r"\b(?:pypi|pythonhosted)" + re.escape(".") + "org")
LOCK_LINE = re.compile(
    r"[\w.-]+==[\w.!+]+( ; [\w<>=!.'() ]+)? \\"  # name==version ; markers
    r"|    --hash=sha256:[0-9a-f]{64}( \\)?"
)


def texts():
    """Yield the name and the text of each file that is one."""
    for path in tracked_files():
        data = path.read_bytes()
        if b"\0" not in data:
            yield relative(path), data.decode("utf-8", errors="replace")


def test_top_level_is_the_fixed_layout():
    names = {relative(path).split("/")[0] for path in tracked_files()}
    assert {name for name in names if not name.startswith(".")} <= TOP_LEVEL


def test_no_large_files():
    sizes = {relative(path): path.stat().st_size for path in tracked_files()}
    assert_none([f"{name}: {size} bytes" for name, size in sizes.items() if size > FILE_BYTES])


def test_no_paths_of_a_machine_and_no_registry_hosts():
    found = [
        f"{name}: {hit.group()}"
        for name, text in texts()
        for pattern in (MACHINE_PATH, REGISTRY)
        for hit in pattern.finditer(text)
    ]
    assert_none(found)


def test_lock_names_no_address():
    lines = (ROOT / "requirements.lock").read_text(encoding="utf-8").splitlines()
    assert_none([line for line in lines if not LOCK_LINE.fullmatch(line)])


def test_lock_satisfies_the_project():
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    wanted = [*project["dependencies"], *project["optional-dependencies"]["dev"]]
    pinned = re.findall(r"^([\w.-]+)==(\S+)", (ROOT / "requirements.lock").read_text(), flags=re.MULTILINE)
    versions = {canonicalize_name(name): version for name, version in pinned}
    for requirement in map(Requirement, wanted):
        version = versions.get(canonicalize_name(requirement.name))
        assert version is not None, f"{requirement.name} is not locked: run `make lock`"
        assert version in requirement.specifier, f"{requirement} is locked at {version}"
