"""Kelly as an adviser of the hook chain: the size the agent chooses beneath (spec 7, 11.1).

Fractional, shrunk Kelly from the run's own closed trades, with the drawdown constraint where it is
switched on. It only ever lowers a size: the loss at the stop, costs included, stays within the
Kelly fraction of equity. Without an edge it leaves nothing, until the signals have earned on paper.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from agents.outcomes import TradeOutcome, check_outcome, outcome_of
from agents.protocol import AgentState
from agents.settings import KellySettings
from agents.sizing.kelly_tally import Allowance, KellyTally
from envs.artifact import content_digest, load_artifact, load_or_previous, save_artifact
from envs.core.actions import ActionPreset
from envs.core.errors import RefusedArtifact
from envs.core.hooks import Effect, HookPoint, Keep, Mode, Scale, Seat
from envs.core.rules.exits import stop_atr
from envs.core.settings import PlanSettings
from envs.core.trade import ClosedTrade, ResolvedDecision, SizingChoice
from envs.core.view import DecisionView

SCHEMA = "kelly-cap"
VERSION = 1
KELLY_CAP = "KELLY_CAP"
KELLY_FAILED = "KELLY_FAILED"


@dataclass(frozen=True)
class KellyScale(Scale):
    """A size factor and why."""

    reason: str


class KellyCap:
    """Member of hook 5; learns closed trades, real and on paper, each once.

    Args:
        grid: the preset whose actions are capped.
        settings: Kelly's own settings.
        plan: gives the risk of a trade that Kelly lowers.
        enabled: False counts trades and caps nothing.
    """

    name: str = "kelly cap"
    points: Sequence[HookPoint] = (HookPoint.POSITION_SIZING,)

    def __init__(
        self, grid: ActionPreset, settings: KellySettings, plan: PlanSettings, enabled: bool = True
    ) -> None:
        self.enabled = enabled
        self._risk = plan.risk_per_trade
        self._stops = [stop_atr(int(a.exit)) for a in grid.actions]
        self._settings = settings
        self._tally = KellyTally(settings)

    @property
    def n_trades(self) -> int:
        """Real closed trades in the window."""
        return self._tally.n_real

    @property
    def on_paper(self) -> bool:
        """Nothing is risked, and signals are to be followed on paper."""
        return self.enabled and self._tally.on_paper

    def allowance(self) -> Allowance:
        """Risk of the next trade as a fraction of equity; the whole plan's while Kelly is off."""
        if not self.enabled:
            return Allowance(self._risk, None)
        return self._tally.allowance(self._risk)

    def answer(self, point: HookPoint, view: DecisionView) -> Effect:
        """Return a factor that holds for any action: what Kelly leaves of the plan's risk."""
        return self._scaled(self._risk) if point is HookPoint.POSITION_SIZING else Keep()

    def answer_choice(self, view: DecisionView, choice: SizingChoice) -> Effect:
        """Return the factor of the chosen size; 0 when anything about it cannot be known."""
        try:
            return self._scaled(self._loss(view, choice))
        except (ArithmeticError, LookupError, TypeError, ValueError):
            return KellyScale(0.0, KELLY_FAILED)

    def learn_one(self, row: ResolvedDecision | ClosedTrade | TradeOutcome) -> bool:
        """Count one closed trade; False where the row holds none, or one that is known.

        Paper trades (``agents.outcomes.paper_outcome``) count while ``on_paper``; one at a time for
        each symbol, as positions are held, is up to the caller (``agents.paper.PaperBook``).

        Raises:
            FixInput: Not finite, ended before it began, or another decision's trade; nothing has
                changed.
        """
        o = self.check(row)
        if o is None:
            return False
        if o.paper:
            if not self.on_paper:
                return False
            self._tally.record_paper(o.id, o.net_r)
            return True
        self._tally.record_real(o.id, o.net_r)
        return True

    def check(self, row: ResolvedDecision | ClosedTrade | TradeOutcome) -> TradeOutcome | None:
        """Return what ``learn_one`` would count, None for nothing new; changes nothing.

        Raises:
            FixInput: As ``learn_one``.
        """
        o = outcome_of(row)
        if o is None or self._tally.knows(o.id):
            return None
        # A window of trades needs no order of time: a close that is reported late counts too.
        check_outcome(o, 0)
        return o

    def digest(self) -> str:
        """SHA-256 of everything learned."""
        return content_digest(*self.state_dict())

    def state_dict(self) -> AgentState:
        """The tally."""
        tally, arrays = self._tally.state_dict()
        return {"schema": SCHEMA, "tally": tally}, arrays

    def load_state_dict(self, state: AgentState) -> None:
        """Restore; on refusal nothing has changed.

        Raises:
            RefusedArtifact: Not the state of a Kelly cap.
        """
        values, arrays = state
        if values.get("schema") != SCHEMA:
            raise RefusedArtifact(
                f"{self.name}: expected a {SCHEMA}, found {values.get('schema')!r}"
            )
        tally = KellyTally(self._settings)
        try:
            tally.load_state_dict((values["tally"], arrays))
        except (AttributeError, KeyError, TypeError, ValueError) as error:
            raise RefusedArtifact(f"{self.name}: malformed state: {error!r}") from error
        self._tally = tally

    def checkpoint(self, path: Path, **stamp: Any) -> None:
        """Write everything learned to ``path``; ``stamp`` as in ``envs.artifact.save_artifact``."""
        values, arrays = self.state_dict()
        save_artifact(
            path, schema_name=SCHEMA, schema_version=VERSION, payload=values, arrays=arrays,
            **stamp,
        )  # fmt: skip

    def restore(self, path: Path) -> None:
        """Take over a checkpoint; from a damaged one the copy before it, with a warning.

        Raises:
            RefusedArtifact: Both damaged, or of something else.
        """

        def load(file: Path) -> AgentState:
            artifact = load_artifact(file, schema_name=SCHEMA, max_version=VERSION)
            return artifact.payload, artifact.arrays

        self.load_state_dict(load_or_previous(path, load))

    def _loss(self, view: DecisionView, choice: SizingChoice) -> float:
        """Loss at the stop of what is about to be entered, costs included, over equity."""
        context, index = view.context, choice.index
        notional, stop = float(context.notional_frac[index]), self._stops[index]
        if choice.plan is not None and choice.plan.qty_steps > 0:
            notional *= choice.plan.qty_steps / int(view.qty_steps[index])
            stop = choice.plan.sl_atr
        return notional * (stop * context.atr_frac + context.round_trip)

    def _scaled(self, loss: float) -> Effect:
        allowed = self.allowance()
        if allowed.reason:
            return KellyScale(0.0, allowed.reason)
        if allowed.kelly is None or allowed.risk_frac >= self._risk or loss <= allowed.risk_frac:
            return Keep()
        return KellyScale(allowed.risk_frac / loss, KELLY_CAP)


def kelly_seat(cap: KellyCap) -> Seat:
    """Seat of a cap that is switched on: it binds in every stage (spec 11.1)."""
    return Seat(cap, Mode.ENFORCED)


def is_kelly_on(setting: str, sizing_mode: str) -> bool:
    """``MATH_KELLY_CAP`` resolved: ``auto`` is on with ``RL_SIZING_MODE=math_ai`` alone."""
    return sizing_mode == "math_ai" if setting == "auto" else setting == "true"
