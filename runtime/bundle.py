"""Loading a bundle: every file is checked against the manifest before anything is used."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from agents.baselines import EvKelly
from agents.checkpoint import load_agent
from agents.protocol import SizingAgent
from agents.reinforcement.manager import ReinforcementManager
from agents.settings import SizingSettings
from envs.artifact import file_digest
from envs.core.errors import RefusedArtifact
from envs.core.instrument import Instrument
from envs.core.tape import EvLine, ExitSlope

BUNDLE_VERSION = 1


@dataclass(frozen=True)
class Bundle:
    """A verified bundle: both agents, lines, schema and what it was made of.

    ``manager`` stands as of the end of training, ready to learn what came after.
    """

    folder: Path
    manifest: dict[str, Any]
    table: SizingAgent
    shipped: SizingAgent
    manager: ReinforcementManager
    pool_line: EvLine | None
    exit_slopes: tuple[ExitSlope | None, ...]
    instruments: tuple[Instrument, ...]
    feature_hash: str
    feature_names: tuple[str, ...]
    settings_toml: Path


def load_bundle(folder: Path, *, feature_hash: str | None = None) -> Bundle:
    """Read and verify a bundle.

    Raises:
        RefusedArtifact: A file is missing, added or altered, the bundle is newer than this code, or
            its features are not those asked for; the message names file, expected and found.
    """
    manifest = read_manifest(folder)
    features = _json(folder / "features.json")
    if feature_hash is not None and features["hash"] != feature_hash:
        raise RefusedArtifact(
            f"{folder / 'features.json'}: feature hash: expected {feature_hash}, found "
            f"{features['hash']}; retrain with this version's features"
        )
    table, extra = load_agent(folder / "sizing.json", feature_schema_hash=features["hash"])
    manager = ReinforcementManager.load(
        folder / "reinforcement.json", feature_schema_hash=features["hash"]
    )
    lines = _json(folder / "ev_lines.json")
    shipped = table
    if manifest["sizing_agent"]["shipped"] == "ev_kelly":
        stored = dict(extra["settings"])
        stored["shrink_k"] = tuple(stored["shrink_k"])
        shipped = EvKelly(table.preset, SizingSettings(**stored))
    return Bundle(
        folder,
        manifest,
        table,
        shipped,
        manager,
        EvLine(**lines["pool"]) if lines["pool"] else None,
        tuple(ExitSlope(**s) if s else None for s in lines["exits"]),
        tuple(Instrument.from_json(i) for i in _json(folder / "instruments.json")),
        features["hash"],
        tuple(features["names"]),
        folder / "config.toml",
    )


def read_manifest(folder: Path) -> dict[str, Any]:
    """Manifest of a bundle whose files all match it."""
    path = folder / "manifest.json"
    manifest: dict[str, Any] = _json(path)
    version = manifest.get("bundle_version")
    if not isinstance(version, int) or version > BUNDLE_VERSION:
        raise RefusedArtifact(
            f"{path}: bundle version: expected at most {BUNDLE_VERSION}, found {version}"
        )
    files = manifest["files"]
    present = {str(p.relative_to(folder)) for p in folder.rglob("*") if p.is_file() and p != path}
    for name in sorted(set(files) - present):
        raise RefusedArtifact(f"{folder / name}: missing from the bundle")
    for name in sorted(present - set(files)):
        raise RefusedArtifact(f"{folder / name}: not in the bundle's manifest")
    for name, expected in sorted(files.items()):
        found = file_digest(folder / name)
        if found != expected:
            raise RefusedArtifact(f"{folder / name}: sha256: expected {expected}, found {found}")
    return manifest


def _json(path: Path) -> Any:
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError as error:
        raise RefusedArtifact(f"{path}: no such file; is this a bundle?") from error
    except ValueError as error:
        raise RefusedArtifact(f"{path}: not JSON ({error})") from error
