"""The core's gate with a memory: causes, operators' words, and every change written down first.

Only the table of the core (``envs.core.rules.limits.next_ess``) changes the state. Every change is
handed to ``persist`` before anybody can see it; a step towards trading that cannot be handed over
is taken back, a step away from it holds all the same.
"""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

from envs.core.errors import FixInput
from envs.core.gate import Gate
from envs.core.rules.limits import (
    ARMED,
    COOLING_DOWN,
    NS_PER_DAY,
    RECOVERING,
    TRIPPED,
    Drawdowns,
    Ess,
    Ladder,
    cooldown_ns,
    drawdowns,
    raise_high_waters,
    trigger_level,
)
from envs.core.settings import CoreSettings
from runtime.kernel_ports import Record
from runtime.port_errors import StoreUnavailable
from runtime.subsystems import stop_causes as why
from runtime.subsystems.stop_causes import Cause, Causes
from runtime.subsystems.stop_state import Acknowledgement, Halt, StopState

KIND = "ess"
"""Kind of the journal's records written here; the key says what changed."""
STATES = ("ARMED", "TRIPPED", "COOLING_DOWN", "RECOVERING")
LEVELS = (1, 2, 3)
Persist = Callable[[Record], None]


class _Kept(NamedTuple):
    """What a change that could not be written down is taken back to."""

    ladder: Ladder
    ess: Ess
    drawdowns: Drawdowns
    acknowledged: bool
    events: int


class StopGate(Gate):
    """A gate that knows why it tripped, can be tripped from outside, and survives a restart.

    ``persist`` takes every change before it takes effect (``Journal.add``, or what a kernel puts in
    its place); the caller commits before it sends anything that the change allows.
    """

    def __init__(
        self,
        settings: CoreSettings,
        equity_quote: float,
        now_ns: int,
        persist: Persist,
        auto_acknowledge: bool,
        acknowledge_from: int,
    ) -> None:
        super().__init__(settings, equity_quote, now_ns, auto_acknowledge, acknowledge_from)
        self.persist = persist
        self._warn_at = settings.risk.dd_warning
        self._unsaved = False
        self.acknowledgement: Acknowledgement | None = None
        self.halted: Halt | None = None
        self.causes = Causes()
        self._symbols: dict[str, int] = {}
        self._engine_errors, self._pending, self._warned_day = 0, 0, -1
        self._equity, self._now_ns, self.obeyed = equity_quote, now_ns, 0

    def evaluate(
        self,
        equity: float,
        unrealised: float,
        wallet: float,
        flat: bool,
        now_ns: int,
        asked: int = 0,
    ) -> int:
        """Evaluate everything; return the level to act on now, each rise told once, else 0.

        2: cancel resting entries, defensive exits; 3: close all, again and again until flat.
        ``flat`` must be the venue's word, not our own book's. What is not a finite number counts
        as unknown, which is a full loss.
        """
        self._now_ns = now_ns
        if not math.isfinite(equity + unrealised + wallet):
            equity, unrealised, wallet = _finite(equity), _finite(unrealised), _finite(wallet)
        elif asked == 0 and self._stays_armed(equity, unrealised, wallet, now_ns):
            return 0
        before, ladder, dd = self.ess, self.ladder, self.drawdowns
        acknowledged, events = self.acknowledged, len(self.events)
        if equity == equity:
            self._equity = equity
        level = super().evaluate(
            equity, unrealised, wallet, flat, now_ns, max(asked, self.causes.asked)
        )
        quiet = self.ess is before and not self.causes and not self._unsaved
        if not (quiet and before.state == ARMED and self.drawdowns.daily < self._warn_at):
            self._after_evaluation(_Kept(ladder, before, dd, acknowledged, events), now_ns)
        level, self._pending = max(level, self._pending), 0
        return level

    def _stays_armed(self, equity: float, unrealised: float, wallet: float, now_ns: int) -> bool:
        """Evaluate an armed stop about which there is nothing to tell; False changes nothing.

        Nearly every evaluation is one of these, so they go without the rest of the table.
        """
        if self.ess.state != ARMED or self._stops or self.causes or self._pending or self._unsaved:
            return False
        ladder = raise_high_waters(self.ladder, equity, now_ns)
        dd = drawdowns(ladder, equity, unrealised, wallet)
        if dd.daily >= self._warn_at or trigger_level(dd, 0, self.ess, self.limits) > 0:
            return False
        self.ladder, self.drawdowns, self._equity = ladder, dd, equity
        return True

    def trip(
        self, level: int, cause: str, now_ns: int, detail: str = "", lasting: bool = False
    ) -> None:
        """Trip at once; ``evaluate`` then tells the level to act on.

        A ``lasting`` cause keeps the stop TRIPPED until ``clear``; any other one has happened.
        """
        if level not in LEVELS:
            raise FixInput(f"emergency stop: level must be 1, 2 or 3, got {level}")
        self._stand(Cause(cause, level, now_ns, detail, lasting), now_ns)

    def clear(self, cause: str) -> None:
        """Say that a lasting cause is gone; the table does the rest."""
        if self.causes.gone(cause):
            self._write("CAUSE_GONE", self._now_ns, cause=cause)

    def state(self) -> dict[str, Any]:
        """Everything a restart needs, JSON values."""
        return StopState(
            self.ladder, self.ess, self.drawdowns, tuple(self._stops), self.acknowledged,
            self.acknowledgement, self.causes, self.halted, dict(self._symbols),
            self._engine_errors, self._pending, self._warned_day, self._equity, self.obeyed,
            self._now_ns, self._release_ns(),
        ).to_json()  # fmt: skip

    def load(self, state: Mapping[str, Any]) -> None:
        """Go on exactly from what ``state`` returned.

        Raises:
            RefusedArtifact: It is not a state of the emergency stop; nothing has changed.
        """
        self._set(StopState.from_json(state))

    @property
    def active(self) -> bool:
        """Whether new entries may be sent."""
        return self.active_by_state and self.halted is None

    @property
    def active_by_state(self) -> bool:
        """Whether the state alone would let entries through."""
        return super().active

    @property
    def acting_level(self) -> int:
        """Level whose measures hold now, 0 without: what a restart has to see to again."""
        return self.ess.level if self.ess.state == TRIPPED else 0

    @property
    def state_name(self) -> str:
        """Word for the state."""
        return STATES[self.ess.state]

    def _release_ns(self) -> int:
        ess = self.ess
        if ess.state != COOLING_DOWN:
            return 0
        return ess.since_ns + cooldown_ns(ess.level, self.limits)

    def _begin(self, equity_quote: float, now_ns: int) -> None:
        """Start as if there had been nothing before."""
        self._set(StopState.new(equity_quote, now_ns))

    def _set(self, s: StopState) -> None:
        self.ladder, self.ess, self.drawdowns = s.ladder, s.ess, s.drawdowns
        self._stops = deque(s.stops)
        self.acknowledged, self.acknowledgement = s.acknowledged, s.acknowledgement
        self.causes, self.halted, self._symbols = s.causes, s.halted, dict(s.symbols)
        self._engine_errors, self._pending = s.engine_errors, s.pending
        self._warned_day, self._equity = s.warned_day, s.equity
        self.obeyed, self._now_ns = s.obeyed, s.now_ns

    def _after_evaluation(self, kept: _Kept, now_ns: int) -> None:
        """Note warnings and causes, and write down what changed."""
        new = self._note_causes(now_ns)
        day = now_ns // NS_PER_DAY
        if self.drawdowns.daily >= self._warn_at and day != self._warned_day:
            self._warned_day = day
            self._write("WARNING", now_ns, daily_dd=self.drawdowns.daily)
        if new or (self.ess.state, self.ess.level) != (kept.ess.state, kept.ess.level):
            self._write_transition(kept, now_ns)
        elif self._unsaved:
            self._write("STATE", now_ns)

    def _write_transition(self, kept: _Kept, now_ns: int) -> None:
        """Write a step of the table down; one towards trading is taken back where that fails."""
        causes, given = self.causes, self.acknowledgement
        if self.ess.state == RECOVERING != kept.ess.state:
            self.causes, self.acknowledgement = Causes(), None
        written = self._write(self.state_name, now_ns, from_state=STATES[kept.ess.state])
        if not written and self.ess.state != TRIPPED:
            self.ladder, self.ess, self.drawdowns = kept.ladder, kept.ess, kept.drawdowns
            self.acknowledged = kept.acknowledged
            self.causes, self.acknowledgement = causes, given
            del self.events[kept.events :]

    def _note_causes(self, now_ns: int) -> bool:
        """Follow the causes in equity and stop hits; whether there are new ones."""
        found = why.of_the_account(self.drawdowns, len(self._stops), self.limits)
        for name in why.OF_THE_ACCOUNT.difference(found):
            self.causes.gone(name)
        if self.ess.state != TRIPPED:
            return False
        new = [
            level
            for name, level in found.items()
            if self.causes.add(Cause(name, level, now_ns, standing=True))
        ]
        self._void(new)
        return bool(new)

    def _void(self, levels: list[int]) -> None:
        """A new cause has been acknowledged by nobody."""
        if any(level >= self.acknowledge_from for level in levels):
            self.acknowledged = False
        if not self.acknowledged:
            self.acknowledgement = None

    def _stand(self, cause: Cause, now_ns: int) -> None:
        """Trip for a cause, at once."""
        before, self._now_ns = self.ess, now_ns
        if before.state != TRIPPED:
            self.causes.drop(cause.name)
        new = self.causes.add(cause)
        self._pending = max(self._pending, self.ask(cause.level, now_ns))
        self._void([cause.level] if new or not cause.standing else [])
        if new or self.ess != before:
            self._write(
                "TRIPPED", now_ns, from_state=STATES[before.state], cause=cause.name,
                detail=cause.detail, asked=cause.level,
            )  # fmt: skip

    def _write(self, what: str, now_ns: int, **body: Any) -> bool:
        """Hand a change over with the state it leads to; False where that was impossible."""
        state = self.state()
        content = {"state_name": self.state_name, "level": self.ess.level, **body, "state": state}
        try:
            self.persist(Record(KIND, int(now_ns), what, content))
        except StoreUnavailable:
            self._unsaved = True
            return False
        self._unsaved = False
        return True


def _finite(value: float) -> float:
    return value if math.isfinite(value) else math.nan
