"""The order gate of the account: ladder, emergency stop, cooldowns and hard limits (spec 10)."""

from __future__ import annotations

from collections import deque

from envs.core.events import GateEvent
from envs.core.rules.limits import (
    ARMED,
    NS_PER_DAY,
    RECOVERING,
    Drawdowns,
    Ess,
    Ladder,
    StopLimits,
    entries_allowed,
    judge,
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
    """

    def __init__(
        self,
        settings: CoreSettings,
        equity_quote: float,
        now_ns: int,
        auto_acknowledge: bool = True,
    ) -> None:
        risk = settings.risk
        self.limits = stop_limits(settings)
        self.max_positions = risk.max_positions
        self.auto_acknowledge = auto_acknowledge
        self.ladder = Ladder(now_ns // NS_PER_DAY, equity_quote, equity_quote)
        self.ess = Ess(ARMED, 0, now_ns, -1, 0)
        self.drawdowns = Drawdowns(0.0, 0.0, 0.0)
        self.events: list[GateEvent] = []
        self._stops: deque[int] = deque()

    def evaluate(
        self, equity: float, unrealised: float, wallet: float, flat: bool, now_ns: int
    ) -> int:
        """Evaluate ladder and states; return the level just tripped or raised, else 0."""
        while self._stops and now_ns - self._stops[0] > STOP_WINDOW_NS:
            self._stops.popleft()
        before = self.ess
        judged = judge(
            self.ladder, before, equity, unrealised, wallet, flat, len(self._stops),
            self.auto_acknowledge, now_ns, self.limits,
        )  # fmt: skip
        self.ladder, self.ess, dd = judged.ladder, judged.ess, judged.drawdowns
        self.drawdowns = dd
        after = self.ess
        if after.state != before.state or after.level != before.level:
            self.events.append(
                GateEvent(now_ns, after.state, after.level, dd.daily, dd.open, dd.total)
            )
        return judged.raised

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
