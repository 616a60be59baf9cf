"""The lines of features and regimes, carried on by one bar for all symbols at once.

``lines_of`` and ``regime_lines`` over a whole window are the definition; what is here continues
where they end, and its values are theirs bit for bit (property tests, and ``is_exact``).
"""

from __future__ import annotations

import logging
from dataclasses import dataclass
from functools import cache

import numpy as np

from envs.core.types import NS_PER_HOUR, BoolArray, Float64Array, Int64Array
from envs.market import ta
from envs.market.feature_lines import (
    DEVIATION_BARS,
    RANGE_BARS,
    RETURN_BARS,
    Lines,
    funding_bars,
    lines_of,
    volume_flow,
)
from envs.market.features import LAGS
from envs.market.indicators import Window, ratio, steps
from envs.market.recurrences import Directional, Smoothed, Strength, wilder_sum
from envs.market.regime import CHOP_BARS, regime_lines, turns
from envs.market.rolling import Tail, Totals, Variances, extremes

_log = logging.getLogger(__name__)
_EXTREMES = (14, 20, *RANGE_BARS)
_NEAR = (
    "high", "low", "close", "volume", "step", "true_range", "sign", "turned",
    "flow", "obv", "fast_k", "slow_k", "ema_21",
)  # fmt: skip
_NEAR_TOTALS = (
    ("close", 20), ("close", 50), ("volume", 20), ("volume", 50),
    ("volume", 168), ("step", 20), ("true_range", CHOP_BARS), ("turned", 9), ("flow", 50),
    ("obv", 50), ("fast_k", 3),
)  # fmt: skip
_DEEP = ("log_returns", "funding")
_EMAS = (9, 21, 50, 200)
_FAST, _SLOW, _ATRS = 12, 26, (14, 50, 100)
_PROOF_BARS = 800


@dataclass(frozen=True)
class BarRow:
    """One bar of S symbols: arrays (S,) as in ``Window``."""

    open: Float64Array
    high: Float64Array
    low: Float64Array
    close: Float64Array
    volume: Float64Array
    funding: Float64Array
    basis: Float64Array
    close_ns: int


class LineMemory:
    """What the indicators remember of every symbol's window, and the last rows of the lines.

    Attributes:
        lines: by name (LAGS + 1, S), the newest last; NaN where a symbol was never filled. The
            arrays stay the same and change with every bar.
    """

    def __init__(self, n_symbols: int, interval_ns: int) -> None:
        n, self._interval_ns = n_symbols, interval_ns
        short, long = funding_bars(interval_ns)
        self._funding = short, long
        names = _line_names(interval_ns)
        self._recent = np.full((len(names), LAGS + 1, n), np.nan)
        self._times = np.zeros((LAGS + 1, n), dtype=np.int64)
        self.lines: Lines = {name: self._recent[k] for k, name in enumerate(names)}
        self.lines["close_ns"] = self._times
        self._near, self._deep = (Tail(_NEAR, 170, n), Tail(_DEEP, max(720, long) + 1, n))
        sums = [
            *(("log_returns", k) for k in RETURN_BARS[1:]),
            ("funding", short),
            ("funding", long),
        ]
        spreads = [*(("log_returns", k) for k in DEVIATION_BARS), ("funding", long)]
        self._totals = Totals(self._near, _NEAR_TOTALS, n)
        self._deep_totals = Totals(self._deep, sums, n)
        self._deep_spreads = Variances(self._deep, spreads, n)
        self._close_spread = Variances(self._near, [("close", 20)], n)
        self._slow = Totals(self._near, (("slow_k", 3),), n)
        # Means of the close, of OBV, and ATR of three lengths.
        self._means = Smoothed((*_EMAS, _FAST, _SLOW, 21), _ATRS, n)
        self._signal, self._rsi = Smoothed((9,), (), n), Strength(14, n)
        self._directional = Directional(14, n)
        self._tails = self._near, self._deep
        self._memory: tuple[Float64Array | Int64Array, ...] = (
            self._recent, self._times, self._totals.values, self._deep_totals.values,
            self._slow.values, self._deep_spreads.values, self._close_spread.values,
            self._means.values, self._signal.values, self._rsi.values, self._directional.sums,
            self._directional.adx,
        )  # fmt: skip

    def fill(self, s: int, w: Window) -> bool:
        """Take one symbol's window; False (and nothing known) where it is too short to go on.

        It must be long enough for every line to be known in its last ``LAGS + 1`` bars.
        """
        regime = regime_lines(w)
        lines = {**regime, **lines_of(w, regime["atr"], self._interval_ns)}
        ends = {name: values[-LAGS - 1 :] for name, values in lines.items()}
        if len(w) <= self.least_bars or not all(np.isfinite(x).all() for x in ends.values()):
            self.drop(s)
            return False
        for name, values in ends.items():
            self.lines[name][:, s] = values
        series = _series_of(w, lines)
        for tail in self._tails:
            tail.fill(s, series)
        for running in (
            self._totals, self._deep_totals, self._slow, self._deep_spreads, self._close_spread,
        ):  # fmt: skip
            running.fill(s, series)
        self._fill_means(s, w, lines, series)
        return True

    def drop(self, s: int) -> None:
        """Forget one symbol."""
        for values in self._memory[2:]:
            values[..., s] = np.nan
        self._recent[..., s] = np.nan

    def add(self, bar: BarRow, there: BoolArray) -> None:
        """Carry the symbols on that have a bar (``there``, (S,)); the others stay as they are."""
        absent = np.flatnonzero(~there)
        kept = [values[..., absent] for values in self._memory] if absent.size else []
        with np.errstate(all="ignore"):
            self._advance(bar)
        for values, old in zip(self._memory, kept, strict=False):
            values[..., absent] = old
        if absent.size:
            for tail in self._tails:
                tail.undo(absent)

    @property
    def least_bars(self) -> int:
        """A window must have more bars than this to be carried on."""
        return max(720, self._funding[1]) + LAGS + 1

    def _fill_means(self, s: int, w: Window, lines: Lines, series: Lines) -> None:
        close, last = w.close, {name: values[-1] for name, values in lines.items()}
        self._means.values[:, s] = (
            *(last[f"ema_{n}"] for n in _EMAS),
            # MACD begins its fast mean where the slow one begins to be known.
            ta.EMA(close[_SLOW - _FAST :], _FAST)[-1], ta.EMA(close, _SLOW)[-1],
            last["obv_ema_21"], last["atr"], last["atr_50"], last["atr_100"],
        )  # fmt: skip
        self._signal.values[0, s] = last["macd_signal"]
        self._rsi.fill(s, close)
        self._directional.sums[:, s] = (
            ta.PLUS_DM(w.high, w.low, 14)[-1], ta.MINUS_DM(w.high, w.low, 14)[-1],
            wilder_sum(series["true_range"], 14),
        )  # fmt: skip
        self._directional.adx[s] = last["adx_14"]

    def _advance(self, bar: BarRow) -> None:
        self._recent[:, :-1] = self._recent[:, 1:]
        self._times[:-1] = self._times[1:]
        self._times[-1] = bar.close_ns
        for tail in self._tails:
            tail.begin()
        out: Lines = {
            name: getattr(bar, name)
            for name in ("open", "high", "low", "close", "volume", "funding", "basis")
        }
        self._prices(bar, out)
        self._changes(bar, out)
        self._sums(out)
        self._returns(bar, out)
        for name, values in out.items():
            self.lines[name][-1] = values

    def _prices(self, bar: BarRow, out: Lines) -> None:
        """What compares this bar with single earlier ones, or picks one of the last."""
        near, close = self._near, bar.close
        near.put("high", bar.high)
        near.put("low", bar.low)
        near.put("close", close)
        near.put("volume", bar.volume)
        for n in (5, 10, 20):
            out[f"mom_{n}"] = close - near.ago("close", n)
        before = near.ago("close", 10)
        out["rocp_10"] = (close - before) / before
        longest = _EXTREMES[-1]
        highest = extremes(np.maximum, near.last("high", longest), _EXTREMES)
        lowest = extremes(np.minimum, near.last("low", longest), _EXTREMES)
        for n in _EXTREMES[1:]:
            out[f"max_{n}"], out[f"min_{n}"] = highest[n], lowest[n]
        out["max_20_before"], out["min_20_before"] = (
            self.lines[name][-2] for name in ("max_20", "min_20")
        )
        span = out["span_14"] = highest[14] - lowest[14]
        near.put("fast_k", np.where(span != 0.0, 100.0 * ((close - lowest[14]) / span), 0.0))

    def _changes(self, bar: BarRow, out: Lines) -> None:
        """What the change from the bar before feeds: ranges, strength, direction, OBV."""
        near, high, low, close, volume = self._near, bar.high, bar.low, bar.close, bar.volume
        before = near.ago("close", 1)
        change = close - before
        true_range = np.maximum(high - low, np.abs(high - before))
        true_range = np.maximum(true_range, np.abs(low - before))
        near.put("true_range", true_range)
        near.put("step", np.abs(change))
        near.put("sign", np.sign(change))
        near.put("turned", np.where(near.ago("sign", 0) * near.ago("sign", 1) < 0.0, 1.0, 0.0))
        near.put("flow", volume * np.nan_to_num(ratio(close, before) - 1.0))
        out["rsi_14"] = self._rsi.next(change)
        out["plus_di_14"], out["minus_di_14"], out["adx_14"] = self._directional.next(
            high - near.ago("high", 1), near.ago("low", 1) - low, true_range
        )
        obv = near.ago("obv", 1)
        obv = np.where(close > before, obv + volume, np.where(close < before, obv - volume, obv))
        out["obv"] = obv
        near.put("obv", obv)
        means = self._means.next(np.stack((*([close] * 6), obv, *([true_range] * 3))))
        out["ema_9"], out["ema_21"], out["ema_50"], out["ema_200"] = means[:4]
        out["obv_ema_21"], out["atr"], out["atr_50"], out["atr_100"] = means[6:]
        near.put("ema_21", means[1])
        out["ema_21_change"] = means[1] - near.ago("ema_21", 10)
        macd = out["macd"] = means[4] - means[5]
        out["macd_signal"] = self._signal.next(macd[None])[0]
        out["macd_hist"] = macd - out["macd_signal"]

    def _sums(self, out: Lines) -> None:
        """What is summed over the last bars; the lines of prices must be there."""
        total = self._totals.next()
        out["obv_sma_50"], out["vpt_50"] = total["obv", 50] / 50.0, total["flow", 50]
        for n in (20, 168):
            out[f"volume_{n}"] = total["volume", n] / n
        out["volume_sum_50"] = total["volume", 50]
        for n in (20, 50):
            out[f"sma_{n}"] = total["close", n] / n
        middle = out["bb_middle"] = out["sma_20"]
        spread = 2.0 * np.sqrt(self._close_spread.next()["close", 20])
        out["bb_upper"], out["bb_lower"] = middle + spread, middle - spread
        out["er_20"] = ratio(np.abs(out["mom_20"]), total["step", 20])
        out["travelled_14"], out["flips"] = total["true_range", CHOP_BARS], total["turned", 9]
        out["stoch_k"] = total["fast_k", 3] / 3.0
        self._near.put("slow_k", out["stoch_k"])
        out["stoch_d"] = self._slow.next()["slow_k", 3] / 3.0

    def _returns(self, bar: BarRow, out: Lines) -> None:
        """What looks back far: returns and funding."""
        deep, funding = self._deep, bar.funding
        (short, long) = self._funding
        returns = ta.LN(bar.close / self._near.ago("close", 1))
        deep.put("log_returns", returns)
        deep.put("funding", funding)
        total, spread = self._deep_totals.next(), self._deep_spreads.next()
        out["log_returns"] = returns
        for n in RETURN_BARS:
            out[f"return_{n}"] = returns if n == 1 else total["log_returns", n]
        for n in DEVIATION_BARS:
            out[f"std_{n}"] = np.sqrt(spread["log_returns", n])
        out["funding_short"] = total["funding", short] / short
        out["funding_long"] = total["funding", long] / long
        out["funding_std"] = np.sqrt(spread["funding", long])


@cache
def is_exact() -> bool:
    """Whether the installed TA-Lib does its steps as this module does, to the last bit.

    Its releases differ in that; where they do, live rows are computed over whole windows. Bars
    are compared that show a rounding, and others that never move.
    """
    exact = all(_goes_on(w) for w in (_drawn(_PROOF_BARS, 0.5), _drawn(_PROOF_BARS, 0.0)))
    if not exact:
        _log.warning(
            "live features are computed over whole windows, which is right but slow: the installed "
            "TA-Lib rounds otherwise than the one of constraints.txt"
        )
    return exact


def _goes_on(w: Window) -> bool:
    memory, begun, there = LineMemory(1, NS_PER_HOUR), len(w) - 40, np.ones(1, dtype=np.bool_)
    if not memory.fill(0, w.take(np.arange(begun))):
        return False
    regime = regime_lines(w)
    wanted = {**regime, **lines_of(w, regime["atr"], NS_PER_HOUR)}
    for t in range(begun, len(w)):
        memory.add(_row_of(w, t), there)
        if any(memory.lines[k][-1, 0].tobytes() != x[t].tobytes() for k, x in wanted.items()):
            return False
    return True


def _series_of(w: Window, lines: Lines) -> Lines:
    """Series that the tails keep, along a whole window."""
    high, low, close = w.high, w.low, w.close
    lowest = ta.MIN(low, 14)
    span = ta.MAX(high, 14) - lowest
    fast_k = 100.0 * np.divide(close - lowest, span, out=np.zeros_like(close), where=span != 0.0)
    fast_k[np.isnan(span)] = np.nan
    return {
        **lines, "step": steps(close), "true_range": ta.TRANGE(high, low, close),
        "sign": np.sign(np.diff(close, prepend=np.nan)), "turned": turns(close),
        "flow": volume_flow(w), "fast_k": fast_k, "slow_k": ta.SUM(fast_k, 3) / 3.0,
    }  # fmt: skip


def _row_of(w: Window, t: int) -> BarRow:
    o, h, low, c, volume, funding, basis = (
        x[t : t + 1] for x in (w.open, w.high, w.low, w.close, w.volume, w.funding, w.basis)
    )
    return BarRow(o, h, low, c, volume, funding, basis, int(w.close_ns[t]))


def _drawn(n: int, spread: float) -> Window:
    """A window of drawn bars, always the same; ``spread`` in logarithms of the price."""
    rng = np.random.default_rng(1)
    first, close = (100.0 * np.exp(spread * rng.normal(size=n)) for _ in range(2))
    high = np.maximum(first, close) * np.exp(spread * rng.uniform(size=n))
    low = np.minimum(first, close) * np.exp(-spread * rng.uniform(size=n))
    volume, funding = rng.exponential(50.0, n), rng.normal(1e-4, 1e-4, n)
    times = NS_PER_HOUR * np.arange(1, n + 1)
    return Window(first, high, low, close, volume, funding, np.zeros(n), times)


@cache
def _line_names(interval_ns: int) -> tuple[str, ...]:
    two = np.ones(2)
    w = Window(two, two, two, two, two, two, two, np.zeros(2, dtype=np.int64))
    names = {**regime_lines(w), **lines_of(w, two, interval_ns)}
    return tuple(name for name in names if name != "close_ns")
