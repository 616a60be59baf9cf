"""Cache of votes and fitted models by data and configuration; safe formats only."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np

from ensemble.calibrators import Calibrator
from ensemble.fitted import Fitted
from ensemble.models import new_forecaster
from ensemble.settings import EnsembleSettings
from envs.artifact import canonical_json, load_artifact, save_artifact
from envs.core.errors import RefusedArtifact
from envs.core.market_data import MarketData
from envs.core.settings import CoreSettings
from envs.core.tape import EvLine, VoteTable
from envs.core.types import MODEL_NAMES

SCHEMA_NAME = "votes"
SCHEMA_VERSION = 2
_COLUMNS = ("p_up", "p_down", "valid", "ev", "y_long", "y_short", "gross", "label_end")


def votes_key(
    market: MarketData, core: CoreSettings, settings: EnsembleSettings, train_last: int, seed: int
) -> str:
    """Digest of everything the votes depend on."""
    h = hashlib.sha256(
        canonical_json(
            {
                "schema": SCHEMA_VERSION,
                "features": market.feature_hash,
                "symbols": list(market.symbols),
                "costs": asdict(core.costs),
                "horizon": core.signal.horizon_bars,
                "ensemble": {k: _plain(v) for k, v in asdict(settings).items()},
                "train_last": train_last,
                "seed": seed,
            }
        )
    )
    for name in ("close_ns", "open_ticks", "high_ticks", "low_ticks", "close_ticks", "features",
                 "complete"):  # fmt: skip
        h.update(np.ascontiguousarray(getattr(market, name)).tobytes())
    return h.hexdigest()[:24]


def save_votes(folder: Path, votes: VoteTable, fitted: Fitted, market: MarketData) -> None:
    """Write votes, models, calibrators and lines; complete or not at all."""
    temporary = folder.with_name(f".{folder.name}.{os.getpid()}.tmp")
    shutil.rmtree(temporary, ignore_errors=True)
    temporary.mkdir(parents=True)
    try:
        fitted.save(temporary / "models")
        save_artifact(
            temporary / "votes.json", schema_name=SCHEMA_NAME, schema_version=SCHEMA_VERSION,
            payload={
                "origin": votes.origin,
                "horizon_bars": votes.horizon_bars,
                "models": list(fitted.models),
                "calibrators": fitted.calibrators_json(),
                "lines": [asdict(line) if line else None for line in fitted.lines],
            },
            arrays={name: getattr(votes, name) for name in _COLUMNS},
            feature_schema_hash=market.feature_hash,
        )  # fmt: skip
        if folder.exists():
            shutil.rmtree(folder)
        temporary.replace(folder)
    except BaseException:
        shutil.rmtree(temporary, ignore_errors=True)
        raise


def load_votes(
    folder: Path, market: MarketData, names: list[str], settings: EnsembleSettings
) -> tuple[VoteTable, Fitted] | None:
    """Votes and models of an earlier run, or None where there are none or they are damaged."""
    if not (folder / "votes.json").exists():
        return None
    try:
        found = load_artifact(
            folder / "votes.json", schema_name=SCHEMA_NAME, max_version=SCHEMA_VERSION,
            feature_schema_hash=market.feature_hash,
        )  # fmt: skip
    except RefusedArtifact:
        return None
    payload, arrays = found.payload, found.arrays
    if sorted(payload["models"]) != sorted(names):
        return None
    votes = VoteTable(
        MODEL_NAMES,
        origin=payload["origin"],
        horizon_bars=int(payload["horizon_bars"]),
        **{name: arrays[name] for name in _COLUMNS},
    )
    try:
        fitted = load_fitted(folder / "models", payload, settings, market.feature_hash, Fitted())
    except RefusedArtifact:
        return None
    return votes, fitted


def load_fitted(
    folder: Path,
    payload: dict[str, Any],
    settings: EnsembleSettings,
    feature_hash: str,
    into: Fitted,
) -> Fitted:
    """Read saved models, calibrators and lines into an empty ``Fitted``."""
    for name in payload["models"]:
        model = new_forecaster(name, settings)
        model.load(folder, feature_hash)
        into.models[name] = model
        pair = payload["calibrators"][name]
        into.calibrators[name] = (
            Calibrator.from_json(pair["up"]),
            Calibrator.from_json(pair["down"]),
        )
    into.lines = tuple(EvLine(**line) if line else None for line in payload["lines"])
    return into


def _plain(value: Any) -> Any:
    return list(value) if isinstance(value, tuple) else value


def load_bundle_models(folder: Path, settings: EnsembleSettings, feature_hash: str) -> Fitted:
    """Models, calibrators and lines of a bundle folder (verified by its manifest before).

    Raises:
        RefusedArtifact: The bundle was made on planted votes and has no models.
    """
    calibrators = json.loads((folder / "calibrators.json").read_text(encoding="utf-8"))
    if not calibrators:
        raise RefusedArtifact(
            f"{folder}: was trained on planted votes and holds no models; it can only be "
            "evaluated with --data synthetic"
        )
    lines = json.loads((folder / "ev_lines.json").read_text(encoding="utf-8"))
    payload = {"models": list(calibrators), "calibrators": calibrators, "lines": lines["models"]}
    return load_fitted(folder / "models", payload, settings, feature_hash, Fitted())
