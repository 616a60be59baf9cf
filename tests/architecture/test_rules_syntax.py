"""Rules keep to the subset that Python and compiled code evaluate alike (spec 0, Numbers)."""

from __future__ import annotations

import ast
import inspect
from collections.abc import Iterator
from pathlib import Path

import pytest

MATH = {"sqrt", "floor", "log", "exp", "inf", "nan", "isnan", "isfinite"}
BUILTINS = {"sum", "pow", "eval", "exec", "divmod"}
CLOCKS_AND_CHANCE = {"time", "datetime", "random", "os", "secrets"}
RULES = Path(__file__).resolve().parents[2] / "envs" / "core" / "rules"
FILES = sorted(RULES.glob("*.py"))


def breaches(tree: ast.AST, file: str) -> Iterator[str]:
    """Yield what a rule may not do, with its line."""
    for node in ast.walk(tree):
        line = getattr(node, "lineno", 0)
        if isinstance(node, ast.BinOp | ast.AugAssign) and isinstance(node.op, ast.Pow):
            yield f"{file}:{line}: power operator"
        if isinstance(node, ast.BinOp | ast.AugAssign) and isinstance(node.op, ast.MatMult):
            yield f"{file}:{line}: matrix product"
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name):
            name = node.func.id
            if name in BUILTINS or (name == "round" and file != "rounding.py"):
                yield f"{file}:{line}: {name}()"
        if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name):
            owner = node.value.id
            if owner == "math" and node.attr not in MATH:
                yield f"{file}:{line}: math.{node.attr}"
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute):
            yield from _library_call(node.func, f"{file}:{line}")
        if isinstance(node, ast.Import | ast.ImportFrom):
            yield from _imports(node, f"{file}:{line}")


def _library_call(called: ast.Attribute, where: str) -> Iterator[str]:
    if isinstance(called.value, ast.Name) and called.value.id in {"np", "numpy"}:
        yield f"{where}: np.{called.attr}()"
    if called.attr in {"sum", "mean", "dot", "prod", "std", "var", "cumsum"}:
        yield f"{where}: .{called.attr}()"


def _imports(node: ast.Import | ast.ImportFrom, where: str) -> Iterator[str]:
    if isinstance(node, ast.ImportFrom) and node.module == "math":
        for alias in node.names:
            if alias.name not in MATH:
                yield f"{where}: math.{alias.name}"
    names = [a.name for a in node.names] if isinstance(node, ast.Import) else [node.module or ""]
    for name in names:
        if name.split(".")[0] in CLOCKS_AND_CHANCE | {"numba"}:
            yield f"{where}: import {name}"


@pytest.mark.parametrize("path", FILES, ids=lambda p: p.name)
def test_rules_use_the_allowed_operations_only(path: Path) -> None:
    tree = ast.parse(path.read_text(encoding="utf-8"))
    assert list(breaches(tree, path.name)) == []


@pytest.mark.parametrize("path", FILES, ids=lambda p: p.name)
def test_every_rule_is_annotated_and_documented(path: Path) -> None:
    tree = ast.parse(path.read_text(encoding="utf-8"))
    for node in ast.walk(tree):
        if not isinstance(node, ast.FunctionDef):
            continue
        arguments = [*node.args.posonlyargs, *node.args.args, *node.args.kwonlyargs]
        bare = [a.arg for a in arguments if a.annotation is None and a.arg != "self"]
        assert not bare, f"{path.name}:{node.lineno}: {node.name}: no annotation: {bare}"
        assert node.returns is not None, f"{path.name}: {node.name}: no return annotation"
        assert node.name.startswith("_") or ast.get_docstring(node), f"{path.name}: {node.name}"


@pytest.mark.parametrize(
    ("code", "what"),
    [
        ("y = x**2", "power operator"),
        ("x **= 2", "power operator"),
        ("y = sum(xs)", "sum()"),
        ("y = round(x)", "round()"),
        ("y = np.sum(xs)", "np.sum()"),
        ("y = np.exp(x)", "np.exp()"),
        ("y = xs.sum()", ".sum()"),
        ("y = math.fsum(xs)", "math.fsum"),
        ("y = math.pow(x, 2)", "math.pow"),
        ("from math import fsum", "math.fsum"),
        ("import random", "import random"),
        ("from numba import njit", "import numba"),
        ("y = a @ b", "matrix product"),
    ],
)
def test_the_check_notices(code: str, what: str) -> None:
    assert any(what in found for found in breaches(ast.parse(code), "fills.py"))


def test_rounding_alone_may_round() -> None:
    tree = ast.parse("y = round(x)")
    assert list(breaches(tree, "rounding.py")) == []
    assert "round()" in inspect.cleandoc(next(breaches(tree, "costs.py")))
