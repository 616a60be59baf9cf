"""Features and votes of one row in one worker thread, within a budget of time."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from time import perf_counter

from ensemble.batch import ModelAnswer, silent
from envs.core.types import MODEL_NAMES
from envs.market.following import Following
from envs.market.settings import MarketSettings
from runtime.signals.live_window import LiveWindow
from runtime.signals.voters import Voter

LATE = "LATE"
FAILED = (LATE, "ERROR")
"""Reasons that another attempt might not have: a restart must know of them."""

_log = logging.getLogger(__name__)


class LiveVotes:
    """Computes rows of the window: features of all symbols, then each model's answer.

    Args:
        row: the last row whose features are known.
        clock: monotonic seconds.
    """

    def __init__(
        self,
        window: LiveWindow,
        voter: Voter,
        settings: MarketSettings,
        row: int,
        clock: Callable[[], float] = perf_counter,
    ) -> None:
        self._window, self._voter, self._settings, self._clock = window, voter, settings, clock
        self._worker = ThreadPoolExecutor(1, thread_name_prefix="signals")
        self._following: Following | None = Following(window.columns, settings, row)
        self._known = row
        self._late: set[int] = set()
        self._preparing: Future[None] | None = None
        self.spent: dict[str, float] = {}

    def shifted(self, k: int) -> None:
        """The window dropped its ``k`` oldest rows."""
        self._known -= k

    def mended(self, s: int) -> None:
        """A bar of a symbol came late: its window must be read anew."""
        self._late.add(s)

    async def vote(self, row: int, budget_s: float | None) -> list[str]:
        """Features up to ``row`` and its votes; returns the models that had no time or failed.

        Features are always waited for; models that are not done when the budget is spent (None:
        no limit) abstain on every symbol.
        """
        begun = self._clock()
        loop = asyncio.get_running_loop()
        await loop.run_in_executor(self._worker, self._compute, row)
        answers: list[ModelAnswer] = []
        given_up: list[bool] = []
        job = loop.run_in_executor(self._worker, self._ask, row, answers, given_up)
        left = None if budget_s is None else max(0.0, budget_s - (self._clock() - begun))
        await asyncio.wait({job}, timeout=left)
        given_up.append(True)
        return self._take(row, answers[:])

    def prepare(self) -> None:
        """Do beforehand what the next row needs of the bars that are there."""
        self._preparing = self._worker.submit(self._prepare)

    def settle(self) -> None:
        """Wait until nothing reads the bars any more: they are about to change."""
        if self._preparing is not None:
            self._preparing.result()

    def close(self) -> None:
        """End the worker; what it is doing is finished first."""
        self._worker.shutdown(wait=True, cancel_futures=True)

    def _compute(self, row: int) -> None:
        begun = self._clock()
        try:
            if self._following is None:
                self._following = Following(self._window.columns, self._settings, row - 1)
                self._known = row - 1
            for s in sorted(self._late):
                self._following.renew(s, self._known)
            self._late.clear()
            while self._known < row:
                self._known += 1
                self._window.put_features(self._known, self._following.row(self._known))
        except Exception:  # no features, no entry; exits must go on
            _log.exception("features of row %d: no symbol can be entered on it", row)
            self._following = None
        self.spent["features"] = self._clock() - begun

    def _ask(self, row: int, answers: list[ModelAnswer], given_up: Sequence[bool]) -> None:
        begun = self._clock()
        try:
            for answer in self._voter.answers(self._window.dataset, row):
                if given_up:
                    return
                answers.append(answer)
                self.spent[answer.model] = self._clock() - begun
                begun = self._clock()
        except Exception:  # who has not answered abstains
            _log.exception("votes of row %d", row)

    def _take(self, row: int, answers: Sequence[ModelAnswer]) -> list[str]:
        votes, n = self._window.votes, self._window.market.n_symbols
        given = {answer.model: answer for answer in answers}
        failed = []
        for m, name in enumerate(MODEL_NAMES):
            answer = given.get(name) or silent(name, n, LATE)
            votes.p_up[row, :, m], votes.p_down[row, :, m] = answer.p_up, answer.p_down
            votes.valid[row, :, m], votes.ev[row, :, m] = answer.valid, answer.ev
            if answer.reason in FAILED:
                failed.append(name)
        return failed

    def _prepare(self) -> None:
        if self._following is not None:
            self._following.prepare(self._known)
