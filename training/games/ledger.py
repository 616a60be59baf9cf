"""Money of whole accounts: what is booked is what the cash changed by (rows 23 and 26)."""

from __future__ import annotations

from collections import defaultdict

import numpy as np

from agents.baselines import RandomPolicy
from envs.core.actions import preset
from envs.core.decide import Desk, decide
from envs.core.events import EntryKind
from envs.core.hooks import HookChain
from envs.core.rules.rounding import from_units
from envs.core.series import prepare
from envs.core.settings import CoreSettings
from envs.core.trade import ClosedTrade
from envs.core.world import Resolved, World
from envs.defaults import default_environment_data
from training.games.sheet import Sheet

_BARS = 2_500


def play_ledger(sheet: Sheet) -> None:
    """A random policy trades two synthetic symbols; every bar is audited."""
    market, tape, _ = default_environment_data(_BARS, 0)
    settings, grid = CoreSettings(), preset("full")
    world = World(prepare(market, settings), settings)
    desk, account = Desk(world, tape, grid, settings), world.account
    agent, chain, rng = RandomPolicy(grid, 0.9, 1), HookChain(), np.random.default_rng(26)
    trades: list[ClosedTrade] = []
    gap_units = 0
    gap_equity = 0.0

    def keep(resolved: list[Resolved]) -> None:
        trades.extend(r.outcome for r in resolved if isinstance(r.outcome, ClosedTrade))

    while not world.done:
        for s in desk.candidates():
            if not desk.block_reason(s):
                view = desk.view(s)
                desk.commit(view, decide(view, agent, chain, rng))
        keep(world.advance())
        booked = sum(entry.units for entry in account.ledger)
        gap_units = max(gap_units, abs(account.cash_units - account.start_units - booked))
        held = from_units(account.cash_units) + account.unrealised_quote()
        gap_equity = max(gap_equity, abs(account.equity_quote() - held))
    keep(world.finish())
    sheet.at_least(26, "trades audited", float(len(trades)), 100.0)
    sheet.near(26, "ledger sum less change of cash, units of 1e-8", float(gap_units), 0.0, 0.0)
    sheet.near(26, "equity less cash and unrealised", gap_equity, 0.0, 1e-9)
    by_trade: dict[str, int] = defaultdict(int)
    outside = 0
    life = {t.decision_id: (t.entry_ns, t.exit_ns) for t in trades}
    stamps = 0
    for entry in account.ledger:
        by_trade[entry.decision_id] += entry.units
        if entry.kind is EntryKind.FUNDING:
            first, last = life[entry.decision_id]
            stamps += 1
            outside += abs(entry.units) if not first < entry.time_ns <= last else 0
    worst = max(abs(by_trade[t.decision_id] - t.net_units) for t in trades)
    sheet.near(26, "ledger of a trade less its net result, units", float(worst), 0.0, 0.0)
    total = sum(t.net_units for t in trades) - (account.cash_units - account.start_units)
    sheet.near(26, "net of all trades less change of cash, units", float(total), 0.0, 0.0)
    sheet.at_least(23, "funding stamps booked", float(stamps), 20.0)
    sheet.near(23, "funding booked outside a position's life, units", float(outside), 0.0, 0.0)
