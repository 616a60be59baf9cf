"""How much Kelly lets a run risk, from its own closed trades, and the way back after losses.

Without an edge among the last real trades nothing is risked; the same signals are then counted on
paper, and a positive edge there opens a short trial with little risk (spec 7).
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from agents.learned import LearnedIds
from agents.outcomes import MAX_R
from agents.protocol import AgentState
from agents.settings import KellySettings
from agents.sizing.kelly import kelly_used
from envs.core.errors import FixInput, RefusedArtifact

SCHEMA = "kelly-tally"
WINDOW = 100
PAPER_TRADES = 20
TRIAL_TRADES = 10
TRIAL_RISK = 0.005
NEGATIVE_EDGE = "NEGATIVE_EDGE"
_ARRAYS = ("real", "paper", "trial")


@dataclass(frozen=True)
class Allowance:
    """Risk of one trade as a fraction of equity.

    ``kelly`` is None while Kelly does not act; ``reason`` is set where nothing may be risked.
    """

    risk_frac: float
    kelly: float | None
    reason: str = ""


class KellyTally:
    """Window of real net R, tally of paper net R, and the trial between them."""

    def __init__(self, settings: KellySettings) -> None:
        self._settings = settings
        self._real: deque[float] = deque(maxlen=WINDOW)
        self._paper: deque[float] = deque(maxlen=PAPER_TRADES)
        self._trial: list[float] | None = None
        self._learned = LearnedIds()
        self._known: tuple[float | None] | None = None

    @property
    def on_paper(self) -> bool:
        """Signals are counted on paper: no edge among the real trades, and no trial yet."""
        return self._trial is None and self._used() == 0.0

    @property
    def on_trial(self) -> bool:
        """Real entries have resumed with the risk of the trial."""
        return self._trial is not None

    @property
    def n_real(self) -> int:
        """Real closed trades that count now: those of the window, or of the trial."""
        return len(self._real) if self._trial is None else len(self._trial)

    def knows(self, identity: tuple[str, int]) -> bool:
        """Whether a trade of this identity was counted."""
        return identity in self._learned

    def allowance(self, risk_per_trade: float) -> Allowance:
        """Risk allowed now, never above ``risk_per_trade``."""
        if self._trial is not None:
            return Allowance(min(risk_per_trade, TRIAL_RISK), TRIAL_RISK)
        used = self._used()
        if used is None:
            return Allowance(risk_per_trade, None)
        if used <= 0.0:
            return Allowance(0.0, 0.0, NEGATIVE_EDGE)
        return Allowance(min(risk_per_trade, used), used)

    def record_real(self, identity: tuple[str, int], net_r: float) -> None:
        """Count a real closed trade, each id once.

        Raises:
            FixInput: A net R that is not finite or absurd; nothing has changed.
        """
        _check(identity, net_r)
        if not self._learned.add(identity):
            return
        if self._trial is None:
            self._real.append(net_r)
            self._known = None
            return
        self._trial.append(net_r)
        if len(self._trial) >= TRIAL_TRADES:
            self._real = deque(self._trial, maxlen=WINDOW)
            self._trial = None
            self._known = None

    def record_paper(self, identity: tuple[str, int], net_r: float) -> None:
        """Count a trade that was not made; ignored unless ``on_paper``. Each id once.

        Raises:
            FixInput: A net R that is not finite or absurd; nothing has changed.
        """
        _check(identity, net_r)
        if not self.on_paper or not self._learned.add(identity):
            return
        self._paper.append(net_r)
        if len(self._paper) < PAPER_TRADES:
            return
        settings = replace(self._settings, min_trades=PAPER_TRADES)
        if (kelly_used(self._paper, settings) or 0.0) > 0.0:
            self._trial = []
            self._paper.clear()

    def state_dict(self) -> AgentState:
        """Both windows, the trial and the learned ids."""
        arrays: dict[str, np.ndarray[Any, Any]] = {
            "real": np.asarray(self._real, dtype=np.float64),
            "paper": np.asarray(self._paper, dtype=np.float64),
            "trial": np.asarray(self._trial or [], dtype=np.float64),
            "learned": self._learned.to_array(),
        }
        return {"schema": SCHEMA, "on_trial": self.on_trial}, arrays

    def load_state_dict(self, state: AgentState) -> None:
        """Restore; on refusal nothing has changed.

        Raises:
            RefusedArtifact: Not the whole state of a tally.
        """
        values, arrays = state
        if values.get("schema") != SCHEMA:
            raise RefusedArtifact(f"expected a {SCHEMA}, found {values.get('schema')!r}")
        missing = sorted({"on_trial"} - set(values) | {*_ARRAYS, "learned"} - set(arrays))
        if missing:
            raise RefusedArtifact(f"{SCHEMA}: the state lacks {', '.join(missing)}")
        for name in _ARRAYS:
            if not np.isfinite(arrays[name]).all():
                raise RefusedArtifact(f"{SCHEMA}: {name} holds a net R that is not finite")
        learned = LearnedIds()
        learned.load_array(arrays["learned"])
        self._learned = learned
        self._real = deque(arrays["real"].tolist(), maxlen=WINDOW)
        self._paper = deque(arrays["paper"].tolist(), maxlen=PAPER_TRADES)
        self._trial = arrays["trial"].tolist() if values["on_trial"] else None
        self._known = None

    def _used(self) -> float | None:
        """Kelly of the window; kept between two trades, since each decision asks for it."""
        if self._known is None:
            self._known = (kelly_used(self._real, self._settings),)
        return self._known[0]


def _check(identity: tuple[str, int], net_r: float) -> None:
    if not abs(net_r) <= MAX_R:
        raise FixInput(
            f"trade {identity}: net R is {net_r}: not finite or beyond {MAX_R:.0e}, not counted"
        )
