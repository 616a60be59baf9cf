"""Who votes: the bundle's models, or votes that were computed before."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import Protocol

import numpy as np

from ensemble.batch import ModelAnswer, ask_all
from ensemble.crossfit import votes_of_bundle
from ensemble.fitted import Fitted
from ensemble.protocol import Dataset
from envs.core.market_data import MarketData
from envs.core.settings import CoreSettings
from envs.core.tape import VoteTable
from envs.core.types import Int64Array


class Voter(Protocol):
    """Votes on a history at once, and on one bar of all symbols."""

    @property
    def origin(self) -> str:
        """``oos`` or ``planted``."""
        ...

    def table(self, market: MarketData, settings: CoreSettings) -> VoteTable:
        """Votes and labels of every row of a market."""
        ...

    def answers(self, data: Dataset, row: int) -> Iterator[ModelAnswer]:
        """The models' answers on one row, one after the other; the same bits as the table's."""
        ...


class ModelVoter:
    """The models of a bundle."""

    origin = "oos"

    def __init__(self, fitted: Fitted) -> None:
        self._fitted = fitted

    def table(self, market: MarketData, settings: CoreSettings) -> VoteTable:
        """Ask every model about every row."""
        return votes_of_bundle(market, settings, self._fitted)

    def answers(self, data: Dataset, row: int) -> Iterator[ModelAnswer]:
        """Ask every model about all symbols of a row."""
        return ask_all(self._fitted, data, row)


class KnownVoter:
    """Votes known beforehand by time: planted ones, on the market they were planted in.

    As a model, it abstains where the features are not complete.

    Args:
        close_ns: closes of the table's rows.
    """

    def __init__(self, votes: VoteTable, close_ns: Int64Array) -> None:
        self._votes, self._close_ns = votes, close_ns
        self.origin = votes.origin

    def table(self, market: MarketData, settings: CoreSettings) -> VoteTable:
        """Take the rows of a market, all of which must be known, with labels that ended in it."""
        first = int(np.searchsorted(self._close_ns, market.close_ns[0]))
        here = slice(first, first + market.n_bars)
        v = self._votes
        ends = v.label_end[here] - first
        over = (v.label_end[here] >= 0) & (ends < market.n_bars)
        labels = [np.where(over, x[here], np.nan) for x in (v.y_long, v.y_short, v.gross)]
        given = v.valid[here] & market.complete[:, :, None]
        up, down = (np.where(given, x[here], np.nan) for x in (v.p_up, v.p_down))
        return replace(
            v, p_up=up, p_down=down, valid=given, ev=np.where(given, v.ev[here], 0.0),
            y_long=labels[0], y_short=labels[1], gross=labels[2],
            label_end=np.where(over, ends, -1),
        )  # fmt: skip

    def answers(self, data: Dataset, row: int) -> Iterator[ModelAnswer]:
        """Take one row."""
        v = self._votes
        at = int(np.searchsorted(self._close_ns, data.market.close_ns[row]))
        for m, name in enumerate(v.models):
            given = v.valid[at, :, m] & data.market.complete[row]
            up, down = (np.where(given, x[at, :, m], np.nan) for x in (v.p_up, v.p_down))
            yield ModelAnswer(name, up, down, np.where(given, v.ev[at, :, m], 0.0), given)
