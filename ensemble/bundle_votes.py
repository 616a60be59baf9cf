"""Votes of a bundle's models on a whole market, kept on disk by what they depend on."""

from __future__ import annotations

import logging
from dataclasses import asdict
from hashlib import sha256
from pathlib import Path

import numpy as np

from ensemble.crossfit import votes_of_bundle
from ensemble.fitted import Fitted
from envs.artifact import canonical_json, load_artifact, save_artifact
from envs.core.errors import RefusedArtifact
from envs.core.market_data import MarketData
from envs.core.settings import CoreSettings
from envs.core.tape import VoteTable
from envs.core.types import MODEL_NAMES

SCHEMA_NAME = "bundle-votes"
SCHEMA_VERSION = 1
_COLUMNS = ("p_up", "p_down", "valid", "ev", "y_long", "y_short", "gross", "label_end")
_READ = ("close_ns", "open_ticks", "high_ticks", "low_ticks", "close_ticks", "valid", "atr",
         "atr_frac", "features", "complete")  # fmt: skip
_log = logging.getLogger(__name__)


def cached_votes(
    market: MarketData, core: CoreSettings, fitted: Fitted, cache: Path | None = None
) -> VoteTable:
    """``votes_of_bundle``, read from ``cache`` where the same was asked before.

    A damaged file is computed anew; a cache that cannot be written is not used.
    """
    if cache is None:
        return votes_of_bundle(market, core, fitted)
    path = cache / "bundle-votes" / f"{bundle_votes_key(market, core, fitted)}.json"
    stored = _load(path, market)
    if stored is not None:
        return stored
    votes = votes_of_bundle(market, core, fitted)
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        save_artifact(
            path, schema_name=SCHEMA_NAME, schema_version=SCHEMA_VERSION,
            payload={"origin": votes.origin, "horizon_bars": votes.horizon_bars},
            arrays={name: getattr(votes, name) for name in _COLUMNS},
            feature_schema_hash=market.feature_hash,
        )  # fmt: skip
    except OSError as error:
        _log.warning("%s: votes are not kept: %s", path, error)
    return votes


def bundle_votes_key(market: MarketData, core: CoreSettings, fitted: Fitted) -> str:
    """Digest of everything the votes depend on: bars, features, costs, models, lines."""
    h = sha256(
        canonical_json(
            {
                "schema": SCHEMA_VERSION,
                "features": market.feature_hash,
                "symbols": list(market.symbols),
                "ticks": [str(i.tick) for i in market.instruments],
                "costs": asdict(core.costs),
                "horizon": core.signal.horizon_bars,
                "models": {name: model.version for name, model in fitted.models.items()},
                "calibrators": fitted.calibrators_json(),
                "lines": [asdict(line) if line else None for line in fitted.lines],
            }
        )
    )
    for name in _READ:
        h.update(np.ascontiguousarray(getattr(market, name)).tobytes())
    return h.hexdigest()[:24]


def _load(path: Path, market: MarketData) -> VoteTable | None:
    if not path.exists():
        return None
    try:
        found = load_artifact(
            path, schema_name=SCHEMA_NAME, max_version=SCHEMA_VERSION,
            feature_schema_hash=market.feature_hash,
        )  # fmt: skip
        columns = {name: found.arrays[name] for name in _COLUMNS}
    except (RefusedArtifact, KeyError) as error:
        _log.warning("%s: computed anew: %s", path, error)
        return None
    return VoteTable(
        MODEL_NAMES, origin=found.payload["origin"],
        horizon_bars=int(found.payload["horizon_bars"]), **columns,
    )  # fmt: skip
