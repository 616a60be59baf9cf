"""The 300 states of the sizing agent (spec 8.1)."""

from __future__ import annotations

N_REGIMES = 5
N_CONFIDENCE = 5
N_EXPOSURE = 4
N_PERFORMANCE = 3
N_STATES = 300
PERFORMANCE_WINDOW = 20
PERFORMANCE_MIN = 10


def confidence_bin(confidence: float) -> int:
    """very_low < .15, low < .30, medium < .50, high < .80, very_high."""
    if confidence < 0.15:
        return 0
    if confidence < 0.30:
        return 1
    if confidence < 0.50:
        return 2
    if confidence < 0.80:
        return 3
    return 4


def exposure_bin(used_margin_frac: float) -> int:
    """Light < .10, moderate < .25, heavy < .45, max; used initial margin over equity."""
    if used_margin_frac < 0.10:
        return 0
    if used_margin_frac < 0.25:
        return 1
    if used_margin_frac < 0.45:
        return 2
    return 3


def performance_bin(total_net_r: float, n_trades: int) -> int:
    """Bad < -2, neutral, good >= 2: net R of the last 20 trades, neutral below 10 trades."""
    if n_trades < PERFORMANCE_MIN:
        total_net_r = 0.0
    if total_net_r < -2.0:
        return 0
    if total_net_r < 2.0:
        return 1
    return 2


def state_index(regime: int, confidence: int, exposure: int, performance: int) -> int:
    """Index 0..299 of the four bins."""
    return (
        (regime * N_CONFIDENCE + confidence) * N_EXPOSURE + exposure
    ) * N_PERFORMANCE + performance


def decode_state(index: int) -> tuple[int, int, int, int]:
    """Bins (regime, confidence, exposure, performance) of an index."""
    performance = index % N_PERFORMANCE
    rest = index // N_PERFORMANCE
    exposure = rest % N_EXPOSURE
    rest = rest // N_EXPOSURE
    return rest // N_CONFIDENCE, rest % N_CONFIDENCE, exposure, performance
