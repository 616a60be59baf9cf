"""A trader of many symbols as ``python -m runtime trade`` opens it by the clock, timed by stage.

``python -m benchmarks.close_process BUNDLE STATE SYMBOLS CLOSES POSITIONS`` prints one JSON
document; ``benchmarks/runtime_close.py`` starts it. The exchange is a child of this process; its
market rests until a close has been dealt with and the account is flat again.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import resource
import shutil
import sys
import time
from collections import deque
from collections.abc import AsyncIterator, Iterable
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from agents.policy import Policy
from agents.reinforcement.manager import ReinforcementManager
from benchmarks.data import ROOT
from benchmarks.signals_process import SEED
from envs.artifact import file_digest
from envs.core.trade import SizingContext
from envs.core.types import ExitReason
from envs.market.synthetic import SyntheticSettings, generate
from runtime import trade_cli
from runtime.adapters.ccxt_factory import make_exchange
from runtime.adapters.market_stream import CANDLE
from runtime.bundle import Bundle, load_bundle
from runtime.port_market import Bar
from runtime.port_values import NewOrder, NewTrigger, Purpose
from runtime.settings import load_settings
from runtime.signals.past import FULL_BARS
from runtime.wiring.asking import plan_of
from runtime.wiring.clocked import Clocked, open_clocked
from runtime.wiring.exchange_child import child_arguments
from runtime.wiring.keeping import Kept, keep
from runtime.wiring.local import WIDE
from runtime.wiring.period import period_of
from runtime.wiring.plan import TradePlan
from runtime.wiring.state_folder import CONFIG, open_state
from runtime.wiring.trader import Trader
from runtime.wiring.warming import warm_up_built_in

BEGIN_ROW = FULL_BARS + 20
ANCHOR_BARS = 1_536
PERIOD = ("start", "train_end", "test_end")
PATIENCE_S = 8.0
_NS = 1_000_000_000


class Smallest(Policy):
    """Enters every candidate that may be entered, with the smallest size there is."""

    def __init__(self, preset: Any) -> None:
        super().__init__("smallest", preset)
        self._trading = np.array([a.size > 0.0 for a in preset.actions])

    def choose(self, context: SizingContext, rng: np.random.Generator | None) -> int | None:
        """The allowed action of the least notional."""
        allowed = context.mask & self._trading
        if not allowed.any():
            return None
        return int(np.argmin(np.where(allowed, context.notional_frac, np.inf)))


@dataclass
class Close:
    """Wall and CPU seconds at which each stage of one close was last reached."""

    wall: dict[str, float] = field(default_factory=dict)
    cpu: dict[str, float] = field(default_factory=dict)
    candidates: int = 0
    entries: int = 0
    silent: int = 0

    def reach(self, stage: str) -> None:
        """Note that a stage was reached now; the last time counts."""
        self.wall[stage], self.cpu[stage] = time.perf_counter(), time.process_time()


class Stamped(deque[Bar]):
    """The feed's closed bars; notes when the last bar of a close came."""

    def __init__(self, watch: Watch) -> None:
        super().__init__()
        self._watch = watch

    def extend(self, bars: Iterable[Bar]) -> None:
        """Take in bars."""
        for bar in bars:
            self._watch.at(bar.close_ms).reach("arrived")
            self.append(bar)


class Watch:
    """Hangs itself into the open parts of a trader and notes what it sees."""

    def __init__(self, trader: Trader) -> None:
        self.closes: dict[int, Close] = {}
        self.looks: list[tuple[int, float]] = []
        self._trader, self._present = trader, Close()
        self._news: tuple[float, float] | None = None
        kernel, venue, feed = trader.kernel, trader.venue, trader.feed
        client: Any = venue.link.exchange  # type: ignore[attr-defined]
        stamped = Stamped(self)
        hooks: tuple[tuple[Any, str, Any], ...] = (
            (feed, "_bars", stamped),
            (trader.journal, "commit", partial(self._commit, trader.journal.commit)),
            (venue, "place", partial(self._place, venue.place)),
            (venue, "place_trigger", partial(self._trigger, venue.place_trigger)),
            (client, "fetch", partial(self._fetch, client.fetch)),
            (kernel, "monitor", partial(self._look, kernel.monitor)),
            (kernel, "on_close", partial(self._on_close, kernel.on_close)),
        )
        for holder, name, hook in hooks:
            setattr(holder, name, hook)
        takers = feed._stream._takers  # type: ignore[attr-defined]
        takers[CANDLE] = partial(self._candle, takers[CANDLE])
        kernel.observers.append(self._heard)

    def at(self, close_ms: int) -> Close:
        """The entry of a close."""
        found = self.closes.setdefault(close_ms, Close())
        if self._news is not None and "news" not in found.wall:
            found.wall["news"], found.cpu["news"] = self._news
            self._news = None
        return found

    def _candle(self, take: Any, message: dict[str, Any]) -> None:
        if message["k"]["x"] and self._news is None:
            self._news = time.perf_counter(), time.process_time()
        take(message)

    def _heard(self, record: Any) -> None:
        if record.kind == "bar":
            self._news = None
            self._present = self.at(record.time_ns // 1_000_000)
            self._present.reach("received")
        elif record.kind == "signal":
            self._present.reach("signals")
        elif record.kind == "decision":
            self._present.candidates += 1
            self._present.reach("decided")

    async def _on_close(self, on_close: Any, *given: Any, **more: Any) -> None:
        try:
            await on_close(*given, **more)
        finally:
            self._present.reach("done")

    async def _commit(self, commit: Any, *given: Any) -> None:
        await commit(*given)
        if "decided" in self._present.wall and "journalled" not in self._present.wall:
            self._present.reach("journalled")

    async def _place(self, place: Any, ask: NewOrder) -> Any:
        close = self._present
        answer = await place(ask)
        if ask.purpose is Purpose.ENTRY:
            close.entries += 1
            close.reach("answered")
        return answer

    async def _trigger(self, place: Any, ask: NewTrigger) -> Any:
        close = self._present
        answer = await place(ask)
        if ask.purpose is Purpose.STOP:
            close.reach("protected")
        return answer

    async def _fetch(self, fetch: Any, url: str, method: str = "GET", *rest: Any) -> Any:
        if method == "POST" and "qt-e-" in f"{url}{rest}":
            self._present.reach("sent")
        return await fetch(url, method, *rest)

    async def _look(self, look: Any, *given: Any) -> None:
        held = len(self._trader.kernel.context.books.account.positions)
        begun = time.perf_counter()
        await look(*given)
        self.looks.append((held, time.perf_counter() - begun))


def widened(bundle: Path, out: Path, symbols: int, closes: int) -> int:
    """A copy of a bundle that knows many symbols of a built-in market; returns its bars."""
    bars = max(2_000, BEGIN_ROW + closes + 40 - ANCHOR_BARS)
    names = tuple(f"S{k:02d}USDT" for k in range(symbols))
    made = generate(SyntheticSettings(symbols=names, n_bars=bars, seed=SEED))
    ends = made.series[0].open_ns + made.series[0].interval_ns
    shutil.copytree(bundle, out)
    manifest = json.loads((out / "manifest.json").read_text(encoding="utf-8"))
    features = json.loads((out / "features.json").read_text(encoding="utf-8"))
    settings = load_settings(toml_path=out / "config.toml")
    told = [i.to_json() for i in made.instruments]
    (out / "instruments.json").write_text(json.dumps(told), encoding="utf-8")
    begin = str(np.datetime64(int(ends[BEGIN_ROW]) // _NS, "s")) + "Z"
    manifest |= {"symbols": list(names), "seed": SEED}
    config = (out / "config.toml").read_text(encoding="utf-8").splitlines()
    # The built-in market is whole: a period would cut it.
    kept = [line for line in config if line.split(" = ")[0] not in PERIOD]
    (out / "config.toml").write_text("\n".join(kept) + "\n", encoding="utf-8")
    forgotten = ReinforcementManager(settings.reinforcement, settings.core.signal.horizon_bars)
    # What it learned lies after this market; it begins anew.
    for name in ("reinforcement.json", "reinforcement.npz"):
        (out / name).unlink()
    forgotten.checkpoint(
        out / "reinforcement.json", created_ns=0, config_hash=manifest["config_hash"],
        feature_schema_hash=features["hash"],
    )  # fmt: skip
    for name in ("instruments.json", "config.toml", "reinforcement.json", "reinforcement.npz"):
        manifest["files"][name] = file_digest(out / name)
    manifest["spans"] = dict.fromkeys(manifest["spans"], begin)
    manifest["spans"]["test_end"] = str(np.datetime64(int(ends[-1]) // _NS, "s")) + "Z"
    (out / "manifest.json").write_text(json.dumps(manifest), encoding="utf-8")
    return bars


def limits(positions: int) -> list[str]:
    """Settings under which a hundred closes of round trips neither stop nor starve the trader."""
    out = {
        "RM_MAX_POSITIONS": positions, "RM_MAX_TOTAL_RISK": 1.0, "QT_AI_MAX_DAILY_DD": 0.99,
        "QT_AI_SELF_HEALING_DD_WARNING": 0.97, "QT_AI_SELF_HEALING_DD_STOP": 0.98,
        "QT_AI_PBA_MAX_PORTFOLIO_LEVERAGE": 50.0, "QT_CANDIDATE_TOP": 1.0,
        "QT_CANDIDATE_MIN_EDGE": 0.0, "QT_MODEL_DEADLINE_MS": 5_000, "QT_MAX_DATA_AGE_S": 600.0,
        "QT_ESS_FEED_TIMEOUT_S": 600.0,
    }  # fmt: skip
    return [f"{name}={value}" for name, value in out.items()]


async def flatten(trader: Trader) -> None:
    """Wait until what was entered is protected, then close it and wait until nothing is left."""
    kernel, books = trader.kernel, trader.kernel.context.books
    at_work, ends = kernel.context.at_work, time.monotonic() + PATIENCE_S

    def bare() -> bool:
        return any(t.stop is None or not t.profits_placed for t in books.tickets.values())

    while bare() and time.monotonic() < ends:  # noqa: ASYNC110
        await asyncio.sleep(0.02)
    while books.tickets and time.monotonic() < ends:
        async with trader.signals.turn:  # type: ignore[attr-defined]
            for s in sorted(books.account.positions):
                at_work.begin(s, kernel.exits.send(s, int(ExitReason.TIME)))
            await at_work.wait(2.0)
        await asyncio.sleep(0.2)


async def lead(
    trader: Trader,
    watch: Watch,
    exchange: asyncio.subprocess.Process,
    begin_ms: int,
    closes: int,
    until_s: float,
) -> None:
    """Let the market pass one close after the other, each when the last one is dealt with."""
    if exchange.stdin is None:
        raise RuntimeError("the exchange has no input")
    while not watch.looks:  # noqa: ASYNC110
        await asyncio.sleep(0.02)
    # What was decided at the start goes first; then the bar begins whose close is the first.
    await flatten(trader)
    exchange.stdin.write(b"go\n")
    await asyncio.sleep(2.0)
    span_ms = trader.signals.data.market.interval_ns // 1_000_000
    for n in range(closes):
        if time.perf_counter() > until_s:
            break
        exchange.stdin.write(b"go\n")
        await exchange.stdin.drain()
        close = watch.at(begin_ms + (n + 1) * span_ms)
        while "done" not in close.wall:  # noqa: ASYNC110
            await asyncio.sleep(0.02)
        await flatten(trader)
        sys.stderr.write(f"close {n + 1} of {closes}: {close.entries} entries\n")
    trader.stop()


@asynccontextmanager
async def leaping(
    plan: TradePlan, kept: Kept, bundle: Bundle
) -> AsyncIterator[tuple[asyncio.subprocess.Process, dict[str, Any]]]:
    """The exchange as the trader starts it, but for its clock."""
    start_ns, end_ns = period_of(plan, bundle)
    options = child_arguments(
        kept.folder.path / CONFIG, kept.folder.exchange_journal, 1.0, start_ns, end_ns, "none"
    )
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "benchmarks.close_exchange", *options, "--tick-s", "30", cwd=ROOT,
        stdin=asyncio.subprocess.PIPE, stdout=asyncio.subprocess.PIPE,
    )  # fmt: skip
    try:
        if process.stdin is None or process.stdout is None:
            raise RuntimeError("the exchange has no input or output")
        yield process, json.loads(await process.stdout.readline())
    finally:
        if process.stdin is not None:
            process.stdin.close()
        await process.wait()


def status(name: str) -> float:
    """A line of this process's status, MiB."""
    for line in Path("/proc/self/status").read_text(encoding="ascii").splitlines():
        if line.startswith(name):
            return int(line.split()[1]) / 1024
    return 0.0


async def follow(args: argparse.Namespace) -> dict[str, Any]:
    """Open the trader, let it trade, and give what was noted."""
    memory = {"imported": status("VmRSS")}
    wide = args.state / "bundle"
    args.state.mkdir(parents=True, exist_ok=True)
    bars = widened(args.bundle, wide, args.symbols, args.closes)
    parser = argparse.ArgumentParser()
    trade_cli.add_arguments(parser)
    names = ",".join(f"S{k:02d}USDT" for k in range(args.symbols))
    asked = [
        "--bundle", str(wide), "--state", str(args.state / "run"), "--venue", "local", "--speed",
        "1", "--data", "synthetic", "--symbols", names, "--max-bars", str(args.closes), "--seed",
        str(SEED), "--view", "none",
    ]  # fmt: skip
    for pair in [f"QT_SYNTHETIC_BARS={bars}", *limits(args.positions), *args.set]:
        asked += ["--set", pair]
    plan = plan_of(parser.parse_args(asked), asked, {}, datetime.now(UTC))
    begun = time.perf_counter()
    async with AsyncExitStack() as stack:
        bundle = load_bundle(wide)
        await warm_up_built_in(plan)
        memory["warm"] = status("VmRSS")
        kept = stack.enter_context(keep(plan, open_state(plan)))
        exchange, at = await stack.enter_async_context(leaping(plan, kept, bundle))
        clocked = Clocked(
            make_exchange("local", url=at["rest"]), wall=False, limits=WIDE, begin_ns=at["now_ns"]
        )
        trader = await open_clocked(plan, bundle, kept, clocked, stack)
        opened_s = time.perf_counter() - begun
        memory |= {"opened": status("VmRSS"), "peak_opened": status("VmHWM")}
        kernel = trader.kernel
        kernel.parts = replace(kernel.parts, brain=Smallest(kernel.parts.preset))
        watch = Watch(trader)
        begin_ms = at["now_ns"] // 1_000_000
        leading = asyncio.create_task(
            lead(trader, watch, exchange, begin_ms, args.closes, begun + args.seconds)
        )
        await asyncio.gather(trader.run(), leading)
        memory |= {"traded": status("VmRSS")}
        found = [
            {"wall": c.wall, "cpu": c.cpu, "candidates": c.candidates, "entries": c.entries}
            for c in watch.closes.values() if "received" in c.wall
        ]  # fmt: skip
        alarms = [str(r.body) for r in trader.journal.read(["alarm"])]
        trades = len(kernel.trades)
    memory["peak"] = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    children = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss / 1024
    return {
        "closes": found, "looks": watch.looks, "opened_s": opened_s, "memory_mib": memory,
        "exchange_peak_mib": children, "alarms": alarms[:20], "trades": trades,
    }  # fmt: skip


def main() -> None:
    """Parse, follow, print."""
    parser = argparse.ArgumentParser()
    parser.add_argument("bundle", type=Path)
    parser.add_argument("state", type=Path)
    parser.add_argument("symbols", type=int)
    parser.add_argument("closes", type=int)
    parser.add_argument("positions", type=int)
    parser.add_argument("--seconds", type=float, default=3_600.0)
    parser.add_argument("--set", action="append", default=[])
    sys.stdout.write(json.dumps(asyncio.run(follow(parser.parse_args()))))


if __name__ == "__main__":
    main()
