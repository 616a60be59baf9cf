"""The environments a deep-RL baseline trains in: the training period's rows and nothing after."""

from __future__ import annotations

from dataclasses import fields, replace
from typing import Any, TypeVar

import numpy as np

from agents.deep.settings import DeepSettings
from envs.core.errors import FixData
from envs.core.market_data import DetailBars, MarketData
from envs.core.tape import SignalTape, VoteTable
from training.simulate import Period

Columns = TypeVar("Columns", MarketData, SignalTape, VoteTable, DetailBars)
_NOT_IN_TIME = frozenset({"has_mark"})


def training_env(period: Period, settings: DeepSettings) -> Any:
    """``envs.sb3.TradingVecEnv`` over the rows of a period, episodes begun at random rows.

    The market is cut after the period's last row before the environments see it, so no episode,
    bar walk or observation can reach a later one; candidates before its first row are dropped.

    Raises:
        FixData: The period has no candidate to decide.
    """
    from envs.sb3 import TradingVecEnv
    from envs.vector import TradingVectorEnv

    if period.rows().size == 0:
        raise FixData(
            "the training period has no candidate to train on: give a longer period, or votes "
            "with an edge"
        )
    market, tape, votes = training_rows(period)
    vector = TradingVectorEnv(
        settings.n_envs, market, tape, votes, period.preset.name, period.settings,
        view="sizing", episode_bars=settings.episode_bars, random_start=True,
        autoreset="same_step", copy=False,
    )  # fmt: skip
    return TradingVecEnv(vector, reward_scale=settings.reward_scale)


def training_rows(period: Period) -> tuple[MarketData, SignalTape, VoteTable]:
    """Market, tape and votes up to the period's last row, candidates from its first row on."""
    end = period.last + 1
    market = _head(period.data.market, end)
    if market.detail is not None:
        market = replace(market, detail=_head(market.detail, end))
    tape = _head(period.tape, end)
    candidate = tape.candidate.copy()
    candidate[: period.first] = False
    return market, replace(tape, candidate=candidate), _head(period.votes, end)


def _head(table: Columns, end: int) -> Columns:
    cut: dict[str, Any] = {
        f.name: value[:end]
        for f in fields(table)
        if isinstance(value := getattr(table, f.name), np.ndarray) and f.name not in _NOT_IN_TIME
    }
    return replace(table, **cut)
