"""Certificates kept by the code they speak of, so that a training run need not play them again.

A full certificate lies in the cache under the digest of the sources it depends on; any change of
those sources makes it unfindable. Without one a run plays the exact games, about half a second.
"""

from __future__ import annotations

import hashlib
import json
from functools import cache
from importlib import import_module
from pathlib import Path
from typing import Any

from envs.artifact import atomic_write_text, json_digest
from training.certificate import FULL, SCHEMA, VERSION, certify, exact_games, summary_of

_PACKAGES = ("agents", "ensemble", "envs", "training.games")
_MODULES = ("certificate.py", "statistics_*.py")


@cache
def code_digest() -> str:
    """SHA-256 over names and text of every source the games may run."""
    h = hashlib.sha256()
    for name in _PACKAGES:
        folder = Path(str(import_module(name).__file__)).parent
        _add(h, name, folder, sorted(folder.rglob("*.py")))
    training = Path(__file__).parent
    for pattern in _MODULES:
        _add(h, "training", training, sorted(training.glob(pattern)))
    return h.hexdigest()


def _add(h: Any, name: str, folder: Path, files: list[Path]) -> None:
    for file in files:
        h.update(f"{name}/{file.relative_to(folder).as_posix()}\n".encode())
        h.update(file.read_bytes())


def cached_file(cache_folder: Path) -> Path:
    """Where the full certificate of the present code is kept."""
    return cache_folder / "certificates" / f"{code_digest()[:32]}.json"


def keep(content: dict[str, Any], cache_folder: Path) -> None:
    """Keep a full certificate (``Certificate.to_json``) for later training runs."""
    file = cached_file(cache_folder)
    file.parent.mkdir(parents=True, exist_ok=True)
    atomic_write_text(file, json.dumps(content, indent=1) + "\n")


def kept(cache_folder: Path) -> dict[str, Any] | None:
    """The full certificate of the present code; None without one, or where it is damaged."""
    try:
        content = json.loads(cached_file(cache_folder).read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return None
    if not isinstance(content, dict) or content.get("form") != FULL:
        return None
    rest = {name: value for name, value in content.items() if name != "digest"}
    known = rest.get("schema_name"), rest.get("schema_version")
    if known != (SCHEMA, VERSION) or content.get("digest") != json_digest(rest):
        return None
    return content


def bundle_certificate(cache_folder: Path) -> dict[str, Any]:
    """What a bundle stores: summary of the full certificate, or of the exact games played now."""
    content = kept(cache_folder)
    if content is None:
        content = certify(exact_games()).to_json()
    return {**summary_of(content), "code": code_digest()}
