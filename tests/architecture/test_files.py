"""What every source file owes the house rules."""

from __future__ import annotations

import ast
import re
import sys
from importlib import metadata
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
PACKAGES = ("envs", "agents", "ensemble", "runtime", "training")
LONGEST = 400
SOURCES = sorted(p for name in PACKAGES for p in (ROOT / name).rglob("*.py"))
TESTS = sorted(p for name in ("tests", "benchmarks") for p in (ROOT / name).rglob("*.py"))
SERIALIZERS = {"pickle", "joblib", "dill", "cloudpickle", "shelve", "marshal"}
# Folders of one machine have no place in a project.
MACHINE_PATH = re.compile(r"""["'`(\s](/(home|root|work|Users|mnt|tmp)/|[A-Z]:\\\\)""")
TEXTS = sorted(
    p
    for pattern in ("*.md", "*.toml", "*.txt", "Makefile", ".ci/run", "docs/**/*.md")
    for p in ROOT.glob(pattern)
)


def name(path: Path) -> str:
    return path.relative_to(ROOT).as_posix()


def imported(tree: ast.AST) -> set[str]:
    found: set[str] = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            found |= {alias.name.split(".")[0] for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            found.add((node.module or "").split(".")[0])
    return found


def test_there_are_sources() -> None:
    assert len(SOURCES) > 50
    assert {name(p).split("/")[0] for p in SOURCES} == set(PACKAGES)


@pytest.mark.parametrize("path", [*SOURCES, *TESTS], ids=name)
def test_no_file_is_long(path: Path) -> None:
    lines = len(path.read_text(encoding="utf-8").splitlines())
    assert lines <= LONGEST, f"{name(path)} has {lines} lines: cut it in two concepts"


@pytest.mark.parametrize("path", SOURCES, ids=name)
def test_sources_keep_the_house_rules(path: Path) -> None:
    text = path.read_text(encoding="utf-8")
    tree = ast.parse(text)
    assert path.stem not in {"utils", "helpers", "misc", "common"}
    assert not imported(tree) & SERIALIZERS, "saved state is JSON, npz or safetensors"
    for node in ast.walk(tree):
        assert not isinstance(node, ast.Assert), f"{name(path)}:{node.lineno}: assert"
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name):
            assert node.func.id not in {"eval", "exec"}, f"{name(path)}:{node.lineno}"
            assert node.func.id != "print", f"{name(path)}:{node.lineno}: print in a package"
    assert "from __future__ import annotations" in text or path.name == "__init__.py"


@pytest.mark.parametrize("path", [*SOURCES, *TESTS, *TEXTS], ids=name)
def test_no_file_names_a_place_on_one_machine(path: Path) -> None:
    if path == Path(__file__):
        return
    found = MACHINE_PATH.search(path.read_text(encoding="utf-8"))
    assert found is None, f"{name(path)} names {found and found.group()!r}"


def test_the_core_knows_no_clock_no_chance_and_no_file() -> None:
    outside = {"time", "datetime", "random", "secrets", "os", "pathlib", "socket", "asyncio", "io"}
    found = {
        name(path): imported(ast.parse(path.read_text(encoding="utf-8"))) & outside
        for path in (ROOT / "envs" / "core").rglob("*.py")
    }
    assert {file: names for file, names in found.items() if names} == {}


def test_no_training_file_hides_a_library() -> None:
    """``python training/x.py`` puts that folder first on the path."""
    installed = set(metadata.packages_distributions()) | set(sys.stdlib_module_names)
    mine = {p.stem for p in (ROOT / "training").glob("*.py")} - {"__init__"}
    assert mine & (installed - set(PACKAGES)) == set()


def test_every_package_has_a_docstring() -> None:
    for path in SOURCES:
        if path.name == "__init__.py":
            assert ast.get_docstring(ast.parse(path.read_text(encoding="utf-8"))), name(path)


def test_every_folder_is_a_package() -> None:
    bare = {name(p.parent) for p in SOURCES if not (p.parent / "__init__.py").exists()}
    assert bare == set()


def test_everything_is_pinned() -> None:
    pinned = dict(
        line.split("==") for line in (ROOT / "constraints.txt").read_text().splitlines()[1:]
    )
    assert pinned["torch"] == "2.13.0"
    pins = {re.sub(r"[-_.]+", "-", key).lower() for key in pinned}
    wanted = re.findall(r'^    "([A-Za-z0-9._-]+)>=', (ROOT / "pyproject.toml").read_text(), re.M)
    assert len(wanted) > 20
    assert {re.sub(r"[-_.]+", "-", w).lower() for w in wanted} <= pins
