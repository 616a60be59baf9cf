"""Half Kelly on one expected-value slope per exit strategy: the baseline without a table."""

from __future__ import annotations

import numpy as np

from agents.policy import Policy
from agents.settings import SizingSettings
from agents.sizing.prior import exit_moments
from envs.core.actions import ActionPreset
from envs.core.rules.exits import stop_atr
from envs.core.trade import SizingContext
from envs.core.types import Float64Array


class EvKelly(Policy):
    """``f*mu_e - f^2*m2_e/(2*lambda)`` per action, best positive one (spec 8.3).

    Learns nothing; the slopes come with the context, refitted with the EV lines.
    """

    def __init__(self, preset: ActionPreset, settings: SizingSettings) -> None:
        super().__init__("ev_kelly", preset)
        self.settings = settings
        self._exits = np.asarray([int(a.exit) for a in preset.actions], dtype=np.int64)
        self._stops = np.asarray([stop_atr(int(a.exit)) for a in preset.actions])

    def scores(self, context: SizingContext) -> Float64Array:
        """Score (A,); 0 for skip, -inf where masked, without a line or undefined.

        A slope that caution shrinks to 0 leaves an expected move of minus the round trip, so such
        an exit never trades.
        """
        mu, m2, known = exit_moments(context, self.settings.ev_z)
        f, e = context.notional_frac, self._exits
        score = f * mu[e] - f * f * m2[e] / (2.0 * self.settings.kelly_fraction)
        score = np.where(f == 0.0, 0.0, np.where(known[e] & (score == score), score, -np.inf))
        return np.asarray(np.where(context.mask, score, -np.inf))

    def choose(self, context: SizingContext, rng: np.random.Generator | None) -> int | None:
        """Best positive score; ties to the smaller notional at risk."""
        scores = self.scores(context)
        top = float(scores.max())
        if top <= 0.0:
            return None
        tied = np.flatnonzero(scores == top)
        return int(tied[int(np.argmin(context.notional_frac[tied] * self._stops[tied]))])


def half_kelly_point(mu: float, m2: float, kelly_fraction: float) -> float:
    """Notional over equity at which the score is largest: ``lambda*mu/m2``, 0 without edge."""
    if mu <= 0.0 or m2 <= 0.0:
        return 0.0
    return kelly_fraction * mu / m2
