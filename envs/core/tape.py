"""Votes of the models and the signal made of them, as columns over (bar, symbol)."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, fields

import numpy as np

from envs.core.errors import FixData
from envs.core.rules.vote import model_side
from envs.core.types import BoolArray, Float64Array, Int8Array

SIGNAL_ORIGINS = ("oos", "planted")


@dataclass(frozen=True)
class EvLine:
    """Regression of the gross outcome (in ATRs) on past out-of-sample scores (spec 5.1).

    ``b`` slope, ``s_mean`` mean score, ``se`` week-block standard error of ``b``, ``n`` rows.
    The shrunk slope and the expected value are ``envs.core.rules.vote.ev_line``.
    """

    b: float
    s_mean: float
    se: float
    n: int


@dataclass(frozen=True)
class ExitSlope:
    """One exit strategy's slope of gross outcome (ATRs) on EV/atr_frac (spec 8.3, ev_line prior).

    ``b`` slope through the origin, ``se`` week-block standard error, ``q`` mean square outcome,
    ``n`` rows it was fitted on.
    """

    b: float
    se: float
    q: float
    n: int


@dataclass(frozen=True)
class VoteTable:
    """Calibrated votes of M models for every bar; out of sample or planted, never in sample.

    Shapes (T, S, M). ``p_up`` = P(long net profitable), ``p_down`` = P(short net profitable), both
    rounded to 1e-6; NaN where ``valid`` is False (the model abstains). ``ev`` is the model's own
    expected gross move of the LONG side as a fraction of price, from its as-of EV line, 0 without
    one. Labels ``y_long``, ``y_short`` (T, S; 1 net profitable, 0 not, NaN unknown) resolve at
    row ``label_end`` (T, S; -1 unknown); ``gross`` is the long side's gross outcome in ATRs.
    """

    models: tuple[str, ...]
    p_up: Float64Array
    p_down: Float64Array
    valid: BoolArray
    ev: Float64Array
    y_long: Float64Array
    y_short: Float64Array
    gross: Float64Array
    label_end: np.ndarray[tuple[int, int], np.dtype[np.int64]]
    origin: str
    horizon_bars: int

    def __post_init__(self) -> None:
        if self.origin not in SIGNAL_ORIGINS:
            raise FixData(f"signal_origin must be one of {SIGNAL_ORIGINS}, got {self.origin!r}")

    def sides_at(self, row: int, s: int) -> tuple[int, ...]:
        """Each model's action at one bar: +1, -1, or 0 for HOLD or an abstaining model."""
        ev, valid = self.ev[row, s].tolist(), self.valid[row, s].tolist()
        return tuple([model_side(x) if ok else 0 for x, ok in zip(ev, valid, strict=True)])

    def digest(self) -> str:
        """SHA-256 over every column."""
        return _digest(self)


@dataclass(frozen=True)
class SignalTape:
    """One signal per (bar, symbol), made once in time order by the reinforcement manager.

    Shapes (T, S) unless said. ``side`` is +1, -1 or 0; ``ev`` the pooled gross EV of the LONG
    side as a fraction of price; ``confidence`` = clip(EV_side/round_trip, 0, 1); ``edge`` =
    |ev|/round_trip before clipping (NaN without a valid vote); ``weights`` and ``scalers``
    (T, S, M) as of the bar's close; ``candidate`` the rule of spec 8.0, entry-style aware.
    ``slopes`` (T, 3, 3) are the as-of exit slopes (b, se, q) per exit strategy, NaN without.
    """

    side: Int8Array
    score: Float64Array
    p_up: Float64Array
    p_down: Float64Array
    ev: Float64Array
    confidence: Float64Array
    edge: Float64Array
    consensus: Int8Array
    reason: Int8Array
    weights: Float64Array
    scalers: Float64Array
    candidate: BoolArray
    slopes: Float64Array
    origin: str
    algorithm: str

    def __post_init__(self) -> None:
        if self.origin not in SIGNAL_ORIGINS:
            raise FixData(f"signal_origin must be one of {SIGNAL_ORIGINS}, got {self.origin!r}")

    def digest(self) -> str:
        """SHA-256 over every column: the tape's identity."""
        return _digest(self)


def _digest(table: VoteTable | SignalTape) -> str:
    h = hashlib.sha256()
    for f in fields(table):
        value = getattr(table, f.name)
        h.update(f.name.encode())
        if isinstance(value, np.ndarray):
            h.update(f"{value.dtype.str}{value.shape}".encode())
            h.update(np.ascontiguousarray(value).tobytes())
        else:
            h.update(repr(value).encode())
    return h.hexdigest()
