"""World limits: drawdown ladder and the emergency-stop state machine in event time (spec 10)."""

from __future__ import annotations

from typing import NamedTuple

NS_PER_SECOND = 1_000_000_000
NS_PER_DAY = 86_400 * NS_PER_SECOND

ARMED = 0
TRIPPED = 1
COOLING_DOWN = 2
RECOVERING = 3


class Ladder(NamedTuple):
    """High waters of equity (quote): since 00:00 UTC of ``day``, and of all time."""

    day: int
    day_high: float
    peak: float


class Drawdowns(NamedTuple):
    """Fractions >= 0 (spec 10.2)."""

    daily: float
    open: float
    total: float


class StopLimits(NamedTuple):
    """Levels of the ladder and timing of the states; fractions and seconds."""

    daily_stop: float
    daily_brake: float
    open_close_all: float
    total_close_all: float
    max_stops_15m: int
    cooldown_1_s: int
    cooldown_2_s: int
    cooldown_3_s: int
    recovery_trades: int
    recovery_ns: int
    recovery_size: float


class Ess(NamedTuple):
    """Emergency stop: state, highest level tripped, and what its release waits for.

    ``daily_day`` is the UTC day of a daily trip (-1 if none): it holds until the next day.
    ``since_ns`` is when the present state began; ``trades`` closed while RECOVERING.
    """

    state: int
    level: int
    since_ns: int
    daily_day: int
    trades: int


def raise_high_waters(ladder: Ladder, equity: float, now_ns: int) -> Ladder:
    """Ladder after an evaluation: a new UTC day starts its high water at this equity.

    An unknown equity (NaN) leaves the high waters and the day as they were.
    """
    if equity != equity:
        return ladder
    day = now_ns // NS_PER_DAY
    high = ladder.day_high
    if day != ladder.day or equity > high:
        high = equity
    peak = ladder.peak
    if equity > peak:
        peak = equity
    return Ladder(day, high, peak)


def drawdowns(ladder: Ladder, equity: float, unrealised: float, wallet: float) -> Drawdowns:
    """Daily, open and total drawdown; a wallet at or below 0 counts as a full open loss.

    Anything unknown (NaN) counts as a full loss: what cannot be measured must not stay armed.
    """
    if equity != equity or unrealised != unrealised or wallet != wallet:
        return Drawdowns(1.0, 1.0, 1.0)
    daily = 1.0 - equity / ladder.day_high if ladder.day_high > 0.0 else 1.0
    total = 1.0 - equity / ladder.peak if ladder.peak > 0.0 else 1.0
    loss = -unrealised
    open_ = 0.0
    if loss > 0.0:
        open_ = loss / wallet if wallet > 0.0 else 1.0
    return Drawdowns(daily if daily > 0.0 else 0.0, open_, total if total > 0.0 else 0.0)


def daily_level(daily: float, limits: StopLimits) -> int:
    """Level a daily drawdown asks for: 2 brake, 1 no new trades, 0."""
    if daily >= limits.daily_brake:
        return 2
    if daily >= limits.daily_stop:
        return 1
    return 0


def trigger_level(dd: Drawdowns, stops_15m: int, ess: Ess, limits: StopLimits) -> int:
    """Highest level asked for now.

    A total drawdown that already closed everything asks again only after its acknowledgement,
    which sets the peak anew.
    """
    level = daily_level(dd.daily, limits)
    if stops_15m > limits.max_stops_15m and level < 2:
        level = 2
    closing = ess.level == 3 and (ess.state == TRIPPED or ess.state == COOLING_DOWN)
    if dd.open >= limits.open_close_all or (dd.total >= limits.total_close_all and not closing):
        level = 3
    return level


class Judged(NamedTuple):
    """Result of one evaluation; ``raised`` is the level just tripped or raised, else 0."""

    ladder: Ladder
    ess: Ess
    drawdowns: Drawdowns
    raised: int


def judge(
    ladder: Ladder,
    ess: Ess,
    equity: float,
    unrealised: float,
    wallet: float,
    flat: bool,
    stops_15m: int,
    acknowledged: bool,
    now_ns: int,
    limits: StopLimits,
) -> Judged:
    """Evaluate ladder and emergency stop at one instant.

    The acknowledgement of a total-drawdown trip sets the peak to the equity at that moment.
    """
    ladder = raise_high_waters(ladder, equity, now_ns)
    dd = drawdowns(ladder, equity, unrealised, wallet)
    level = trigger_level(dd, stops_15m, ess, limits)
    daily = daily_level(dd.daily, limits)
    after = next_ess(ess, level, daily, flat, acknowledged, now_ns, limits)
    if ess.state == COOLING_DOWN and after.state == RECOVERING and ess.level == 3:
        ladder = Ladder(ladder.day, equity, equity)
    raised = after.level if after.level > ess.level else 0
    return Judged(ladder, after, dd, raised)


def is_calm(
    day_high: float,
    peak: float,
    equity: float,
    unrealised: float,
    wallet: float,
    stops_15m: int,
    limits: StopLimits,
) -> bool:
    """Whether an armed stop surely stays armed at these high waters; spares the exact judgement.

    ``day_high`` and ``peak`` include this equity. A margin of 1e-9 stands for all rounding, so
    True implies that ``judge`` trips nothing; False implies nothing.
    """
    daily = limits.daily_stop if limits.daily_stop < limits.daily_brake else limits.daily_brake
    return (
        equity > day_high * (1.0 - daily) + 1e-9 * day_high
        and equity > peak * (1.0 - limits.total_close_all) + 1e-9 * peak
        and -unrealised < wallet * limits.open_close_all - 1e-9 * wallet
        and wallet > 0.0
        and stops_15m <= limits.max_stops_15m
    )


def cooldown_ns(level: int, limits: StopLimits) -> int:
    """Length of the cool-down of a level."""
    if level >= 3:
        return limits.cooldown_3_s * NS_PER_SECOND
    if level == 2:
        return limits.cooldown_2_s * NS_PER_SECOND
    return limits.cooldown_1_s * NS_PER_SECOND


def next_ess(
    ess: Ess,
    level: int,
    daily: int,
    flat: bool,
    acknowledged: bool,
    now_ns: int,
    limits: StopLimits,
) -> Ess:
    """One evaluation of the state machine (spec 10.4).

    ``level`` is the highest trigger now, ``daily`` the level of the daily drawdown alone.
    """
    day = now_ns // NS_PER_DAY
    daily_day = day if daily > 0 else ess.daily_day
    if level > 0:
        if ess.state == TRIPPED:
            top = ess.level if ess.level > level else level
            return Ess(TRIPPED, top, ess.since_ns, daily_day, 0)
        return Ess(TRIPPED, level, now_ns, daily_day, 0)
    if ess.state == TRIPPED:
        held = ess.daily_day >= 0 and day <= ess.daily_day
        if held or (ess.level == 3 and not flat):
            return ess
        return Ess(COOLING_DOWN, ess.level, now_ns, -1, 0)
    if ess.state == COOLING_DOWN:
        if acknowledged and now_ns - ess.since_ns >= cooldown_ns(ess.level, limits):
            return Ess(RECOVERING, 0, now_ns, -1, 0)
        return ess
    over = ess.trades >= limits.recovery_trades or now_ns - ess.since_ns >= limits.recovery_ns
    if ess.state == RECOVERING and over:
        return Ess(ARMED, 0, now_ns, -1, 0)
    return ess


def entries_allowed(ess: Ess) -> bool:
    """Order gate: ACTIVE while ARMED or RECOVERING, otherwise REDUCING."""
    return is_active(ess.state)


def is_active(state: int) -> bool:
    """Whether a state of the emergency stop leaves the order gate ACTIVE."""
    return state in (ARMED, RECOVERING)
