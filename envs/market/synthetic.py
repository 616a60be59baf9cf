"""The built-in market: regimes, volatility clusters, jumps, funding and a planted edge.

With the edge at zero every price is a martingale: each sub-step's log drift is minus half its
variance, and jumps are centred in price and fall between bars, so no level is jumped over inside
one. Regimes then differ in volatility only; with an edge, trending ones carry more of it.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from math import exp, isfinite, log, sqrt

import numpy as np

from envs.core.errors import FixSettings
from envs.core.instrument import Instrument
from envs.core.types import NS_PER_DAY, NS_PER_HOUR, BoolArray, Float64Array, Int64Array
from envs.market.bars import RawSeries
from envs.market.bridge import SUB_STEPS, path_extremes

EDGES = {"zero": 0.0, "weak": 0.03, "strong": 0.12}
"""Planted edges by name; see ``SyntheticSettings.edge``."""

SIGNAL_HALF_LIFE_BARS = 8.0
TREND_STRENGTH, RANGE_STRENGTH = 1.25, 0.6614378277661477
"""Strength of the signal in trending and ranging regimes; their mean square is 1."""

_START_NS = 1_577_836_800 * 1_000_000_000
_AGITATED_BARS, _TREND_BARS, _VOLATILITY_BARS = 400.0, 150.0, 60.0
_AGITATION = 0.5
_FUNDING_NS = 8 * NS_PER_HOUR
_BASE_PRICES = (20_000.0, 1_500.0, 100.0, 40.0, 10.0, 1.0)


@dataclass(frozen=True)
class SyntheticSettings:
    """Everything a synthetic market depends on.

    Attributes:
        symbols: names of the perpetuals, in any order.
        n_bars: bars after ``warmup_bars``, from ``start_ns`` on.
        interval_ns: bar length; sub-steps, regimes and half-lives are counted in bars.
        seed: seed of every draw.
        edge: log drift of the next bar in units of its volatility and of the latent signal (which
            has unit variance and a half-life of 8 bars). Over a horizon of 8 bars a signal of 1
            moves the price by 6 times edge times volatility.
        volatility: standard deviation of a bar's log move, on average.
        log_vol_spread: standard deviation of log volatility around its regime's level.
        jump_probability: of a gap at a bar's open.
        jump_size: standard deviation of such a gap, in units of the bar's volatility.
        correlation: of the symbols' moves.
        warmup_bars: bars drawn before the first usable one, for features with memory.
        start_ns: UTC nanoseconds of the first bar after the warm-up.
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
        if not self.symbols or len(set(self.symbols)) != len(self.symbols):
            raise FixSettings(f"synthetic market: symbols must be distinct, got {self.symbols}")
        for name, low, high in _ALLOWED:
            value = getattr(self, name)
            if not (isfinite(value) and low <= value <= high):
                raise FixSettings(
                    f"synthetic market: {name} must be in [{low}, {high}], got {value}"
                )


_ALLOWED = (
    ("n_bars", 1, 10_000_000),
    ("interval_ns", 1_000_000_000, NS_PER_DAY),
    ("seed", 0, 2**63 - 1),
    ("edge", -1.0, 1.0),
    ("volatility", 1e-5, 0.1),
    ("log_vol_spread", 0.0, 1.0),
    ("jump_probability", 0.0, 0.2),
    ("jump_size", 0.0, 20.0),
    ("correlation", 0.0, 0.99),
    ("warmup_bars", 0, 100_000),
    ("start_ns", 0, 2**62),
)


@dataclass(frozen=True)
class SyntheticSeries:
    """Raw series in the order of ``settings.symbols``, their contracts, and the hidden truth.

    ``signal`` (T, S) latent signal known at each close; ``trending`` (T, S) and ``agitated`` (T,)
    regimes of each bar; ``sigma`` (T, S) volatility of each bar, fixed before its open.
    """

    series: tuple[RawSeries, ...]
    instruments: tuple[Instrument, ...]
    signal: Float64Array
    trending: BoolArray
    agitated: BoolArray
    sigma: Float64Array


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
        raise FixSettings(
            f"edge {name!r} is neither a number nor one of {', '.join(EDGES)}"
        ) from error


def over_period(
    settings: SyntheticSettings, start_ns: int | None, end_ns: int | None
) -> SyntheticSettings:
    """Settings whose bars span [start, end); an end left open keeps ``n_bars``.

    Raises:
        FixSettings: The period is shorter than one bar.
    """
    start = settings.start_ns if start_ns is None else start_ns
    if end_ns is None:
        return replace(settings, start_ns=start)
    n_bars = (end_ns - start) // settings.interval_ns
    if n_bars < 1:
        raise FixSettings("synthetic market: the end must lie at least one bar after the start")
    return replace(settings, start_ns=start, n_bars=n_bars)


def generate(settings: SyntheticSettings, stream: int = 0) -> SyntheticSeries:
    """Draw a market; the same settings and stream give the same bars.

    Streams of one seed are independent: the votes are calibrated on another one.
    """
    rng = np.random.default_rng([settings.seed, stream])
    n, s = settings.n_bars + settings.warmup_bars, len(settings.symbols)
    agitated = _switching(rng, n, 1, _AGITATED_BARS)[:, 0]
    trending = _switching(rng, n, s, _TREND_BARS)
    sigma = _volatility(rng, agitated, s, settings)
    signal = np.where(trending, TREND_STRENGTH, RANGE_STRENGTH) * ar1(
        rng, (n, s), exp(-log(2.0) / SIGNAL_HALF_LIFE_BARS)
    )
    drift = np.zeros((n, s))
    drift[1:] = settings.edge * sigma[1:] * signal[:-1]
    common = rng.standard_normal((n, SUB_STEPS))
    jumps = _jumps(rng, sigma, settings)
    first = settings.start_ns - settings.warmup_bars * settings.interval_ns
    first -= first % settings.interval_ns
    open_ns = first + settings.interval_ns * np.arange(n, dtype=np.int64)
    series, contracts = [], []
    for i, symbol in enumerate(settings.symbols):
        rho = settings.correlation
        shocks = sqrt(rho) * common + sqrt(1.0 - rho) * rng.standard_normal((n, SUB_STEPS))
        variance = sigma[:, i] ** 2 / SUB_STEPS
        trend = drift[:, i] / SUB_STEPS - 0.5 * variance
        steps = np.sqrt(variance)[:, None] * shocks + trend[:, None]
        base = _BASE_PRICES[i % len(_BASE_PRICES)]
        contract = _contract(symbol, base)
        inside = path_extremes(rng, steps, variance)
        raw = _bars(contract, open_ns, inside, jumps[:, i], base, settings.interval_ns)
        volume = _volume(rng, inside[0], sigma[:, i], base)
        series.append(_with_funding(rng, replace(raw, volume=volume)))
        contracts.append(contract)
    return SyntheticSeries(tuple(series), tuple(contracts), signal, trending, agitated, sigma)


def ar1(rng: np.random.Generator, shape: tuple[int, ...], keep: float) -> Float64Array:
    """Stationary first-order autoregressions of unit variance along the first axis."""
    noise = rng.standard_normal(shape).reshape(shape[0], -1)
    noise[1:] *= sqrt(1.0 - keep * keep)
    columns = []
    for column in noise.T.tolist():
        level = 0.0
        path = []
        for x in column:
            level = keep * level + x
            path.append(level)
        columns.append(path)
    return np.ascontiguousarray(np.asarray(columns).T).reshape(shape)


def _switching(rng: np.random.Generator, n: int, s: int, mean_bars: float) -> BoolArray:
    """Two-state Markov chains (N, S) with equal mean lengths of stay."""
    turns = np.cumsum(rng.random((n, s)) < 1.0 / mean_bars, axis=0)
    return np.asarray((turns + rng.integers(0, 2, s)) % 2 == 1)


def _volatility(
    rng: np.random.Generator, agitated: BoolArray, s: int, settings: SyntheticSettings
) -> Float64Array:
    """Volatility per bar (N, S): the regime's level times clusters half shared by the symbols."""
    n = agitated.shape[0]
    keep = exp(-1.0 / _VOLATILITY_BARS)
    clusters = sqrt(0.5) * (ar1(rng, (n, 1), keep) + ar1(rng, (n, s), keep))
    logs = settings.log_vol_spread * clusters + _AGITATION * (agitated[:, None] - 0.5)
    return np.asarray(settings.volatility * np.exp(logs - 0.5 * settings.log_vol_spread**2))


def _jumps(
    rng: np.random.Generator, sigma: Float64Array, settings: SyntheticSettings
) -> Float64Array:
    """Log gaps before each bar, centred so that the price stays a martingale."""
    size = settings.jump_size * sigma
    hit = rng.random(sigma.shape) < settings.jump_probability
    return np.asarray(np.where(hit, size * rng.standard_normal(sigma.shape) - 0.5 * size**2, 0.0))


def _bars(
    contract: Instrument,
    open_ns: Int64Array,
    inside: tuple[Float64Array, Float64Array, Float64Array],
    jumps: Float64Array,
    base: float,
    interval_ns: int,
) -> RawSeries:
    """Prices rounded to the nearest tick; a gap stands before its bar's open."""
    close, top, bottom = inside
    opens = np.cumsum(jumps)
    opens[1:] += np.cumsum(close[:-1])
    tick = float(contract.tick)

    def price(logs: Float64Array) -> Float64Array:
        return np.maximum(np.rint(base * np.exp(opens + logs) / tick), 1.0) * tick

    none = np.zeros_like(opens)
    return RawSeries(
        contract.symbol, interval_ns, open_ns, price(none), price(top), price(bottom), price(close),
        none, source="synthetic",
    )  # fmt: skip


def _volume(
    rng: np.random.Generator, move: Float64Array, sigma: Float64Array, base: float
) -> Float64Array:
    """Base volume of each bar: more in bars that travelled far for their volatility."""
    travel = np.abs(move) / sigma
    return np.asarray(np.exp(rng.normal(0.0, 0.4, move.shape[0])) * (1.0 + travel) * 1e6 / base)


def _with_funding(rng: np.random.Generator, raw: RawSeries) -> RawSeries:
    """Funding every 8 h after the move of the day before it, and a mark close to the last price."""
    n, first = raw.open_ns.shape[0], int(raw.open_ns[0])
    stamps = np.arange(
        -(-first // _FUNDING_NS) * _FUNDING_NS, int(raw.open_ns[-1]) + 1, _FUNDING_NS
    )
    at = (stamps - first) // raw.interval_ns
    day = max(1, NS_PER_DAY // raw.interval_ns)
    move = np.log(raw.open[at] / raw.open[np.maximum(at - day, 0)])
    rate = np.clip(1e-4 + 0.004 * move + rng.normal(0.0, 5e-5, stamps.size), -0.003, 0.003)
    basis = 2e-4 * rng.standard_normal((n, 1))
    mark = np.stack([raw.open, raw.high, raw.low, raw.close], axis=1) * (1.0 + basis)
    return replace(raw, funding_ns=stamps, funding_rate=rate, mark_open_ns=raw.open_ns, mark=mark)


def _contract(symbol: str, base: float) -> Instrument:
    tick = "0.01" if base >= 1_000.0 else "0.0001" if base >= 10.0 else "0.00001"
    step = "0.001" if base >= 100.0 else "0.1"
    return Instrument.of(symbol, tick, step)
