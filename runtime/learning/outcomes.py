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
from envs.core.types import BoolArray, EntryStyle, EntryUnfilled, Float64Array, Int64Array
from envs.core.view import DecisionView
from envs.kernel import market
from envs.kernel.compile import compiled, register_module
from envs.kernel.counterfactual import Entry, compiled_outcomes
from envs.kernel.layout import lay_out_rules
from envs.kernel.market import contract_at, market_at, rules_at, series_at
from runtime.learning.holding import NEVER, Ends

_WALK_QUOTE = 1_000_000.0


class Known(NamedTuple):
    """Outcomes of every action (A,) of one row, as ``Alternatives`` has them, and since when.

    ``still`` marks actions of which nothing is known yet, None for none: their other figures mean
    nothing. ``settled`` is the row from which it is known of the others that they opened nothing;
    ``last`` the row by which all is known, ``NEVER`` while anything is still open. ``truth`` is an
    action whose real result was put in place, and the row of that result.
    """

    reward: Float64Array
    net_units: Int64Array
    end: Int64Array
    still: BoolArray | None
    settled: int
    last: int
    truth: tuple[int, int] | None = None

    def since(self) -> Int64Array:
        """Row (A,) from which each action is known."""
        out = np.where(self.end >= 0, self.end, self.settled)
        if self.still is not None:
            out[self.still] = NEVER
        if self.truth is not None:
            chosen, row = self.truth
            out[chosen] = min(int(out[chosen]), row)
        return out


def fill_held(
    address: int, asked: Any, last_row: int, cut_off: int, unknown: int, held: Any
) -> None:
    """Exit row (n, 3) of each exit strategy of candidates without costs.

    ``asked`` (n, 4) names them: row, symbol, side, regime. ``unknown`` stands for an exit that is
    still to come, or that ends at the row ``cut_off``.
    """
    m, r = market_at(address), rules_at(address)
    for k in range(asked.shape[0]):
        row, s, side, regime = asked[k, 0], asked[k, 1], asked[k, 2], asked[k, 3]
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
            open_still = got.end_row < 0 or got.end_row == cut_off
            held[k, e] = unknown if open_still else got.end_row


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
        self._held = np.empty((1, 3), dtype=np.int64)
        self._asked = np.empty((1, 4), dtype=np.int64)
        self._stamps = np.empty((MAX_STAMPS, 2), dtype=np.float64)
        self._traded = np.asarray([a.size > 0.0 for a in preset.actions])
        self._fill, self._hold = compiled_outcomes(), _compiled_held()
        self._lay_out()

    def _lay_out(self) -> None:
        data = self.data
        self._memory = lay_out_rules(data, self._settings, self._preset)
        self._address = self._memory.address
        still = [np.zeros_like(x.slip) for x in data.series]
        free = data.fees._replace(maker=0.0, taker=0.0, liquidation=0.0)
        series = tuple(
            x._replace(slip=z, funding=z) for x, z in zip(data.series, still, strict=True)
        )
        self._free = lay_out_rules(
            replace(data, series=series, fees=free), self._settings, self._preset
        )
        self._free_address = self._free.address

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
        self._fill(self._address, entry, view.qty_steps, mask, self._stamps, reward, net, end)
        last = max(int(end[end.argmax()]), row + 1)
        if not self.live or ended:
            return Known(reward, net, end, None, row + 1, last)
        still = self._traded & mask & (view.qty_steps > 0) & (end < 0)
        settled = row + 1
        if self._is_cut_off(through, ended):
            still |= end == through
        elif still.any():
            settled = self._settled(view, row, through)
            if settled < NEVER:
                still[:] = False
        if not still.any():
            return Known(reward, net, end, None, settled, max(last, settled))
        return Known(reward, net, end, still, row + 1, NEVER)

    def held(self, row: int, s: int, side: int, through: int, ended: bool = False) -> Ends:
        """Row at which each exit would have closed a candidate without costs, or ``NEVER``."""
        asked, out = self._asked, self._held
        asked[0, 0], asked[0, 1], asked[0, 2] = row, s, side
        asked[0, 3] = self.data.market.regime[row, s]
        unknown = row if ended or not self.live else NEVER
        self._fill_held(asked, through, ended, unknown, out)
        a, b, c = out[0].tolist()
        return a, b, c

    def all_held(
        self, rows: Int64Array, s: Int64Array, side: Int64Array, through: int
    ) -> Int64Array:
        """The same (n, 3) of many candidates, of bars that come one by one."""
        regime = self.data.market.regime[rows, s]
        asked = np.stack((rows, s, side, regime), axis=1, dtype=np.int64)
        out = np.empty((rows.shape[0], 3), dtype=np.int64)
        self._fill_held(asked, through, False, NEVER, out)
        return out

    def _fill_held(
        self, asked: Int64Array, through: int, ended: bool, unknown: int, out: Int64Array
    ) -> None:
        cut_off = through if self._is_cut_off(through, ended) else -1
        bound = self._bound(through, ended)
        self._hold(self._free_address, asked, bound, cut_off, unknown, out)

    def _bound(self, through: int, ended: bool) -> int:
        """Last row of a walk: one beyond the last bar, so that its end is not taken for an exit."""
        beyond = self.live and not ended and not self._is_cut_off(through, ended)
        return through + 1 if beyond else through

    def _is_cut_off(self, through: int, ended: bool) -> bool:
        """Whether the columns end with the present bar; its exits are then told a bar later."""
        return self.live and not ended and through + 1 >= self.data.rows.shape[0]

    def _settled(self, view: DecisionView, row: int, through: int) -> int:
        """Row from which it is known of actions without an exit that they opened nothing."""
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
