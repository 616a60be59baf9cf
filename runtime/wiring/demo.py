"""A trader on the exchange's demo, or on the live exchange where that is allowed."""

from __future__ import annotations

import os
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager

from envs.core.errors import RefusedArtifact
from runtime.adapters.ccxt_factory import make_exchange
from runtime.adapters.host_guard import Mode
from runtime.bundle import load_bundle
from runtime.wiring.clocked import Clocked, open_clocked
from runtime.wiring.keeping import keep
from runtime.wiring.keys import keys_for
from runtime.wiring.looking import look_before
from runtime.wiring.plan import TradePlan
from runtime.wiring.state_folder import open_state
from runtime.wiring.trader import Trader
from runtime.wiring.warming import warm_up_built_in


@asynccontextmanager
async def open_demo(plan: TradePlan, typed: str = "") -> AsyncIterator[Trader]:
    """Open a trader on the exchange; see ``open_trader``.

    Keys come from the environment or from files, and go nowhere but into the client.
    """
    bundle = load_bundle(plan.bundle)
    if bundle.manifest["signal_origin"] == "planted":
        raise RefusedArtifact(
            f"{plan.bundle}: was trained on the built-in market and has no models for a real one: "
            "train with --data first (README, Real data)"
        )
    look_before(plan, bundle)
    mode: Mode = "live" if plan.venue == "live" else "demo"
    client = make_exchange(
        mode, keys=keys_for(plan.venue, os.environ), allow_live=os.environ.get("QT_ALLOW_LIVE", ""),
        typed=typed,
    )  # fmt: skip
    async with AsyncExitStack() as stack:
        kept = stack.enter_context(keep(plan, open_state(plan)))
        await warm_up_built_in(plan)
        yield await open_clocked(plan, bundle, kept, Clocked(client), stack)
