"""What a bundle's agent did with one candidate, and why: the account is played up to it."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import UTC, date, datetime
from pathlib import Path

import numpy as np

from agents.paper import PaperBook
from agents.protocol import SizingAgent
from agents.sizing.explain import Explanation, explain
from agents.sizing.explain_limits import SymbolRules
from agents.sizing.kelly_cap import KellyCap, is_kelly_on, kelly_seat
from agents.sizing.kelly_tally import NEGATIVE_EDGE
from agents.sizing.math_mode import MathModeAgent
from ensemble.crossfit import first_row
from envs.core.decide import Desk, decide
from envs.core.errors import FixData, FixInput
from envs.core.hooks import HookChain
from envs.core.market_data import MarketData
from envs.core.rules.reward import LOG_GROWTH
from envs.core.series import MarketSeries
from envs.core.tape import SignalTape
from envs.core.trade import Alternatives, ClosedTrade, Decision
from envs.core.types import Int64Array
from envs.core.view import DecisionView
from envs.core.world import Resolved, World
from envs.kernel.counterfactual import Counterfactual, compiled_ladder
from envs.market.sources import interval_ns_of
from runtime.bundle import Bundle, load_bundle
from runtime.settings import Settings
from runtime.signals.market import instant_of
from training.bundle_evaluation import signals_of
from training.inputs import iso

_BARS_BEYOND = 200


@dataclass(frozen=True)
class Request:
    """Which decision to explain: bar close in UTC nanoseconds, symbol, and whose account.

    ``fresh`` takes an empty account at that bar in place of one traded since the held-out span
    began; ``table`` asks the table where the bundle ships another agent.
    """

    at_ns: int
    symbol: str
    fresh: bool = False
    table: bool = False


@dataclass(frozen=True)
class Advice:
    """Who sizes, under which advisers; ``kelly`` counts the closed trades."""

    agent: SizingAgent
    chain: HookChain
    kelly: KellyCap


def moment_of(text: str) -> int:
    """Read a time as UTC nanoseconds: a date is midnight UTC, a time of day must say its zone.

    Raises:
        FixInput: No such time, or one without a zone.
    """
    try:
        if "T" not in text and " " not in text:
            day = date.fromisoformat(text)
            moment = datetime(day.year, day.month, day.day, tzinfo=UTC)
        else:
            moment = datetime.fromisoformat(text)
    except ValueError as error:
        raise FixInput(f"--at {text!r}: expected a time such as 2024-01-31T12:00:00Z") from error
    if moment.tzinfo is None:
        raise FixInput(f"--at {text!r}: no time zone; for UTC write {text}Z")
    # Nanoseconds do not fit a float: text in UTC keeps them whole.
    plain = moment.astimezone(UTC).replace(tzinfo=None).isoformat()
    return int(np.datetime64(plain, "ns").astype(np.int64))


def explain_bundle(folder: Path, settings: Settings, request: Request) -> Explanation:
    """Explain one candidate after the end of a bundle's training.

    Raises:
        FixInput: No such symbol, bar or candidate, naming the nearest ones; a damaged bundle; a
            time inside the span the bundle was trained on.
    """
    bundle = load_bundle(folder)
    known = bundle.manifest["symbols"]
    if request.symbol not in known:
        raise FixInput(f"--symbol {request.symbol}: the bundle was made for {', '.join(known)}")
    if request.at_ns <= instant_of(bundle, "train_end"):
        raise FixInput(
            f"--at {iso(request.at_ns)} lies inside the bundle's training span, which ends "
            f"{bundle.manifest['spans']['train_end']}: nothing was decided there by this bundle"
        )
    beyond = request.at_ns + _BARS_BEYOND * interval_ns_of(bundle.manifest["timeframe"])
    data, _, tape = signals_of(bundle, settings, beyond)
    if request.symbol not in data.market.symbols:
        raise FixInput(
            f"--symbol {request.symbol}: the bars asked for are of {', '.join(data.market.symbols)}"
        )
    s = data.market.symbols.index(request.symbol)
    row = candidate_row(data.market, tape.signals, s, request.at_ns)
    begin = row if request.fresh else data.market.row_at(instant_of(bundle, "test_start"))
    first = min(row, max(first_row(data.market), begin))
    return play_to(
        data, tape.signals, settings, advice_of(bundle, settings, request), first, row, s
    )


def candidate_row(market: MarketData, tape: SignalTape, s: int, at_ns: int) -> int:
    """Row of a candidate of symbol ``s`` that closes at ``at_ns``.

    Raises:
        FixInput: No bar closes then, or it is no candidate; the nearest are named.
    """
    row, n = market.row_at(at_ns), market.n_bars
    if n == 0 or not int(market.close_ns[0]) <= at_ns <= int(market.close_ns[-1]):
        ends = f"{iso(int(market.close_ns[0]))} to {iso(int(market.close_ns[-1]))}" if n else "none"
        raise FixData(f"--at {iso(at_ns)}: outside the bars, {ends}")
    is_bar = int(market.close_ns[row]) == at_ns
    if is_bar and tape.candidate[row, s]:
        return row
    what = "that bar is no candidate" if is_bar else "no bar closes then"
    near = _nearest(market, np.flatnonzero(tape.candidate[:, s]).astype(np.int64), at_ns)
    raise FixInput(f"--at {iso(at_ns)}: {what}; candidates of {market.symbols[s]} near it: {near}")


def advice_of(bundle: Bundle, settings: Settings, request: Request) -> Advice:
    """Who sizes under ``RL_SIZING_MODE`` and ``MATH_KELLY_CAP``, as the runtime would seat them."""
    agent = bundle.table if request.table else bundle.shipped
    live, core = settings.live, settings.core
    mode = live.sizing_mode
    on = is_kelly_on(live.kelly_cap, mode)
    kelly = KellyCap(agent.preset, settings.kelly, core.plan, on)
    if mode == "math_ai":
        instruments = {i.symbol: i for i in bundle.instruments}
        agent = MathModeAgent(agent, core, instruments, kelly)
    seats = (kelly_seat(kelly),) if on else ()
    return Advice(agent, HookChain(seats, core.signal.min_confidence), kelly)


def play_to(
    data: MarketSeries, tape: SignalTape, settings: Settings, advice: Advice, first: int, row: int,
    s: int,
) -> Explanation:  # fmt: skip
    """Trade greedily from row ``first`` and explain symbol ``s`` at ``row``, bar by bar.

    Nothing is learned on the way but Kelly's count of closed trades, on paper while nothing is
    risked; candidates of the same bar that come first have reserved their margin.
    """
    world = World(data, settings.core, first, keep_ledger=False)
    desk = Desk(world, tape, advice.agent.preset, settings.core, ladder=compiled_ladder())
    paper = _Paper(desk, advice)
    while world.row < row:
        if world.done:
            raise FixData(f"the account was ruined before {iso(int(data.market.close_ns[row]))}")
        _trade_row(desk, advice, paper, None)
        _count(advice.kelly, world.advance())
        paper.count(int(data.market.close_ns[world.row]))
    _trade_row(desk, advice, paper, s)
    symbol = SymbolRules(data.size_rules, data.contracts[s], data.brackets[s])
    return explain(desk.view(s), advice.agent, symbol, advice.chain)


class _Paper:
    """Follows what Kelly keeps from being traded, which alone leads back to trading (spec 7)."""

    def __init__(self, desk: Desk, advice: Advice) -> None:
        self._desk, self._advice = desk, advice
        self._book = PaperBook(advice.agent.preset)
        self._outcomes = Counterfactual(desk, LOG_GROWTH) if advice.kelly.enabled else None

    def follow(self, view: DecisionView, decision: Decision) -> None:
        """Begin a paper trade of a decision that opened nothing while nothing may be risked."""
        agent, chosen = self._advice.agent, decision.chosen
        if self._outcomes is None or not self._advice.kelly.on_paper:
            return
        if isinstance(agent, MathModeAgent):
            signalled = decision.reason == NEGATIVE_EDGE
            chosen = agent.paper_action(view.context) if signalled else None
        if chosen is None:
            return
        earned = Alternatives(*self._outcomes.outcomes(view), np.zeros(3, dtype=np.int64))
        end = int(earned.end_bar[chosen])
        if end >= 0:
            known_ns = int(self._desk.world.data.market.close_ns[end])
            self._book.follow(replace(decision, chosen=chosen), earned, known_ns)

    def count(self, now_ns: int) -> None:
        """Count the paper trades that ended by now."""
        for outcome in self._book.due(now_ns):
            self._advice.kelly.learn_one(outcome)


def _trade_row(desk: Desk, advice: Advice, paper: _Paper, until: int | None) -> None:
    """Decide the candidates of the present row, those before ``until`` alone."""
    for s in desk.candidates():
        if s == until:
            return
        if not desk.block_reason(s):
            view = desk.view(s)
            decision = decide(view, advice.agent, advice.chain)
            if not desk.commit(view, decision):
                paper.follow(view, decision)


def _count(kelly: KellyCap, resolved: list[Resolved]) -> None:
    for r in resolved:
        if isinstance(r.outcome, ClosedTrade):
            kelly.learn_one(r.outcome)


def _nearest(market: MarketData, rows: Int64Array, at_ns: int) -> str:
    times = market.close_ns[rows]
    before, after = times[times < at_ns][-2:], times[times > at_ns][:2]
    found = [iso(int(t)) for t in (*before, *after)]
    return ", ".join(found) or "none"
