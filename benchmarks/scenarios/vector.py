"""The Gymnasium vector face and the kernel under it."""

from __future__ import annotations

from typing import Any

import numpy as np
from numba import njit, prange, set_num_threads

from benchmarks.drive import STEPS, Drive, Work, count_work, make
from benchmarks.framework.metrics import Metric, Outcome, median_of
from benchmarks.framework.registry import Options, scenario
from benchmarks.framework.timing import Timing, disturbance, in_turn, repeated
from envs.kernel.pointer import array_at
from envs.kernel.step import CALL

ENVS = 4_096
CPU_TOLERANCE = 0.15
"""CPU time of one thread is steady enough to judge; wall time of two is not."""
WORKERS = 2


def _steps(options: Options) -> int:
    return 40 if options.quick else STEPS


def rates(runs: list[Timing], work: Work, threads: int) -> dict[str, Metric]:
    """Throughput and CPU time of repeated runs of the same work."""
    judged = CPU_TOLERANCE if threads == 1 else None
    per_decision = [t.cpu / work.decisions * 1e9 for t in runs]
    return {
        "decisions_per_s": median_of([work.decisions / t.wall for t in runs], "1/s", "higher"),
        "bar_steps_per_s": median_of([work.bar_steps / t.wall for t in runs], "1/s", "higher"),
        "cpu_ns_per_decision": median_of(per_decision, "ns", "lower", judged),
        "cpu_ns_per_position_bar": median_of(
            [t.cpu / work.position_bars * 1e9 for t in runs], "ns", "lower", judged
        ),
        "cpu_over_wall": median_of([t.ratio for t in runs], "cores", "higher"),
    }


def _notes(work: Work) -> tuple[str, ...]:
    d = work.decisions
    return (
        f"{work.bar_steps / d:.2f} bars and {work.position_bars / d:.2f} position-bars a decision,"
        f" {work.sent / d:.0%} of the decisions send an order",
    )


def _density(options: Options, density: float) -> Outcome:
    set_num_threads(WORKERS)
    drive = Drive(make(ENVS, density), _steps(options))
    work = count_work(ENVS, density, drive.steps)
    runs = repeated(drive.go, options.repeats, drive.begin)
    return Outcome(rates(runs, work, WORKERS), _notes(work), disturbance(runs, WORKERS))


@scenario("vector/4096/density-0.02", "Gymnasium face, two threads, candidates on 2 %")
def density_02(options: Options) -> Outcome:
    """Many bars between decisions."""
    return _density(options, 0.02)


@scenario("vector/4096/density-0.10", "Gymnasium face, two threads, candidates on 10 %")
def density_10(options: Options) -> Outcome:
    """The scenario that the targets name."""
    return _density(options, 0.10)


@scenario("vector/4096/density-0.30", "Gymnasium face, two threads, candidates on 30 %")
def density_30(options: Options) -> Outcome:
    """Few bars between decisions."""
    return _density(options, 0.30)


@scenario("vector/4096/threads-1", "Gymnasium face, one thread, candidates on 10 %")
def threads_1(options: Options) -> Outcome:
    """CPU time on one thread: what a comparison of revisions judges."""
    set_num_threads(1)
    drive = Drive(make(ENVS), _steps(options))
    work = count_work(ENVS, 0.10, drive.steps)
    runs = repeated(drive.go, options.repeats, drive.begin)
    set_num_threads(WORKERS)
    return Outcome(rates(runs, work, 1), _notes(work), disturbance(runs, 1))


@scenario("vector/4096/two-over-one", "two threads over one, runs in turn")
def two_over_one(options: Options) -> Outcome:
    """Throughput with two threads over throughput with one."""
    drive = Drive(make(ENVS), _steps(options))

    def begin(threads: int) -> None:
        set_num_threads(threads)
        drive.begin()

    one, two = in_turn(
        [drive.go, drive.go], options.repeats, [lambda: begin(1), lambda: begin(WORKERS)]
    )
    set_num_threads(WORKERS)
    ratio = [a.wall / b.wall for a, b in zip(one, two, strict=True)]
    metrics = {"two_over_one": median_of(ratio, "x", "higher")}
    return Outcome(metrics, (), disturbance(two, WORKERS))


@scenario("vector/bare-kernel", "the kernel call alone against the Gymnasium face, runs in turn")
def bare_kernel(options: Options) -> Outcome:
    """Share of the bare kernel call's throughput that the Gymnasium face reaches."""
    set_num_threads(WORKERS)
    env = make(ENVS)
    drive = Drive(env, _steps(options))
    face, bare = in_turn([drive.go, drive.go_bare], options.repeats, [drive.begin, drive.begin])
    share = [b.wall / f.wall for f, b in zip(face, bare, strict=True)]
    stepped = ENVS * drive.steps
    metrics = {
        "env_steps_per_s": median_of([stepped / t.wall for t in bare], "1/s", "higher"),
        "face_over_bare": median_of(share, "x", "higher"),
    }
    return Outcome(metrics, (), disturbance(bare, WORKERS))


@scenario("vector/noop-same-shape", "the same face on a kernel that only writes its outputs")
def noop_same_shape(options: Options) -> Outcome:
    """What the face costs without any market: an upper bound."""
    set_num_threads(WORKERS)
    env = do_nothing(ENVS)
    drive = Drive(env, 400 if options.quick else 2_000)
    runs = repeated(drive.go, options.repeats, drive.begin)
    rate = [ENVS * drive.steps / t.wall for t in runs]
    face = [t.cpu / drive.steps * 1e6 for t in runs]
    metrics = {
        "env_steps_per_s": median_of(rate, "1/s", "higher"),
        "cpu_us_per_step": median_of(face, "us", "lower"),
    }
    return Outcome(metrics, (), disturbance(runs, 1))


def _write_outputs(call: int, accounts: Any) -> None:
    c = array_at(call, 1, CALL)[0]
    n, width = c.n_envs, c.n_obs
    chosen = array_at(c.chosen, c.n_chosen, np.int64)
    actions, states = array_at(c.actions, n, np.int64), array_at(c.states, n, np.int64)
    obs, rewards = array_at(c.obs, (n, width), np.float32), array_at(c.rewards, n, np.float64)
    for k in prange(chosen.shape[0]):
        e = chosen[k]
        accounts[e].phase = 0
        row = obs[e]
        for i in range(width):
            row[i] = 0.0
        rewards[e] = 0.0
        states[e] = actions[e]


def do_nothing(n: int, **options: Any) -> Any:
    """An environment of the same spaces and face whose step writes outputs and nothing else."""
    env = make(n, **options)
    compile_: Any = njit
    kernel = compile_(parallel=n >= 256, error_model="numpy", _nrt=False)(_write_outputs)
    env.batch.kernel = kernel
    env.accounts["row"] = np.int32(0)
    return env
