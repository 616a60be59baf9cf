"""One decision: the frozen view of a candidate, the agent's choice, the checked order.

``decide`` is pure: view, brain and chain in, ``Decision`` out. ``Desk`` builds views from an
account and a signal tape, and turns decisions into entries.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Protocol

import numpy as np

from envs.core.actions import ActionPreset
from envs.core.hooks import HookChain
from envs.core.position import PendingEntry
from envs.core.rules.costs import round_trip_frac
from envs.core.rules.exits import stop_atr, template
from envs.core.rules.rounding import from_units, to_units
from envs.core.rules.sizing import Funds, size_ladder
from envs.core.rules.state import confidence_bin, exposure_bin, performance_bin, state_index
from envs.core.rules.walk import STYLE_POST_ONLY, Order
from envs.core.settings import CoreSettings
from envs.core.tape import SignalTape, VoteTable
from envs.core.trade import Decision, PlannedOrder, SizingChoice, SizingContext, no_propensities
from envs.core.traded import TradedWorld
from envs.core.types import EntryStyle, EntryUnfilled, Float64Array
from envs.core.view import DecisionView

LadderFunction = Callable[..., None]
_NO_VOTES: tuple[float, ...] = ()


class Brain(Protocol):
    """What sizes a candidate; ``decide`` must not change its state.

    A brain that plans its own order (``SizingChoice.plan``) also has ``decide_view``, which is
    asked instead and sees the whole view.
    """

    def decide(self, context: SizingContext, rng: np.random.Generator | None) -> SizingChoice:
        """Choose an action for what is known at the close."""
        ...


def decide(
    view: DecisionView, brain: Brain, chain: HookChain, rng: np.random.Generator | None = None
) -> Decision:
    """Decide one candidate: entry hooks, the agent, size factors, filters.

    A vetoed candidate has no chosen action; an order cut below the filters is an executed skip.
    """
    n = view.context.mask.shape[0]
    verdict = chain.check_entry(view)
    if not (view.executable and verdict.allowed):
        reason = view.block_reason or verdict.reason
        return _decision(view, None, None, 0, reason, verdict.effects)
    if np.count_nonzero(view.context.mask) == 0:
        return _decision(view, None, None, 0, "NO_ACTION", verdict.effects)
    planner = getattr(brain, "decide_view", None)
    choice = brain.decide(view.context, rng) if planner is None else planner(view, rng)
    if choice.index < 0:
        return _decision(view, None, None, 0, choice.reason or "NO_ACTION", verdict.effects)
    plan = choice.plan
    qty = int(view.qty_steps[choice.index]) if plan is None else plan.qty_steps
    reason = choice.reason
    factor, effects = chain.size_factor(view, choice)
    if qty > 0 and factor < 1.0:
        qty = int(qty * factor)
        reason = reason if qty > 0 else "SIZED_TO_ZERO"
    propensities = choice.propensities
    if propensities is None:
        propensities = no_propensities(n, choice.index)
    if qty == 0 and not reason:
        reason = "SKIP"
    return _decision(
        view, choice.index, propensities, qty, reason, (*verdict.effects, *effects), plan
    )


def _decision(
    view: DecisionView,
    chosen: int | None,
    propensities: Float64Array | None,
    qty: int,
    reason: str,
    effects: tuple[tuple[str, str, str], ...],
    plan: PlannedOrder | None = None,
) -> Decision:
    return Decision(
        view.decision_id,
        view.symbol,
        view.bar_close_ns,
        view.side,
        view.context,
        chosen,
        propensities,
        qty,
        view.equity_units,
        view.spare_units,
        view.score,
        view.votes_up,
        view.votes_down,
        view.weights,
        effects,
        reason,
        view.sides,
        plan,
    )


class PresetArrays:
    """A preset's axes as arrays, in the order of its actions; ``twins`` spares work twice done."""

    def __init__(self, preset: ActionPreset) -> None:
        self.preset = preset
        self.sizes = np.asarray([a.size for a in preset.actions], dtype=np.float64)
        self.leverages = np.asarray([a.leverage for a in preset.actions], dtype=np.int64)
        self.exits = np.asarray([int(a.exit) for a in preset.actions], dtype=np.int64)
        self.twins = np.asarray([_twin(preset, i) for i in range(preset.n)], dtype=np.int64)


def _twin(preset: ActionPreset, index: int) -> int:
    """An earlier action of the same exit and size x leverage, whose quantity is often the same."""
    action = preset.actions[index]
    for k, other in enumerate(preset.actions[:index]):
        same = abs(other.size * other.leverage - action.size * action.leverage) < 1e-9
        if same and other.exit is action.exit and other.size > 0.0:
            return k
    return -1


class Desk:
    """Builds decision views from a world and a tape, and sends what was decided.

    ``ladder`` sizes all actions of a view; by default the plain rule. A compiled copy of the same
    function gives the same numbers.
    """

    def __init__(
        self,
        world: TradedWorld,
        tape: SignalTape,
        preset: ActionPreset,
        settings: CoreSettings,
        votes: VoteTable | None = None,
        ladder: LadderFunction = size_ladder,
        account: str = "sim",
    ) -> None:
        self.world, self.tape, self.settings, self.votes = world, tape, settings, votes
        self.preset = preset
        self.arrays = PresetArrays(preset)
        self._ladder = ladder
        self._account = account
        self._post_only = settings.entry.style is EntryStyle.POST_ONLY

    def candidates(self) -> list[int]:
        """Candidate symbols of the present row: descending confidence, then name."""
        row = self.world.row
        found = self.tape.candidate[row].nonzero()[0].tolist()
        confidence = self.tape.confidence[row].tolist()
        return sorted(found, key=lambda s: (-confidence[s], s))

    def block_reason(self, s: int) -> str:
        """Why a candidate cannot be executed now, or an empty string."""
        world = self.world
        account = world.account
        if s in account.positions or s in account.pending:
            return "POSITION_OPEN"
        if not world.gate.active:
            return "GATE_REDUCING"
        if len(account.positions) + len(account.pending) >= world.gate.position_limit:
            return "MAX_POSITIONS"
        last = account.last_entry_ns.get(s)
        if (
            last is not None
            and world.now_ns - last < self.settings.entry.cooldown_s * 1_000_000_000
        ):
            return "COOLDOWN"
        if world.row >= world.last_row:
            return "END"
        return ""

    def view(self, s: int, side: int | None = None) -> DecisionView:
        """Freeze everything known about one candidate at the present close.

        ``side`` overrides the tape's side, for environments that choose the direction themselves.
        """
        world, tape, row, now_ns = self.world, self.tape, self.world.row, self.world.now_ns
        data, account = world.data, world.account
        market = data.market
        side = int(tape.side[row, s]) if side is None else side
        equity = account.equity_quote()
        used = account.margin_units(s)
        spare = account.cash_units - used
        funds = Funds(
            equity,
            from_units(spare),
            account.gross_notional_quote(s),
            account.risk_quote(s),
            world.gate.size_factor,
        )
        atr_frac = float(market.atr_frac[row, s])
        costs = self.settings.costs
        trip = round_trip_frac(
            self._post_only, costs.maker_fee, costs.taker_fee, data.slip_next[s][row]
        )
        n = self.preset.n
        qty = np.zeros(n, dtype=np.int64)
        notional = np.zeros(n, dtype=np.float64)
        clamped = np.zeros(n, dtype=np.bool_)
        reasons = np.zeros(n, dtype=np.int8)
        close = data.bars[s][row][3]
        self._ladder(
            funds,
            data.size_rules,
            data.contracts[s],
            data.brackets[s],
            side,
            close,
            atr_frac,
            trip,
            self.arrays.sizes,
            self.arrays.leverages,
            self.arrays.exits,
            qty,
            notional,
            clamped,
            reasons,
        )
        regime = int(market.sizing_regime[row, s])
        confidence = float(tape.confidence[row, s])
        total_r, n_trades = account.performance()
        state = state_index(
            regime,
            confidence_bin(confidence),
            exposure_bin(from_units(used) / equity if equity > 0.0 else 1.0),
            performance_bin(total_r, n_trades),
        )
        context = SizingContext(
            state,
            reasons == 0,
            notional / equity if equity > 0.0 else notional,
            clamped,
            float(tape.ev[row, s]) * side,
            confidence,
            trip,
            atr_frac,
            tape.slopes[row],
        )
        block = self.block_reason(s)
        up, down, sides = self._votes_at(row, s)
        return DecisionView(
            f"{self._account}:{market.symbols[s]}:{now_ns}",
            row,
            s,
            market.symbols[s],
            now_ns,
            side,
            int(market.regime[row, s]),
            close,
            float(market.atr[row, s]),
            context,
            funds,
            qty,
            reasons,
            to_units(equity),
            spare,
            float(tape.score[row, s]),
            up,
            down,
            tuple(tape.weights[row, s].tolist()),
            sides,
            not block,
            block,
        )

    def commit(self, view: DecisionView, decision: Decision) -> bool:
        """Send a decided entry, reserving margin and risk; False when nothing is sent."""
        if decision.chosen is None or decision.qty_steps == 0:
            return False
        order = self.order_of(view, decision.chosen, decision.qty_steps, decision.plan)
        contract = self.world.data.contracts[view.symbol_index]
        price = view.close_ticks * contract.tick_num / contract.tick_den
        notional = price * (order.qty * contract.step_num / contract.step_den)
        margin = to_units(notional / order.leverage)
        risk = to_units(notional * order.sl_atr * view.context.atr_frac)
        entry = PendingEntry(
            decision,
            order,
            order.leverage,
            int(self.preset.actions[decision.chosen].exit),
            margin,
            risk,
            notional,
        )
        self.world.send(view.symbol_index, entry)
        return True

    def order_of(
        self, view: DecisionView, index: int, qty: int, plan: PlannedOrder | None = None
    ) -> Order:
        """Entry order of one action of a view, or of the plan it stands for."""
        action = self.preset.actions[index]
        return Order(
            view.side,
            qty,
            action.leverage if plan is None else plan.leverage,
            view.atr,
            stop_atr(int(action.exit)) if plan is None else plan.sl_atr,
            template(int(action.exit), view.regime) if plan is None else plan.exits,
            STYLE_POST_ONLY if self._post_only else 0,
            self.settings.entry.unfilled is EntryUnfilled.MARKET,
            view.side * view.close_ticks,
        )

    def _votes_at(
        self, row: int, s: int
    ) -> tuple[tuple[float, ...], tuple[float, ...], tuple[int, ...]]:
        if self.votes is None:
            return _NO_VOTES, _NO_VOTES, ()
        up: Any = self.votes.p_up[row, s].tolist()
        down: Any = self.votes.p_down[row, s].tolist()
        return tuple(up), tuple(down), self.votes.sides_at(row, s)
