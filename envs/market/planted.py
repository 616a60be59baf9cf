"""Planted votes: four models of known accuracy and calibration on the synthetic market.

Model i sees the latent signal through its own noise. What it states is calibrated on an
independent path of the same generator (another seed), never on the path it votes on, so the votes
are honest out of sample. ``claimed_edge`` is the edge that path had: claims without substance are
planted by an actual edge below it.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import lru_cache
from math import exp, sqrt

import numpy as np

from envs.core.market_data import MarketData
from envs.core.rules.vote import ev_long
from envs.core.settings import CostSettings, SignalSettings
from envs.core.tape import EvLine, VoteTable
from envs.core.types import MODEL_NAMES, Float64Array, Int64Array
from envs.market.build import MarketReport, build_market
from envs.market.labels import Labels, triple_barrier
from envs.market.lines import fit_line
from envs.market.synthetic import EDGES, SyntheticSettings, generate

ACCURACY = (0.75, 0.70, 0.65, 0.55)
"""Correlation of each model's view with the latent signal."""

_CALIBRATION_BARS = 24_000
_CALIBRATION_SEED = 7_919
_NEWTON_STEPS = 12


@dataclass(frozen=True)
class PlantedModel:
    """A model's calibration: logistic curves of its view, and its EV line."""

    accuracy: float
    up: tuple[float, float]
    down: tuple[float, float]
    line: EvLine


@dataclass(frozen=True)
class SyntheticMarket:
    """A synthetic market with its votes, the EV lines behind them and the build report."""

    market: MarketData
    report: MarketReport
    votes: VoteTable
    pool_line: EvLine
    model_lines: tuple[EvLine, ...]
    signal: Float64Array


def synthetic_market(
    settings: SyntheticSettings,
    costs: CostSettings | None = None,
    signals: SignalSettings | None = None,
    claimed_edge: float | None = None,
) -> SyntheticMarket:
    """Generate the market and plant its votes.

    ``claimed_edge`` defaults to the actual edge, but at least the weak one, so that a market
    without edge still has votes that claim one.
    """
    costs, signals = costs or CostSettings(), signals or SignalSettings()
    claimed = max(settings.edge, EDGES["weak"]) if claimed_edge is None else claimed_edge
    models, pool_line = _calibrated(replace(settings, edge=claimed), costs, signals.horizon_bars)
    drawn = generate(settings)
    market, report = build_market(drawn.series, drawn.instruments)
    order = sorted(range(len(settings.symbols)), key=lambda i: settings.symbols[i])
    signal = drawn.signal[:, order]
    labels = triple_barrier(market, signals.horizon_bars, costs)
    views = _views(signal, np.random.default_rng([settings.seed, 1]))
    votes = _votes(market, views, models, labels, signals.horizon_bars)
    return SyntheticMarket(market, report, votes, pool_line, tuple(m.line for m in models), signal)


@lru_cache(maxsize=8)
def _calibrated(
    settings: SyntheticSettings, costs: CostSettings, horizon: int
) -> tuple[tuple[PlantedModel, ...], EvLine]:
    """Calibrate the models on an independent path with the claimed edge."""
    path = replace(
        settings, symbols=("CALIBRATION",), n_bars=_CALIBRATION_BARS,
        seed=settings.seed + _CALIBRATION_SEED, correlation=0.0,
    )  # fmt: skip
    drawn = generate(path)
    market, _ = build_market(drawn.series, drawn.instruments)
    labels = triple_barrier(market, horizon, costs)
    views = _views(drawn.signal, np.random.default_rng([path.seed, 1]))[:, 0]
    ok = market.complete[:, 0] & np.isfinite(labels.y_long[:, 0])
    y_up, y_down = labels.y_long[ok, 0], labels.y_short[ok, 0]
    gross, when = labels.gross[ok, 0], market.close_ns[ok]
    models = []
    scores = []
    for i, accuracy in enumerate(ACCURACY):
        x = views[ok, i]
        up, down = _logistic(x, y_up), _logistic(x, y_down)
        score = _curve(up, x) - _curve(down, x)
        scores.append(score)
        models.append(PlantedModel(accuracy, up, down, _line(score, gross, when)))
    pool = np.mean(np.stack(scores), axis=0)
    return tuple(models), _line(pool, gross, when)


def _line(score: Float64Array, gross: Float64Array, when: Int64Array) -> EvLine:
    return fit_line(score, gross, when) or EvLine(0.0, 0.0, 0.0, 0)


def _views(signal: Float64Array, rng: np.random.Generator) -> Float64Array:
    """What each model sees, (T, S, 4): the signal through noise as persistent as itself."""
    keep = exp(-0.25)
    noise = rng.standard_normal((*signal.shape, len(ACCURACY)))
    level = np.zeros(noise.shape[1:])
    out = np.empty_like(noise)
    for t in range(noise.shape[0]):
        level = keep * level + sqrt(1.0 - keep * keep) * noise[t]
        out[t] = level
    a = np.asarray(ACCURACY)
    return np.asarray(a * signal[:, :, None] + np.sqrt(1.0 - a * a) * out)


def _votes(
    market: MarketData,
    views: Float64Array,
    models: tuple[PlantedModel, ...],
    labels: Labels,
    horizon: int,
) -> VoteTable:
    shape = views.shape
    valid = np.repeat(market.complete[:, :, None], shape[2], axis=2)
    up, down, ev = np.full(shape, np.nan), np.full(shape, np.nan), np.zeros(shape)
    for i, model in enumerate(models):
        p_up, p_down = _curve(model.up, views[:, :, i]), _curve(model.down, views[:, :, i])
        up[:, :, i] = np.where(market.complete, np.round(p_up, 6), np.nan)
        down[:, :, i] = np.where(market.complete, np.round(p_down, 6), np.nan)
        score = up[:, :, i] - down[:, :, i]
        line = model.line
        slope = ev_long(line.b, line.se, 0.0, 1.0, 1.0)
        ev[:, :, i] = np.where(
            market.complete, slope * (score - line.s_mean) * market.atr_frac, 0.0
        )
    return VoteTable(
        MODEL_NAMES, up, down, valid, ev, labels.y_long, labels.y_short, labels.gross, labels.end,
        "planted", horizon,
    )  # fmt: skip


def _logistic(x: Float64Array, y: Float64Array) -> tuple[float, float]:
    """Intercept and slope of a logistic curve by Newton's method."""
    a, b = 0.0, 0.0
    for _ in range(_NEWTON_STEPS):
        p = _curve((a, b), x)
        w = p * (1.0 - p)
        g0, g1 = float((y - p).sum()), float(((y - p) * x).sum())
        h00, h01, h11 = float(w.sum()), float((w * x).sum()), float((w * x * x).sum())
        det = h00 * h11 - h01 * h01
        a += (h11 * g0 - h01 * g1) / det
        b += (h00 * g1 - h01 * g0) / det
    return a, b


def _curve(line: tuple[float, float], x: Float64Array) -> Float64Array:
    return np.asarray(1.0 / (1.0 + np.exp(-(line[0] + line[1] * x))))
