"""What a Sharpe ratio is worth after many trials (all ratios per observation unless named).

Sources: Bailey & Lopez de Prado 2012 (track record), 2014 (deflated ratio); Bailey, Borwein, Lopez
de Prado, Zhu 2014 (backtest length).
"""

from __future__ import annotations

from math import e, inf, sqrt
from statistics import NormalDist

from envs.core.errors import FixInput

_EULER = 0.5772156649015329
_NORMAL = NormalDist()


def expected_maximum(trials: int) -> float:
    """Expected largest of so many independent standard normal draws; 0 for a single one."""
    if trials < 1:
        raise FixInput(f"trials: expected at least 1, found {trials}")
    if trials == 1:
        return 0.0
    return (1.0 - _EULER) * _NORMAL.inv_cdf(1.0 - 1.0 / trials) + _EULER * _NORMAL.inv_cdf(
        1.0 - 1.0 / (trials * e)
    )


def sharpe_error(sharpe: float, skew: float, kurtosis: float) -> float:
    """Standard error of a Sharpe ratio times ``sqrt(T - 1)``; ``kurtosis`` 3 for normal returns."""
    return sqrt(1.0 - skew * sharpe + (kurtosis - 1.0) / 4.0 * sharpe * sharpe)


def probabilistic_sharpe(
    sharpe: float, benchmark: float, observations: int, skew: float = 0.0, kurtosis: float = 3.0
) -> float:
    """Probability that the true ratio exceeds ``benchmark``."""
    if observations < 2:
        raise FixInput(f"observations: expected at least 2, found {observations}")
    error = sharpe_error(sharpe, skew, kurtosis)
    return _NORMAL.cdf((sharpe - benchmark) * sqrt(observations - 1.0) / error)


def deflated_sharpe(
    sharpe: float, observations: int, trials: int, variance: float, skew: float = 0.0,
    kurtosis: float = 3.0,
) -> tuple[float, float]:  # fmt: skip
    """Ratio that ``trials`` without skill are expected to reach, and the probability of more.

    ``variance`` is that of the trials' ratios.
    """
    reached = sqrt(variance) * expected_maximum(trials)
    return reached, probabilistic_sharpe(sharpe, reached, observations, skew, kurtosis)


def minimum_track_record(
    sharpe: float, benchmark: float, confidence: float = 0.95, skew: float = 0.0,
    kurtosis: float = 3.0,
) -> float:  # fmt: skip
    """Observations until a ratio is above ``benchmark`` with this confidence; inf if it is not."""
    if sharpe <= benchmark:
        return inf
    z = _NORMAL.inv_cdf(confidence) * sharpe_error(sharpe, skew, kurtosis) / (sharpe - benchmark)
    return 1.0 + z * z


def minimum_backtest_years(trials: int, annual: float = 1.0) -> float:
    """Years below which the best of ``trials`` without skill is expected above ``annual``."""
    ratio = expected_maximum(trials) / annual
    return ratio * ratio
