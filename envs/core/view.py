"""What one decision may use, frozen."""

from __future__ import annotations

from dataclasses import dataclass

from envs.core.quick import quick
from envs.core.rules.sizing import Funds
from envs.core.trade import SizingContext
from envs.core.types import Int8Array, Int64Array


@quick
@dataclass(frozen=True)
class DecisionView:
    """Everything one decision may use, frozen at the close of ``row``.

    Arrays of length A. ``spare_units`` is the free margin at the decision; ``funds`` what the caps
    read; ``sides`` the models' actions, empty without votes. ``executable`` is False for rows that
    are learned from but not decided.
    """

    decision_id: str
    row: int
    symbol_index: int
    symbol: str
    bar_close_ns: int
    side: int
    regime: int
    close_ticks: int
    atr: float
    context: SizingContext
    funds: Funds
    qty_steps: Int64Array
    mask_reasons: Int8Array
    equity_units: int
    spare_units: int
    score: float
    votes_up: tuple[float, ...]
    votes_down: tuple[float, ...]
    weights: tuple[float, ...]
    sides: tuple[int, ...]
    executable: bool
    block_reason: str
