"""The vocabulary every part shares: sides, regimes, exits, reasons and the names of the models."""

from __future__ import annotations

from enum import IntEnum
from typing import Final

import numpy as np
from numpy.typing import NDArray

Float64Array = NDArray[np.float64]
Float32Array = NDArray[np.float32]
Int64Array = NDArray[np.int64]
Int8Array = NDArray[np.int8]
BoolArray = NDArray[np.bool_]

MODEL_NAMES: Final = ("xgboost", "lightgbm", "nhits", "patchtst")
NS_PER_SECOND: Final = 1_000_000_000
NS_PER_HOUR: Final = 3_600 * NS_PER_SECOND
NS_PER_DAY: Final = 24 * NS_PER_HOUR
UNITS_PER_QUOTE: Final = 100_000_000
"""Booked money is int64 in units of 1e-8 quote."""

LONG: Final = 1
SHORT: Final = -1
FLAT: Final = 0


class Regime(IntEnum):
    """Runtime regime of a symbol (spec 3.1); UNKNOWN until its window is complete."""

    UNKNOWN = -1
    TRENDING = 0
    RANGING = 1
    CHOPPY = 2
    BREAKOUT = 3


class SizingRegime(IntEnum):
    """Regime axis of the sizing agent's state (spec 3.3)."""

    UNKNOWN = -1
    HIGH_VOL_TRENDING = 0
    LOW_VOL_TRENDING = 1
    HIGH_VOL_RANGING = 2
    LOW_VOL_RANGING = 3
    CHOPPY = 4


class MarketState(IntEnum):
    """Eight market states (spec 3.2)."""

    UNKNOWN = -1
    BULL_STRONG = 0
    BULL_WEAK = 1
    BEAR_WEAK = 2
    BEAR_STRONG = 3
    CHOPPY = 4
    VOLATILE = 5
    SIDEWAYS_TIGHT = 6
    SIDEWAYS_WIDE = 7


class ExitStrategy(IntEnum):
    """Exit axis of an action; order fixed by spec 8.2."""

    CONSERVATIVE = 0
    BALANCED = 1
    AGGRESSIVE = 2


class Consensus(IntEnum):
    """How many models support the pooled side (spec 5.2 step 4), ordered by strength."""

    NONE = 0
    WEAK = 1
    MEDIUM = 2
    STRONG = 3


class VoteReason(IntEnum):
    """Why the pooled vote is HOLD."""

    OK = 0
    QUORUM = 1
    SPLIT = 2
    NO_SUPPORT = 3
    NO_EDGE = 4


class ExitReason(IntEnum):
    """Why a leg or a trade ended; PARTIAL marks a leg only."""

    NONE = 0
    STOP = 1
    TARGET = 2
    TRAIL = 3
    BREAKEVEN = 4
    TIME = 5
    TOXIC = 6
    DEFENSIVE = 7
    EMERGENCY = 8
    LIQUIDATION = 9
    EXTERNAL = 10
    END = 11
    PARTIAL = 12


class IntrabarRule(IntEnum):
    """How a bar's inside is walked (spec 2)."""

    PATH = 0
    PESSIMISTIC = 1
    DETAIL = 2


class EntryStyle(IntEnum):
    """How an entry is sent (spec 9.0)."""

    MARKET = 0
    POST_ONLY = 1


class EntryUnfilled(IntEnum):
    """What becomes of a post-only entry that its bar did not fill."""

    LAPSE = 0
    MARKET = 1
