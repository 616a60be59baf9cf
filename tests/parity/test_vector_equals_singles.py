"""N environments in the vector == N single environments on the plain core, step by step."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from envs.core.market_data import MarketData
from envs.core.settings import CoreSettings
from envs.core.tape import SignalTape
from envs.core.trade import ClosedTrade
from envs.core.types import EntryStyle, EntryUnfilled, IntrabarRule
from envs.kernel.state import RUNNING
from envs.trading import TradingEnv
from envs.vector import TradingVectorEnv
from envs.views import SizingView
from tests.parity.test_alone_equals_account import drawn_tape, shock_market

N = 3
MARKETS = {
    (shock, mark): shock_market(seed, shock, mark)
    for seed, shock, mark in ((1, 0.0, False), (2, 0.01, True), (4, 0.06, True), (5, 0.35, True))
}


def with_gaps(market: MarketData, share: float, seed: int) -> MarketData:
    """The market with bars missing at random, per symbol."""
    rng = np.random.default_rng(seed)
    valid = rng.random(market.valid.shape) >= share
    return replace(market, valid=valid, complete=market.complete & valid)


@st.composite
def worlds(draw: st.DrawFn) -> tuple[MarketData, SignalTape, CoreSettings, int]:
    seed = draw(st.integers(0, 10**6))
    market = MARKETS[draw(st.sampled_from(sorted(MARKETS)))]
    market = with_gaps(market, draw(st.sampled_from([0.0, 0.05])), seed)
    base = CoreSettings()
    entry = replace(
        base.entry,
        style=draw(st.sampled_from(list(EntryStyle))),
        unfilled=draw(st.sampled_from(list(EntryUnfilled))),
        intrabar=draw(st.sampled_from(list(IntrabarRule))),
        cooldown_s=draw(st.sampled_from([0, 300, 20_000])),
    )
    risk = replace(
        base.risk,
        max_positions=draw(st.sampled_from([1, 2, 10])),
        dd_stop=draw(st.sampled_from([0.03, 0.01])),
        max_daily_dd=draw(st.sampled_from([0.05, 0.011])),
        max_open_dd=draw(st.sampled_from([0.10, 0.004])),
        partial_fraction=draw(st.sampled_from([0.5, 0.95])),
        breakeven_at_r=draw(st.sampled_from([1.0, 1.1, 0.3])),
    )
    ess = replace(
        base.ess,
        max_total_dd=draw(st.sampled_from([0.25, 0.05])),
        max_stops_15m=draw(st.sampled_from([10, 0])),
        recovery_trades=draw(st.sampled_from([5, 1])),
    )
    ruin = draw(st.sampled_from([0.2, 0.9]))
    rules = replace(base, entry=entry, risk=risk, ess=ess, ruin_fraction=ruin)
    return market, drawn_tape(market, seed), rules, seed


def closed_of(info: dict[str, Any]) -> list[tuple[Any, ...]]:
    trades = [r.outcome for r in info["resolved"] if isinstance(r.outcome, ClosedTrade)]
    return sorted(
        (
            t.entry_ns, t.exit_ns, t.side, t.entry_ticks, t.stop0_ticks, t.qty_steps, t.leverage,
            t.exit_strategy, int(t.reason), t.notional_units, t.margin_units, t.gross_units,
            t.fee_units, t.funding_units, t.insurance_units, t.slippage_units, t.net_units,
            t.risk_units, t.equity_units, t.r_net, t.mae_frac, t.mfe_frac, t.truncated,
            t.legs[-1].price_ticks,
        )
        for t in trades
    )  # fmt: skip


def reported(infos: dict[str, Any], e: int) -> list[tuple[Any, ...]]:
    rows = infos["trades"][e][: infos["n_trades"][e]]
    names = (
        "entry_ns", "exit_ns", "side", "entry_ticks", "stop0_ticks", "qty_steps", "leverage",
        "exit", "reason", "notional_units", "margin_units", "gross_units", "fee_units",
        "funding_units", "insurance_units", "slippage_units", "net_units", "risk_units",
        "equity_units", "r_net", "mae_frac", "mfe_frac", "truncated", "exit_price_ticks",
    )  # fmt: skip
    return sorted(tuple(row[n].item() for n in names) for row in rows if row["closed"])


def drawn_actions(vector: TradingVectorEnv, rng: np.random.Generator) -> Any:
    space = vector.single_action_space
    if vector.view == "trading":
        return rng.integers(0, space.nvec, (vector.num_envs, 2))
    return rng.integers(0, space.n, vector.num_envs)


def compare_run(vector: TradingVectorEnv, singles: list[Any], seed: int, steps: int) -> int:
    """Step both with the same random actions; return the number of trades compared."""
    rng = np.random.default_rng(seed)
    seen, infos = vector.reset(seed=seed)
    own = [env.reset(seed=seed + i) for i, env in enumerate(singles)]
    ended = [False] * len(singles)
    trades = 0
    for step in range(steps):
        for i, (observation, info) in enumerate(own):
            assert np.array_equal(seen[i], observation), (step, i)
            assert infos["state_index"][i] == info["state_index"], (step, i)
            if not ended[i]:
                assert infos["time_ns"][i] == info["time_ns"], (step, i)
        masks = vector.action_masks()
        for i, (_, info) in enumerate(own):
            if not ended[i]:
                assert np.array_equal(masks[i], info["action_mask"]), (step, i)
        actions = vector.action_space.sample()
        actions = (
            rng.integers(0, np.asarray(vector.single_action_space.nvec), (N, 2))
            if (actions.ndim == 2)
            else rng.integers(0, vector.single_action_space.n, N)
        )
        seen, rewards, terminated, truncated, infos = vector.step(actions)
        for i, env in enumerate(singles):
            if ended[i]:
                own[i], ended[i] = env.reset(), False
                assert rewards[i] == 0.0
                assert not terminated[i]
                assert not truncated[i]
                continue
            observation, reward, te, tr, info = env.step(actions[i])
            assert (reward, te, tr) == (rewards[i], terminated[i], truncated[i]), (step, i)
            expected = closed_of(info)
            assert reported(infos, i) == expected, (step, i)
            trades += len(expected)
            own[i], ended[i] = (observation, info), te or tr
    return trades


@settings(max_examples=25, deadline=None)
@given(worlds(), st.sampled_from(["full", "classic", "overview"]))
def test_sizing_vector_equals_singles_on_drawn_worlds(world: Any, name: str) -> None:
    market, tape, rules, seed = world
    common: dict[str, Any] = {
        "preset_name": name, "settings": rules, "episode_bars": 120, "random_start": True,
    }  # fmt: skip
    vector = TradingVectorEnv(N, market, tape, trades=True, **common)
    singles = [
        SizingView(TradingEnv(market, tape, candidates="signals", **common)) for _ in range(N)
    ]
    compare_run(vector, singles, seed, 60)


@settings(max_examples=10, deadline=None)
@given(worlds())
def test_trading_vector_equals_singles_on_drawn_worlds(world: Any) -> None:
    market, tape, rules, seed = world
    common: dict[str, Any] = {"settings": rules, "episode_bars": 80, "random_start": True}
    vector = TradingVectorEnv(N, market, tape, view="trading", trades=True, **common)
    singles = [TradingEnv(market, tape, candidates="all", **common) for _ in range(N)]
    compare_run(vector, singles, seed, 80)


def test_drawn_worlds_reach_liquidation_ruin_and_every_stop_of_the_ladder() -> None:
    """Without these the equality would say little."""
    reasons: set[int] = set()
    levels: set[int] = set()
    ruined = False
    for key, market in MARKETS.items():
        rules = CoreSettings()
        if key[0] == 0.01:
            rules = replace(rules, ess=replace(rules.ess, max_stops_15m=0))
        if key[0] > 0.2:
            plan = replace(rules.plan, liq_buffer=0.1)
            rules = replace(rules, plan=plan, ruin_fraction=0.8)
        vector = TradingVectorEnv(
            64, market, drawn_tape(market, 3), settings=rules, episode_bars=600,
            random_start=False, trades=True,
        )  # fmt: skip
        vector.reset(seed=1)
        rng = np.random.default_rng(0)
        for _ in range(300):
            _, _, terminated, _, infos = vector.step(rng.integers(0, 76, 64))
            for e in range(64):
                reasons |= {int(t["reason"]) for t in infos["trades"][e][: infos["n_trades"][e]]}
            levels |= set(vector.accounts["level"].tolist())
            ruined = ruined or bool(terminated.any())
    assert {1, 2, 3, 4, 5, 8, 9, 11} <= reasons
    assert {0, 1, 2, 3} <= levels
    assert ruined


def test_the_built_in_market_gives_equal_episodes() -> None:
    vector = TradingVectorEnv(N, trades=True, episode_bars=700)
    singles = [
        SizingView(TradingEnv(candidates="signals", episode_bars=700, random_start=True))
        for _ in range(N)
    ]
    assert compare_run(vector, singles, 3, 400) > 300


@pytest.mark.parametrize("n", [300])
def test_threads_and_batch_size_change_nothing(n: int) -> None:
    """The parallel loop, the serial loop and each environment by itself agree."""
    many = TradingVectorEnv(n, episode_bars=300)
    few = [TradingVectorEnv(1, episode_bars=300) for _ in range(2)]
    seen, _ = many.reset(seed=0)
    alone = [env.reset(seed=s)[0] for env, s in zip(few, (0, n - 1), strict=True)]
    rng = np.random.default_rng(0)
    for _ in range(80):
        for row, place in zip(alone, (0, n - 1), strict=True):
            assert np.array_equal(row[0], seen[place])
        actions = rng.integers(0, 76, n)
        seen, *_ = many.step(actions)
        alone = [env.step(actions[[k]])[0] for env, k in zip(few, (0, n - 1), strict=True)]
    assert (many.accounts["phase"] == RUNNING).any()
