"""Features and votes of one row, each in a thread of its own, within a budget of time."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from concurrent.futures import Future
from dataclasses import dataclass, field
from time import perf_counter

from ensemble.batch import ModelAnswer, silent
from envs.core.types import MODEL_NAMES
from envs.market.following import Following
from envs.market.settings import MarketSettings
from runtime.signals.live_window import LiveWindow
from runtime.signals.voters import Voter
from runtime.signals.worker import Worker

LATE, ERROR, BUSY = "LATE", "ERROR", "BUSY"
FAILED = (LATE, ERROR, BUSY)
"""Reasons that another attempt might not have: a restart must know of them."""
_END_S, _HANGS_S = 5.0, 10.0

_log = logging.getLogger(__name__)


@dataclass
class _Question:
    """One row asked of all models; ``reason`` is why those abstain that have not answered."""

    row: int
    answers: list[ModelAnswer] = field(default_factory=list)
    reason: str = LATE
    given_up: bool = False


class LiveVotes:
    """Computes rows of the window: features of all symbols, then each model's answer.

    The models' thread reads the window and writes nothing, and an answer that was given up is
    dropped: rows may come and go while a model hangs. Until it has answered no other question is
    put.

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
        self._features, self._models = Worker("features"), Worker("models")
        self._following: Following | None = Following(window.columns, settings, row)
        self._known = row
        self._late: set[int] = set()
        self._preparing: Future[None] | None = None
        self._asked: Future[None] | None = None
        self._asked_s = 0.0
        self.spent: dict[str, float] = {}

    @property
    def is_hanging(self) -> bool:
        """Whether the models have not come back from a question for ten seconds."""
        return self._is_asked and self._clock() - self._asked_s > _HANGS_S

    def shifted(self, k: int) -> None:
        """The window dropped its ``k`` oldest rows."""
        self._known -= k

    def mended(self, s: int) -> None:
        """A bar of a symbol came late: its window must be read anew."""
        self._late.add(s)

    async def vote(self, row: int, budget_s: float) -> list[str]:
        """Features up to ``row`` and its votes; returns the models that had no time or failed.

        Features are always waited for; models that are not done when the budget is spent abstain
        on every symbol. All of them do while one hangs, or where the voter itself fails: it alone
        knows what its other answers are worth.
        """
        begun = self._clock()
        await asyncio.wrap_future(self._features.submit(lambda: self._compute(row)))
        question = _Question(row)
        if self._is_asked:
            question.reason = BUSY
            return self._take(question)
        self._asked_s = self._clock()
        self._asked = self._models.submit(lambda: self._ask(question))
        answered = asyncio.wrap_future(self._asked)
        await asyncio.wait({answered}, timeout=max(0.0, budget_s - (self._clock() - begun)))
        question.given_up = True
        # Else it would tell a loop that may be gone.
        answered.cancel()
        return self._take(question)

    def prepare(self) -> None:
        """Do beforehand what the next row needs of the bars that are there."""
        self._preparing = self._features.submit(self._prepare)

    def settle(self) -> None:
        """Wait until nothing computes with the bars any more: they are about to change."""
        if self._preparing is not None:
            self._preparing.result()

    def close(self) -> None:
        """End the threads; what they are doing is finished first, unless it hangs."""
        self._features.close(_END_S)
        if not self._models.close(0.0 if self._is_asked else _END_S):
            _log.error("the models still have not answered: their thread ends with the process")

    @property
    def _is_asked(self) -> bool:
        return self._asked is not None and not self._asked.done()

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

    def _ask(self, question: _Question) -> None:
        begun = self._clock()
        try:
            for answer in self._voter.answers(self._window.dataset, question.row):
                if question.given_up:
                    return
                question.answers.append(answer)
                self.spent[answer.model] = self._clock() - begun
                begun = self._clock()
        except Exception:  # a close without signals; exits must go on
            _log.exception("votes of row %d", question.row)
            question.answers, question.reason = [], ERROR

    def _take(self, question: _Question) -> list[str]:
        votes, n, row = self._window.votes, self._window.market.n_symbols, question.row
        given = {answer.model: answer for answer in question.answers[:]}
        failed = []
        for m, name in enumerate(MODEL_NAMES):
            answer = given.get(name) or silent(name, n, question.reason)
            votes.p_up[row, :, m], votes.p_down[row, :, m] = answer.p_up, answer.p_down
            votes.valid[row, :, m], votes.ev[row, :, m] = answer.valid, answer.ev
            if answer.reason in FAILED:
                failed.append(name)
        return failed

    def _prepare(self) -> None:
        if self._following is not None:
            self._following.prepare(self._known)
