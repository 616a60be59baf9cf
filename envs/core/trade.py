"""What a decision froze, what became of it, and the one unit agents learn from."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from envs.core.equality import ContentEqual
from envs.core.quick import quick
from envs.core.rules.exits import Template
from envs.core.types import BoolArray, ExitReason, Float32Array, Float64Array, Int64Array


@dataclass(frozen=True)
class Leg:
    """One closing fill: partial or last."""

    time_ns: int
    price_ticks: int
    qty_steps: int
    gross_units: int
    fee_units: int
    reason: ExitReason


@dataclass(frozen=True)
class ClosedTrade:
    """A position from first fill to quantity 0. Money in 1e-8 quote, R and growth float64.

    ``net_units`` = gross - fees + funding (signed, received positive) - liquidation costs, the
    exact change of cash. ``slippage_units`` is the part of gross lost to slippage, for reports.
    ``mae_frac``, ``mfe_frac`` are the largest adverse and favourable moves seen at path vertices
    and fills, as fractions of the entry, >= 0. ``risk_units`` is |fill - stop0| * qty.
    """

    decision_id: str
    symbol: str
    side: int
    entry_ns: int
    exit_ns: int
    entry_ticks: int
    stop0_ticks: int
    qty_steps: int
    leverage: int
    exit_strategy: int
    legs: tuple[Leg, ...]
    reason: ExitReason
    notional_units: int
    margin_units: int
    gross_units: int
    fee_units: int
    funding_units: int
    insurance_units: int
    slippage_units: int
    net_units: int
    risk_units: int
    equity_units: int
    r_gross: float
    r_net: float
    log_growth: float
    mae_frac: float
    mfe_frac: float
    truncated: bool = False


@dataclass(frozen=True)
class Skipped:
    """A decision that opened nothing, and why (SKIP when the agent chose it)."""

    reason: str


@quick
@dataclass(frozen=True, eq=False)
class Alternatives(ContentEqual):
    """Outcome of every action of one decision, each simulated alone from the same bars.

    Arrays of length A (the preset). ``reward`` decision reward in the configured kind, 0 for
    skip, NaN where masked; ``net_units`` net profit (0 where masked or skipped). ``end_bar`` (A,)
    grid row of the exit, -1 for skip and masked. ``overlap`` (3,) number m of other candidate rows
    of the symbol whose holding period for that exit strategy overlaps this one's (spec 8.3).
    """

    reward: Float64Array
    net_units: Int64Array
    end_bar: Int64Array
    overlap: Int64Array


@dataclass(frozen=True, eq=False)
class NextState(ContentEqual):
    """Where a bootstrapping learner continues: state index, action mask, terminal flag."""

    state: int
    mask: BoolArray
    terminal: bool


@quick
@dataclass(frozen=True, eq=False)
class SizingContext(ContentEqual):
    """What a sizing agent may see when it decides; everything is known at the bar's close.

    Attributes:
        state: 0..299 (spec 8.1).
        mask: (A,) True where the action is allowed; skip is always allowed where it exists.
        notional_frac: (A,) planned and capped notional over equity, 0 for skip and masked.
        clamped: (A,) a cap cut the action.
        ev: expected gross move of the traded side as a fraction of price, >= 0.
        confidence: clip(ev/round_trip, 0, 1).
        round_trip: round-trip cost fraction of the configured entry style.
        atr_frac: ATR(14)/close.
        slopes: (3, 3) as-of exit slopes (b, se, q) per exit strategy; NaN without a line.
        observation: the environments' vector (``envs.observe``) for agents that ask for it.
    """

    state: int
    mask: BoolArray
    notional_frac: Float64Array
    clamped: BoolArray
    ev: float
    confidence: float
    round_trip: float
    atr_frac: float
    slopes: Float64Array
    observation: Float32Array | None = None


@dataclass(frozen=True)
class PlannedOrder:
    """An order that no grid action stands for exactly: steps, leverage, stop in ATRs, exits.

    ``qty_steps`` is within the caps of the world already and 0 where nothing is entered.
    """

    qty_steps: int
    leverage: int
    sl_atr: float
    exits: Template


@quick
@dataclass(frozen=True, eq=False)
class SizingChoice(ContentEqual):
    """An agent's answer: index into the preset, the behaviour policy's propensities, a reason.

    With a ``plan`` that order is sent, and ``index`` is the action it is learned as; -1 where no
    action stands for it, which opens nothing.
    """

    index: int
    propensities: Float64Array
    reason: str = ""
    plan: PlannedOrder | None = None


@quick
@dataclass(frozen=True, eq=False)
class Decision(ContentEqual):
    """Everything frozen at one decision; ``chosen`` is None for a row that was not decided.

    ``sides`` are the models' actions (+1, -1, 0 HOLD or abstained), empty where not recorded;
    ``plan`` the order of a brain that plans its own.
    """

    decision_id: str
    symbol: str
    bar_close_ns: int
    side: int
    context: SizingContext
    chosen: int | None
    propensities: Float64Array | None
    qty_steps: int
    equity_units: int
    free_margin_units: int
    score: float
    votes_up: tuple[float, ...]
    votes_down: tuple[float, ...]
    weights: tuple[float, ...]
    effects: tuple[tuple[str, str, str], ...] = ()
    reason: str = ""
    sides: tuple[int, ...] = ()
    plan: PlannedOrder | None = None


@quick
@dataclass(frozen=True, eq=False)
class ResolvedDecision(ContentEqual):
    """The unit of learning (spec 8.3): emitted once all that its learner uses is known.

    ``outcome`` is what really happened (None for a row without chosen action); ``alternatives``
    what every action would have earned; ``next`` only where the learner bootstraps. ``reward`` is
    the decision reward of the executed action (0 for skip). ``part`` distinguishes the first
    emission (0) from later ones of the same decision.
    """

    decision: Decision
    outcome: ClosedTrade | Skipped | None
    reward: float
    alternatives: Alternatives | None = None
    next: NextState | None = None
    part: int = 0

    @property
    def id(self) -> tuple[str, int]:
        """Identity under which every learner applies it at most once."""
        return (self.decision.decision_id, self.part)


@dataclass(frozen=True, eq=False)
class ResolvedLabel(ContentEqual):
    """One decision bar's label, traded or not: what calibration and the pool learn from.

    Arrays of length M (models). ``p_up``/``p_down`` are the calibrated probabilities stated at
    ``bar_close_ns``, NaN where the model abstained; ``y_long``, ``y_short`` in {0, 1}. ``sides``
    are the models' actions (+1, -1, 0 HOLD or abstained), empty where not recorded.
    """

    symbol: str
    bar_close_ns: int
    resolved_ns: int
    p_up: Float64Array
    p_down: Float64Array
    y_long: int
    y_short: int
    sides: tuple[int, ...] = ()

    @property
    def id(self) -> tuple[str, int]:
        """Identity of the label."""
        return (self.symbol, self.bar_close_ns)


def no_propensities(n: int, index: int) -> Float64Array:
    """Return a degenerate propensity vector: all mass on one action."""
    out = np.zeros(n, dtype=np.float64)
    out[index] = 1.0
    return out
