"""Outcome of every action of a decision, each simulated alone from the same bars, compiled.

The loops here call the rules of ``envs.core.rules`` as they stand; the results equal the plain
functions exactly.
"""

from __future__ import annotations

from functools import cache
from typing import TYPE_CHECKING, Any

import numpy as np

from envs.core.rules.alone import walk_alone
from envs.core.rules.exits import stop_atr, template
from envs.core.rules.reward import decision_reward
from envs.core.rules.rounding import from_units
from envs.core.rules.sizing import size_ladder
from envs.core.rules.walk import Order
from envs.core.types import BoolArray, Float64Array, Int64Array
from envs.kernel.compile import compiled

if TYPE_CHECKING:
    from envs.core.decide import DecisionView, Desk

NS_PER_HOUR = 3_600_000_000_000


def walk_actions(
    series: Any,
    row: int,
    last_row: int,
    side: int,
    regime: int,
    atr: float,
    atr_frac: float,
    limit: int,
    style: int,
    unfilled_market: bool,
    spare: int,
    equity: float,
    interval_ns: int,
    rule: int,
    fees: Any,
    contract: Any,
    brackets: Any,
    leverages: Any,
    exits: Any,
    qty: Any,
    reward_kind: int,
    mask: Any,
    reward_out: Any,
    net_out: Any,
    end_out: Any,
) -> None:
    """Fill the ``_out`` arrays (A,): decision reward (NaN masked), net units, exit row or -1."""
    for i in range(qty.shape[0]):
        end_out[i] = -1
        net_out[i] = 0
        reward_out[i] = 0.0
        if not mask[i]:
            reward_out[i] = np.nan
            continue
        if qty[i] == 0:
            continue
        sl_atr = stop_atr(exits[i])
        order = Order(
            side,
            qty[i],
            leverages[i],
            atr,
            sl_atr,
            template(exits[i], regime),
            style,
            unfilled_market,
            limit,
        )
        got = walk_alone(
            series, row, last_row, order, spare, interval_ns, rule, fees, contract, brackets
        )
        if not got.opened:
            continue
        net_out[i] = got.net
        end_out[i] = got.end_row
        reward_out[i] = decision_reward(
            reward_kind,
            from_units(got.net),
            equity,
            from_units(got.risk),
            from_units(got.notional),
            sl_atr * atr_frac,
            (got.exit_ns - got.entry_ns) / NS_PER_HOUR,
            got.mae_frac,
        )


@cache
def compiled_walk_actions() -> Any:
    """``walk_actions`` compiled for this process, from the disk cache where possible."""
    return compiled(walk_actions)


@cache
def compiled_ladder() -> Any:
    """The rule ``size_ladder`` compiled; drop-in for ``Desk(ladder=...)``."""
    return compiled(size_ladder)


class Counterfactual:
    """Outcomes of all actions of a view; one instance a desk.

    Arrays returned are new; rewards are of the kind given (0 log growth, 1 R, 2 shaped).
    """

    def __init__(self, desk: Desk, reward_kind: int) -> None:
        self._desk = desk
        self._kind = reward_kind
        self._walk = compiled_walk_actions()

    def outcomes(self, view: DecisionView) -> tuple[Float64Array, Int64Array, Int64Array]:
        """Rewards, net units and exit rows (A,) of one view, simulated through the last row."""
        desk, s = self._desk, view.symbol_index
        data, entry = desk.world.data, desk.settings.entry
        n = desk.preset.n
        reward = np.empty(n, dtype=np.float64)
        net = np.empty(n, dtype=np.int64)
        end = np.empty(n, dtype=np.int64)
        mask: BoolArray = view.context.mask
        self._walk(
            data.series[s],
            view.row,
            desk.world.last_row,
            view.side,
            view.regime,
            view.atr,
            view.context.atr_frac,
            view.side * view.close_ticks,
            int(entry.style),
            bool(int(entry.unfilled)),
            view.spare_units,
            from_units(view.equity_units),
            data.market.interval_ns,
            int(entry.intrabar),
            data.fees,
            data.contracts[s],
            data.brackets[s],
            desk.arrays.leverages,
            desk.arrays.exits,
            view.qty_steps,
            self._kind,
            mask,
            reward,
            net,
            end,
        )
        return reward, net, end
