"""Decision views of the built-in market, as an account that trades sees them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import pytest

from agents.baselines import FixedLargest
from agents.sizing.explain_limits import SymbolRules
from envs.core.actions import preset
from envs.core.decide import Desk, decide
from envs.core.hooks import HookChain
from envs.core.series import MarketSeries, prepare
from envs.core.settings import CoreSettings, EntrySettings
from envs.core.tape import SignalTape
from envs.core.types import EntryStyle
from envs.core.view import DecisionView
from envs.core.world import World
from envs.defaults import default_environment_data

MakeDesk = Callable[..., Desk]


@pytest.fixture(scope="session")
def market() -> tuple[MarketSeries, SignalTape]:
    made, tape, _ = default_environment_data()
    return prepare(made, CoreSettings()), tape


@pytest.fixture(scope="session")
def symbol_rules(market: tuple[MarketSeries, SignalTape]) -> list[SymbolRules]:
    data, _ = market
    return [
        SymbolRules(data.size_rules, c, b)
        for c, b in zip(data.contracts, data.brackets, strict=True)
    ]


@pytest.fixture(scope="session")
def make_desk(market: tuple[MarketSeries, SignalTape]) -> MakeDesk:
    """Make the desk of a fresh account on the built-in market at its first candidates."""

    def make(name: str = "full", settings: CoreSettings | None = None) -> Desk:
        data, tape = market
        own = settings or CoreSettings()
        series = data if settings is None else prepare(data.market, own)
        first = int(tape.candidate.any(axis=1).argmax())
        return Desk(World(series, own, first, keep_ledger=False), tape, preset(name), own)

    return make


@pytest.fixture(scope="session")
def views(make_desk: MakeDesk) -> list[DecisionView]:
    """Every candidate of the first 700 bars, under an account that takes the largest action."""
    return collect(make_desk("full"), 700)


@pytest.fixture(scope="session")
def resting_views(make_desk: MakeDesk) -> list[DecisionView]:
    """The same with entries at rest, which cost less."""
    entry = EntrySettings(style=EntryStyle.POST_ONLY)
    return collect(make_desk("full", replace(CoreSettings(), entry=entry)), 200)


def collect(desk: Desk, bars: int) -> list[DecisionView]:
    out, brain, chain = [], FixedLargest(desk.preset), HookChain()
    for _ in range(bars):
        for s in desk.candidates():
            view = desk.view(s)
            out.append(view)
            if view.executable:
                desk.commit(view, decide(view, brain, chain))
        desk.world.advance()
    return out
