"""The order gate of the account: ladder, emergency stop, cooldowns and hard limits (spec 10)."""

from __future__ import annotations

from collections import deque

from envs.core.events import GateEvent
from envs.core.rules.limits import (
    ARMED,
    COOLING_DOWN,
    NS_PER_DAY,
    RECOVERING,
    Drawdowns,
    Ess,
    Judged,
    Ladder,
    StopLimits,
    daily_level,
    entries_allowed,
    judge,
    next_ess,
    raise_high_waters,
    trigger_level,
)
from envs.core.settings import CoreSettings
from envs.core.types import NS_PER_HOUR, NS_PER_SECOND

STOP_WINDOW_NS = 900 * NS_PER_SECOND
RECOVERING_POSITIONS = 2


def stop_limits(settings: CoreSettings) -> StopLimits:
    """Levels of the ladder and timing of the states as the rules read them."""
    risk, ess = settings.risk, settings.ess
    return StopLimits(
        risk.dd_stop,
        risk.max_daily_dd,
        risk.max_open_dd,
        ess.max_total_dd,
        ess.max_stops_15m,
        ess.cooldown_l1_s,
        ess.cooldown_l2_s,
        ess.cooldown_l3_s,
        ess.recovery_trades,
        int(ess.recovery_h * NS_PER_HOUR),
        ess.recovery_size,
    )


class Gate:
    """World limits in event time; evaluated at every vertex with positions and at every close.

    ``auto_acknowledge`` stands for the human of levels 2 and 3 in simulation and parity runs.
    Without it, levels from ``acknowledge_from`` on wait for ``acknowledged`` to be set, and a
    trigger during the cool-down of a higher level does not lower what has to be acknowledged.
    """

    def __init__(
        self,
        settings: CoreSettings,
        equity_quote: float,
        now_ns: int,
        auto_acknowledge: bool = True,
        acknowledge_from: int = 1,
    ) -> None:
        risk = settings.risk
        self.limits = stop_limits(settings)
        self.max_positions = risk.max_positions
        self.auto_acknowledge = auto_acknowledge
        self.acknowledge_from = acknowledge_from
        self.acknowledged = False
        self.ladder = Ladder(now_ns // NS_PER_DAY, equity_quote, equity_quote)
        self.ess = Ess(ARMED, 0, now_ns, -1, 0)
        self.drawdowns = Drawdowns(0.0, 0.0, 0.0)
        self.events: list[GateEvent] = []
        self._stops: deque[int] = deque()

    def evaluate(
        self,
        equity: float,
        unrealised: float,
        wallet: float,
        flat: bool,
        now_ns: int,
        asked: int = 0,
    ) -> int:
        """Evaluate ladder and states; return the level just tripped or raised, else 0.

        ``asked`` is the highest level that triggers outside the account ask for now, 0 none.
        """
        while self._stops and now_ns - self._stops[0] > STOP_WINDOW_NS:
            self._stops.popleft()
        before, stops = self.ess, len(self._stops)
        released = self._may_be_released()
        judged = judge(
            self.ladder, before, equity, unrealised, wallet, flat, stops, released, now_ns,
            self.limits,
        )  # fmt: skip
        if asked > 0 or (judged.ess.state != before.state and self._holds(before)):
            judged = self._judge_asked(judged, equity, flat, released, now_ns, asked)
        self.ladder, self.drawdowns = judged.ladder, judged.drawdowns
        self._enter(judged.ess, now_ns)
        return judged.raised

    def ask(self, level: int, now_ns: int) -> int:
        """Trip at once for a trigger outside the account; return the level raised, else 0."""
        before = self.ess
        if self._holds(before):
            level = max(level, before.level)
        after = next_ess(before, level, 0, False, False, now_ns, self.limits)
        self._enter(after, now_ns)
        return after.level if after.level > before.level else 0

    def stop_hit(self, now_ns: int) -> None:
        """Count a stop fill towards the 15-minute trigger."""
        self._stops.append(now_ns)

    def trade_closed(self) -> None:
        """Count a closed trade towards the end of recovery."""
        if self.ess.state == RECOVERING:
            self.ess = self.ess._replace(trades=self.ess.trades + 1)

    @property
    def active(self) -> bool:
        """Whether new entries may be sent."""
        return entries_allowed(self.ess)

    @property
    def position_limit(self) -> int:
        """Most positions and pending entries allowed now."""
        if self.ess.state == RECOVERING:
            return min(RECOVERING_POSITIONS, self.max_positions)
        return self.max_positions

    @property
    def size_factor(self) -> float:
        """Reducing factor of the emergency stop."""
        return self.limits.recovery_size if self.ess.state == RECOVERING else 1.0

    def _may_be_released(self) -> bool:
        """Whether the end of the cool-down needs nobody, or somebody has acknowledged."""
        return self.auto_acknowledge or self.ess.level < self.acknowledge_from or self.acknowledged

    def _holds(self, ess: Ess) -> bool:
        """Whether a trigger now must not lower the level: somebody has to acknowledge it."""
        return ess.state == COOLING_DOWN and not self.auto_acknowledge

    def _judge_asked(
        self, judged: Judged, equity: float, flat: bool, released: bool, now_ns: int, asked: int
    ) -> Judged:
        """Judge again with what was asked for from outside."""
        before, dd = self.ess, judged.drawdowns
        level = max(trigger_level(dd, len(self._stops), before, self.limits), asked)
        if level == 0:
            return judged
        if self._holds(before):
            level = max(level, before.level)
        daily = daily_level(dd.daily, self.limits)
        after = next_ess(before, level, daily, flat, released, now_ns, self.limits)
        raised = after.level if after.level > before.level else 0
        return Judged(raise_high_waters(self.ladder, equity, now_ns), after, dd, raised)

    def _enter(self, after: Ess, now_ns: int) -> None:
        before, dd = self.ess, self.drawdowns
        self.ess = after
        if after.state == before.state and after.level == before.level:
            return
        self.acknowledged = self.acknowledged and after.state == COOLING_DOWN
        self.events.append(GateEvent(now_ns, after.state, after.level, dd.daily, dd.open, dd.total))
