"""The folder of one run: what it was, how to repeat it, and whether it may be resumed."""

from __future__ import annotations

import os
import platform
import shlex
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
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
    "stable-baselines3",
    "torch",
    "xgboost-cpu",
    "xgboost",
    "lightgbm",
    "TA-Lib",
)
_OPENING = ("config.toml", "command.txt", "versions.json", "data.json", "config.hash")
"""What a folder holds before anything was trained; the hash, by which it is known, goes last."""


@contextmanager
def run_folder(
    settings: Settings, command: Sequence[str], now: datetime, latest: str = "latest"
) -> Iterator[Path]:
    """Open a run folder; a run that is refused before it trained anything leaves none behind.

    ``latest`` is the link in ``runs`` that names the newest run of the program.

    Raises:
        FixInput: See ``open_run``.
    """
    before = _latest(Path("runs") / latest)
    folder = open_run(settings, command, now, latest)
    try:
        yield folder
    except FixInput:
        if not settings.run.resume and _discard(folder) and not settings.run.out:
            _point_back(Path("runs"), before, latest)
        raise


def open_run(
    settings: Settings, command: Sequence[str], now: datetime, latest: str = "latest"
) -> Path:
    """Create (or with ``resume`` reopen) a run folder and write its identity.

    Raises:
        FixInput: The folder holds another run or that of another program, or there is nothing to
            resume.
    """
    root, out = Path("runs"), settings.run.out
    identity = settings.config_hash()
    if settings.run.resume:
        folder = out if out else (root / latest).resolve()
        known = folder / "config.hash"
        if not known.exists():
            raise FixInput(f"{folder}: nothing to resume; start without --resume")
        found = known.read_text(encoding="utf-8").strip()
        if found != identity:
            raise FixInput(
                f"{folder}: was started with other settings (config hash {found[:12]}, now "
                f"{identity[:12]}); repeat its command with --resume, see {folder / 'command.txt'}"
            )
        _expect_program(folder, command)
        return folder
    stamp = now.strftime("%Y%m%dT%H%M%SZ")
    folder = out if out else root / f"{stamp}-{identity[:8]}"
    if folder.exists() and any(folder.iterdir()):
        raise FixInput(f"{folder}: already holds a run; choose another --out or pass --resume")
    folder.mkdir(parents=True, exist_ok=True)
    try:
        atomic_write_text(folder / "config.hash", identity + "\n")
        atomic_write_text(folder / "config.toml", settings.resolved_toml())
        atomic_write_text(folder / "command.txt", shlex.join(command) + "\n")
        write_json(folder / "versions.json", versions())
    except FixInput:
        _discard(folder)
        raise
    if not out:
        _link_latest(root, folder, latest)
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


def _discard(folder: Path) -> bool:
    """Remove a run folder that holds no more than its opening; whether it did."""
    found = {p.name for p in folder.iterdir()}
    if not found <= set(_OPENING):
        return False
    for name in _OPENING:
        (folder / name).unlink(missing_ok=True)
    folder.rmdir()
    return True


def _expect_program(folder: Path, command: Sequence[str]) -> None:
    """Two programs with equal settings have equal hashes, but not the same files."""
    known = folder / "command.txt"
    if known.exists():
        begun = shlex.split(known.read_text(encoding="utf-8"))
        if begun[:2] != list(command[:2]):
            raise FixInput(
                f"{folder}: was started by {shlex.join(begun[:2])}: choose another --out"
            )


def _latest(link: Path) -> str | None:
    return str(link.readlink()) if link.is_symlink() else None


def _point_back(root: Path, before: str | None, latest: str) -> None:
    """Let the link name what it named before; without that remove it and an empty ``runs``."""
    if before is not None:
        _link_latest(root, root / before, latest)
        return
    (root / latest).unlink(missing_ok=True)
    with suppress(OSError):
        root.rmdir()


def _link_latest(root: Path, folder: Path, latest: str) -> None:
    link, fresh = root / latest, root / f".{latest}.{os.getpid()}"
    try:
        fresh.symlink_to(folder.name)
        fresh.replace(link)
    except OSError:
        fresh.unlink(missing_ok=True)
