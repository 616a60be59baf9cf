"""Market columns as the rules read them: per symbol, contiguous, prices in ticks; built once."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from envs.core.instrument import Instrument
from envs.core.market_data import MarketData
from envs.core.rules import columns
from envs.core.rules.costs import slippage_frac
from envs.core.rules.lifecycle import Fees
from envs.core.rules.sizing import Contract, SizeRules
from envs.core.rules.walk import Series
from envs.core.settings import CoreSettings
from envs.core.types import BoolArray, Float64Array, Int64Array


@dataclass(frozen=True)
class MarketSeries:
    """Everything the rules need of a market, in the order of its symbols.

    ``series`` arrays per symbol; ``rows`` (T, S, 16) the same packed (``rules.columns``);
    ``bars``, ``marks`` the same numbers as nested Python tuples for the plain core (indexing NumPy
    scalars one by one is slow); ``slip_next`` (T,) per symbol is the slippage fraction known at
    the close of t, for fills after it.
    """

    market: MarketData
    series: tuple[Series, ...]
    contracts: tuple[Contract, ...]
    brackets: tuple[Float64Array, ...]
    bars: tuple[list[tuple[int, int, int, int]], ...]
    marks: tuple[list[tuple[float, float, float, float]], ...]
    slip_next: tuple[list[float], ...]
    rows: Float64Array
    fees: Fees
    size_rules: SizeRules


def prepare(market: MarketData, settings: CoreSettings) -> MarketSeries:
    """Lay out a market for the rules under given settings."""
    costs = settings.costs
    series, bars, marks, slips = [], [], [], []
    for s in range(market.n_symbols):
        known = slippage_column(
            market.atr_frac[:, s], costs.slippage_min_bps, costs.slippage_max_bps
        )
        one = _series_of(market, s, known)
        series.append(one)
        bars.append([tuple(row) for row in one.ohlc.tolist()])
        marks.append([tuple(row) for row in one.mark.tolist()])
        slips.append(known.tolist())
    return MarketSeries(
        market,
        tuple(series),
        tuple(contract_of(i) for i in market.instruments),
        tuple(brackets_of(i) for i in market.instruments),
        tuple(bars),
        tuple(marks),
        tuple(slips),
        packed_rows(market, series, slips),
        fees_of(settings),
        size_rules_of(settings),
    )


def packed_rows(market: MarketData, series: list[Series], slips: list[list[float]]) -> Float64Array:
    """Pack a market as (T, S, WIDTH) rows, the columns of ``rules.columns``."""
    out = np.full((market.n_bars, market.n_symbols, columns.WIDTH), 0.0)
    for s, one in enumerate(series):
        out[:, s, columns.OPEN : columns.CLOSE + 1] = one.ohlc
        out[:, s, columns.MARK_OPEN : columns.MARK_CLOSE + 1] = one.mark
        out[:, s, columns.SLIP] = one.slip
        out[:, s, columns.FUNDING] = one.funding
        out[:, s, columns.STAMP] = one.stamp
        out[:, s, columns.VALID] = one.valid
        out[:, s, columns.SLIP_NEXT] = slips[s]
        out[:, s, columns.ATR] = one.atr
        out[:, s, columns.ATR_FRAC] = market.atr_frac[:, s]
        out[:, s, columns.REGIME] = market.regime[:, s]
    return out


def slippage_column(atr_frac: Float64Array, min_bps: float, max_bps: float) -> Float64Array:
    """Slippage fraction known at each close; the calm value while ATR is unknown."""
    values = [
        slippage_frac(x, min_bps, max_bps) if x == x else min_bps * 0.0001
        for x in atr_frac.tolist()
    ]
    return np.asarray(values, dtype=np.float64)


def contract_of(instrument: Instrument) -> Contract:
    """Instrument as the rules read it."""
    return Contract(
        instrument.tick.numerator,
        instrument.tick.denominator,
        instrument.step.numerator,
        instrument.step.denominator,
        instrument.min_notional_quote,
    )


def brackets_of(instrument: Instrument) -> Float64Array:
    """Margin tiers as (K, 3): notional cap, maintenance rate, maintenance amount."""
    rows = [(b.notional_cap, b.mmr, b.maintenance_amount) for b in instrument.brackets]
    return np.asarray(rows, dtype=np.float64)


def fees_of(settings: CoreSettings) -> Fees:
    """Rates and lifecycle constants of a run."""
    costs, risk = settings.costs, settings.risk
    return Fees(
        costs.maker_fee,
        costs.taker_fee,
        costs.liquidation_fee,
        risk.breakeven_at_r,
        risk.partial_fraction,
        risk.trail_atr,
        risk.min_stop_gap,
        risk.time_exit_min_r,
    )


def size_rules_of(settings: CoreSettings) -> SizeRules:
    """Constants of the sizing plan and its caps."""
    plan, risk = settings.plan, settings.risk
    return SizeRules(
        plan.risk_per_trade,
        plan.max_margin,
        plan.vol_scaling,
        plan.liq_buffer,
        risk.max_position_margin,
        risk.max_risk_per_trade,
        risk.max_total_risk,
        risk.max_gross,
        risk.max_leverage,
        risk.min_order_quote,
    )


def _series_of(market: MarketData, s: int, known_slip: Float64Array) -> Series:
    instrument = market.instruments[s]
    ohlc = np.ascontiguousarray(
        np.stack(
            [
                market.open_ticks[:, s],
                market.high_ticks[:, s],
                market.low_ticks[:, s],
                market.close_ticks[:, s],
            ],
            axis=1,
        ).astype(np.int64)
    )
    if bool(np.asarray(market.has_mark)[s]):
        mark = market.mark[:, s, :] * instrument.tick.denominator / instrument.tick.numerator
        known = np.isfinite(mark).all(axis=1, keepdims=True)
        mark = np.where(known, mark, ohlc.astype(np.float64))
    else:
        mark = ohlc.astype(np.float64)
    slip = np.empty_like(known_slip)
    slip[1:] = known_slip[:-1]
    if len(slip):
        slip[0] = known_slip[0]
    detail, ok = _detail_of(market, s)
    return Series(
        ohlc,
        np.ascontiguousarray(mark),
        np.ascontiguousarray(market.funding_rate[:, s]),
        np.ascontiguousarray(market.funding_stamp[:, s]),
        slip,
        np.ascontiguousarray(market.atr[:, s]),
        market.close_ns,
        np.ascontiguousarray(market.valid[:, s]),
        detail,
        ok,
    )


def _detail_of(market: MarketData, s: int) -> tuple[Int64Array, BoolArray]:
    n = market.n_bars
    if market.detail is None:
        return np.zeros((n, 0, 4), dtype=np.int64), np.zeros(n, dtype=np.bool_)
    d = market.detail
    columns = [d.open_ticks, d.high_ticks, d.low_ticks, d.close_ticks]
    stacked = np.stack([c[:, :, s] for c in columns], axis=2).astype(np.int64)
    return np.ascontiguousarray(stacked), np.ascontiguousarray(d.valid.all(axis=(1, 2)))
