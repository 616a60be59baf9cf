"""The Memory State Manager: streaks, regimes, setups and claims of the closed trades (12.13)."""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence
from dataclasses import asdict
from typing import Any, ClassVar

import numpy as np

from agents.adviser import Adviser
from agents.adviser_settings import MemorySettings, PerformanceSettings
from agents.decay import DecayedTally, weight
from agents.memory.block import Block
from agents.memory.claims import Bucket, Claims
from agents.memory.context import (
    BLOCK_STREAK,
    BLOCK_SUM,
    BLOCK_WIN_RATE,
    BLOCK_WINDOW,
    COLD_DELTA,
    COLD_FACTOR,
    REGIME_TRADES,
    Figures,
    MemoryContext,
    Pattern,
    delta_of,
    level_of,
    risk_factor_of,
)
from agents.memory.setups import Bar, MarketMemory, Setup
from agents.outcomes import TradeOutcome
from agents.probation import Probation, ProbationRules, Standing
from envs.core.hooks import Effect, HookPoint, Keep, Raise, Scale
from envs.core.rules.state import decode_state
from envs.core.view import DecisionView

WINDOW = 50
BLACKLIST_TRADES = 15
BLACKLIST_WIN_RATE = 0.30
PATTERN_TRADES = 5


class MemoryStateManager(Adviser):
    """Learns closed trades and bars; answers hooks 4 and 5.

    A member of the hook chain that an environment takes too; ``agents.memory.feed.MarketFeed``
    brings it the bars of a market:

        memory = MemoryStateManager()
        env = TradingEnv(chain=HookChain([Seat(memory, Mode.ENFORCED)]))
        feed = MarketFeed(memory, env.market)
        observation, info = env.reset(seed=0)
        feed.advance(info["time_ns"])
        ...
        observation, reward, terminated, truncated, info = env.step(action)
        feed.advance(info["time_ns"])
        for resolved in info["resolved"]:
            memory.learn_one(resolved)

    Args:
        settings: half-life and length of a block.
        performance: rules of the probation that a blacklisted symbol goes through.
    """

    name = "memory"
    points: Sequence[HookPoint] = (HookPoint.CONFIDENCE_ADJUSTMENT, HookPoint.POSITION_SIZING)
    schema_name = "memory"
    schema_version = 1
    failure: ClassVar[dict[HookPoint, Effect]] = {
        HookPoint.CONFIDENCE_ADJUSTMENT: Raise(COLD_DELTA),
        HookPoint.POSITION_SIZING: Scale(COLD_FACTOR),
    }

    def __init__(
        self, settings: MemorySettings | None = None, performance: PerformanceSettings | None = None
    ) -> None:
        super().__init__()
        self.settings = settings or MemorySettings()
        back = performance or PerformanceSettings()
        self.half_life_ns = self.settings.half_life_ns
        self._rules = ProbationRules(back.reenable_after_wins, back.probation_ns)
        self.trades = 0
        self._streak = 0
        self._last_real = self._last_paper = -1
        self._recent: deque[tuple[int, float]] = deque(maxlen=WINDOW)
        self._regimes: dict[str, DecayedTally] = {}
        self._patterns: dict[str, DecayedTally] = {}
        self._symbols: dict[str, tuple[DecayedTally, Probation]] = {}
        self._block = Block(self.settings.block_ns, self.half_life_ns)
        self._claims = Claims()
        self._market = MarketMemory()

    def learn_bar(self, bar: Bar) -> None:
        """Remember one closed bar: its regime, and the setups of decisions taken at it.

        Raises:
            FixInput: An unknown regime, or a bar older than the last one of its symbol.
        """
        self._market.learn(bar)

    def setup(self, symbol: str, decided_ns: int, sizing_regime: int, atr_frac: float) -> Setup:
        """Setup of a decision at a bar's close."""
        return self._market.setup(symbol, decided_ns, sizing_regime, atr_frac)

    def context(self, setup: Setup, now_ns: int) -> MemoryContext:
        """Advice for an entry in this setup at event time ``now_ns``; changes nothing."""
        figures = self._figures(setup, now_ns)
        on_trial = self._block.on_trial(now_ns)
        return MemoryContext(
            delta_of(figures), risk_factor_of(figures, on_trial), self._pattern(setup, now_ns),
            figures.stability, not self._block.blocks(now_ns), self.blacklist(now_ns),
            level_of(self.trades), figures.streak,
        )  # fmt: skip

    def blacklist(self, now_ns: int) -> tuple[str, ...]:
        """Return the symbols on probation, sorted."""
        on = (s for s in sorted(self._symbols) if self.on_paper(s, now_ns))
        return tuple(on)

    def on_paper(self, symbol: str, now_ns: int) -> bool:
        """Whether this symbol's signals are followed on paper only."""
        return self._symbol(symbol, now_ns)[1].standing is Standing.PROBATION

    def calibration(self) -> tuple[tuple[Bucket, ...], float | None]:
        """Buckets of the claimed probabilities, and the Brier score of all claims."""
        return self._claims.buckets(), self._claims.brier()

    def _answer(self, point: HookPoint, view: DecisionView) -> Effect:
        regime = decode_state(view.context.state)[0]
        setup = self.setup(view.symbol, view.bar_close_ns, regime, view.context.atr_frac)
        c = self.context(setup, view.bar_close_ns)
        if point is HookPoint.CONFIDENCE_ADJUSTMENT:
            return Raise(c.delta)
        if point is not HookPoint.POSITION_SIZING:
            return Keep()
        if not c.allow_new_entries:
            return Scale(0.0)
        probation = self._symbol(view.symbol, view.bar_close_ns)[1]
        if probation.standing is not Standing.ACTIVE:
            return Scale(min(c.risk_factor, probation.factor))
        return Scale(c.risk_factor)

    def _figures(self, setup: Setup, now_ns: int) -> Figures:
        regime = self._regimes.get(setup.regime, DecayedTally())
        known = regime.n >= REGIME_TRADES and regime.count > 0.0
        return Figures(
            self.trades,
            self._streak >> self._idle(self._last_real, now_ns),
            self._sum(20, now_ns),
            self._sum(WINDOW, now_ns),
            regime.win_rate if known else None,
            0.5 ** self._idle(regime.at_ns, now_ns),
            self._market.stability(setup.symbol, now_ns),
        )

    def _idle(self, last_ns: int, now_ns: int) -> int:
        """Whole half-lives since: what no sum can fade, fades by halves, so that nothing lasts."""
        return min(64, max(0, now_ns - last_ns) // self.half_life_ns) if last_ns >= 0 else 0

    def _sum(self, n: int, now_ns: int) -> float:
        total = 0.0
        for at_ns, net_r in list(self._recent)[-n:]:
            total += net_r * weight(now_ns - at_ns, self.half_life_ns)
        return total

    def _pattern(self, setup: Setup, now_ns: int) -> Pattern | None:
        tally = self._patterns.get(setup.hash)
        if tally is None or tally.n < PATTERN_TRADES:
            return None
        return Pattern(setup.hash, tally.n, tally.win_rate, tally.mean_r)

    def _symbol(self, symbol: str, now_ns: int) -> tuple[DecayedTally, Probation]:
        """Tally and standing as time alone has made them; probation clears the tally."""
        tally, held = self._symbols.get(symbol, (DecayedTally(), Probation()))
        probation = held.at(now_ns, self._rules)
        left = held.standing is Standing.PROBATION and probation is not held
        return (DecayedTally() if left else tally), probation

    def _last_ns(self, outcome: TradeOutcome) -> int:
        return self._last_paper if outcome.paper else self._last_real

    def _apply(self, outcome: TradeOutcome) -> None:
        o, hl = outcome, self.half_life_ns
        tally, probation = self._symbol(o.symbol, o.exit_ns)
        if o.paper:
            back = probation.after_paper(o, self._rules)
            left = back.standing is not probation.standing
            self._symbols[o.symbol] = (DecayedTally() if left else tally), back
            self._last_paper = o.exit_ns
            return
        setup = self.setup(o.symbol, o.decided_ns, o.regime, o.atr_frac)
        for held, key in ((self._regimes, setup.regime), (self._patterns, setup.hash)):
            held[key] = held.get(key, DecayedTally()).add(o.exit_ns, o.net_r, o.net_quote, hl)
        self._symbols[o.symbol] = self._judged(o, tally, probation)
        self._claims.add(o.claim, o.won)
        self.trades += 1
        self._streak = 0 if o.won else self._streak + 1
        self._recent.append((o.exit_ns, o.net_r))
        self._last_real = o.exit_ns
        self._block = self._block.after(o, self._losing(o.exit_ns))

    def _judged(
        self, o: TradeOutcome, tally: DecayedTally, probation: Probation
    ) -> tuple[DecayedTally, Probation]:
        tally = tally.add(o.exit_ns, o.net_r, o.net_quote, self.half_life_ns)
        probation = probation.after_real(o)
        bad = tally.n >= BLACKLIST_TRADES and tally.win_rate < BLACKLIST_WIN_RATE
        if bad and probation.standing is not Standing.PROBATION:
            probation = probation.start(o.exit_ns)
        return tally, probation

    def _losing(self, now_ns: int) -> bool:
        last = list(self._recent)[-BLOCK_WINDOW:]
        wins = sum(net_r > 0.0 for _, net_r in last)
        return (
            self._streak >= BLOCK_STREAK
            or self._sum(20, now_ns) < BLOCK_SUM
            or (len(last) == BLOCK_WINDOW and wins < BLOCK_WIN_RATE * BLOCK_WINDOW)
        )

    def _values(self) -> dict[str, Any]:
        return {
            "trades": self.trades,
            "streak": self._streak,
            "last_real_ns": self._last_real,
            "last_paper_ns": self._last_paper,
            "recent": [list(pair) for pair in self._recent],
            "regimes": {k: asdict(t) for k, t in sorted(self._regimes.items())},
            "patterns": {k: asdict(t) for k, t in sorted(self._patterns.items())},
            "symbols": {k: [asdict(t), p.values()] for k, (t, p) in sorted(self._symbols.items())},
            "blocked_ns": self._block.since_ns,
            "trial_left": self._block.left,
            "claims": self._claims.array().tolist(),
            "market": self._market.values(),
        }

    def _take_values(self, values: dict[str, Any]) -> None:
        recent = [(int(t), float(r)) for t, r in values["recent"]]
        regimes = {k: DecayedTally(**t) for k, t in values["regimes"].items()}
        patterns = {k: DecayedTally(**t) for k, t in values["patterns"].items()}
        symbols = {
            k: (DecayedTally(**t), Probation.from_values(p))
            for k, (t, p) in values["symbols"].items()
        }
        since, left = values["blocked_ns"], int(values["trial_left"])
        block = Block(self.settings.block_ns, self.half_life_ns, since, left)
        claims = Claims.from_array(np.asarray(values["claims"], dtype=np.float64))
        market = MarketMemory.from_values(values["market"])
        numbers = [int(values[k]) for k in ("trades", "streak", "last_real_ns", "last_paper_ns")]
        self.trades, self._streak, self._last_real, self._last_paper = numbers
        self._recent = deque(recent, maxlen=WINDOW)
        self._regimes, self._patterns, self._symbols = regimes, patterns, symbols
        self._block, self._claims, self._market = block, claims, market
