"""The emergency stop follows its table, the ladder its levels, the hook chain no order."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any, cast

from hypothesis import given, settings
from hypothesis import strategies as st

from envs.core.gate import Gate
from envs.core.hooks import Effect, HookChain, HookPoint, Keep, Mode, Raise, Scale, Seat, Veto
from envs.core.rules.limits import (
    ARMED,
    COOLING_DOWN,
    RECOVERING,
    TRIPPED,
    Ess,
    Ladder,
    StopLimits,
    cooldown_ns,
    daily_level,
    drawdowns,
    entries_allowed,
    is_calm,
    judge,
    next_ess,
    raise_high_waters,
)
from envs.core.settings import CoreSettings
from envs.core.trade import SizingChoice
from envs.core.view import DecisionView

LIMITS = StopLimits(
    0.03, 0.05, 0.10, 0.25, 10, 900, 3_600, 14_400, 5, 6 * 3_600 * 10**9, 0.25
)  # fmt: skip
DAY = 86_400 * 10**9
ALLOWED = {
    (ARMED, ARMED), (ARMED, TRIPPED), (TRIPPED, TRIPPED), (TRIPPED, COOLING_DOWN),
    (COOLING_DOWN, COOLING_DOWN), (COOLING_DOWN, RECOVERING), (COOLING_DOWN, TRIPPED),
    (RECOVERING, RECOVERING), (RECOVERING, ARMED), (RECOVERING, TRIPPED),
}  # fmt: skip


@settings(max_examples=300)
@given(
    st.integers(0, 3), st.integers(1, 3), st.sampled_from([0, 0, 0, 1, 2, 3]), st.integers(0, 2),
    st.booleans(), st.booleans(), st.integers(0, 3 * DAY), st.integers(0, 10), st.integers(-1, 3),
)  # fmt: skip
def test_only_listed_transitions(
    state: int, top: int, level: int, daily: int, flat: bool, acknowledged: bool, wait: int,
    trades: int, daily_day: int,
) -> None:  # fmt: skip
    daily = min(daily, level)
    held = daily_day if state == TRIPPED else -1
    before = Ess(state, top if state in (TRIPPED, COOLING_DOWN) else 0, 0, held, trades)
    after = next_ess(before, level, daily, flat, acknowledged, wait, LIMITS)
    assert (before.state, after.state) in ALLOWED
    assert entries_allowed(after) == (after.state in (ARMED, RECOVERING))
    if level > 0:
        assert after.state == TRIPPED
        assert after.level >= level
        if before.state == TRIPPED:
            assert after.level == max(before.level, level)
    elif before.state == TRIPPED and after.state == COOLING_DOWN:
        assert before.daily_day < 0 or wait // DAY > before.daily_day
        assert before.level < 3 or flat
        assert after.level == before.level
    elif before.state == COOLING_DOWN and after.state == RECOVERING:
        assert acknowledged
        assert wait >= cooldown_ns(before.level, LIMITS)
    elif before.state == RECOVERING and after.state == ARMED:
        assert trades >= 5 or wait >= LIMITS.recovery_ns


EQUITIES = st.lists(
    st.tuples(
        st.one_of(st.floats(0.2, 2.0), st.sampled_from([1.0, 0.99, 0.98])),
        st.one_of(st.floats(-0.3, 0.3), st.sampled_from([-0.05, -0.2])),
        st.integers(1, DAY // 2),
    ),
    min_size=1,
    max_size=30,
)


@settings(max_examples=100)
@given(EQUITIES)
def test_the_ladder_acts_on_every_level(steps: list[tuple[float, float, int]]) -> None:
    ladder, ess, now = Ladder(-1, 1.0, 1.0), Ess(ARMED, 0, 0, -1, 0), 0
    peak, day, day_high = 1.0, -1, 1.0
    for equity, unrealised, wait in steps:
        now += wait
        wallet = equity - unrealised
        day_high = equity if now // DAY != day else max(day_high, equity)
        day, peak = now // DAY, max(peak, equity)
        got = judge(ladder, ess, equity, unrealised, wallet, False, 0, False, now, LIMITS)
        dd = got.drawdowns
        assert dd.daily == max(0.0, 1.0 - equity / day_high)
        assert dd.total == max(0.0, 1.0 - equity / peak)
        assert min(dd) >= 0.0
        if dd.daily >= 0.03 or dd.open >= 0.10:
            assert got.ess.state == TRIPPED
            assert not entries_allowed(got.ess)
        if dd.daily >= 0.05:
            assert got.ess.level >= 2
        if dd.open >= 0.10:
            assert got.ess.level == 3
        if dd.total >= 0.25:
            assert got.ess.level == 3
            assert not entries_allowed(got.ess)
        ladder, ess = got.ladder, got.ess


@given(st.floats(0.5, 1.5), st.floats(1.0, 1.5), st.floats(1.0, 1.5), st.floats(-0.3, 0.3))
def test_calm_means_that_nothing_trips(
    equity: float, over_day: float, over_peak: float, unrealised: float
) -> None:
    high = equity * over_day
    peak = high * over_peak
    wallet = equity - unrealised
    if is_calm(high, peak, equity, unrealised, wallet, 0, LIMITS):
        ladder = Ladder(0, high, peak)
        armed = Ess(ARMED, 0, 0, -1, 0)
        got = judge(ladder, armed, equity, unrealised, wallet, True, 0, True, 5, LIMITS)
        assert got.raised == 0
        assert got.ess == armed


@given(st.floats(0.0, 1.0), st.floats(0.0, 1.0))
def test_a_deeper_loss_never_asks_for_less(a: float, b: float) -> None:
    low, high = sorted((a, b))
    assert daily_level(low, LIMITS) <= daily_level(high, LIMITS)
    ladder = raise_high_waters(Ladder(0, 1.0, 1.0), 1.0 - high, 5)
    dd = drawdowns(ladder, 1.0 - high, -high, 1.0)
    assert dd.daily == dd.total == 1.0 - (1.0 - high)


@settings(max_examples=50)
@given(
    st.lists(
        st.tuples(st.sampled_from([1.0, 0.96, 0.9, 0.7]), st.integers(0, 2 * DAY)), max_size=30
    )
)
def test_a_recovering_account_is_small_and_a_reducing_one_sends_nothing(
    steps: list[tuple[float, int]],
) -> None:
    gate, now = Gate(CoreSettings(), 1.0, 0), 0
    for equity, wait in steps:
        now += wait
        gate.evaluate(equity, 0.0, equity, True, now)
        recovering = gate.ess.state == RECOVERING
        assert gate.size_factor == (0.25 if recovering else 1.0)
        assert gate.position_limit == (2 if recovering else 10)
        assert gate.active == (gate.ess.state in (ARMED, RECOVERING))


class Voice:
    """Gives one effect at every point, or fails."""

    points = tuple(HookPoint)

    def __init__(self, name: str, effect: Effect | None) -> None:
        self.name, self.effect = name, effect

    def answer(self, point: HookPoint, view: DecisionView) -> Effect:
        if self.effect is None:
            raise RuntimeError("adviser broke")
        return self.effect


EFFECTS = st.one_of(
    st.just(Keep()),
    st.sampled_from(["A", "B", "C"]).map(Veto),
    st.floats(0.0, 2.0).map(Scale),
    st.floats(-0.5, 0.5).map(Raise),
    st.none(),
)
SEATS = st.lists(st.tuples(EFFECTS, st.sampled_from(list(Mode))), max_size=6)


def chain_of(seats: list[tuple[Effect | None, Mode]]) -> HookChain:
    return HookChain([Seat(Voice(str(i), e), m) for i, (e, m) in enumerate(seats)], 0.2)


def ask(seats: list[tuple[Effect | None, Mode]], confidence: float) -> tuple[bool, str, float]:
    view = cast(Any, SimpleNamespace(context=SimpleNamespace(confidence=confidence)))
    choice = cast(SizingChoice, SimpleNamespace(index=1))
    verdict = chain_of(seats).check_entry(view)
    return verdict.allowed, verdict.reason, chain_of(seats).size_factor(view, choice)[0]


@settings(max_examples=200)
@given(SEATS, st.floats(0.0, 1.0), st.randoms(use_true_random=False))
def test_hooks_merge_in_any_order(
    seats: list[tuple[Effect | None, Mode]], confidence: float, shuffle: Any
) -> None:
    mixed = list(seats)
    shuffle.shuffle(mixed)
    allowed, reason, factor = ask(seats, confidence)
    assert ask(mixed, confidence) == (allowed, reason, factor)
    assert allowed == (reason == "")
    blocking = [e for e, m in seats if m is Mode.ENFORCED and (e is None or isinstance(e, Veto))]
    if blocking:
        assert not allowed
    cuts = [e.factor for e, m in seats if isinstance(e, Scale) and m is Mode.ENFORCED]
    assert factor <= min([1.3, *(c for c in cuts if c < 1.0)])
    if confidence < 0.2:
        assert not allowed


@given(SEATS, st.floats(0.0, 1.0))
def test_observers_change_nothing(
    seats: list[tuple[Effect | None, Mode]], confidence: float
) -> None:
    watching = [(e, min(m, Mode.OBSERVE)) for e, m in seats]
    assert ask(watching, confidence) == ask([], confidence)
