"""What every action of a decision came to, and how long each exit held, walked over the bars."""

from __future__ import annotations

from dataclasses import replace
from functools import cache
from types import FunctionType
from typing import Any, NamedTuple, cast

import numpy as np

from envs.core.actions import ActionPreset
from envs.core.rules.alone import walk_alone
from envs.core.rules.course import MAX_STAMPS
from envs.core.rules.exits import stop_atr, template
from envs.core.rules.fills import limit_reached
from envs.core.rules.rounding import floor_whole, from_units
from envs.core.rules.walk import Order
from envs.core.series import MarketSeries
from envs.core.settings import CoreSettings
from envs.core.types import EntryStyle, EntryUnfilled, Float64Array, Int64Array
from envs.core.view import DecisionView
from envs.kernel import market
from envs.kernel.compile import compiled, register_module
from envs.kernel.counterfactual import Entry, compiled_outcomes
from envs.kernel.layout import lay_out_rules
from envs.kernel.market import contract_at, market_at, rules_at, series_at

NEVER = 2**62
"""A row at which nothing is known yet."""
_WALK_QUOTE = 1_000_000.0


class Known(NamedTuple):
    """Outcome of every action (A,): as ``Alternatives``, and ``since`` the row each is known from.

    ``since`` is ``NEVER`` for what has not ended; the other figures of such an action mean nothing.
    """

    reward: Float64Array
    net_units: Int64Array
    end: Int64Array
    since: Int64Array


def fill_held(
    address: int, row: int, last_row: int, s: int, side: int, regime: int, held: Any
) -> None:
    """Exit row (3,) of each exit strategy of a candidate without costs, -1 while it is held."""
    m, r = market_at(address), rules_at(address)
    contract, series = contract_at(m.contracts, s), series_at(address, s)
    price = series.ohlc[row, 3] * contract.tick_num / contract.tick_den
    qty = floor_whole(_WALK_QUOTE / price * contract.step_den / contract.step_num)
    for e in range(3):
        order = Order(
            side, qty, 1, series.atr[row], stop_atr(e), template(e, regime), 0, False,
            side * series.ohlc[row, 3],
        )  # fmt: skip
        got = walk_alone(
            series, row, last_row, order, 0, r.interval_ns, r.intrabar, r.fees, contract,
            m.brackets[s],
        )  # fmt: skip
        held[e] = got.end_row


@cache
def _compiled_held() -> Any:
    register_module(cast(Any, market))
    return compiled(cast(FunctionType, fill_held))


class Outcomes:
    """Walks decisions over the bars of one market; arrays it returns are new.

    Args:
        live: bars come one by one, and no row after the present one is valid. Otherwise the bars
            up to ``last_row`` are all there, and a walk may run ahead of the present.
    """

    def __init__(
        self, data: MarketSeries, settings: CoreSettings, preset: ActionPreset, reward_kind: int,
        live: bool,
    ) -> None:  # fmt: skip
        self.data, self._settings, self._preset = data, settings, preset
        self._kind, self.live = reward_kind, live
        style = settings.entry.style is EntryStyle.POST_ONLY
        self._may_stay_unfilled = style and settings.entry.unfilled is not EntryUnfilled.MARKET
        self._stamps = np.empty((MAX_STAMPS, 2), dtype=np.float64)
        self._traded = np.asarray([a.size > 0.0 for a in preset.actions])
        self._fill, self._hold = compiled_outcomes(), _compiled_held()
        self._lay_out()

    def _lay_out(self) -> None:
        data = self.data
        self._memory = lay_out_rules(data, self._settings, self._preset)
        still = [np.zeros_like(x.slip) for x in data.series]
        free = data.fees._replace(maker=0.0, taker=0.0, liquidation=0.0)
        series = tuple(
            x._replace(slip=z, funding=z) for x, z in zip(data.series, still, strict=True)
        )
        self._free = lay_out_rules(
            replace(data, series=series, fees=free), self._settings, self._preset
        )

    def use(self, data: MarketSeries) -> None:
        """Go on with other columns, where the bars have been laid out anew."""
        if data is not self.data:
            self.data = data
            self._lay_out()

    def known(self, view: DecisionView, row: int, through: int, ended: bool = False) -> Known:
        """Outcomes of a view decided at ``row``, from the bars up to ``through``.

        With ``ended`` the data end at ``through``: what is open is closed there, and all is known.
        """
        n, mask = self._preset.n, view.context.mask
        reward = np.empty(n, dtype=np.float64)
        net, end = np.empty(n, dtype=np.int64), np.empty(n, dtype=np.int64)
        entry = Entry(
            row, self._bound(through, ended), view.symbol_index, view.side, view.regime, view.atr,
            view.context.atr_frac, view.side * view.close_ticks, view.spare_units,
            from_units(view.equity_units), self._kind,
        )  # fmt: skip
        self._fill(
            self._memory.address, entry, view.qty_steps, mask, self._stamps, reward, net, end
        )
        since = np.where(end >= 0, end, row + 1)
        if self._is_cut_off(through, ended):
            since[end == through] = NEVER
        open_ = self._traded & mask & (view.qty_steps > 0) & (end < 0)
        if open_.any():
            since[open_] = self._settled(view, row, through, ended)
        return Known(reward, net, end, since)

    def held(self, row: int, s: int, side: int, through: int, ended: bool = False) -> Int64Array:
        """Row (3,) at which each exit would have closed a candidate without costs, or ``NEVER``."""
        out = np.empty(3, dtype=np.int64)
        bound = self._bound(through, ended)
        regime = int(self.data.market.regime[row, s])
        self._hold(self._free.address, row, bound, s, side, regime, out)
        if self._is_cut_off(through, ended):
            out[out == through] = -1
        unknown = row if ended or not self.live else NEVER
        return np.where(out >= 0, out, unknown)

    def _bound(self, through: int, ended: bool) -> int:
        """Last row of a walk: one beyond the last bar, so that its end is not taken for an exit."""
        beyond = self.live and not ended and not self._is_cut_off(through, ended)
        return through + 1 if beyond else through

    def _is_cut_off(self, through: int, ended: bool) -> bool:
        """Whether the columns end with the present bar; its exits are then told a bar later."""
        return self.live and not ended and through + 1 >= self.data.rows.shape[0]

    def _settled(self, view: DecisionView, row: int, through: int, ended: bool) -> int:
        """Row from which it is known of actions without an exit that they opened nothing."""
        if ended or not self.live:
            return row + 1
        if not self._may_stay_unfilled:
            return NEVER
        s = view.symbol_index
        valid = self.data.series[s].valid
        first = next((t for t in range(row + 1, through + 1) if valid[t]), NEVER)
        if first == NEVER:
            return NEVER
        bar = self.data.series[s].ohlc[first]
        worst = int(bar[2]) if view.side > 0 else -int(bar[1])
        return NEVER if limit_reached(worst, view.side * view.close_ticks) else first
