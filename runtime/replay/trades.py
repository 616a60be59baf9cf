"""Closed trades, put together again from the fills and the funding that were journalled."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

from envs.core.events import LedgerEntry
from envs.core.instrument import Instrument
from envs.core.rules.booking import value_of
from envs.core.rules.reward import log_growth
from envs.core.rules.rounding import from_units, to_units
from envs.core.series import contract_of
from envs.core.trade import ClosedTrade
from envs.core.types import ExitReason
from runtime.port_values import Fill
from runtime.replay.differences import Difference, differences


@dataclass
class _Business:
    fills: list[Fill] = field(default_factory=list)
    funding: int = 0


class TradeCheck:
    """Collects fills and funding by decision, and compares each closed trade with them."""

    def __init__(self, instruments: Mapping[str, Instrument]) -> None:
        self.adopt(instruments)
        self._open: dict[str, _Business] = {}

    def adopt(self, instruments: Mapping[str, Instrument]) -> None:
        """Count in the ticks and steps of these contracts from now on."""
        self._contracts = {name: contract_of(i) for name, i in instruments.items()}

    def fill(self, decision_id: str, fill: Fill) -> None:
        """Note one fill."""
        self._open.setdefault(decision_id, _Business()).fills.append(fill)

    def funding(self, entry: LedgerEntry) -> None:
        """Note one payment of funding."""
        self._open.setdefault(entry.decision_id, _Business()).funding += entry.units

    def closed(self, trade: ClosedTrade) -> Iterator[Difference]:
        """What differs between a closed trade and what its fills come to."""
        business = self._open.pop(trade.decision_id, _Business())
        entries = [f for f in business.fills if f.side == trade.side]
        exits = [f for f in business.fills if f.side != trade.side]
        entered = sum(f.qty_steps for f in entries)
        yield from differences(trade.qty_steps, entered, "qty_steps")
        told = [(leg.price_ticks, leg.qty_steps) for leg in trade.legs]
        filled = [(f.price_ticks, f.qty_steps) for f in exits]
        yield from differences(told, filled, "legs")
        if len(entries) == 1:
            yield from differences(trade.entry_ticks, entries[0].price_ticks, "entry_ticks")
        yield from differences(trade.funding_units, business.funding, "funding_units")
        if trade.reason is not ExitReason.LIQUIDATION:
            fees = sum(f.fee_units for f in business.fills)
            yield from differences(trade.fee_units, fees, "fee_units")
            yield from differences(trade.gross_units, self._gross(trade, entries), "gross_units")
        yield from self._sums(trade)

    def _gross(self, trade: ClosedTrade, entries: list[Fill]) -> int:
        """Gross result of the fills: each leg's value against its share of the cost."""
        contract = self._contracts[trade.symbol]
        cost = sum(to_units(value_of(f.price_ticks, f.qty_steps, contract)) for f in entries)
        value = sum(
            to_units(value_of(leg.price_ticks, leg.qty_steps, contract)) for leg in trade.legs
        )
        return trade.side * (value - cost)

    @staticmethod
    def _sums(trade: ClosedTrade) -> Iterator[Difference]:
        """What differs inside the trade itself."""
        gross = sum(leg.gross_units for leg in trade.legs)
        yield from differences(trade.gross_units, gross, "gross_units of the legs")
        net = trade.gross_units - trade.fee_units + trade.funding_units + trade.insurance_units
        yield from differences(trade.net_units, net, "net_units")
        r_net = net / trade.risk_units if trade.risk_units > 0 else 0.0
        yield from differences(trade.r_net, r_net, "r_net")
        growth = log_growth(from_units(net), from_units(trade.equity_units))
        yield from differences(trade.log_growth, growth, "log_growth")
