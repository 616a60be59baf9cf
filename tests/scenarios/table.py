"""A scenario: a table of candles in, the closed trade the specification demands out.

Bars are ``(open, high, low, close)`` in quote with tick 0.01; the table's first bar is row 1. Row 0
is the decision bar, flat at ``DECISION_CLOSE``. A market entry therefore fills at row 1's open.
Unless a scenario says otherwise: 10 units, 3x, ATR 2, balanced in a trend (T25), no costs; filled
at 100 a long has stop 97 (R = 3 a unit, 30 in all), partial 106, target 107.5, trail 2 behind.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace

from envs.core.settings import CoreSettings, CostSettings, EntrySettings, RiskSettings
from envs.core.types import EntryStyle, EntryUnfilled, ExitStrategy, IntrabarRule, Regime

DECISION_CLOSE = 100.0
Bar = tuple[float, float, float, float]
CONSERVATIVE, BALANCED, AGGRESSIVE = ExitStrategy
TREND, RANGE = Regime.TRENDING, Regime.RANGING
CHOP, BREAKOUT = Regime.CHOPPY, Regime.BREAKOUT

FREE = CoreSettings(
    costs=CostSettings(maker_fee=0.0, taker_fee=0.0, slippage_min_bps=0.0, slippage_max_bps=0.0)
)
"""Fills at the level itself; only a liquidation costs its fee."""
COSTS = CoreSettings()
"""Maker 2 bps, taker 4 bps, slippage 3.8 bps at the tables' ATR of 2 %."""


def entry(base: CoreSettings, **changes: object) -> CoreSettings:
    """Settings with other entry rules."""
    return replace(base, entry=replace(EntrySettings(), **changes))  # type: ignore[arg-type]


def costs(base: CoreSettings, **changes: object) -> CoreSettings:
    """Settings with other costs."""
    return replace(base, costs=replace(base.costs, **changes))  # type: ignore[arg-type]


def risk(base: CoreSettings, **changes: object) -> CoreSettings:
    """Settings with another lifecycle."""
    return replace(base, risk=replace(RiskSettings(), **changes))  # type: ignore[arg-type]


PESSIMISTIC = entry(FREE, intrabar=IntrabarRule.PESSIMISTIC)
DETAIL = entry(FREE, intrabar=IntrabarRule.DETAIL)
LAPSE = entry(FREE, style=EntryStyle.POST_ONLY)
CONVERT = entry(FREE, style=EntryStyle.POST_ONLY, unfilled=EntryUnfilled.MARKET)


@dataclass(frozen=True)
class Leg:
    """One closing fill: reason, price in quote, table row, and units where they matter."""

    reason: str
    price: float
    row: int
    qty: float | None = None


@dataclass(frozen=True)
class Scenario:
    """One table and what must come of it; amounts in quote, None where not stated.

    ``legs`` empty means the entry is skipped for ``skip``. ``final`` is the trade's reason where
    the last leg's differs. ``alone`` is False where the ladder acts, which lone walks do not have.
    ``mirror`` adds the same scenario reflected at 100 for the other side (no costs, no flat bar).
    """

    id: str
    bars: tuple[Bar, ...]
    legs: tuple[Leg, ...] = ()
    net: float | None = None
    skip: str = ""
    final: str = ""
    side: int = 1
    qty: float = 10.0
    leverage: int = 3
    exit: ExitStrategy = BALANCED
    regime: Regime = TREND
    atr: float = 2.0
    settings: CoreSettings = FREE
    hours: float = 1.0
    equity: float = 10_000.0
    min_notional: float = 5.0
    entry_price: float | None = None
    entry_row: int = 1
    fees: float | None = None
    funding: float = 0.0
    insurance: float | None = None
    r_net: float | None = None
    r_gross: float | None = None
    mae: float | None = None
    mfe: float | None = None
    marks: dict[int, Bar] = field(default_factory=dict)
    rates: dict[int, float] = field(default_factory=dict)
    detail: dict[int, tuple[Bar, ...]] = field(default_factory=dict)
    missing: tuple[int, ...] = ()
    alone: bool = True
    mirror: bool = False


def reflected(case: Scenario) -> Scenario:
    """The scenario of the other side, every price reflected at 100."""
    legs = tuple(replace(leg, price=_over(leg.price)) for leg in case.legs)
    return replace(
        case,
        id=f"{case.id}-mirrored",
        side=-case.side,
        bars=tuple(_turned(b) for b in case.bars),
        marks={row: _turned(b) for row, b in case.marks.items()},
        detail={row: tuple(_turned(b) for b in parts) for row, parts in case.detail.items()},
        legs=legs,
        entry_price=None if case.entry_price is None else _over(case.entry_price),
        mirror=False,
    )


def with_mirrors(cases: tuple[Scenario, ...]) -> list[Scenario]:
    """All scenarios, each that has a mirror followed by it."""
    out: list[Scenario] = []
    for case in cases:
        out.append(case)
        if case.mirror:
            out.append(reflected(case))
    return out


def _over(price: float) -> float:
    return round(2.0 * DECISION_CLOSE - price, 2)


def _turned(bar: Bar) -> Bar:
    o, high, low, c = bar
    return (_over(o), _over(low), _over(high), _over(c))
