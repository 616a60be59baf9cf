"""The programs as a user starts them, and one short run that several tests look at."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

Program = Callable[..., subprocess.CompletedProcess[str]]


@pytest.fixture(scope="session")
def short() -> list[str]:
    """Options of a run that takes seconds."""
    return ["--episodes", "2", "--set", "QT_SYNTHETIC_BARS=2400", "--seed", "5"]


@pytest.fixture(scope="session")
def clean_environment() -> dict[str, str]:
    """The environment without settings; the kernel's cache may stay where it is."""
    kept = {"QT_KERNEL_CACHE_DIR"}
    return {k: v for k, v in os.environ.items() if k in kept or not k.startswith("QT_")}


@pytest.fixture(scope="session")
def program(root: Path, clean_environment: dict[str, str]) -> Program:
    """Run ``training/NAME`` with options in a folder."""

    def run(name: str, *options: str, cwd: Path) -> subprocess.CompletedProcess[str]:
        command = [sys.executable, str(root / "training" / name), *options]
        return subprocess.run(
            command, cwd=cwd, env=clean_environment, capture_output=True, text=True, check=False,
            timeout=280,
        )  # fmt: skip

    return run


@pytest.fixture(scope="session")
def finished(program: Program, short: list[str], tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Folder of a finished short run; copy it before changing it."""
    folder = tmp_path_factory.mktemp("main_job")
    done = program("train_sizing.py", *short, "--out", "run", cwd=folder)
    assert done.returncode == 0, done.stderr
    assert "agent" in done.stdout
    return folder / "run"
