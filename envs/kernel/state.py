"""Memory of the compiled environments: one row an environment, one a symbol, structs of scalars."""

from __future__ import annotations

from typing import Any

import numpy as np

from envs.core.rules.state import PERFORMANCE_WINDOW

RUNNING = 0
TERMINATED = 1
TRUNCATED = 2
"""``phase`` of an environment; both ends wait for a reset."""

SLOT = np.dtype(
    [
        ("side", "i1"), ("quiet", "?"), ("active", "?"), ("order", "i1"), ("exit", "i1"),
        ("plan_regime", "i1"), ("tier", "i1"), ("stop_kind", "i1"), ("watch_low", "i4"),
        ("watch_high", "i4"), ("price", "f8"), ("quantity", "f8"), ("cost", "i8"), ("margin", "i8"),
        ("peak", "i4"), ("trough", "i4"), ("entry", "i4"), ("stop", "i4"),
        ("stop0", "i4"), ("partial", "i4"), ("target", "i4"), ("last", "i4"), ("liq", "i8"),
        ("entry_ns", "i8"), ("qty", "i8"), ("atr", "f8"), ("decided_row", "i4"), ("action", "i2"),
        ("leverage", "i2"), ("partial_done", "?"), ("market", "?"), ("adverse", "?"),
        ("spare", "i1", (5,)),
        ("mark", "f8"), ("gross", "i8"), ("fees", "i8"), ("funding", "i8"), ("slippage", "i8"),
        ("funding_unit", "f8"), ("qty0", "i8"), ("equity_units", "i8"),
    ],
    align=True,
)  # fmt: skip
"""A position, or an entry sent and not filled: then ``entry`` is its limit (signed ticks),
``margin`` and ``cost`` the reserved margin and risk in units, ``funding_unit`` the reserved
notional in quote. ``entry_ns`` outlives the position (0: none yet).

Three cache lines: what a bar at a glance reads, the plan, and the money. Derived for the glance:
``price`` is the last mark and ``quantity`` the position in quote and base units; a bar that stays
within ``watch_low`` and ``watch_high`` (signed ticks, both exclusive) meets no level of the
position and moves no stop. ``quiet``: so it is in the present bar; ``active``: the symbol has a bar
now; ``adverse``: its path meets the worse extreme first."""

TRADE = np.dtype(
    [
        ("row", "i4"), ("symbol", "i2"), ("action", "i2"), ("side", "i1"), ("exit", "i1"),
        ("leverage", "i2"), ("reason", "i1"), ("truncated", "?"), ("closed", "?"),
        ("entry_ns", "i8"), ("exit_ns", "i8"), ("entry_ticks", "i8"), ("stop0_ticks", "i8"),
        ("qty_steps", "i8"), ("notional_units", "i8"), ("margin_units", "i8"),
        ("gross_units", "i8"), ("fee_units", "i8"), ("funding_units", "i8"),
        ("insurance_units", "i8"), ("slippage_units", "i8"), ("net_units", "i8"),
        ("risk_units", "i8"), ("equity_units", "i8"), ("r_net", "f8"), ("mae_frac", "f8"),
        ("mfe_frac", "f8"), ("exit_price_ticks", "i8"),
    ]
)  # fmt: skip
"""A closed trade as the kernel reports it, or (``closed`` False) an entry that never opened."""

LARGEST_TICKS = 2**27
"""Prices of a compiled environment stay below: levels some ATRs away then fit 32 bits."""


def account_dtype(max_stops_15m: int) -> np.dtype[Any]:
    """One environment's account: cash, ladder, emergency stop, the decision it waits for.

    ``stops`` keeps the last ``max_stops_15m + 1`` stop fills: more than the limit within the
    window are exactly those whose oldest lies within it. ``stale``: the drawdowns of the last
    evaluation were not computed yet. ``unrealised`` is that of the last close, ``total_r`` the
    sum of ``recent_r``. ``held`` and ``waiting``: symbols with a position and with a pending entry,
    as bits; ``busy`` counts both.
    """
    return np.dtype(
        [
            ("cash", "i8"), ("unrealised", "f8"), ("day_high", "f8"), ("peak", "f8"),
            ("held", "i8"), ("waiting", "i8"), ("day", "i4"), ("row", "i4"), ("last_row", "i4"),
            ("decision", "i2"), ("queued", "i2"),
            ("n_stops", "i2"), ("state", "i1"), ("phase", "i1"), ("busy", "i1"), ("stale", "?"),
            ("ruined", "?"), ("overflow", "?"), ("equity", "f8"), ("allowed", "i8"),
            ("total_r", "f8"), ("daily_dd", "f8"), ("total_dd", "f8"), ("n_recent", "i2"),
            ("n_trades", "i2"), ("level", "i1"), ("reason", "i1"), ("trades", "i4"),
            ("open_dd", "f8"), ("since_ns", "i8"), ("daily_day", "i8"),
            ("recent_r", "f8", (PERFORMANCE_WINDOW,)), ("stops", "i8", (max_stops_15m + 1,)),
        ],
        align=True,
    )  # fmt: skip


REASONS = ("", "SKIP", "MASKED", "NO_ACTION")
"""Why a decision sent nothing, by the account's ``reason``."""
