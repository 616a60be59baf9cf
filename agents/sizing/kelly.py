"""Kelly fraction, its shrinkage towards no edge, and the drawdown constraint (spec 7).

Sources: Kelly 1956; Busseti, Ryu, Boyd 2016 (risk-constrained Kelly).
"""

from __future__ import annotations

from collections.abc import Sequence
from math import inf, log

from agents.settings import KellySettings


def kelly_fraction(p: float, b: float) -> float:
    """Fraction of wealth to bet: win probability ``p``, win/loss ratio ``b``; 0 without odds.

    ``p`` itself at ``b`` infinite, where nothing can be lost.
    """
    if b <= 0.0:
        return 0.0
    return p if b == inf else (b * p - (1.0 - p)) / b


def kelly_growth(p: float, b: float, f: float) -> float:
    """Expected log growth per bet of a fraction ``f``; -inf where a loss takes everything."""
    if f >= 1.0 or 1.0 + f * b <= 0.0:
        return -inf
    return p * log(1.0 + f * b) + (1.0 - p) * log(1.0 - f)


def bet_shrinkage(sharpe: float, n: float) -> float:
    """Factor on a bet whose edge was estimated from ``n`` outcomes: ``SR^2/(SR^2 + 1/n)``.

    ``sharpe`` per outcome; 0 without outcomes. Source: Baker & McHale 2013, Gaussian case.
    """
    if n <= 0.0:
        return 0.0
    return sharpe * sharpe / (sharpe * sharpe + 1.0 / n)


def shrunk_probability(wins: int, n: int, b: float, prior_trades: float) -> float:
    """Win probability shrunk towards the zero-edge probability 1/(1+b)."""
    return (wins + prior_trades / (1.0 + b)) / (n + prior_trades)


def drawdown_fraction(net_r: Sequence[float], alpha: float, beta: float) -> float:
    """Largest f in [0, 1] with mean((1+f R)^-lambda) <= 1, lambda = ln(beta)/ln(alpha)."""
    power = log(beta) / log(alpha)
    low, high = 0.0, 1.0
    if _mean_power(net_r, high, power) <= 1.0:
        return 1.0
    for _ in range(60):
        middle = 0.5 * (low + high)
        if _mean_power(net_r, middle, power) <= 1.0:
            low = middle
        else:
            high = middle
    return low


def kelly_used(net_r: Sequence[float], settings: KellySettings) -> float | None:
    """Risk fraction from closed trades' net R; None before enough of them, 0 without edge."""
    n = len(net_r)
    if n < settings.min_trades:
        return None
    wins = [r for r in net_r if r > 0.0]
    losses = [-r for r in net_r if r <= 0.0]
    if not wins:
        return 0.0
    mean_loss = sum(losses) / len(losses) if losses else 0.0
    b = (sum(wins) / len(wins)) / mean_loss if mean_loss > 0.0 else inf
    p = shrunk_probability(len(wins), n, b, settings.prior_trades)
    f = settings.fraction * max(0.0, kelly_fraction(p, b))
    if settings.dd_constraint:
        f = min(f, drawdown_fraction(net_r, settings.dd_alpha, settings.dd_beta))
    return min(settings.largest, f)


def _mean_power(net_r: Sequence[float], f: float, power: float) -> float:
    total = 0.0
    for r in net_r:
        base = 1.0 + f * r
        if base <= 0.0:
            return float("inf")
        total += base**-power
    return total / len(net_r)
