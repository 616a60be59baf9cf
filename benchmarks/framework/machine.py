"""The machine and versions a run was made on."""

from __future__ import annotations

import os
import platform
import subprocess
from importlib import metadata
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[2]
LIBRARIES = ("numpy", "numba", "gymnasium", "stable-baselines3", "torch")


def describe() -> dict[str, Any]:
    """CPU model, cores, memory, Python, libraries and the commit (``-dirty`` with changes)."""
    return {
        "cpu": _cpu(),
        "cores": os.cpu_count(),
        "memory_gib": _memory_gib(),
        "system": f"{platform.system()} {platform.machine()}",
        "python": platform.python_version(),
        **{name: _version(name) for name in LIBRARIES},
        "commit": commit(),
    }


def commit(root: Path = ROOT) -> str:
    """Short commit of a checkout; empty outside of one."""
    try:
        name = _git(root, "rev-parse", "--short=10", "HEAD")
        code = ("envs", "agents", "ensemble", "runtime", "training", "benchmarks")
        return name + ("-dirty" if _git(root, "status", "--porcelain", "--", *code) else "")
    except (OSError, subprocess.CalledProcessError):
        return ""


def _git(root: Path, *arguments: str) -> str:
    return subprocess.check_output(
        ["git", "-C", str(root), *arguments],  # noqa: S607 - the user's own git
        text=True, stderr=subprocess.DEVNULL,
    ).strip()  # fmt: skip


def _cpu() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    except OSError:
        return platform.processor() or "unknown"
    facts = {k.strip(): v.strip() for k, _, v in (x.partition(":") for x in lines)}
    name = facts.get("model name", platform.processor() or "unknown")
    if "cpu family" in facts:
        name += f" (family {facts['cpu family']}, model {facts.get('model', '?')})"
    return name


def _memory_gib() -> float:
    try:
        return round(os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30, 1)
    except (ValueError, OSError):
        return 0.0


def _version(name: str) -> str:
    try:
        return metadata.version(name)
    except metadata.PackageNotFoundError:
        return ""
