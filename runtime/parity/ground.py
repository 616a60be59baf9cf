"""What the faces of one comparison stand on: bundle, period, policy; what learns is made anew."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from agents.protocol import SizingAgent
from envs.core.errors import FixData, FixSettings
from envs.core.hooks import HookChain
from envs.core.series import MarketSeries, prepare
from runtime.bundle import Bundle, load_bundle
from runtime.learning.learning import OnlineLearning
from runtime.parity.brains import policy_of
from runtime.parity.digests import manager_digest
from runtime.settings import Settings
from runtime.signals.cached import CachedSignals
from runtime.signals.market import first_row_of, instant_of, last_row_of, market_of_bundle
from runtime.wiring.minds import minds_of

ACCOUNT = "sim"
"""Name of the account in decision ids: that of the environment."""


@dataclass(frozen=True)
class ParityPlan:
    """One comparison.

    Attributes:
        bundle: folder that training wrote.
        settings: resolved settings; ``settings.run`` names data and symbols.
        start_ns, end_ns: first and last close traded; None: the bundle's held-out span.
        learn: whether both agents learn from what happens.
        policy: shipped, always or random.
        max_bars: bars after the start at most.
        cache: folder of votes computed before; None computes them.
    """

    bundle: Path
    settings: Settings
    start_ns: int | None = None
    end_ns: int | None = None
    learn: bool = True
    policy: str = "shipped"
    max_bars: int | None = None
    cache: Path | None = None


@dataclass(eq=False, repr=False)
class Ground:
    """The parts of one face; the market stands at the close of ``first_row`` and is decided there.

    ``last_row`` is the last bar; what is open at its close is closed there.
    """

    plan: ParityPlan
    bundle: Bundle
    signals: CachedSignals
    brain: SizingAgent
    learning: OnlineLearning
    chain: HookChain
    first_row: int
    last_row: int

    def digests(self) -> dict[str, str]:
        """What both agents have learned, as numbers."""
        return {
            "sizing agent": self.bundle.table.digest(),
            "reinforcement manager": manager_digest(self.signals.manager),
        }


class Field:
    """Bars and votes of one comparison, read once; ``ground`` makes the parts of one face.

    Raises:
        FixInput: The bundle, the data or the period cannot be used; the message says why.
    """

    def __init__(self, plan: ParityPlan) -> None:
        self.plan, live = plan, plan.settings.live
        if live.sizing_mode == "math_ai" or not live.sizing_enabled:
            raise FixSettings(
                "parity: orders of the mathematician are no actions of the environment: set "
                "RL_SIZING_MODE=agent and RL_SIZING_ENABLED=true"
            )
        bundle = load_bundle(plan.bundle)
        run = plan.settings.run
        start, end = plan.start_ns, plan.end_ns
        held_out = instant_of(bundle, "test_end")
        if start is None:
            start = instant_of(bundle, "test_start")
        if end is None and start < held_out:
            end = held_out
        market, self.votes = market_of_bundle(plan.settings, bundle, end, plan.cache)
        self.data: MarketSeries = prepare(market, plan.settings.core)
        self.first_row = first_row_of(start, market, bundle)
        self.last_row = last_row_of(end, run, market)
        if plan.max_bars is not None:
            self.last_row = min(self.last_row, self.first_row + plan.max_bars)
        if self.last_row - self.first_row < 1:
            raise FixData(
                "the period holds no bar to trade: choose an earlier --start or a later --end"
            )

    @cached_property
    def bars(self) -> int:
        """Bars that are traded: those after the first decision."""
        return self.last_row - self.first_row

    def ground(self) -> Ground:
        """Fresh parts: nothing that learns is shared between two faces."""
        plan, bundle = self.plan, load_bundle(self.plan.bundle)
        signals = CachedSignals(
            self.data, self.votes, plan.settings.core, bundle.manager, bundle.pool_line,
            bundle.exit_slopes, first_row=self.first_row + 1, last_row=self.last_row,
            learning=plan.learn,
        )  # fmt: skip
        minds = minds_of(bundle, plan.settings, timed=False)
        learning = OnlineLearning(
            signals, plan.settings.core, minds.learner, reward=plan.settings.sizing.reward,
            advisers=minds.advisers, learn=plan.learn,
        )  # fmt: skip
        return Ground(
            plan, bundle, signals, policy_of(plan.policy, minds.brain), learning, minds.chain,
            self.first_row, self.last_row,
        )  # fmt: skip
