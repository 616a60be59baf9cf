"""Who may import whom, and what importing the core costs."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
import sysconfig
from pathlib import Path

import pytest

PACKAGES = ("envs", "agents", "ensemble", "runtime", "training")
HEAVY = ("torch", "pandas", "gymnasium", "numba", "ccxt", "scipy", "sklearn", "talib", "pydantic")

CORE = """
import json, pkgutil, sys, time
start = time.perf_counter()
import envs.core
elapsed = time.perf_counter() - start
import importlib
for module in pkgutil.walk_packages(envs.core.__path__, "envs.core."):
    importlib.import_module(module.name)
import envs.artifact
json.dump({"seconds": elapsed, "loaded": sorted(sys.modules)}, sys.stdout)
"""


def test_import_rules(root: Path) -> None:
    program = Path(sysconfig.get_path("scripts")) / "lint-imports"
    done = subprocess.run([program, "--no-cache"], cwd=root, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout[-4000:] + done.stderr[-2000:]


def test_the_rules_notice_a_breach(root: Path, tmp_path: Path) -> None:
    for package in PACKAGES:
        shutil.copytree(root / package, tmp_path / package)
    shutil.copy(root / "pyproject.toml", tmp_path)
    (tmp_path / "envs" / "core" / "bad.py").write_text("import pandas\n")
    (tmp_path / "agents" / "bad.py").write_text("import ensemble.settings\n")
    (tmp_path / "runtime" / "bad.py").write_text("import envs.trading\n")
    program = Path(sysconfig.get_path("scripts")) / "lint-imports"
    done = subprocess.run([program, "--no-cache"], cwd=tmp_path, capture_output=True, text=True)
    assert done.returncode == 1, done.stdout + done.stderr
    for breach in ("core.bad -> pandas", "bad -> ensemble.settings", "bad -> envs.trading"):
        assert breach in done.stdout, done.stdout


def test_the_core_loads_no_heavy_library(root: Path, record_testsuite_property: object) -> None:
    done = subprocess.run(
        [sys.executable, "-c", CORE], cwd=root, capture_output=True, text=True, check=True
    )
    found = json.loads(done.stdout)
    assert "envs.core.rules.costs" in found["loaded"]
    assert [name for name in HEAVY if name in found["loaded"]] == []
    assert callable(record_testsuite_property)
    record_testsuite_property("import_envs_core_seconds", round(found["seconds"], 3))


@pytest.mark.parametrize("module", ["runtime.settings", "agents.settings", "envs.market.settings"])
def test_settings_load_no_heavy_library(root: Path, module: str) -> None:
    code = f"import json, sys; import {module}; json.dump(sorted(sys.modules), sys.stdout)"
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=root, capture_output=True, text=True, check=True
    )
    heavy = {"torch", "pandas", "gymnasium", "numba", "ccxt", "sklearn"}
    assert heavy.isdisjoint(json.loads(done.stdout))


@pytest.mark.parametrize("code", ["import gymnasium, envs", "import envs.registration, gymnasium"])
def test_importing_the_package_registers_its_environments(root: Path, code: str) -> None:
    code += "; print(*sorted(k for k in gymnasium.registry if k.startswith('QuantumTrader/')))"
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=root, capture_output=True, text=True, check=True
    )
    names = ("Sizing", "SizingTabular", "Trading", "Weights")
    assert done.stdout.split() == [f"QuantumTrader/{name}-v0" for name in names]
