"""Rewards: the step reward of the environments and the decision rewards of learners (spec 8.4)."""

from __future__ import annotations

import math

FLOOR = 1e-6
LOG_GROWTH = 0
R_MULTIPLE = 1
SHAPED = 2


def step_reward(before: float, after: float) -> float:
    """Change of log equity between decisions; a ruin pays ``ln(1e-6)``."""
    floor = FLOOR * before
    if after < floor:
        after = floor
    return math.log(after / before)


def log_growth(net: float, equity: float) -> float:
    """Log growth of one position over its life, on the equity at its decision."""
    x = 1.0 + net / equity
    if x < FLOOR:
        x = FLOOR
    return math.log(x)


def r_multiple(net: float, risk: float) -> float:
    """Net profit in units of the initial risk; 0 without risk."""
    if risk <= 0.0:
        return 0.0
    return net / risk


def shaped_reward(f: float, s: float, hours: float, mae: float) -> float:
    """Shaped reward in fractions of notional: holding and adverse excursion cost.

    ``f`` net profit, ``s`` planned stop, ``mae`` largest adverse move (>= 0), all fractions.
    """
    bonus = 0.0
    if f > 0.0:
        bonus = 0.1 * s
        if f < bonus:
            bonus = f
    return f - 0.01 * hours / 24.0 - 0.5 * mae + bonus


def decision_reward(
    kind: int,
    net: float,
    equity: float,
    risk: float,
    notional: float,
    sl_frac: float,
    hours: float,
    mae: float,
) -> float:
    """Decision reward of the configured kind; amounts in quote."""
    if kind == LOG_GROWTH:
        return log_growth(net, equity)
    if kind == R_MULTIPLE:
        return r_multiple(net, risk)
    if notional <= 0.0:
        return 0.0
    return shaped_reward(net / notional, sl_frac, hours, mae)
