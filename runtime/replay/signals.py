"""What the votes of a decision came to, with the manager as it stood."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np

from agents.reinforcement.manager import ReinforcementManager
from envs.core.rules.vote import edge_confidence, ev_long
from envs.core.settings import CoreSettings
from envs.core.tape import EvLine
from envs.core.view import DecisionView
from envs.market.indicators import QUANTILE_MIN, WARMUP_BARS
from runtime.replay.differences import Difference, differences


class SignalCheck:
    """Recomputes score, weights, EV and confidence; candidates as far as the journal tells.

    Args:
        line: the bundle's line of expected value.
    """

    def __init__(
        self, manager: ReinforcementManager, line: EvLine | None, settings: CoreSettings
    ) -> None:
        self._manager, self._line, self._rule = manager, line, settings.signal
        self._edges: dict[str, deque[float]] = {}
        self._last: dict[str, Mapping[str, Any]] = {}

    def of_view(self, view: DecisionView) -> Iterator[Difference]:
        """What differs in the view of a candidate."""
        if view.votes_up:
            score, weights = self._pooled(view.votes_up, view.votes_down)
            yield from differences(view.score, score, "score")
            yield from differences(view.weights, tuple(weights), "weights")
        context, line = view.context, self._line
        if line is not None:
            slope = ev_long(line.b, line.se, 0.0, 1.0, 1.0)
            ev = view.side * (slope * (view.score - line.s_mean) * context.atr_frac)
            yield from differences(context.ev, ev, "context.ev")
            if not ev > 0.0:
                yield Difference("side", str(view.side), str(-view.side))
        confidence = edge_confidence(context.ev, context.round_trip)
        yield from differences(context.confidence, confidence, "context.confidence")
        yield from self._of_same(view)

    def _of_same(self, view: DecisionView) -> Iterator[Difference]:
        """What differs between a view and the signal journalled at the same close."""
        signal = self._last.get(f"{view.symbol}:{view.bar_close_ns}")
        if signal is None:
            return
        yield from differences(view.side, int(signal["side"]), "side")
        for name, told in (("votes_up", "p_up"), ("votes_down", "p_down")):
            if getattr(view, name):
                yield from differences(getattr(view, name), _floats(signal[told]), name)
        ev = float(signal["ev"]) * view.side
        yield from differences(view.context.ev, ev, "context.ev")
        if not signal["candidate"]:
            yield Difference("candidate", "True", "False")

    def of_signal(self, key: str, body: Mapping[str, Any]) -> Iterator[Difference]:
        """What differs in the signal of a contract at a close (``SYMBOL:close``)."""
        symbol, _, close = key.rpartition(":")
        self._last = {k: v for k, v in self._last.items() if k.endswith(close)}
        self._last[key] = body
        up, down = body["p_up"], body["p_down"]
        if np.isfinite(np.asarray(up) + np.asarray(down)).any():
            score, weights = self._pooled(up, down)
            yield from differences(float(body["score"]), score, "score")
            yield from differences(_floats(body["weights"]), tuple(weights), "weights")
        edges = self._edges.setdefault(symbol, deque(maxlen=WARMUP_BARS))
        edge = float(body["edge"])
        edges.append(edge)
        if body["candidate"] and not self._may_be_candidate(int(body["side"]), edge, edges):
            yield Difference("candidate", "True", "False")

    def _pooled(self, up: Any, down: Any) -> tuple[float, list[float]]:
        p, q, _ = self._manager.predict(
            np.asarray(up, dtype=np.float64), np.asarray(down, dtype=np.float64)
        )
        return float(p - q), self._manager.raw_weights().tolist()

    def _may_be_candidate(self, side: int, edge: float, edges: deque[float]) -> bool:
        """Whether the rule of spec 8.0 allows it; a rank over bars before the journal may."""
        if side == 0 or not edge > 0.0:
            return False
        if edge >= self._rule.min_edge or len(edges) < WARMUP_BARS:
            return True
        known = sorted(x for x in edges if x == x)
        if self._rule.top <= 0.0 or len(known) < QUANTILE_MIN:
            return False
        return edge >= known[int((1.0 - self._rule.top) * (len(known) - 1))]


def _floats(values: Any) -> tuple[float, ...]:
    return tuple(float(x) for x in values)
