"""Policies every trained agent stands beside: none of them learns a table."""

from __future__ import annotations

from hashlib import blake2b
from math import inf

import numpy as np

from agents.outcomes import check_executed
from agents.policy import Policy
from agents.protocol import AgentState
from agents.settings import KellySettings
from agents.sizing.ev_kelly import EvKelly
from agents.sizing.kelly_tally import KellyTally
from envs.core.actions import ActionPreset
from envs.core.errors import FixSettings, RefusedArtifact
from envs.core.rules.exits import stop_atr
from envs.core.rules.rounding import from_units
from envs.core.trade import Alternatives, ClosedTrade, ResolvedDecision, SizingChoice, SizingContext
from envs.core.types import BoolArray, ExitStrategy, Float64Array

__all__ = [
    "Constant", "EvKelly", "FixedLargest", "FractionalKelly", "RandomPolicy", "Skip",
    "best_constant", "fixed_1x",
]  # fmt: skip


class Skip(Policy):
    """Never trades."""

    def __init__(self, preset: ActionPreset) -> None:
        super().__init__("skip", preset)


class Constant(Policy):
    """Always the same action."""

    def __init__(self, preset: ActionPreset, index: int, name: str | None = None) -> None:
        if not 0 <= index < preset.n:
            raise FixSettings(f"constant: preset {preset.name} has no action {index}")
        super().__init__(name or f"constant {preset.label(index)}", preset)
        self.index = index

    def choose(self, context: SizingContext, rng: np.random.Generator | None) -> int | None:
        """The constant."""
        return self.index


class FixedLargest(Policy):
    """The largest unmasked balanced action."""

    def __init__(self, preset: ActionPreset) -> None:
        super().__init__("fixed largest", preset)
        self._balanced = _balanced(preset)

    def choose(self, context: SizingContext, rng: np.random.Generator | None) -> int | None:
        """Largest notional among the allowed balanced actions."""
        allowed = context.mask & self._balanced
        if not allowed.any():
            return None
        return int(np.argmax(np.where(allowed, context.notional_frac, -1.0)))


class RandomPolicy(Policy):
    """Trades with a probability, then uniformly over the unmasked trading actions.

    With the share of candidates that another policy trades it is random at the same turnover.
    Without a generator the draw is seeded from the context, so deciding stays pure.
    """

    def __init__(self, preset: ActionPreset, trade_probability: float, seed: int) -> None:
        if not 0.0 <= trade_probability <= 1.0:
            raise FixSettings(
                f"random policy: trade probability: expected 0 to 1, found {trade_probability}"
            )
        super().__init__("random", preset)
        self.trade_probability = trade_probability
        self._seed = seed
        self._trading = np.asarray([a.size > 0.0 for a in preset.actions])

    def decide(self, context: SizingContext, rng: np.random.Generator | None) -> SizingChoice:
        """Draw an action; propensities are those of the draw."""
        draw = rng if rng is not None else np.random.default_rng([self._seed, _seed_of(context)])
        allowed = np.flatnonzero(context.mask & self._trading)
        propensities = np.zeros(self.preset.n)
        rest = self.preset.skip_index
        rest = rest if rest is not None else int(np.flatnonzero(context.mask)[0])
        trade = self.trade_probability if allowed.size else 0.0
        if allowed.size:
            propensities[allowed] = trade / allowed.size
        propensities[rest] += 1.0 - trade
        index = rest
        if draw.random() < trade:
            index = int(draw.choice(allowed))
        return SizingChoice(index, propensities)


class FractionalKelly(Policy):
    """Balanced exit, sized so that the loss at the stop is the Kelly fraction of equity (spec 7).

    Learns the net R of its own last 100 closed trades, each once; below ``min_trades`` of them it
    plays fixed 1x, and without an edge among them it skips. What it would have played then goes on
    paper (``paper_action``), from where an edge leads back through a short trial.
    """

    def __init__(self, preset: ActionPreset, settings: KellySettings) -> None:
        super().__init__("fractional kelly", preset)
        self._settings, self._tally = settings, KellyTally(settings)
        self._balanced = _balanced(preset)
        self._first = preset.index_of(1.0, 1, ExitStrategy.BALANCED)
        self._stop = stop_atr(int(ExitStrategy.BALANCED))

    def choose(self, context: SizingContext, rng: np.random.Generator | None) -> int | None:
        """Action whose loss at the stop, costs included, is nearest below the Kelly fraction."""
        allowance = self._tally.allowance(inf)
        if allowance.kelly is None:
            return self._first
        loss = context.notional_frac * (self._stop * context.atr_frac + context.round_trip)
        allowed = context.mask & self._balanced & (loss <= allowance.risk_frac)
        if allowance.reason or not allowed.any():
            return None
        return int(np.argmax(np.where(allowed, loss, -1.0)))

    def paper_action(self, context: SizingContext) -> int | None:
        """Fixed 1x while there is no edge; R hardly depends on the size."""
        return self._first if self._tally.on_paper and context.mask[self._first] else None

    def learn_one(self, resolved: ResolvedDecision) -> None:
        """Remember a closed trade's net R, or on paper that of the trade that was not made.

        Raises:
            FixInput: A trade of an action its decision did not allow, or of another preset.
        """
        if isinstance(resolved.outcome, ClosedTrade):
            check_executed(resolved.decision, self.preset.n)
            identity = (resolved.decision.decision_id, 0)
            self._tally.record_real(identity, resolved.outcome.r_net)
        elif resolved.alternatives is not None:
            self._learn_paper(resolved, resolved.alternatives)

    def _learn_paper(self, resolved: ResolvedDecision, earned: Alternatives) -> None:
        decision = resolved.decision
        context, first = decision.context, self._first
        notional = from_units(decision.equity_units) * float(context.notional_frac[first])
        risk = notional * self._stop * context.atr_frac
        if risk > 0.0 and int(earned.end_bar[first]) >= 0:
            net_r = from_units(int(earned.net_units[first])) / risk
            self._tally.record_paper(resolved.id, net_r)

    def state_dict(self) -> AgentState:
        """The tally: both windows, the trial and the learned ids."""
        values, _ = super().state_dict()
        tally, arrays = self._tally.state_dict()
        return {**values, "tally": tally}, arrays

    def load_state_dict(self, state: AgentState) -> None:
        """Restore the tally; on refusal nothing has changed.

        Raises:
            RefusedArtifact: Another policy or preset, or a state that lacks something.
        """
        super().load_state_dict(state)
        missing = sorted(set(self.state_dict()[1]) - set(state[1]))
        if missing:
            raise RefusedArtifact(f"{self.name}: the state lacks {', '.join(missing)}")
        tally = KellyTally(self._settings)
        try:
            tally.load_state_dict((state[0]["tally"], state[1]))
        except KeyError as error:
            raise RefusedArtifact(f"{self.name}: the state lacks {error}") from error
        self._tally = tally


def fixed_1x(preset: ActionPreset) -> Constant:
    """The whole plan at leverage 1 with the balanced exit."""
    return Constant(preset, preset.index_of(1.0, 1, ExitStrategy.BALANCED), "fixed 1x")


def best_constant(preset: ActionPreset, mean_reward: Float64Array) -> Constant:
    """The action with the highest mean decision reward over the training period's alternatives.

    Args:
        preset: the action grid.
        mean_reward: (A,) mean over the rows, masked rows counted as 0.

    Raises:
        FixSettings: One mean per action is needed.
    """
    if mean_reward.shape != (preset.n,):
        raise FixSettings(
            f"best constant: preset {preset.name} has {preset.n} actions, found means of shape "
            f"{mean_reward.shape}"
        )
    best = int(np.argmax(mean_reward))
    return Constant(preset, best, f"best constant ({preset.label(best)})")


def _seed_of(context: SizingContext) -> int:
    seen = np.concatenate(
        [context.notional_frac, [context.ev, context.round_trip, context.atr_frac, context.state]]
    )
    return int.from_bytes(blake2b(seen.tobytes(), digest_size=8).digest())


def _balanced(preset: ActionPreset) -> BoolArray:
    return np.asarray([a.size > 0.0 and a.exit is ExitStrategy.BALANCED for a in preset.actions])
