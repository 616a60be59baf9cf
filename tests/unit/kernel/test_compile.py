"""The cache of compiled code notices every edit of a rule, which Numba's own does not."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

import envs.core.rules as rules
from envs.kernel import compile as kernel_compile

PROGRAM = """
import sys
sys.path.insert(0, sys.argv[1])
import envs.core.rules.costs as costs
from envs.kernel.compile import compiled
def fee(x):
    return costs.funding_quote(1, x, 0.5)
def loop(x):
    return fee(x)
import envs.kernel.compile as c
c.register(fee)
print(compiled(loop)(10.0), c.cache_folder().name)
"""


def test_every_edit_of_a_rule_changes_the_folder(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    copy = tmp_path / "rules"
    shutil.copytree(Path(rules.__file__).parent, copy)
    monkeypatch.setattr(kernel_compile.rules_package, "__path__", [str(copy)])
    seen = {kernel_compile.source_digest()}
    for path in sorted(copy.glob("*.py")):
        path.write_text(path.read_text() + "\n# edited\n")
        seen.add(kernel_compile.source_digest())
    assert len(seen) == 1 + len(list(copy.glob("*.py")))


def test_an_edited_rule_is_compiled_anew(tmp_path: Path) -> None:
    root = Path(rules.__file__).parents[3]
    shutil.copytree(root / "envs", tmp_path / "envs", ignore=shutil.ignore_patterns("__pycache__"))
    (tmp_path / "run.py").write_text(PROGRAM)
    environ = {**os.environ, "QT_KERNEL_CACHE_DIR": str(tmp_path / "cache"), "PYTHONPATH": ""}

    def run() -> list[str]:
        done = subprocess.run(
            [sys.executable, str(tmp_path / "run.py"), str(tmp_path)], env=environ, cwd=tmp_path,
            capture_output=True, text=True, check=True,
        )  # fmt: skip
        return done.stdout.split()

    first, again = run(), run()
    assert first == again
    assert float(first[0]) == -5.0
    rule = tmp_path / "envs" / "core" / "rules" / "costs.py"
    text = rule.read_text()
    assert "return -side * mark_notional * rate" in text
    rule.write_text(text.replace("return -side * mark_notional * rate", "return side * 7.0 * rate"))
    edited = run()
    assert float(edited[0]) == 3.5
    assert edited[1] != first[1]
