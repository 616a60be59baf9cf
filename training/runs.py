"""The folder of one run: what it was, how to repeat it, and whether it may be resumed."""

from __future__ import annotations

import os
import platform
import shlex
from collections.abc import Sequence
from datetime import datetime
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

from envs.artifact import atomic_write_text, code_version
from envs.core.errors import FixInput
from runtime.settings import Settings
from training.files import write_json

_LIBRARIES = (
    "numpy",
    "numba",
    "gymnasium",
    "torch",
    "xgboost-cpu",
    "xgboost",
    "lightgbm",
    "TA-Lib",
)


def open_run(settings: Settings, command: Sequence[str], now: datetime) -> Path:
    """Create (or with ``resume`` reopen) a run folder and write its identity.

    Raises:
        FixInput: The folder holds another run, or there is nothing to resume.
    """
    root, out = Path("runs"), settings.run.out
    identity = settings.config_hash()
    if settings.run.resume:
        folder = out if out else (root / "latest").resolve()
        known = folder / "config.hash"
        if not known.exists():
            raise FixInput(f"{folder}: nothing to resume; start without --resume")
        found = known.read_text(encoding="utf-8").strip()
        if found != identity:
            raise FixInput(
                f"{folder}: was started with other settings (config hash {found[:12]}, now "
                f"{identity[:12]}); repeat its command with --resume, see {folder / 'command.txt'}"
            )
        return folder
    stamp = now.strftime("%Y%m%dT%H%M%SZ")
    folder = out if out else root / f"{stamp}-{identity[:8]}"
    if folder.exists() and any(folder.iterdir()):
        raise FixInput(f"{folder}: already holds a run; choose another --out or pass --resume")
    folder.mkdir(parents=True, exist_ok=True)
    atomic_write_text(folder / "config.hash", identity + "\n")
    atomic_write_text(folder / "config.toml", settings.resolved_toml())
    atomic_write_text(folder / "command.txt", shlex.join(command) + "\n")
    write_json(folder / "versions.json", versions())
    if not out:
        _link_latest(root, folder)
    return folder


def versions() -> dict[str, str]:
    """Versions of this code, Python and the libraries that bear on results."""
    found: dict[str, str] = {"quantum-trader": code_version(), "python": platform.python_version()}
    for name in _LIBRARIES:
        try:
            found[name] = version(name)
        except PackageNotFoundError:
            continue
    return found


def data_summary(fingerprint: str, report: dict[str, Any], spans: dict[str, str]) -> dict[str, Any]:
    """What was read and how it was cut."""
    return {"fingerprint": fingerprint, "spans": spans, "report": report}


def _link_latest(root: Path, folder: Path) -> None:
    link, fresh = root / "latest", root / f".latest.{os.getpid()}"
    try:
        fresh.symlink_to(folder.name)
        fresh.replace(link)
    except OSError:
        fresh.unlink(missing_ok=True)
