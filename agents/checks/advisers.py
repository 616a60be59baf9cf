"""Conformance suite for advisers: members of the hook chain that learn from closed trades."""

from __future__ import annotations

import copy
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from math import inf, nan

import numpy as np

from agents.adviser import Adviser
from agents.checks.failed import FailedCheck, plain, refused_or_ignored, require
from agents.checks.rows import OBSERVED, sample_context
from agents.outcomes import TradeOutcome
from envs.core.actions import preset
from envs.core.errors import RefusedArtifact
from envs.core.hooks import Effect, HookPoint, Raise, Scale
from envs.core.rules.sizing import Funds
from envs.core.types import NS_PER_DAY, NS_PER_HOUR
from envs.core.view import DecisionView

MakeAdviser = Callable[[], Adviser]
WHO = "adviser"
LOCK_OUT_NS = 30 * NS_PER_DAY
_TRADES = 60
_START_NS = 1_600_000_000 * 10**9


def check_adviser(make: MakeAdviser, seed: int = 0) -> None:
    """Check an adviser; ``make`` returns a new one, always the same.

    Answers are pure, finite, the same for equal advisers and read no clock but the view's; each
    trade is learned once, also across a restart; the state survives JSON and goes on as if never
    saved; a trade that cannot be learned is refused and changes nothing; after any losses entries
    are possible again within 30 days of event time, without a trade.

    Raises:
        FailedCheck: The first rule that is broken.
    """
    trades = sample_trades(_TRADES, seed)
    _check_learning(make, trades)
    _check_answers(make, trades, seed)
    _check_state(make, trades)
    _check_bad_trades(make, trades)
    _check_way_back(make)


def sample_trades(n: int, seed: int) -> list[TradeOutcome]:
    """Closed trades of two symbols in order of time, every fourth on paper, in long streaks."""
    rng = np.random.default_rng(seed)
    out, now = [], _START_NS
    for k in range(n):
        now += int(rng.integers(1, 30)) * NS_PER_HOUR
        net_r = float(rng.normal(1.0 if (k // 12) % 2 else -1.0, 0.3))
        begun = now - int(rng.integers(1, 20)) * NS_PER_HOUR
        out.append(
            TradeOutcome(
                f"check:{k}", "XY"[k % 2], begun, now, net_r, 100.0 * net_r, k % 4 == 3,
                begun, k % 5, 0.01, 0.4 + 0.01 * (k % 20),
            )
        )  # fmt: skip
    return out


def sample_view(symbol: str, now_ns: int, state: int, seed: int) -> DecisionView:
    """Decision of a symbol at a close, such as the core freezes it."""
    grid = preset("classic")
    context = sample_context(grid, state, np.random.default_rng([seed, state]), state)
    steps = np.ones(grid.n, dtype=np.int64)
    return DecisionView(
        f"check:{symbol}:{now_ns}", OBSERVED, 0, symbol, now_ns, 1, 1, 100, 1.0, context,
        Funds(1e4, 1e4, 0.0, 0.0, 1.0), steps, np.zeros(grid.n, dtype=np.int8), 10**12, 10**12,
        0.1, (), (), (), (), True, "",
    )  # fmt: skip


def _check_learning(make: MakeAdviser, trades: list[TradeOutcome]) -> None:
    adviser = make()
    for trade in trades:
        before = adviser.digest()
        _require(adviser.learn_one(trade), f"ignores {trade.trade_id}")
        once = adviser.digest()
        _require(once != before, f"learns nothing from {trade.trade_id}")
        _require(not adviser.learn_one(trade), f"says it learned {trade.trade_id} twice")
        _require(adviser.digest() == once, f"learned {trade.trade_id} twice")
    restarted = make()
    restarted.load_state_dict(adviser.state_dict())
    _require(restarted.digest() == adviser.digest(), "another digest after loading")
    for trade in trades:
        known = not refused_or_ignored(partial(restarted.learn_one, trade), WHO, "a known trade")
        _require(known, "refuses a known trade after a restart")
    _require(restarted.digest() == adviser.digest(), "learned a trade again after a restart")


def _check_answers(make: MakeAdviser, trades: list[TradeOutcome], seed: int) -> None:
    adviser, twin = make(), make()
    for k, trade in enumerate(trades):
        for when in (trade.exit_ns + 40 * NS_PER_DAY, trade.exit_ns, trade.entry_ns):
            for symbol in ("X", "never seen"):
                view = sample_view(symbol, when, k % 300, seed)
                frozen, digest = copy.deepcopy(view.context), adviser.digest()
                for point in HookPoint:
                    effect = adviser.answer(point, view)
                    _require_sound(effect, point)
                    again = adviser.answer(point, view)
                    _require(again == effect, f"answers {point.name} differently twice")
                    other = twin.answer(point, view)
                    _require(other == effect, f"answers {point.name} unlike an equal adviser")
                _require(adviser.digest() == digest, "answering changed what it learned")
                _require(view.context == frozen, "answering changed the view")
        adviser.learn_one(trade)
        twin.learn_one(trade)
    _require(adviser.digest() == twin.digest(), "equal trades gave another digest")


def _check_state(make: MakeAdviser, trades: list[TradeOutcome]) -> None:
    for cut in range(0, len(trades), 7):
        adviser, loaded = make(), make()
        for trade in trades[:cut]:
            adviser.learn_one(trade)
        values, arrays = adviser.state_dict()
        loaded.load_state_dict((plain(values, WHO), {k: a.copy() for k, a in arrays.items()}))
        _require(loaded.digest() == adviser.digest(), "another digest after loading")
        for trade in trades[cut:]:
            adviser.learn_one(trade)
            loaded.learn_one(trade)
        _require(loaded.digest() == adviser.digest(), "learns differently after loading")
        for name in values:
            _require_refused(loaded, ({k: v for k, v in values.items() if k != name}, arrays), name)


def _require_refused(adviser: Adviser, state: tuple[dict[str, object], object], name: str) -> None:
    before = adviser.digest()
    try:
        adviser.load_state_dict(state)  # type: ignore[arg-type]
    except RefusedArtifact:
        _require(adviser.digest() == before, f"changed by a state without {name}")
    except Exception as error:
        raise FailedCheck(f"{WHO} fails on a state without {name}: {error!r}") from error
    else:
        raise FailedCheck(f"{WHO} accepts a state without {name}")


def _check_bad_trades(make: MakeAdviser, trades: list[TradeOutcome]) -> None:
    adviser, new = make(), replace(trades[-1], trade_id="check:new")
    for trade in trades:
        adviser.learn_one(trade)
    bad = {
        "a result that is NaN": replace(new, net_r=nan),
        "a result that is infinite": replace(new, net_r=inf),
        "an entry after the exit": replace(new, entry_ns=new.exit_ns + 1),
        "a trade out of order": replace(new, entry_ns=0, exit_ns=_START_NS),
        "a trade without an id": replace(new, trade_id=""),
        "a claim above 1": replace(new, claim=1.5),
    }
    for what, trade in bad.items():
        before = adviser.digest()
        refused = refused_or_ignored(partial(adviser.learn_one, trade), WHO, what)
        _require(refused, f"does not refuse {what}")
        _require(adviser.digest() == before, f"learned {what}")
    _require(adviser.learn_one(new), "took a refused trade for learned")


def _check_way_back(make: MakeAdviser) -> None:
    adviser, now = make(), _START_NS
    for k in range(200):
        now += NS_PER_HOUR
        adviser.learn_one(TradeOutcome(f"check:{k}", "X", now, now, -1.0))
    effect = adviser.answer(HookPoint.POSITION_SIZING, sample_view("X", now + LOCK_OUT_NS, 0, 0))
    open_again = not isinstance(effect, Scale) or effect.factor > 0.0
    _require(open_again, "still shuts a symbol out 30 days after its last loss")


def _require_sound(effect: Effect, point: HookPoint) -> None:
    number = effect.factor if isinstance(effect, Scale) else 0.0
    number = effect.delta if isinstance(effect, Raise) else number
    _require(bool(np.isfinite(number)), f"answers {point.name} with {effect!r}")
    scales = not isinstance(effect, Scale) or point is HookPoint.POSITION_SIZING
    raises = not isinstance(effect, Raise) or point is HookPoint.CONFIDENCE_ADJUSTMENT
    _require(scales and raises, f"answers {point.name} with {effect!r}, which belongs elsewhere")


def _require(holds: bool, what: str) -> None:
    require(holds, f"{WHO} {what}")
