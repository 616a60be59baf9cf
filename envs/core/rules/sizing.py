"""The sizing plan, its caps and filters (spec 7, 8.2, 10.3). Amounts in quote, ratios fractions."""

from __future__ import annotations

from typing import Any, NamedTuple

from envs.core.rules.exits import stop_atr
from envs.core.rules.margin import bracket_index, liquidation_distance
from envs.core.rules.rounding import floor_whole

OK = 0
INVALID_INPUT = 1
STOP_INSIDE_COST = 2
LIQUIDATION_TOO_NEAR = 3
BELOW_MIN_NOTIONAL = 4
LEVERAGE_TOO_HIGH = 5
"""Why an action is masked."""


LARGEST = 1e300


class SizeRules(NamedTuple):
    """Constants of the plan and the caps, fixed for a run."""

    risk_per_trade: float
    max_margin: float
    vol_scaling: bool
    liq_buffer: float
    max_position_margin: float
    max_risk: float
    max_total_risk: float
    max_gross: float
    max_leverage: int
    min_order_quote: float


class Contract(NamedTuple):
    """An instrument as the rules read it; ``min_notional`` in quote."""

    tick_num: int
    tick_den: int
    step_num: int
    step_den: int
    min_notional: float


class Funds(NamedTuple):
    """The account as seen by one decision, frozen; quote."""

    equity: float
    free_margin: float
    gross_notional: float
    total_risk: float
    size_factor: float


class Sized(NamedTuple):
    """A sized order: steps, planned notional, whether a cap cut it, and why it is masked."""

    qty_steps: int
    notional: float
    clamped: bool
    mask_reason: int


def plan_margin(funds: Funds, rules: SizeRules, atr_frac: float, sl_frac: float) -> float:
    """Margin of the plan, steps 3 to 5: risk, equity and free-margin caps, inverse volatility."""
    margin = rules.risk_per_trade * funds.equity / sl_frac
    cap = rules.max_margin * funds.equity
    if cap < margin:
        margin = cap
    cap = 0.95 * funds.free_margin
    if cap < margin:
        margin = cap
    if rules.vol_scaling:
        scale = 0.02 / atr_frac
        if scale > 1.0:
            scale = 1.0
        elif scale < 0.25:
            scale = 0.25
        margin = margin * scale
    return margin


class Caps(NamedTuple):
    """What bounds every action of one exit strategy: ``margin`` of the plan, and the caps.

    ``reason`` masks all of them unless 0; ``price`` in quote.
    """

    reason: int
    sl_frac: float
    margin: float
    max_margin: float
    max_notional: float
    price: float


def caps_of(
    funds: Funds, rules: SizeRules, contract: Contract, ref_ticks: int, atr_frac: float,
    round_trip: float, sl_atr: float,
) -> Caps:  # fmt: skip
    """Plan and caps of one exit strategy; ``ref_ticks`` is the close at the decision (unsigned)."""
    if not is_valid_input(funds, ref_ticks, atr_frac, round_trip):
        return Caps(INVALID_INPUT, 0.0, 0.0, 0.0, 0.0, 0.0)
    sl_frac = sl_atr * atr_frac
    if sl_frac < 3.0 * round_trip:
        return Caps(STOP_INSIDE_COST, sl_frac, 0.0, 0.0, 0.0, 0.0)
    margin = rules.max_position_margin * funds.equity
    cap = 0.95 * funds.free_margin
    if cap < margin:
        margin = cap
    notional = rules.max_risk * funds.equity / (sl_frac + round_trip)
    cap = rules.max_gross * funds.equity - funds.gross_notional
    if cap < notional:
        notional = cap
    cap = (rules.max_total_risk * funds.equity - funds.total_risk) / sl_frac
    if cap < notional:
        notional = cap
    price = ref_ticks * contract.tick_num / contract.tick_den
    plan = plan_margin(funds, rules, atr_frac, sl_frac)
    return Caps(OK, sl_frac, plan, margin, notional, price)


def capped_notional(caps: Caps, wished: float, leverage: int) -> float:
    """Largest notional the caps allow for a wished margin."""
    margin = caps.max_margin if caps.max_margin < wished else wished
    notional = margin * leverage
    return caps.max_notional if caps.max_notional < notional else notional


def is_valid_input(funds: Funds, ref_ticks: int, atr_frac: float, round_trip: float) -> bool:
    """Whether all that caps a size is known: finite, and not of the wrong sign."""
    known = 0.0 < funds.equity < LARGEST and 0.0 < atr_frac < LARGEST and ref_ticks > 0
    known = known and 0.0 <= round_trip < LARGEST and 0.0 <= funds.size_factor < LARGEST
    known = known and 0.0 <= funds.gross_notional < LARGEST and 0.0 <= funds.total_risk < LARGEST
    return known and -LARGEST < funds.free_margin < LARGEST


def size_order(
    funds: Funds, rules: SizeRules, contract: Contract, brackets: Any, side: int, ref_ticks: int,
    atr_frac: float, round_trip: float, size: float, leverage: int, sl_atr: float,
) -> Sized:  # fmt: skip
    """Size one action: plan, chosen size and leverage, caps, exchange filters.

    ``ref_ticks`` is the close at the decision (unsigned). A masked action has quantity 0.
    """
    caps = caps_of(funds, rules, contract, ref_ticks, atr_frac, round_trip, sl_atr)
    return size_within(caps, funds, rules, contract, brackets, side, size, leverage)


def size_within(
    caps: Caps, funds: Funds, rules: SizeRules, contract: Contract, brackets: Any, side: int,
    size: float, leverage: int,
) -> Sized:  # fmt: skip
    """Size one action within the caps of its exit strategy."""
    if caps.reason != OK:
        return Sized(0, 0.0, False, caps.reason)
    if leverage > rules.max_leverage:
        return Sized(0, 0.0, False, LEVERAGE_TOO_HIGH)
    wished = caps.margin * size * funds.size_factor
    tier = bracket_index(wished * leverage, brackets)
    distance = liquidation_distance(side, float(leverage), brackets[tier, 1])
    if distance < rules.liq_buffer * caps.sl_frac:
        return Sized(0, 0.0, False, LIQUIDATION_TOO_NEAR)
    notional = capped_notional(caps, wished, leverage)
    clamped = notional < wished * leverage
    steps = 0
    if notional > 0.0:
        steps = floor_whole(notional / caps.price * contract.step_den / contract.step_num)
    held = caps.price * (steps * contract.step_num / contract.step_den)
    floor = contract.min_notional
    if rules.min_order_quote > floor:
        floor = rules.min_order_quote
    if steps <= 0 or held < floor:
        return Sized(0, 0.0, clamped, BELOW_MIN_NOTIONAL)
    return Sized(steps, held, clamped, OK)


def size_ladder(
    funds: Funds,
    rules: SizeRules,
    contract: Contract,
    brackets: Any,
    side: int,
    ref_ticks: int,
    atr_frac: float,
    round_trip: float,
    sizes: Any,
    leverages: Any,
    exits: Any,
    qty_out: Any,
    notional_out: Any,
    clamped_out: Any,
    reason_out: Any,
) -> None:
    """Size every action of a preset into the ``_out`` arrays; size 0 (skip) is allowed, 0 steps."""
    near = caps_of(funds, rules, contract, ref_ticks, atr_frac, round_trip, stop_atr(0))
    mid = caps_of(funds, rules, contract, ref_ticks, atr_frac, round_trip, stop_atr(1))
    far = caps_of(funds, rules, contract, ref_ticks, atr_frac, round_trip, stop_atr(2))
    for i in range(sizes.shape[0]):
        if sizes[i] == 0.0:
            qty_out[i] = 0
            notional_out[i] = 0.0
            clamped_out[i] = False
            reason_out[i] = OK
            continue
        caps = near if exits[i] == 0 else mid if exits[i] == 1 else far
        sized = size_within(caps, funds, rules, contract, brackets, side, sizes[i], leverages[i])
        qty_out[i] = sized.qty_steps
        notional_out[i] = sized.notional
        clamped_out[i] = sized.clamped
        reason_out[i] = sized.mask_reason


def largest_leverage(side: int, sl_frac: float, mmr: float, ceiling: int, liq_buffer: float) -> int:
    """Largest whole leverage whose liquidation stays ``liq_buffer`` stops away; 0 if none."""
    best = 0
    for leverage in range(1, ceiling + 1):
        if liquidation_distance(side, float(leverage), mmr) >= liq_buffer * sl_frac:
            best = leverage
    return best


def planned_notional(
    margin: float, leverage: int, risk_frac: float, equity: float, sl_frac: float, round_trip: float
) -> float:
    """Step 7 of the plan: margin x leverage, reduced so stop loss and cost stay in the risk."""
    notional = margin * leverage
    cap = risk_frac * equity / (sl_frac + round_trip)
    if cap < notional:
        return cap
    return notional
