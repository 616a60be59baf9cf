"""From model scores to one signal: EV line, edge confidence, consensus (spec 5.1, 5.2)."""

from __future__ import annotations

VOTE_OK = 0
VOTE_QUORUM = 1
VOTE_SPLIT = 2
VOTE_NO_SUPPORT = 3
VOTE_NO_EDGE = 4

CONSENSUS_NONE = 0
CONSENSUS_WEAK = 1
CONSENSUS_MEDIUM = 2
CONSENSUS_STRONG = 3


def shrunk_slope(b: float, se: float) -> float:
    """EV-line slope shrunk by its own uncertainty; 0 when it is not above its standard error."""
    if not b > 0.0 or se >= b:
        return 0.0
    ratio = se / b
    return b * (1.0 - ratio * ratio)


def ev_long(b: float, se: float, s_mean: float, score: float, atr_frac: float) -> float:
    """Expected gross move of the long side as a fraction of price; the short side's is minus it."""
    return shrunk_slope(b, se) * (score - s_mean) * atr_frac


def model_side(ev: float) -> int:
    """Side a model votes: the sign of its EV."""
    if ev > 0.0:
        return 1
    if ev < 0.0:
        return -1
    return 0


def edge_confidence(ev_side: float, round_trip: float) -> float:
    """Expected gain of the side over the round-trip cost, cut to [0, 1]."""
    x = ev_side / round_trip
    if x < 0.0:
        return 0.0
    if x > 1.0:
        return 1.0
    return x


def consensus(support: int, against: int, n_valid: int) -> int:
    """Strength of support: strong, medium, weak or none (spec 5.2 step 4)."""
    if support >= 3:
        return CONSENSUS_STRONG
    if support == 2 and against < 2:
        if n_valid <= 3 or against == 0:
            return CONSENSUS_MEDIUM
        return CONSENSUS_WEAK
    return CONSENSUS_NONE


def hold_reason(n_valid: int, quorum: int, pooled_side: int, support: int, against: int) -> int:
    """Why a vote is HOLD, or VOTE_OK when the pooled side stands."""
    if n_valid < quorum:
        return VOTE_QUORUM
    if pooled_side == 0:
        return VOTE_NO_EDGE
    if support == 2 and against == 2:
        return VOTE_SPLIT
    if support <= 1:
        return VOTE_NO_SUPPORT
    return VOTE_OK
