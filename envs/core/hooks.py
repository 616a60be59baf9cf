"""The hook chain: advisers and subsystems that may stop or shrink an entry (spec 11.2).

A member answers one of the thirteen hook points with one effect and never knows its mode; the
chain alone applies OFF / OBSERVE / ADVISORY / ENFORCED. Merges do not depend on order: any veto
wins, size factors take the minimum, threshold deltas add up. An empty chain is neutral.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from enum import IntEnum
from typing import Protocol

from envs.core.trade import SizingChoice
from envs.core.view import DecisionView


class HookPoint(IntEnum):
    """The thirteen points; 2 to 7 run inside a decision, the others in the runtime."""

    UNIVERSE_FILTER = 1
    RISK_CHECK = 2
    PORTFOLIO_CHECK = 3
    CONFIDENCE_ADJUSTMENT = 4
    POSITION_SIZING = 5
    ORDER_TYPE_SELECTION = 6
    SLIPPAGE_CHECK = 7
    POSITION_CLASSIFICATION = 8
    AMPLIFICATION_CHECK = 9
    EXPOSURE_CHECK = 10
    REBALANCE_RECOMMENDATIONS = 11
    SELF_HEALING_CHECK = 12
    COORDINATION = 13


class Mode(IntEnum):
    """How far a member's effect reaches; effective = minimum of configured mode and cap."""

    OFF = 0
    OBSERVE = 1
    ADVISORY = 2
    ENFORCED = 3


@dataclass(frozen=True)
class Keep:
    """Nothing to change."""


@dataclass(frozen=True)
class Veto:
    """Block the entry."""

    reason: str


@dataclass(frozen=True)
class Scale:
    """Multiply the size (hook 5)."""

    factor: float


@dataclass(frozen=True)
class Raise:
    """Move the confidence threshold by ``delta`` (hook 4; positive = stricter)."""

    delta: float


Effect = Keep | Veto | Scale | Raise
_MAX_RAISE = 0.20
_MAX_THRESHOLD = 0.95
_MIN_ADVISED = 0.6
_MAX_FACTOR = 1.3
_ENTRY_POINTS = (HookPoint.RISK_CHECK, HookPoint.PORTFOLIO_CHECK)
_FAILED: dict[HookPoint, Effect] = {
    HookPoint.RISK_CHECK: Veto("RISK_CHECK_FAILED"),
    HookPoint.PORTFOLIO_CHECK: Veto("PORTFOLIO_CHECK_FAILED"),
    HookPoint.CONFIDENCE_ADJUSTMENT: Raise(0.0),
    HookPoint.POSITION_SIZING: Scale(0.5),
}
"""What a member that fails stands for."""


class Member(Protocol):
    """An adviser or subsystem; ``answer`` is pure and sees only the frozen view.

    A member that bounds the size itself also has ``answer_choice(view, choice)``, which is asked at
    hook 5 instead.
    """

    name: str
    points: Sequence[HookPoint]
    """Points it answers at, read when it is seated."""

    def answer(self, point: HookPoint, view: DecisionView) -> Effect:
        """Effect at one point for one view."""
        ...


@dataclass(frozen=True)
class Verdict:
    """Merged answer of the entry hooks and what each member said."""

    allowed: bool
    reason: str
    effects: tuple[tuple[str, str, str], ...]


@dataclass(frozen=True)
class Seat:
    """A member with its effective mode."""

    member: Member
    mode: Mode


class HookChain:
    """Applies members' effects under their modes.

    Args:
        seats: members in any order; the outcome does not depend on it.
        min_confidence: base threshold of hook 4, EV over round-trip cost.
        timer: nanoseconds for deadlines; simulation passes none, so nothing overruns.
        deadline_ns: an answer that took longer is discarded as a failure.
    """

    def __init__(
        self,
        seats: Sequence[Seat] = (),
        min_confidence: float = 0.0,
        timer: Callable[[], int] | None = None,
        deadline_ns: int = 50_000_000,
    ) -> None:
        on = [s for s in seats if s.mode is not Mode.OFF]
        self._seats = {point: [s for s in on if point in s.member.points] for point in _FAILED}
        self._min_confidence = min_confidence
        self._timer = timer
        self._deadline_ns = deadline_ns
        self._neutral = self._raised([])

    def check_entry(self, view: DecisionView) -> Verdict:
        """Hooks 2 to 4: risk, portfolio, confidence. A failing member blocks the entry."""
        effects: list[tuple[str, str, str]] = []
        blocked = ""
        for point in _ENTRY_POINTS:
            for seat, effect in self._answers(point, view):
                effects.append((seat.member.name, point.name, repr(effect)))
                if isinstance(effect, Veto) and seat.mode is Mode.ENFORCED:
                    blocked = min(blocked, effect.reason) if blocked else effect.reason
        threshold = self._threshold(view, effects)
        if not blocked and not view.context.confidence >= threshold:
            blocked = "BELOW_THRESHOLD"
        return Verdict(not blocked, blocked, tuple(effects))

    def size_factor(
        self, view: DecisionView, choice: SizingChoice
    ) -> tuple[float, tuple[tuple[str, str, str], ...]]:
        """Hook 5: minimum of the reducing factors; a raise counts only if nobody reduces."""
        if choice.index < 0:
            return 1.0, ()
        low, high = 1.0, 1.0
        effects: list[tuple[str, str, str]] = []
        for seat, effect in self._answers(HookPoint.POSITION_SIZING, view, choice):
            effects.append((seat.member.name, HookPoint.POSITION_SIZING.name, repr(effect)))
            if not isinstance(effect, Scale) or seat.mode is Mode.OBSERVE:
                continue
            # A broken adviser (NaN or negative) closes the entry rather than enlarge it.
            factor = effect.factor if effect.factor >= 0.0 else 0.0
            if seat.mode is Mode.ADVISORY:
                factor = min(1.0, max(_MIN_ADVISED, factor))
            low, high = min(low, factor), max(high, factor)
        return (low if low < 1.0 else min(high, _MAX_FACTOR)), tuple(effects)

    def _threshold(self, view: DecisionView, effects: list[tuple[str, str, str]]) -> float:
        """Base plus the members' deltas (spec 11.2)."""
        point = HookPoint.CONFIDENCE_ADJUSTMENT
        deltas: list[float] = []
        for seat, effect in self._answers(point, view):
            effects.append((seat.member.name, point.name, repr(effect)))
            if not isinstance(effect, Raise) or seat.mode is Mode.OBSERVE:
                continue
            delta = effect.delta if effect.delta == effect.delta else math.inf
            if seat.mode is Mode.ADVISORY:
                delta = min(_MAX_RAISE, max(0.0, delta)) if delta < math.inf else delta
            deltas.append(delta)
        return self._raised(deltas) if deltas else self._neutral

    def _raised(self, deltas: Sequence[float]) -> float:
        """Base plus deltas, between the base and .95.

        Summed in order of size, so the outcome does not depend on the order of the members.
        """
        raised = self._min_confidence
        for delta in sorted(deltas):
            raised += delta
        if not raised < math.inf:
            return math.inf
        # .20 + .10 is .30000000000000004, which a confidence of .30 would miss.
        return max(self._min_confidence, min(_MAX_THRESHOLD, round(raised, 12)))

    def _answers(
        self, point: HookPoint, view: DecisionView, choice: SizingChoice | None = None
    ) -> list[tuple[Seat, Effect]]:
        out: list[tuple[Seat, Effect]] = []
        seats = self._seats[point]
        if not seats:
            return out
        failed = _FAILED[point]
        for seat in seats:
            start = self._timer() if self._timer else 0
            try:
                chooses = None if choice is None else getattr(seat.member, "answer_choice", None)
                if chooses is None:
                    effect = seat.member.answer(point, view)
                else:
                    effect = chooses(view, choice)
            except Exception:
                effect = failed
            if self._timer and self._timer() - start > self._deadline_ns:
                effect = failed
            out.append((seat, effect))
        return out
