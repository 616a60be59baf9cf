"""The order gate of the account: ladder, emergency stop, cooldowns and hard limits (spec 10)."""

from __future__ import annotations

from collections import deque

from envs.core.events import GateEvent
from envs.core.rules.limits import (
    ARMED,
    COOLING_DOWN,
    RECOVERING,
    Drawdowns,
    Ess,
    Ladder,
    StopLimits,
    daily_level,
    drawdowns,
    entries_allowed,
    next_ess,
    raise_high_waters,
    trigger_level,
)
from envs.core.settings import CoreSettings
from envs.core.types import NS_PER_HOUR, NS_PER_SECOND

_STOP_WINDOW_NS = 900 * NS_PER_SECOND
_RECOVERING_POSITIONS = 2


class Gate:
    """World limits in event time; evaluated at every vertex with positions and at every close.

    ``auto_acknowledge`` stands for the human of levels 2 and 3 in simulation and parity runs.
    """

    def __init__(
        self,
        settings: CoreSettings,
        equity_quote: float,
        now_ns: int,
        auto_acknowledge: bool = True,
    ) -> None:
        risk, ess = settings.risk, settings.ess
        self.limits = StopLimits(
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
        self.max_positions = risk.max_positions
        self.auto_acknowledge = auto_acknowledge
        self.ladder = Ladder(-1, equity_quote, equity_quote)
        self.ess = Ess(ARMED, 0, now_ns, -1, 0)
        self.drawdowns = Drawdowns(0.0, 0.0, 0.0)
        self.events: list[GateEvent] = []
        self._stops: deque[int] = deque()

    def evaluate(
        self, equity: float, unrealised: float, wallet: float, flat: bool, now_ns: int
    ) -> int:
        """Evaluate ladder and states; return the level just tripped or raised, else 0."""
        self.ladder = raise_high_waters(self.ladder, equity, now_ns)
        dd = drawdowns(self.ladder, equity, unrealised, wallet)
        self.drawdowns = dd
        while self._stops and now_ns - self._stops[0] > _STOP_WINDOW_NS:
            self._stops.popleft()
        before = self.ess
        level = trigger_level(dd, len(self._stops), before, self.limits)
        daily = daily_level(dd.daily, self.limits)
        after = next_ess(before, level, daily, flat, self.auto_acknowledge, now_ns, self.limits)
        if after == before:
            return 0
        if before.state == COOLING_DOWN and after.state == RECOVERING and before.level == 3:
            self.ladder = Ladder(self.ladder.day, equity, equity)
        self.ess = after
        if after.state != before.state or after.level != before.level:
            self.events.append(
                GateEvent(now_ns, after.state, after.level, dd.daily, dd.open, dd.total)
            )
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
            return min(_RECOVERING_POSITIONS, self.max_positions)
        return self.max_positions

    @property
    def size_factor(self) -> float:
        """Reducing factor of the emergency stop."""
        return self.limits.recovery_size if self.ess.state == RECOVERING else 1.0
