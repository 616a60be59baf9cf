"""One environment at a time: through ``gymnasium.make``, and the plain core alone."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from benchmarks.data import EPISODE_BARS, SEED, drawn_tape, scene
from benchmarks.drive import Drive, make
from benchmarks.framework.metrics import Outcome, median_of
from benchmarks.framework.registry import Options, scenario
from benchmarks.framework.timing import Timing, disturbance, repeated
from envs.core.actions import preset
from envs.core.decide import Desk, decide
from envs.core.hooks import HookChain
from envs.core.trade import SizingChoice, SizingContext, no_propensities
from envs.core.world import World

DENSITY = 0.10


class Drawn:
    """A brain that takes uniform random actions of those allowed, as fast as it can."""

    def __init__(self, seed: int) -> None:
        self._draws = np.random.default_rng(seed).integers(0, 1 << 30, 1 << 16).tolist()
        self._next = 0

    def decide(self, context: SizingContext, rng: np.random.Generator | None) -> SizingChoice:
        """Draw until an allowed action is met."""
        n = context.mask.shape[0]
        while True:
            self._next = (self._next + 1) & 0xFFFF
            index = self._draws[self._next] % n
            if context.mask[index]:
                return SizingChoice(index, no_propensities(n, index))


def _outcome(runs: list[Timing], decisions: int, bars: int, tolerance: float) -> Outcome:
    metrics = {
        "decisions_per_s": median_of([decisions / t.wall for t in runs], "1/s", "higher"),
        "bar_steps_per_s": median_of([bars / t.wall for t in runs], "1/s", "higher"),
        "cpu_us_per_decision": median_of(
            [t.cpu / decisions * 1e6 for t in runs], "us", "lower", tolerance
        ),
    }
    return Outcome(metrics, (), disturbance(runs, 1))


@scenario("single/gym-make", "gymnasium.make, full observation and info")
def gym_make(options: Options) -> Outcome:
    """Decisions per second of the registered environment with its wrappers."""
    import gymnasium

    import envs.registration  # noqa: F401 - registers the ids

    at = scene()
    env: Any = gymnasium.make(
        "QuantumTrader/Sizing-v0", market=at.market, tape=drawn_tape(DENSITY), settings=at.settings,
        prepared=at.data, episode_bars=EPISODE_BARS, random_start=True,
    )  # fmt: skip
    return single(env, options)


def single(env: Any, options: Options) -> Outcome:
    """Seeded random steps of one environment."""
    n = 500 if options.quick else 3_000
    actions = np.random.default_rng(SEED).integers(0, int(env.action_space.n), n).tolist()
    seen = {"decisions": 0, "bars": 0}

    def go() -> None:
        decisions, ns, first = 0, 0, int(env.reset(seed=SEED)[1]["time_ns"])
        for action in actions:
            _, _, terminated, truncated, info = env.step(action)
            decisions += 1
            if terminated or truncated:
                ns += info["time_ns"] - first
                _, info = env.reset()
                first = info["time_ns"]
        ns += info["time_ns"] - first
        seen.update(decisions=decisions, bars=ns // scene().market.interval_ns)

    return _outcome_of(go, seen, options)


def _outcome_of(go: Callable[[], None], seen: dict[str, int], options: Options) -> Outcome:
    runs = repeated(go, options.repeats)
    return _outcome(runs, seen["decisions"], seen["bars"], 0.15)


@scenario("single/kernel-one-env", "the vector face with one environment")
def kernel_one_env(options: Options) -> Outcome:
    """What one environment on the kernel reaches through the vector face."""
    drive = Drive(make(1, DENSITY), 1_000 if options.quick else 4_000)
    work = Drive(make(1, DENSITY, trades=True), drive.steps).count()
    runs = repeated(drive.go, options.repeats, drive.begin)
    return _outcome(runs, work.decisions, work.bar_steps, 0.15)


def _plain(options: Options, compiled: bool) -> Outcome:
    from envs.kernel.counterfactual import compiled_ladder

    at = scene()
    tape, chain = drawn_tape(DENSITY), HookChain()
    length = 300 if options.quick else 1_200
    starts = np.random.default_rng(SEED).integers(2_000, at.market.n_bars - 3_000, 2).tolist()
    seen = {"decisions": 0, "bars": 0}

    def go() -> None:
        decisions = bars = 0
        for start in starts:
            world = World(at.data, at.settings, start, start + length, keep_ledger=False)
            ladder = {"ladder": compiled_ladder()} if compiled else {}
            desk = Desk(world, tape, preset("full"), at.settings, **ladder)
            brain = Drawn(SEED)
            while not world.done:
                for s in desk.candidates():
                    if desk.block_reason(s):
                        continue
                    view = desk.view(s)
                    desk.commit(view, decide(view, brain, chain))
                    decisions += 1
                world.advance()
                bars += 1
            world.finish()
        seen.update(decisions=decisions, bars=bars)

    return _outcome_of(go, seen, options)


@scenario("single/plain-core", "World and Desk in plain Python, no compiled code")
def plain_core(options: Options) -> Outcome:
    """The readable core, as the equality tests run it."""
    return _plain(options, compiled=False)


@scenario("single/plain-core-ladder", "the same with the compiled size ladder, as the runtime does")
def plain_core_ladder(options: Options) -> Outcome:
    """The core as training and the runtime use it."""
    return _plain(options, compiled=True)
