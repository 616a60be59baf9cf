"""What the view shows at one moment: plain, frozen values, taken from the trader and let go."""

from __future__ import annotations

from dataclasses import dataclass, field


@dataclass(frozen=True)
class PositionLine:
    """An open position; prices in quote, ``r`` its unrealised result in multiples of its risk.

    ``protection`` is what rests at the venue for it, in words; ``safe`` whether that is enough.
    """

    symbol: str
    side: int
    qty: float
    entry: float
    mark: float
    stop: float
    target: float
    r: float
    opened_ns: int
    protection: str
    safe: bool


@dataclass(frozen=True)
class DecisionLine:
    """A decision; ``action`` in words, ``reason`` why nothing was opened (empty: sent)."""

    time_ns: int
    symbol: str
    side: int
    action: str
    reason: str


@dataclass(frozen=True)
class TradeLine:
    """A closed trade; ``net`` in quote after fees and funding."""

    time_ns: int
    symbol: str
    side: int
    net: float
    r: float
    reason: str


@dataclass(frozen=True)
class ModelLine:
    """A model's weight, how much of its distance from one half is believed, its Brier score.

    ``brier`` is NaN before the first forecast resolved; ``samples`` how many have.
    """

    name: str
    weight: float
    scaler: float
    brier: float
    samples: float


@dataclass(frozen=True)
class HealthLine:
    """One thing that may be well or not."""

    name: str
    well: bool
    detail: str


@dataclass(frozen=True)
class Totals:
    """Sums of this run: money in quote, ``reasons`` decisions by what became of them."""

    trades: int = 0
    wins: int = 0
    net: float = 0.0
    fees: float = 0.0
    funding: float = 0.0
    r: float = 0.0
    growth: float = 0.0
    deepest: float = 0.0
    decisions: int = 0
    entries: int = 0
    reasons: tuple[tuple[str, int], ...] = ()
    exits: tuple[tuple[str, int], ...] = ()
    forced: int = 0


@dataclass(frozen=True)
class Learned:
    """What was learned in this run.

    ``digest_then``, ``digest_now`` identify the sizing agent's table; equal: nothing changed.
    """

    on: bool
    labels: int = 0
    resolved: int = 0
    last: str = ""
    digest_then: str = ""
    digest_now: str = ""


@dataclass(frozen=True)
class Snapshot:
    """Everything the view shows.

    Attributes:
        title: venue, symbols, bundle.
        now_ns: market time; 0 before the first bar.
        bars, most_bars: closes so far, and how many there will be (0: unknown).
        equity, start: quote; ``curve`` the last values at closes.
        gate: the emergency stop in words; ``gate_open`` whether entries are allowed.
    """

    title: str
    now_ns: int = 0
    bars: int = 0
    most_bars: int = 0
    equity: float = 0.0
    start: float = 0.0
    curve: tuple[float, ...] = ()
    positions: tuple[PositionLine, ...] = ()
    decisions: tuple[DecisionLine, ...] = ()
    trades: tuple[TradeLine, ...] = ()
    models: tuple[ModelLine, ...] = ()
    totals: Totals = field(default_factory=Totals)
    learned: Learned = field(default_factory=lambda: Learned(False))
    gate: str = ""
    gate_open: bool = True
    health: tuple[HealthLine, ...] = ()
