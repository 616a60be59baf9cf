"""Planted votes: four models of known accuracy and calibration on the synthetic market.

Model i sees the latent signal through its own noise. What it then states is calibrated on
independent paths of the same generator (another stream of draws), never on the path it votes on,
so votes, EV lines and exit slopes are honest out of sample. The calibration is mirrored: a market
without a favoured side has votes without one. ``claimed_edge`` is the edge those paths had: votes
that claim more than there is are planted by an actual edge below it.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import lru_cache
from math import exp

import numpy as np

from envs.core.market_data import MarketData
from envs.core.rules.vote import shrunk_slope
from envs.core.settings import CostSettings, SignalSettings
from envs.core.tape import EvLine, ExitSlope, VoteTable
from envs.core.types import MODEL_NAMES, Float64Array, Int64Array
from envs.market.bars import RawSeries
from envs.market.build import MarketReport, build_market
from envs.market.labels import Labels, label_bars, triple_barrier
from envs.market.lines import fit_line
from envs.market.planted_calibration import CALIBRATED, PlantedModel
from envs.market.synthetic import EDGES, SyntheticSettings, ar1, generate

ACCURACY = (0.75, 0.70, 0.65, 0.55)
"""Correlation of each model's view with the latent signal."""

EXIT_SLOPES = (
    ExitSlope(0.99, 0.03, 1.88, 284_233),
    ExitSlope(1.37, 0.04, 2.94, 284_233),
    ExitSlope(1.97, 0.08, 5.73, 284_233),
)
"""Gross outcome of each exit strategy (ATRs) on the pool's EV (ATRs), default law and costs.

Measured on candidates of eight markets of 25,000 bars and two symbols at edge .06, less the outcome
of the same trades on the same shocks without edge; the errors cover the weak and the strong edge
too. Outcomes are linear in small edges, so one slope serves all.
"""

_VIEW_MEMORY_BARS = 4.0
_STREAM = 1
_PATHS = tuple(f"PATH{i}" for i in range(6))
_PATH_BARS = 20_000
_SETTLED_BARS = 200
_NEWTON_STEPS = 12
_OF_THE_PATHS = ("symbols", "n_bars", "seed", "edge", "correlation", "warmup_bars", "start_ns")


@dataclass(frozen=True)
class SyntheticMarket:
    """A synthetic market with its votes, the lines behind them and the build report.

    ``pool_line`` is the EV line of the uniform pool of the scores, ``exit_slopes`` are in the
    order of ``ExitStrategy``; ``signal`` (T, S) is the latent signal known at each close.
    """

    market: MarketData
    report: MarketReport
    votes: VoteTable
    pool_line: EvLine
    model_lines: tuple[EvLine, ...]
    exit_slopes: tuple[ExitSlope, ...]
    signal: Float64Array


def synthetic_market(
    settings: SyntheticSettings,
    costs: CostSettings | None = None,
    signals: SignalSettings | None = None,
    claimed_edge: float | None = None,
) -> SyntheticMarket:
    """Generate the market and plant its votes.

    ``claimed_edge`` defaults to the actual edge, but at least the weak one: a market without edge
    still has votes that claim one, hence candidates, and an agent must learn from outcomes that
    they are worth nothing. A claim of 0 gives lines of slope 0 and no candidate.
    """
    costs, signals = costs or CostSettings(), signals or SignalSettings()
    claimed = max(settings.edge, EDGES["weak"]) if claimed_edge is None else claimed_edge
    models, pool_line = planted_models(settings, claimed, costs, signals.horizon_bars)
    drawn = generate(settings)
    market, report = build_market(drawn.series, drawn.instruments)
    order = sorted(range(len(settings.symbols)), key=lambda i: settings.symbols[i])
    signal = drawn.signal[:, order]
    labels = triple_barrier(market, signals.horizon_bars, costs)
    views = views_of(signal, np.random.default_rng([settings.seed, 0, 1]))
    votes = _votes(market, views, models, labels, signals.horizon_bars)
    lines = tuple(m.line for m in models)
    return SyntheticMarket(market, report, votes, pool_line, lines, EXIT_SLOPES, signal)


def planted_models(
    settings: SyntheticSettings, claimed_edge: float, costs: CostSettings, horizon: int
) -> tuple[tuple[PlantedModel, ...], EvLine]:
    """Calibrate the models on independent paths with the claimed edge; the pool's line beside them.

    Depends on the law of the market only, not on its seed, symbols or period.
    """
    law = replace(
        settings, symbols=_PATHS, n_bars=_PATH_BARS, seed=0, edge=claimed_edge, correlation=0.0,
        warmup_bars=0, start_ns=0,
    )  # fmt: skip
    default = replace(SyntheticSettings(), **{k: getattr(law, k) for k in _OF_THE_PATHS})
    usual = law == default and costs == CostSettings() and horizon == SignalSettings().horizon_bars
    if usual and claimed_edge in CALIBRATED:
        return CALIBRATED[claimed_edge]
    return calibrate(law, costs, horizon)


@lru_cache(maxsize=8)
def calibrate(
    law: SyntheticSettings, costs: CostSettings, horizon: int
) -> tuple[tuple[PlantedModel, ...], EvLine]:
    """Fit curves and lines on the paths of a law; ``planted_calibration`` keeps the usual ones."""
    # The path with the opposite edge has the same shocks: in the pair they cancel, the edge stays.
    drawn = generate(law, _STREAM)
    paths = (*drawn.series, *generate(replace(law, edge=-law.edge), _STREAM).series)
    labels = [_labels(raw, costs, horizon) for raw in paths]
    y_long, y_short, gross = (
        np.concatenate([getattr(c, name) for c in labels])
        for name in ("y_long", "y_short", "gross")
    )
    views = views_of(drawn.signal, np.random.default_rng([law.seed, _STREAM, 1]))
    views = views.transpose(1, 0, 2).reshape(-1, len(ACCURACY))
    views = np.concatenate([views, -views])
    when = np.concatenate([raw.open_ns + raw.interval_ns for raw in paths])
    known = np.isfinite(y_long) & (np.tile(np.arange(law.n_bars), len(paths)) >= _SETTLED_BARS)
    claims = np.concatenate([y_long[known], y_short[known]])
    models, scores = [], []
    for i, accuracy in enumerate(ACCURACY):
        x = views[known, i]
        curve = _logistic(np.concatenate([x, -x]), claims)
        scores.append(_curve(curve, x) - _curve(curve, -x))
        models.append(PlantedModel(accuracy, curve, _line(scores[i], gross[known], when[known])))
    pool = np.mean(np.stack(scores), axis=0)
    return tuple(models), _line(pool, gross[known], when[known])


def _labels(raw: RawSeries, costs: CostSettings, horizon: int) -> Labels:
    """Labels of one gapless path, without the features of a whole market."""
    import talib

    atr = talib.ATR(raw.high, raw.low, raw.close, 14)
    ohlc = np.stack([raw.open, raw.high, raw.low, raw.close], axis=1)
    there = np.ones(ohlc.shape[0], dtype=np.bool_)
    return label_bars(ohlc, there, atr, atr / raw.close, horizon, costs)


def _line(score: Float64Array, gross: Float64Array, when: Int64Array) -> EvLine:
    """EV line of a score whose mean is 0 by symmetry."""
    line = fit_line(score, gross, when)
    return EvLine(0.0, 0.0, 0.0, 0) if line is None else replace(line, s_mean=0.0)


def views_of(signal: Float64Array, rng: np.random.Generator) -> Float64Array:
    """What each model sees, (T, S, 4): the signal (unit variance) through noise with memory."""
    a = np.asarray(ACCURACY)
    noise = ar1(rng, (*signal.shape, a.size), exp(-1.0 / _VIEW_MEMORY_BARS))
    return np.asarray(a * signal[:, :, None] + np.sqrt(1.0 - a * a) * noise)


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
        x, line = views[:, :, i], model.line
        up[:, :, i] = np.where(market.complete, np.round(_curve(model.curve, x), 6), np.nan)
        down[:, :, i] = np.where(market.complete, np.round(_curve(model.curve, -x), 6), np.nan)
        score = up[:, :, i] - down[:, :, i]
        strength = shrunk_slope(line.b, line.se) * (score - line.s_mean)
        ev[:, :, i] = np.where(market.complete, strength * market.atr_frac, 0.0)
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
