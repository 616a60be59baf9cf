"""The built-in market: regimes, volatility clusters, jumps, funding, and a planted, adjustable edge.

Prices are a martingale when the edge is zero: each step's log drift is -sigma^2/2, jumps are
centred in price and fall between bars, so no level is jumped over inside one. Extremes come from a
continuous path: 16 sub-steps a bar with the exact maxima and minima of the Brownian bridges
between them. Coarser bars give lifecycle trades free profit (spec 2).
"""

from __future__ import annotations

from dataclasses import dataclass
from math import exp, log, sqrt

import numpy as np

from envs.core.errors import FixSettings
from envs.core.instrument import Instrument
from envs.core.types import NS_PER_HOUR, Float64Array
from envs.market.bars import RawSeries

EDGES = {"zero": 0.0, "weak": 0.03, "strong": 0.12}
"""Planted drift per bar in units of the bar's volatility and of the latent signal."""

SIGNAL_HALF_LIFE_BARS = 8.0
_SUB_STEPS = 16
_START_NS = 1_577_836_800 * 1_000_000_000
_BASE_PRICES = (20_000.0, 1_500.0, 100.0, 40.0, 10.0, 1.0)


@dataclass(frozen=True)
class SyntheticSettings:
    """Everything a synthetic market depends on.

    ``edge``: expected drift of the next bar = edge * volatility * latent signal (unit variance).
    ``volatility`` of a bar, log-volatility's spread, jump probability and size, correlation of the
    symbols' moves, and ``warmup_bars`` generated before the first usable bar.
    """

    symbols: tuple[str, ...] = ("BTCUSDT", "ETHUSDT")
    n_bars: int = 4_000
    interval_ns: int = NS_PER_HOUR
    seed: int = 0
    edge: float = EDGES["strong"]
    volatility: float = 0.007
    log_vol_spread: float = 0.35
    jump_probability: float = 0.002
    jump_size: float = 4.0
    correlation: float = 0.5
    warmup_bars: int = 1_536
    start_ns: int = _START_NS

    def __post_init__(self) -> None:
        if self.n_bars < 1 or not self.symbols:
            raise FixSettings("a synthetic market needs at least one bar and one symbol")
        if not 0.0 <= self.correlation < 1.0:
            raise FixSettings(f"correlation must be in [0, 1), got {self.correlation}")


@dataclass(frozen=True)
class SyntheticSeries:
    """Raw series, their contracts, and the latent signal (T, S) known at each close."""

    series: tuple[RawSeries, ...]
    instruments: tuple[Instrument, ...]
    signal: Float64Array


def edge_of(name: str) -> float:
    """Edge by name (zero, weak, strong) or as a number.

    Raises:
        FixSettings: Neither.
    """
    if name in EDGES:
        return EDGES[name]
    try:
        return float(name)
    except ValueError as error:
        raise FixSettings(f"edge {name!r} is neither a number nor one of {', '.join(EDGES)}") from error


def generate(settings: SyntheticSettings) -> SyntheticSeries:
    """Draw a market; the same settings give the same bars."""
    rng = np.random.default_rng(settings.seed)
    n, s = settings.n_bars + settings.warmup_bars, len(settings.symbols)
    sigma = _volatility(rng, n, s, settings)
    signal = _signal(rng, n, s)
    drift = np.zeros((n, s))
    drift[1:] = settings.edge * sigma[1:] * signal[:-1]
    common = rng.standard_normal((n, 1, _SUB_STEPS))
    own = rng.standard_normal((n, s, _SUB_STEPS))
    rho = settings.correlation
    shocks = sqrt(rho) * common + sqrt(1.0 - rho) * own
    variance = sigma[:, :, None] ** 2 / _SUB_STEPS
    steps = np.sqrt(variance) * shocks + drift[:, :, None] / _SUB_STEPS - 0.5 * variance
    jumps = _jumps(rng, sigma, settings)
    start = settings.start_ns - settings.warmup_bars * settings.interval_ns
    start -= start % settings.interval_ns
    open_ns = start + settings.interval_ns * np.arange(n, dtype=np.int64)
    series, contracts = [], []
    for i, symbol in enumerate(settings.symbols):
        base = _BASE_PRICES[i % len(_BASE_PRICES)]
        contract = _contract(symbol, base)
        raw = _bars(rng, symbol, open_ns, steps[:, i], variance[:, i, 0], jumps[:, i], base, contract, settings)
        series.append(_with_funding(rng, raw))
        contracts.append(contract)
    return SyntheticSeries(tuple(series), tuple(contracts), signal)


def _volatility(rng: np.random.Generator, n: int, s: int, settings: SyntheticSettings) -> Float64Array:
    """Volatility per bar: slow two-state regimes times an AR(1) log-volatility, shared in part."""
    calm = np.empty(n)
    state = 0.0
    switches = rng.random(n)
    for t in range(n):
        if switches[t] < 1.0 / 400.0:
            state = 1.0 - state
        calm[t] = state
    keep = exp(-1.0 / 60.0)
    scale = settings.log_vol_spread * sqrt(1.0 - keep * keep)
    noise = scale * (sqrt(0.5) * rng.standard_normal((n, 1)) + sqrt(0.5) * rng.standard_normal((n, s)))
    level = np.zeros(s)
    logs = np.empty((n, s))
    for t in range(n):
        level = keep * level + noise[t]
        logs[t] = level
    shift = 0.5 * settings.log_vol_spread**2
    return np.asarray(settings.volatility * np.exp(logs - shift + 0.5 * (calm[:, None] - 0.5)))


def _signal(rng: np.random.Generator, n: int, s: int) -> Float64Array:
    """Latent AR(1) of unit variance with the half-life of a trade."""
    keep = exp(-log(2.0) / SIGNAL_HALF_LIFE_BARS)
    noise = sqrt(1.0 - keep * keep) * rng.standard_normal((n, s))
    level = rng.standard_normal(s)
    out = np.empty((n, s))
    for t in range(n):
        level = keep * level + noise[t]
        out[t] = level
    return out


def _jumps(rng: np.random.Generator, sigma: Float64Array, settings: SyntheticSettings) -> Float64Array:
    """Log gaps before each bar, centred so that the price stays a martingale."""
    size = settings.jump_size * sigma
    hit = rng.random(sigma.shape) < settings.jump_probability
    return np.asarray(np.where(hit, size * rng.standard_normal(sigma.shape) - 0.5 * size**2, 0.0))


def _bars(
    rng: np.random.Generator, symbol: str, open_ns: np.ndarray, steps: Float64Array,  # type: ignore[type-arg]
    variance: Float64Array, jumps: Float64Array, base: float, contract: Instrument,
    settings: SyntheticSettings,
) -> RawSeries:
    n = steps.shape[0]
    inside = np.cumsum(steps, axis=1)
    total = inside[:, -1] + jumps
    opens = np.concatenate([[0.0], np.cumsum(total)[:-1]]) + jumps
    nodes = np.concatenate([np.zeros((n, 1)), inside], axis=1)
    a, b = nodes[:, :-1], nodes[:, 1:]
    spread = 2.0 * variance[:, None]
    top = 0.5 * (a + b + np.sqrt((b - a) ** 2 - spread * np.log(rng.random(a.shape))))
    bottom = 0.5 * (a + b - np.sqrt((b - a) ** 2 - spread * np.log(rng.random(a.shape))))
    tick = float(contract.tick)

    def price(logs: Float64Array) -> Float64Array:
        return np.maximum(np.rint(base * np.exp(logs) / tick), 1.0) * tick

    o, c = price(opens), price(opens + inside[:, -1])
    high = np.maximum(price(opens + top.max(axis=1)), np.maximum(o, c))
    low = np.minimum(price(opens + bottom.min(axis=1)), np.minimum(o, c))
    travel = np.abs(inside[:, -1]) / np.sqrt(variance * _SUB_STEPS)
    volume = np.exp(rng.normal(0.0, 0.4, n)) * (1.0 + travel) * 1e6 / base
    return RawSeries(symbol, settings.interval_ns, open_ns, o, high, low, c, volume, source="synthetic")


def _with_funding(rng: np.random.Generator, raw: RawSeries) -> RawSeries:
    """Funding every 8 h, following the last day's move, and a mark price close to the last."""
    n = raw.open_ns.shape[0]
    stamps = np.flatnonzero(raw.open_ns % (8 * NS_PER_HOUR) == 0)
    back = np.maximum(stamps - 24, 0)
    move = np.log(raw.open[stamps] / raw.open[back])
    rate = np.clip(1e-4 + 0.004 * move + rng.normal(0.0, 5e-5, stamps.size), -0.003, 0.003)
    basis = 2e-4 * rng.standard_normal(n)
    columns = [raw.open, raw.high, raw.low, raw.close]
    mark = np.stack([x * (1.0 + basis) for x in columns], axis=1)
    return RawSeries(
        raw.symbol, raw.interval_ns, raw.open_ns, raw.open, raw.high, raw.low, raw.close,
        raw.volume, raw.open_ns[stamps], rate, raw.open_ns, mark, None, raw.source,
    )  # fmt: skip


def _contract(symbol: str, base: float) -> Instrument:
    tick = "0.01" if base >= 1_000.0 else "0.0001"
    step = "0.001" if base >= 100.0 else "0.1"
    return Instrument.of(symbol, tick, step)
