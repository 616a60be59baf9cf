"""Refusing what cannot be learned, before anything is changed."""

from __future__ import annotations

from collections.abc import Sequence
from math import isfinite

import numpy as np

from envs.core.errors import FixInput
from envs.core.rules.state import N_STATES
from envs.core.trade import Decision, ResolvedLabel
from envs.core.types import MODEL_NAMES

_N = len(MODEL_NAMES)


def check_label(label: ResolvedLabel, last_ns: int) -> None:
    """Refuse a label with wrong shapes, numbers or time.

    Raises:
        FixInput: Names the label and the defect.
    """
    name = f"label of {label.symbol} at {label.bar_close_ns}"
    _check_votes(label, name)
    if label.y_long not in (0, 1) or label.y_short not in (0, 1):
        raise FixInput(f"{name}: outcomes are 0 or 1, got {label.y_long!r} and {label.y_short!r}")
    if len(label.sides) not in (0, _N) or any(x not in (-1, 0, 1) for x in label.sides):
        raise FixInput(f"{name}: sides are {_N} of -1, 0, 1, got {label.sides!r}")
    if label.resolved_ns < label.bar_close_ns:
        raise FixInput(f"{name}: resolved at {label.resolved_ns}, before its bar closed")
    if label.resolved_ns < last_ns:
        raise FixInput(
            f"{name}: resolved at {label.resolved_ns}, but labels up to {last_ns} are learned: "
            "labels are learned in order of time"
        )


def _check_votes(label: ResolvedLabel, name: str) -> None:
    shapes = np.shape(label.p_up), np.shape(label.p_down)
    if shapes != ((_N,), (_N,)):
        raise FixInput(f"{name}: votes of {_N} models needed, got shapes {shapes[0]}, {shapes[1]}")
    stated = 0
    for up, down in zip(label.p_up.tolist(), label.p_down.tolist(), strict=True):
        if (up == up) != (down == down):
            raise FixInput(f"{name}: a model states one probability and not the other")
        if up == up:
            stated += 1
            if not (0.0 <= up <= 1.0 and 0.0 <= down <= 1.0):
                raise FixInput(f"{name}: probabilities lie in [0, 1], got {up!r} and {down!r}")
    if stated == 0:
        raise FixInput(f"{name}: missing votes: no model stated a probability")


def check_trade(
    trade_id: str, exit_ns: int, last_ns: int, agreement: Sequence[int], confidence: Sequence[float]
) -> None:
    """Refuse a trade whose votes are missing or whose time is out of order.

    Raises:
        FixInput: Names the trade and the defect.
    """
    if len(agreement) != _N or len(confidence) != _N:
        raise FixInput(
            f"trade {trade_id}: missing votes: {_N} agreements and confidences needed, got "
            f"{len(agreement)} and {len(confidence)}"
        )
    for model, g, c in zip(MODEL_NAMES, agreement, confidence, strict=True):
        if g not in (-1, 0, 1):
            raise FixInput(f"trade {trade_id}: agreement of {model} is -1, 0 or 1, got {g!r}")
        if g != 0 and not (isfinite(c) and 0.0 <= c <= 1.0):
            raise FixInput(f"trade {trade_id}: confidence of {model} lies in [0, 1], got {c!r}")
    if exit_ns < last_ns:
        raise FixInput(
            f"trade {trade_id}: closed at {exit_ns}, but trades up to {last_ns} are learned: "
            "trades are learned in order of time"
        )


def sides_of(p_up: Sequence[float], p_down: Sequence[float]) -> tuple[int, ...]:
    """Claimed side per model where none is recorded: the likelier one, 0 for a tie or none."""
    return tuple(int(u > d) - int(u < d) for u, d in zip(p_up, p_down, strict=True))


def votes_of_decision(decision: Decision) -> tuple[tuple[int, ...], tuple[float, ...]]:
    """Agreement with the traded side and confidence per model of an executed decision.

    Raises:
        FixInput: The decision carries no votes, or no known side, action or state.
    """
    _check_action(decision)
    up, down = decision.votes_up, decision.votes_down
    if len(up) != _N or len(down) != _N or all(x != x for x in up):
        raise FixInput(
            f"decision {decision.decision_id}: missing votes: a trade moves weights only with the "
            f"votes of {_N} models, got {len(up)}"
        )
    sides = decision.sides or sides_of(up, down)
    valid = [u == u and d == d for u, d in zip(up, down, strict=True)]
    agreement = tuple(
        side * decision.side if ok else 0 for side, ok in zip(sides, valid, strict=True)
    )
    confidence = tuple(
        (u if side > 0 else d if side < 0 else max(0.0, 1.0 - u - d)) if ok else 0.0
        for u, d, side, ok in zip(up, down, sides, valid, strict=True)
    )
    return agreement, confidence


def _check_action(decision: Decision) -> None:
    name, context = f"decision {decision.decision_id}", decision.context
    if decision.side not in (-1, 1):
        raise FixInput(f"{name}: unknown side {decision.side!r}: a trade's side is 1 or -1")
    actions = len(context.mask)
    if decision.chosen is None or not 0 <= decision.chosen < actions:
        raise FixInput(
            f"{name}: unknown action {decision.chosen!r}: a trade has one of 0 .. {actions - 1}"
        )
    if not 0 <= context.state < N_STATES:
        raise FixInput(f"{name}: unknown state {context.state!r}: known are 0 .. {N_STATES - 1}")
    if len(decision.sides) not in (0, _N):
        raise FixInput(f"{name}: sides of {_N} models needed, got {decision.sides!r}")
