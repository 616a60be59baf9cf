from __future__ import annotations

from dataclasses import replace
from math import log, pi, sqrt

import numpy as np
import pytest

from envs.core.errors import FixSettings
from envs.core.types import NS_PER_DAY, NS_PER_HOUR, Float64Array
from envs.market.bars import RawSeries, validate
from envs.market.synthetic import (
    EDGES,
    SIGNAL_HALF_LIFE_BARS,
    SyntheticSeries,
    SyntheticSettings,
    ar1,
    edge_of,
    generate,
    over_period,
)

LONG = SyntheticSettings(n_bars=60_000, edge=0.0, seed=11)


@pytest.fixture(scope="module")
def fair() -> SyntheticSeries:
    """A long market without edge."""
    return generate(LONG)


@pytest.fixture(scope="module")
def edged() -> SyntheticSeries:
    """The same length with the strong edge."""
    return generate(replace(LONG, edge=EDGES["strong"]))


def moves(raw: RawSeries) -> Float64Array:
    """Log moves from close to close."""
    return np.diff(np.log(raw.close))


def z_of(values: Float64Array, block: int = 24) -> float:
    """Mean over its standard error, from blocks of a day."""
    cut = values[: values.size // block * block].reshape(-1, block).mean(axis=1)
    return float(cut.mean() / (cut.std(ddof=1) / sqrt(cut.size)))


def autocorrelation(values: Float64Array, lag: int) -> float:
    x = values - values.mean()
    return float((x[lag:] @ x[:-lag]) / (x @ x))


def test_same_settings_same_bars_other_seed_or_stream_others() -> None:
    small = SyntheticSettings(n_bars=300)
    first = generate(small)
    for other, equal in (
        (generate(small), True),
        (generate(replace(small, seed=1)), False),
        (generate(small, stream=1), False),
    ):
        for a, b in zip(first.series, other.series, strict=True):
            assert np.array_equal(a.close, b.close) == equal
            assert np.array_equal(a.mark, b.mark) == equal  # type: ignore[arg-type]
            assert np.array_equal(a.funding_rate, b.funding_rate) == equal  # type: ignore[arg-type]


def test_bars_pass_the_validation_of_real_ones(fair: SyntheticSeries) -> None:
    for raw, contract in zip(fair.series, fair.instruments, strict=True):
        report = validate(raw)
        assert (report.bars, report.gaps) == (LONG.n_bars + LONG.warmup_bars, 0)
        assert raw.volume.min() > 0.0
        for column in (raw.open, raw.high, raw.low, raw.close):
            ticks = column / float(contract.tick)
            np.testing.assert_allclose(ticks, np.rint(ticks), rtol=1e-12)


def test_prices_are_a_martingale_without_edge(fair: SyntheticSeries) -> None:
    """In price, not in its logarithm: inside bars, across gaps, and given what came before."""
    for raw in fair.series:
        inside = raw.close / raw.open - 1.0
        gap = raw.open[1:] / raw.close[:-1] - 1.0
        jumped = gap[np.abs(gap) > 1e-3]
        assert jumped.size > 40
        assert abs(jumped.mean()) < 3.0 * jumped.std() / sqrt(jumped.size)
        simple = raw.close[1:] / raw.close[:-1] - 1.0
        for known in (
            np.ones(simple.size - 1),
            np.sign(simple[:-1]),
            np.tanh(simple[:-1] / 0.01),
            (raw.close > raw.open)[1:-1] - 0.5,
            (raw.high - raw.low)[1:-1] / raw.close[1:-1] - 0.01,
        ):
            assert abs(z_of(simple[1:] * known)) < 3.0
        assert abs(z_of(inside)) < 3.0


def test_the_latent_signal_says_nothing_without_edge(fair: SyntheticSeries) -> None:
    for i, raw in enumerate(fair.series):
        assert abs(z_of(moves(raw) * fair.signal[:-1, i])) < 3.0


def test_the_edge_is_the_slope_of_the_next_move_on_the_signal(edged: SyntheticSeries) -> None:
    for i, raw in enumerate(edged.series):
        signal, sigma = edged.signal[:, i], edged.sigma[:, i]
        scaled = np.log(raw.close / raw.open)[1:] / sigma[1:] + 0.5 * sigma[1:]
        slope = float(scaled @ signal[:-1] / (signal[:-1] @ signal[:-1]))
        assert abs(slope - EDGES["strong"]) < 4.0 / sqrt(scaled.size)


def test_signal_has_unit_variance_and_the_half_life_of_a_trade(edged: SyntheticSeries) -> None:
    for column in edged.signal.T:
        assert abs(column.var() - 1.0) < 0.1
        assert abs(autocorrelation(column, int(SIGNAL_HALF_LIFE_BARS)) - 0.5) < 0.06


def test_trending_regimes_carry_more_of_the_edge(edged: SyntheticSeries) -> None:
    ratio = [
        float(edged.signal[t, i].var() / edged.signal[~t, i].var())
        for i, t in enumerate(edged.trending.T)
    ]
    assert 2.5 < np.mean(ratio) < 5.0
    assert 0.3 < edged.trending.mean() < 0.7


def test_range_is_that_of_a_continuous_path(fair: SyntheticSeries) -> None:
    """Mean range over volatility of driftless Brownian motion: 1.596; 4 sub-steps show 1.06."""
    for i, raw in enumerate(fair.series):
        scaled = np.log(raw.high / raw.low) / fair.sigma[:, i]
        assert abs(scaled.mean() - sqrt(8.0 / pi)) < 4.0 * 0.4755 / sqrt(scaled.size) + 1e-3
        assert abs((scaled**2).mean() - 4.0 * log(2.0)) < 0.05


def test_volatility_clusters_and_regimes(fair: SyntheticSeries) -> None:
    for i, raw in enumerate(fair.series):
        size = np.abs(moves(raw))
        assert autocorrelation(size, 1) > 0.1
        assert autocorrelation(size, 24) > 0.05
        for lag in (1, 2, 8):
            assert abs(autocorrelation(moves(raw), lag)) < 0.03
        wild, calm = (np.median(fair.sigma[k, i]) for k in (fair.agitated, ~fair.agitated))
        assert 1.4 < wild / calm < 2.0
        assert 0.006 < fair.sigma[:, i].mean() < 0.009


def test_jumps_come_between_bars_at_their_rate() -> None:
    drawn = generate(replace(LONG, n_bars=20_000, jump_probability=0.01, jump_size=6.0))
    still = generate(replace(LONG, n_bars=20_000, jump_probability=0.0))
    for i, (raw, calm) in enumerate(zip(drawn.series, still.series, strict=True)):
        gap = np.log(raw.open[1:] / raw.close[:-1]) / drawn.sigma[1:, i]
        hit = np.abs(gap) > 0.1
        assert abs(hit.mean() - 0.01) < 0.003
        assert 5.0 < gap[hit].std() < 7.0
        np.testing.assert_allclose(calm.open[1:], calm.close[:-1], rtol=1e-12)


@pytest.mark.parametrize("correlation", [0.0, 0.5, 0.9])
def test_symbols_move_together_as_asked(correlation: float) -> None:
    drawn = generate(replace(LONG, n_bars=20_000, correlation=correlation, symbols=("A", "B", "C")))
    scaled = np.stack(
        [np.log(r.close / r.open) / drawn.sigma[:, i] for i, r in enumerate(drawn.series)]
    )
    found = np.corrcoef(scaled)[np.triu_indices(3, 1)]
    np.testing.assert_allclose(found, correlation, atol=0.03)


@pytest.mark.parametrize("hours", [1, 4, 24])
def test_funding_every_eight_hours_follows_the_last_day(hours: int) -> None:
    settings = replace(LONG, n_bars=6_000, interval_ns=hours * NS_PER_HOUR)
    for raw in generate(settings).series:
        assert raw.funding_ns is not None
        assert raw.funding_rate is not None
        assert (raw.funding_ns % (8 * NS_PER_HOUR) == 0).all()
        assert (np.diff(raw.funding_ns) == 8 * NS_PER_HOUR).all()
        assert int(raw.funding_ns[0]) - int(raw.open_ns[0]) < 8 * NS_PER_HOUR
        at = np.searchsorted(raw.open_ns, raw.funding_ns, side="right") - 1
        move = np.log(raw.open[at] / raw.open[np.maximum(at - max(1, 24 // hours), 0)])
        assert np.corrcoef(move, raw.funding_rate)[0, 1] > (0.4 if hours == 24 else 0.6)
        assert abs(raw.funding_rate.mean() - 1e-4) < 1e-4
        assert np.abs(raw.funding_rate).max() <= 0.003


def test_mark_stays_close_to_the_last_price(fair: SyntheticSeries) -> None:
    for raw in fair.series:
        assert raw.mark is not None
        basis = raw.mark[:, 3] / raw.close - 1.0
        assert abs(basis.mean()) < 1e-5
        assert 1e-4 < basis.std() < 4e-4
        assert (raw.mark[:, 1] >= raw.mark[:, 2]).all()


def test_volume_rises_with_the_distance_travelled(fair: SyntheticSeries) -> None:
    raw = fair.series[0]
    travel = np.abs(np.log(raw.close / raw.open)) / fair.sigma[:, 0]
    assert np.corrcoef(travel, raw.volume)[0, 1] > 0.3


def test_period_by_dates() -> None:
    day = NS_PER_DAY
    got = over_period(SyntheticSettings(), 20_000 * day, 20_010 * day)
    assert (got.start_ns, got.n_bars) == (20_000 * day, 240)
    raw = generate(replace(got, warmup_bars=100)).series[0]
    assert int(raw.open_ns[100]) == 20_000 * day
    assert int(raw.open_ns[-1]) + raw.interval_ns == 20_010 * day
    assert over_period(SyntheticSettings(n_bars=7), 20_000 * day, None).n_bars == 7
    with pytest.raises(FixSettings, match="at least one bar after"):
        over_period(SyntheticSettings(), 20_000 * day, 20_000 * day)


@pytest.mark.parametrize(
    ("bad", "named"),
    [
        ({"n_bars": 0}, "n_bars"),
        ({"edge": float("nan")}, "edge"),
        ({"correlation": 1.0}, "correlation"),
        ({"volatility": 0.0}, "volatility"),
        ({"jump_probability": 1.5}, "jump_probability"),
        ({"seed": -1}, "seed"),
        ({"symbols": ()}, "symbols"),
        ({"symbols": ("A", "A")}, "symbols"),
    ],
)
def test_settings_out_of_range_are_refused_by_name(bad: dict[str, object], named: str) -> None:
    with pytest.raises(FixSettings, match=named):
        SyntheticSettings(**bad)  # type: ignore[arg-type]


def test_edge_by_name_or_number() -> None:
    assert [edge_of(n) for n in ("zero", "weak", "strong", "0.2")] == [0.0, 0.03, 0.12, 0.2]
    with pytest.raises(FixSettings, match="huge"):
        edge_of("huge")


def test_autoregression_is_stationary_from_the_first_value() -> None:
    paths = ar1(np.random.default_rng(5), (40, 3, 7_000), 0.9)
    assert paths.shape == (40, 3, 7_000)
    np.testing.assert_allclose(paths.var(axis=(1, 2)), 1.0, atol=0.05)
    lagged = (paths[1:] * paths[:-1]).mean(axis=(1, 2))
    np.testing.assert_allclose(lagged, 0.9, atol=0.05)
