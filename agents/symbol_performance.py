"""Symbol Performance Manager: each symbol's size follows what it earned lately (spec 12.12)."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass, field, replace
from typing import Any, ClassVar

from agents.adviser import Adviser
from agents.adviser_settings import PerformanceSettings
from agents.decay import DecayedTally
from agents.outcomes import TradeOutcome
from agents.probation import Probation, ProbationRules, Standing
from envs.core.hooks import Effect, HookPoint, Keep, Scale, Veto
from envs.core.view import DecisionView

GOOD_TRADES = 20
ON_PROBATION = "SYMBOL_ON_PROBATION"


@dataclass(frozen=True)
class SymbolContext:
    """What is known of one symbol at one event time.

    ``factor`` multiplies the size of an entry, 0 on probation. ``trades`` counts real trades,
    ``weighted`` the same decayed; ``win_rate``, ``mean_r`` (net R) and ``net_quote`` are decayed.
    ``ends_ns`` is when the standing changes at the latest, None while active.
    """

    symbol: str
    standing: Standing
    factor: float
    trades: int
    weighted: float
    win_rate: float
    mean_r: float
    net_quote: float
    loss_streak: int
    ends_ns: int | None


@dataclass(frozen=True)
class _Record:
    tally: DecayedTally = field(default_factory=DecayedTally)
    probation: Probation = field(default_factory=Probation)
    streak: int = 0
    last_real_ns: int = -1
    last_paper_ns: int = -1


class SymbolPerformanceManager(Adviser):
    """Learns closed trades, real and paper, by symbol; answers hooks 1 and 5.

    A member of the hook chain that an environment takes too:

        performance = SymbolPerformanceManager()
        env = TradingEnv(chain=HookChain([Seat(performance, Mode.ENFORCED)]))
        observation, info = env.reset(seed=0)
        ...
        observation, reward, terminated, truncated, info = env.step(action)
        for resolved in info["resolved"]:
            performance.learn_one(resolved)

    Paper trades come from ``agents.paper.PaperBook``; without them probation ends by time alone.
    """

    name = "symbol performance"
    points: Sequence[HookPoint] = (HookPoint.UNIVERSE_FILTER, HookPoint.POSITION_SIZING)
    schema_name = "symbol-performance"
    schema_version = 1
    failure: ClassVar[dict[HookPoint, Effect]] = {HookPoint.POSITION_SIZING: Scale(0.5)}

    def __init__(self, settings: PerformanceSettings | None = None) -> None:
        super().__init__()
        self.settings = settings or PerformanceSettings()
        self.half_life_ns = self.settings.half_life_ns
        self._rules = ProbationRules(self.settings.reenable_after_wins, self.settings.probation_ns)
        self._records: dict[str, _Record] = {}

    def context(self, symbol: str, now_ns: int) -> SymbolContext:
        """What is known of a symbol at event time ``now_ns``; changes nothing."""
        r = self._at(symbol, now_ns)
        tally = r.tally.at(now_ns, self.half_life_ns)
        return SymbolContext(
            symbol, r.probation.standing, self._factor(r.probation, tally), tally.n, tally.count,
            tally.win_rate, tally.mean_r, tally.quote, r.streak, r.probation.ends_ns(self._rules),
        )  # fmt: skip

    def universe(self, symbols: Iterable[str], now_ns: int) -> tuple[str, ...]:
        """Return the symbols that may be entered for real, in the given order (hook 1)."""
        return tuple(
            s for s in symbols if self._at(s, now_ns).probation.standing is not Standing.PROBATION
        )

    def on_paper(self, symbol: str, now_ns: int) -> bool:
        """Whether this symbol's signals are followed on paper only."""
        return self._at(symbol, now_ns).probation.standing is Standing.PROBATION

    def _answer(self, point: HookPoint, view: DecisionView) -> Effect:
        c = self.context(view.symbol, view.bar_close_ns)
        if point is HookPoint.UNIVERSE_FILTER:
            return Veto(ON_PROBATION) if c.standing is Standing.PROBATION else Keep()
        if point is HookPoint.POSITION_SIZING:
            return Scale(c.factor)
        return Keep()

    def _factor(self, probation: Probation, tally: DecayedTally) -> float:
        s = self.settings
        if probation.standing is not Standing.ACTIVE:
            return probation.factor
        if tally.count < s.min_trades:
            return 1.0
        if tally.win_rate < s.poor_win_rate or tally.mean_r < 0.0:
            return s.poor_factor
        good = tally.win_rate > s.good_win_rate and tally.mean_r > 0.0
        return s.good_factor if good and tally.n >= GOOD_TRADES else 1.0

    def _at(self, symbol: str, now_ns: int) -> _Record:
        """Return the record as time alone has made it; leaving probation forgets the streak."""
        r = self._records.get(symbol, _Record())
        return _moved(r, r.probation.at(now_ns, self._rules))

    def _last_ns(self, outcome: TradeOutcome) -> int:
        r = self._records.get(outcome.symbol, _Record())
        return r.last_paper_ns if outcome.paper else r.last_real_ns

    def _apply(self, outcome: TradeOutcome) -> None:
        o, s = outcome, self.settings
        r = self._at(o.symbol, o.exit_ns)
        if o.paper:
            r = _moved(r, r.probation.after_paper(o, self._rules))
            self._records[o.symbol] = replace(r, last_paper_ns=o.exit_ns)
            return
        streak = 0 if o.won else r.streak + 1
        probation = r.probation.after_real(o)
        if streak >= s.disable_after_losses and probation.standing is not Standing.PROBATION:
            probation = probation.start(o.exit_ns)
        tally = r.tally.add(o.exit_ns, o.net_r, o.net_quote, self.half_life_ns)
        self._records[o.symbol] = replace(
            r, tally=tally, probation=probation, streak=streak, last_real_ns=o.exit_ns
        )

    def _values(self) -> dict[str, Any]:
        return {
            "symbols": {
                symbol: {
                    "tally": asdict(r.tally),
                    "probation": r.probation.values(),
                    "streak": r.streak,
                    "last_real_ns": r.last_real_ns,
                    "last_paper_ns": r.last_paper_ns,
                }
                for symbol, r in sorted(self._records.items())
            }
        }

    def _take_values(self, values: dict[str, Any]) -> None:
        self._records = {
            symbol: _Record(
                DecayedTally(**held["tally"]), Probation.from_values(held["probation"]),
                int(held["streak"]), int(held["last_real_ns"]), int(held["last_paper_ns"]),
            )
            for symbol, held in values["symbols"].items()
        }  # fmt: skip


def _moved(r: _Record, probation: Probation) -> _Record:
    if probation is r.probation:
        return r
    left = r.probation.standing is Standing.PROBATION
    return replace(r, probation=probation, streak=0 if left else r.streak)
