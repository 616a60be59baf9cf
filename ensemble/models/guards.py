"""What every forecaster refuses, and the small file beside its weights that lets it."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import Any

from ensemble.protocol import Dataset
from envs.artifact import atomic_write_text
from envs.core.errors import FixInput, RefusedArtifact
from envs.core.types import Int64Array


def require_rows(
    name: str, fitted_hash: str, data: Dataset, rows: Int64Array, symbols: Int64Array
) -> None:
    """Refuse a question the model cannot answer.

    Raises:
        RefusedArtifact: Not fitted, or fitted on other features.
        FixInput: ``rows`` and ``symbols`` differ in length or lie outside the market.
    """
    market = data.market
    if not fitted_hash:
        raise RefusedArtifact(f"{name}: not fitted: fit it or load a saved model first")
    if market.feature_hash != fitted_hash:
        raise RefusedArtifact(
            f"{name}: fitted on features {fitted_hash}, asked with {market.feature_hash}; retrain"
        )
    if rows.ndim != 1 or rows.shape != symbols.shape:
        raise FixInput(f"{name}: rows {rows.shape} and symbols {symbols.shape} must be (N,) alike")
    for what, asked, n in (("row", rows, market.n_bars), ("symbol", symbols, market.n_symbols)):
        if asked.size and not (asked.min() >= 0 and asked.max() < n):
            raise FixInput(
                f"{name}: asked for {what}s {asked.min()} to {asked.max()}, "
                f"the market has 0 to {n - 1}"
            )


def require_training(name: str, n: int) -> None:
    """Refuse to fit on nothing.

    Raises:
        FixInput: No usable training row.
    """
    if n == 0:
        raise FixInput(
            f"{name}: no training row has a label, complete features and a full input window"
        )


def write_meta(path: Path, weights: Path, meta: dict[str, Any]) -> str:
    """Write ``meta`` with the digest of the weights' file; returns the model's version."""
    digest = hashlib.sha256(weights.read_bytes()).hexdigest()
    atomic_write_text(path, json.dumps({**meta, "weights_sha256": digest}, sort_keys=True))
    return digest[:12]


def read_meta(path: Path, weights: Path, feature_hash: str) -> tuple[dict[str, Any], str]:
    """Return what ``write_meta`` wrote and the version, once the weights are known to be whole.

    Raises:
        RefusedArtifact: Missing or damaged file, or a model fitted on other features.
    """
    try:
        meta = json.loads(path.read_text(encoding="utf-8"))
        found = meta["feature_hash"]
        wanted = meta["weights_sha256"]
        digest = hashlib.sha256(weights.read_bytes()).hexdigest()
    except FileNotFoundError as error:
        raise RefusedArtifact(f"{error.filename}: missing; save the model again") from error
    except (ValueError, KeyError, TypeError) as error:
        raise RefusedArtifact(f"{path}: damaged ({error!r}); retrain") from error
    if found != feature_hash:
        raise RefusedArtifact(f"{weights}: feature hash: expected {feature_hash}, found {found}")
    if digest != wanted:
        raise RefusedArtifact(f"{weights}: checksum: expected {wanted}, found {digest}; retrain")
    return meta, digest[:12]
