"""Outcome of every action of a decision, each as if simulated alone from the same bars, compiled.

Three courses (one an exit strategy) are walked and booked for each distinct quantity. Where the
size itself could matter (a liquidation within reach, a break-even level that rounded funding could
move, finer bars), that action is walked by itself. The results equal 76 lone walks exactly.
"""

from __future__ import annotations

from functools import cache
from types import FunctionType
from typing import TYPE_CHECKING, Any, NamedTuple, cast

import numpy as np

from envs.core.rules.alone import walk_alone
from envs.core.rules.course import MAX_STAMPS, Course, walk_course
from envs.core.rules.exits import stop_atr, template
from envs.core.rules.reward import LOG_GROWTH, decision_reward, log_growth
from envs.core.rules.rounding import from_units
from envs.core.rules.settle import is_safe, outcome_of, settle, smallest_quantity
from envs.core.rules.sizing import Contract, Funds, SizeRules, size_ladder
from envs.core.rules.walk import RULE_DETAIL, Order, Outcome
from envs.core.types import BoolArray, Float64Array, Int64Array
from envs.kernel import market
from envs.kernel.compile import compiled, register, register_module
from envs.kernel.layout import lay_out_rules
from envs.kernel.market import Rules, contract_at, market_at, rules_at, series_at

if TYPE_CHECKING:
    from envs.core.decide import Desk
    from envs.core.view import DecisionView

NS_PER_HOUR = 3_600_000_000_000
N_EXITS = 3
LEVERAGE, EXIT, TWIN = range(3)
"""Columns of ``Market.axes``."""
RULES = len(Funds._fields)
CONTRACT = RULES + len(SizeRules._fields)
REST = CONTRACT + len(Contract._fields)
"""Where rules, contract and the rest begin among the arguments of ``size_spread``."""


class Entry(NamedTuple):
    """One decision as the outcomes need it: where, and what was known."""

    row: int
    last_row: int
    symbol: int
    side: int
    regime: int
    atr: float
    atr_frac: float
    limit: int
    spare: int
    equity: float
    reward_kind: int


def fill_outcomes(
    address: int, entry: Entry, qty: Any, mask: Any, stamps: Any, reward_out: Any, net_out: Any,
    end_out: Any,
) -> None:  # fmt: skip
    """Fill the ``_out`` arrays (A,): decision reward (NaN masked), net units, exit row or -1.

    ``qty`` steps and ``mask`` of each action of the world at ``address``; ``stamps``
    (MAX_STAMPS, 2) is scratch.
    """
    m, r = market_at(address), rules_at(address)
    for i in range(qty.shape[0]):
        end_out[i] = -1
        net_out[i] = 0
        reward_out[i] = 0.0 if mask[i] else np.nan
    contract = contract_at(m.contracts, entry.symbol)
    for e in range(N_EXITS):
        least, leverage = extremes_of(e, m.axes, qty, mask)
        if least == 0:
            continue
        course = walk_course(
            m.rows, m.close_ns, entry.symbol, entry.row, entry.last_row,
            order_of(r, entry, e, least, 1),
            smallest_quantity(least, r.fees.partial_fraction, contract), r.interval_ns, r.intrabar,
            r.fees, contract, stamps,
        )  # fmt: skip
        shared = course.exact and r.intrabar != RULE_DETAIL
        if shared and (not course.opened or course.last.row < 0):
            continue
        most = largest_mmr(m.brackets[entry.symbol])
        shared = shared and is_safe(course, leverage, most, stamps, contract)
        if shared:
            fill_shared(address, entry, e, course, qty, mask, stamps, reward_out, net_out, end_out)
        else:
            fill_alone(address, entry, e, qty, mask, reward_out, net_out, end_out)


def fill_shared(
    address: int, entry: Entry, e: int, course: Course, qty: Any, mask: Any, stamps: Any,
    reward_out: Any, net_out: Any, end_out: Any,
) -> None:  # fmt: skip
    """Book a course for every action of its exit; equal quantities come to the same."""
    m, r = market_at(address), rules_at(address)
    contract = contract_at(m.contracts, entry.symbol)
    largest = -1
    for i in range(qty.shape[0]):
        if m.axes[i, EXIT] != e or not mask[i] or qty[i] == 0:
            continue
        known = m.axes[i, TWIN]
        # Sizes that a cap cut come to the same quantity, the largest.
        if largest >= 0 and qty[largest] == qty[i]:
            known = largest
        if largest < 0 or qty[i] > qty[largest]:
            largest = i
        if known >= 0 and mask[known] and qty[known] == qty[i]:
            reward_out[i] = reward_out[known]
            net_out[i] = net_out[known]
            end_out[i] = end_out[known]
        elif entry.reward_kind == LOG_GROWTH:
            net, _, last = settle(course, qty[i], stamps, r.fees, contract)
            reward_out[i] = log_growth(from_units(net), entry.equity)
            net_out[i] = net
            end_out[i] = last.row
        else:
            got = outcome_of(course, qty[i], stamps, r.fees, contract)
            reward_out[i] = reward_of(entry, e, got)
            net_out[i] = got.net
            end_out[i] = got.end_row


def fill_alone(
    address: int, entry: Entry, e: int, qty: Any, mask: Any, reward_out: Any, net_out: Any,
    end_out: Any,
) -> None:  # fmt: skip
    """Walk every action of an exit by itself."""
    m, r = market_at(address), rules_at(address)
    contract = contract_at(m.contracts, entry.symbol)
    for i in range(qty.shape[0]):
        if m.axes[i, EXIT] != e or not mask[i] or qty[i] == 0:
            continue
        got = walk_alone(
            series_at(address, entry.symbol), entry.row, entry.last_row,
            order_of(r, entry, e, qty[i], m.axes[i, LEVERAGE]), entry.spare, r.interval_ns,
            r.intrabar, r.fees, contract, m.brackets[entry.symbol],
        )  # fmt: skip
        if got.opened:
            reward_out[i] = reward_of(entry, e, got)
            net_out[i] = got.net
            end_out[i] = got.end_row


def extremes_of(e: int, axes: Any, qty: Any, mask: Any) -> tuple[int, int]:
    """Least quantity and highest leverage among the actions of one exit; (0, 0) without any."""
    least = 0
    leverage = 0
    for i in range(qty.shape[0]):
        if axes[i, EXIT] == e and mask[i] and qty[i] > 0:
            if least == 0 or qty[i] < least:
                least = qty[i]
            if axes[i, LEVERAGE] > leverage:
                leverage = axes[i, LEVERAGE]
    return least, leverage


def order_of(r: Rules, entry: Entry, exit_strategy: int, qty: int, leverage: int) -> Order:
    """Entry order of one action."""
    return Order(
        entry.side, qty, leverage, entry.atr, stop_atr(exit_strategy),
        template(exit_strategy, entry.regime), 1 if r.post_only else 0, r.unfilled_market,
        entry.limit,
    )  # fmt: skip


def largest_mmr(brackets: Any) -> float:
    """Largest maintenance rate of a contract."""
    out = 0.0
    for k in range(brackets.shape[0]):
        if brackets[k, 1] > out:
            out = brackets[k, 1]
    return out


def reward_of(entry: Entry, exit_strategy: int, got: Outcome) -> float:
    """Decision reward of an outcome."""
    return decision_reward(
        entry.reward_kind,
        from_units(got.net),
        entry.equity,
        from_units(got.risk),
        from_units(got.notional),
        stop_atr(exit_strategy) * entry.atr_frac,
        (got.exit_ns - got.entry_ns) / NS_PER_HOUR,
        got.mae_frac,
    )


def register_outcomes() -> None:
    """Let compiled code call ``fill_outcomes`` and what it is made of."""
    register_module(market)
    for helper in (extremes_of, order_of, largest_mmr, reward_of):
        register(cast(FunctionType, helper))
    for cold in (fill_shared, fill_alone, fill_outcomes):
        register(cast(FunctionType, cold), inline=False)


@cache
def compiled_outcomes() -> Any:
    """``fill_outcomes`` compiled for this process, from the disk cache where possible."""
    register_outcomes()
    return compiled(fill_outcomes)


def size_spread(*x: Any) -> None:
    """``size_ladder`` of funds, rules and contract spread out, which compiled code takes faster."""
    size_ladder(Funds(*x[:RULES]), SizeRules(*x[RULES:CONTRACT]), Contract(*x[CONTRACT:REST]),
                *x[REST:])  # fmt: skip


@cache
def compiled_ladder() -> Any:
    """The rule ``size_ladder`` compiled; drop-in for ``Desk(ladder=...)``."""
    fill = compiled(size_spread)

    def ladder(funds: Funds, rules: SizeRules, contract: Contract, *rest: Any) -> None:
        fill(*funds, *rules, *contract, *rest)

    return ladder


class Counterfactual:
    """Outcomes of all actions of a view; one instance a desk.

    Arrays returned are new; rewards are of the kind given (0 log growth, 1 R, 2 shaped).
    """

    def __init__(self, desk: Desk, reward_kind: int) -> None:
        self._desk = desk
        self._kind = reward_kind
        self._fill = compiled_outcomes()
        self._memory = lay_out_rules(desk.world.data, desk.settings, desk.preset)
        self._stamps = np.empty((MAX_STAMPS, 2), dtype=np.float64)

    def outcomes(self, view: DecisionView) -> tuple[Float64Array, Int64Array, Int64Array]:
        """Rewards, net units and exit rows (A,) of one view, simulated through the last row."""
        n = self._desk.preset.n
        reward = np.empty(n, dtype=np.float64)
        net = np.empty(n, dtype=np.int64)
        end = np.empty(n, dtype=np.int64)
        mask: BoolArray = view.context.mask
        entry = Entry(
            view.row, self._desk.world.last_row, view.symbol_index, view.side, view.regime,
            view.atr, view.context.atr_frac, view.side * view.close_ticks, view.spare_units,
            from_units(view.equity_units), self._kind,
        )  # fmt: skip
        self._fill(
            self._memory.address, entry, view.qty_steps, mask, self._stamps, reward, net, end
        )
        return reward, net, end
