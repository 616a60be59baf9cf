"""Writing a bundle: what training hands to the runtime, complete or not at all."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from agents.checkpoint import save_agent
from agents.protocol import SizingAgent
from envs.artifact import atomic_write_text, code_version, file_digest
from envs.core.market_data import MarketData
from envs.core.tape import EvLine
from envs.market.indicators import ANCHOR_BARS, WARMUP_BARS
from runtime.bundle import BUNDLE_VERSION
from runtime.settings import Settings
from training.files import write_json
from training.sizing import Choice
from training.tape import Tape

SaveModels = Callable[[Path], None]
_BINS = {
    "regime": ["high_vol_trending", "low_vol_trending", "high_vol_ranging", "low_vol_ranging",
               "choppy"],
    "confidence": [0.15, 0.30, 0.50, 0.80],
    "exposure": [0.10, 0.25, 0.45],
    "performance": [-2.0, 2.0],
}  # fmt: skip


@dataclass(frozen=True)
class BundleParts:
    """Everything that goes into a bundle."""

    settings: Settings
    market: MarketData
    tape: Tape
    table: SizingAgent
    choice: Choice
    model_lines: tuple[EvLine | None, ...]
    metrics: dict[str, Any]
    command: str
    spans: dict[str, str]
    fingerprint: str
    created_ns: int
    save_models: SaveModels | None = None
    calibrators: Any = None
    certificate: dict[str, Any] | None = None


def write_bundle(folder: Path, parts: BundleParts) -> None:
    """Write into a temporary folder beside ``folder`` and rename it into place."""
    temporary = folder.with_name(f".{folder.name}.{os.getpid()}.tmp")
    shutil.rmtree(temporary, ignore_errors=True)
    try:
        temporary.mkdir(parents=True)
        _write(temporary, parts)
        if folder.exists():
            shutil.rmtree(folder)
        temporary.replace(folder)
    except BaseException:
        shutil.rmtree(temporary, ignore_errors=True)
        raise


def _write(folder: Path, parts: BundleParts) -> None:
    settings, market = parts.settings, parts.market
    config_hash = settings.config_hash()
    stamp: dict[str, Any] = {
        "created_ns": parts.created_ns,
        "config_hash": config_hash,
        "feature_schema_hash": market.feature_hash,
    }
    atomic_write_text(folder / "config.toml", settings.resolved_toml())
    write_json(
        folder / "features.json",
        {
            "hash": market.feature_hash,
            "names": list(market.feature_names),
            "anchor_bars": ANCHOR_BARS,
            "warmup_bars": WARMUP_BARS,
            "interval_ns": market.interval_ns,
        },
    )
    write_json(folder / "instruments.json", [i.to_json() for i in market.instruments])
    write_json(folder / "costs.json", asdict(settings.core.costs))
    write_json(folder / "state_bins.json", _BINS)
    write_json(
        folder / "ev_lines.json",
        {
            "pool": asdict(parts.tape.line) if parts.tape.line else None,
            "models": [asdict(line) if line else None for line in parts.model_lines],
            "exits": [asdict(s) if s else None for s in parts.tape.slopes],
            "horizon_bars": settings.core.signal.horizon_bars,
        },
    )
    write_json(folder / "calibrators.json", parts.calibrators)
    if parts.save_models is not None:
        parts.save_models(folder / "models")
    sizing = {k: list(v) if isinstance(v, tuple) else v for k, v in vars(settings.sizing).items()}
    save_agent(
        folder / "sizing.json",
        parts.table,
        settings=settings.sizing,
        extra={"settings": sizing},
        **stamp,
    )
    parts.tape.manager.checkpoint(folder / "reinforcement.json", **stamp)
    write_json(folder / "metrics.json", parts.metrics)
    write_json(folder / "certificate.json", parts.certificate)
    write_json(folder / "manifest.json", _manifest(folder, parts, config_hash))


def _manifest(folder: Path, parts: BundleParts, config_hash: str) -> dict[str, Any]:
    run, core = parts.settings.run, parts.settings.core
    choice = parts.choice
    files = {
        str(p.relative_to(folder)): file_digest(p) for p in sorted(folder.rglob("*")) if p.is_file()
    }
    return {
        "bundle_version": BUNDLE_VERSION,
        "code_version": code_version(),
        "created_ns": parts.created_ns,
        "config_hash": config_hash,
        "command": parts.command,
        "seed": run.seed,
        "spans": parts.spans,
        "symbols": list(parts.market.symbols),
        "timeframe": run.timeframe,
        "horizon_bars": core.signal.horizon_bars,
        "entry_style": core.entry.style.name.lower(),
        "preset": parts.table.preset.name,
        "sizing_agent": {
            "shipped": choice.shipped,
            "reason": choice.reason,
            "folds": choice.folds,
            "table_mean_reward": choice.table if choice.table == choice.table else None,
            "ev_kelly_mean_reward": choice.ev_kelly if choice.ev_kelly == choice.ev_kelly else None,
        },
        "weight_algorithm": parts.tape.signals.algorithm,
        "signal_origin": parts.tape.signals.origin,
        "data_fingerprint": parts.fingerprint,
        "table_digest": parts.table.digest(),
        "tape_digest": parts.tape.signals.digest(),
        "certificate": _known(parts.certificate),
        "files": files,
    }


def _known(certificate: dict[str, Any] | None) -> dict[str, Any] | None:
    """The certificate in a line; ``certificate.json`` has the verdicts."""
    if certificate is None:
        return None
    return {name: certificate[name] for name in ("digest", "form", "passed", "code")}
