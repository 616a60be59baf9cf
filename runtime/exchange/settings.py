"""What the local exchange is started with."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any, Literal

from envs.core.errors import FixSettings
from envs.core.settings import CoreSettings
from envs.market.sources import interval_ns_of

SYNTHETIC = "synthetic"
LOCKSTEP: Literal["lockstep"] = "lockstep"
START_BARS = 1_600
"""Bars of history before the market opens: the anchored windows need up to 1,536."""


@dataclass(frozen=True)
class ExchangeSettings:
    """Settings of one exchange process (contract, section 7).

    Attributes:
        data: ``synthetic``, or a folder of bars as ``envs.market.sources`` reads it.
        symbols: contracts listed, in any order.
        timeframe: length of a bar.
        speed: market seconds per wall second, or ``lockstep``.
        tick_s: market seconds between two ticks; lockstep moves by vertices instead.
        book: ``none`` fills whole at the core's price, ``depth`` from a synthetic book.
        start: market time at the first start; without, 1,600 bars after
            the first bar that all symbols have.
        end: market time at which the market ends; without, with the data.
        port, control_port: 0 takes a free one; without a control port, the one after ``port``.
        state: the journal, or None for a venue that forgets.
        seed: of the synthetic market and the synthetic book.
        start_quote: wallet at the first start, quote.
        limits: ``vendor`` counts weights and orders as the exchange does, ``none`` does not.
        funding_default: use the default rate where a folder has no funding file.
        synthetic_bars, synthetic_edge: the built-in market, as the training programs make it.
        core: costs and rules; only what the venue applies is part of a journal's header.
    """

    data: str = SYNTHETIC
    symbols: tuple[str, ...] = ("BTCUSDT", "ETHUSDT")
    timeframe: str = "1h"
    speed: float | Literal["lockstep"] = 60.0
    tick_s: float = 1.0
    book: Literal["none", "depth"] = "none"
    start: datetime | None = None
    end: datetime | None = None
    port: int = 18_080
    control_port: int | None = None
    state: Path | None = None
    seed: int = 0
    api_key: str = "local"
    api_secret: str = field(default="local", repr=False)
    start_quote: float = 10_000.0
    limits: Literal["vendor", "none"] = "vendor"
    funding_default: bool = False
    synthetic_bars: int = 17_520
    synthetic_edge: str = "strong"
    core: CoreSettings = field(default_factory=CoreSettings)

    def __post_init__(self) -> None:
        if not self.symbols or len(set(self.symbols)) != len(self.symbols):
            raise FixSettings(f"--symbols: each once and at least one, got {self.symbols}")
        interval_ns_of(self.timeframe)
        if not self.lockstep and not 0.0 < float(self.speed) <= 1e7:
            raise FixSettings(f"--speed: lockstep or a number in (0, 1e7], got {self.speed}")
        if not 0.001 <= self.tick_s <= 86_400.0:
            raise FixSettings(f"--tick-s: seconds in [0.001, 86400], got {self.tick_s}")
        self._check_choices()
        if not 0.0 < self.start_quote <= 9e7:
            raise FixSettings(f"start wallet: quote in (0, 9e7], got {self.start_quote}")
        for name, port in (("--port", self.port), ("--control-port", self.control_port or 0)):
            if not 0 <= port <= 65_535:
                raise FixSettings(f"{name}: 0 to 65535, got {port}")
        for name, moment in (("--start", self.start), ("--end", self.end)):
            if moment is not None and moment.tzinfo is None:
                raise FixSettings(f"{name}: a time with its zone is needed, got {moment}")

    def _check_choices(self) -> None:
        if self.limits not in ("vendor", "none"):
            raise FixSettings(f"--limits: vendor or none, got {self.limits!r}")
        if self.book not in ("none", "depth"):
            raise FixSettings(f"--book: none or depth, got {self.book!r}")
        if self.lockstep and self.book != "none":
            raise FixSettings("--speed lockstep needs --book none: it fills as the core does")

    @property
    def lockstep(self) -> bool:
        """Whether the market waits to be told."""
        return self.speed == LOCKSTEP

    @property
    def rate(self) -> float:
        """Market seconds per wall second; 0 in lockstep, where the wall does not count."""
        return 0.0 if self.speed == LOCKSTEP else float(self.speed)

    @property
    def is_synthetic(self) -> bool:
        """Whether the built-in market is asked for."""
        return self.data == SYNTHETIC

    def journalled(self) -> dict[str, Any]:
        """What a journal depends on: with another value its commands would mean something else."""
        costs = self.core.costs
        return {
            "symbols": sorted(self.symbols),
            "timeframe": self.timeframe,
            "lockstep": self.lockstep,
            "tick_s": 0.0 if self.lockstep else self.tick_s,
            "book": self.book,
            "book_seed": self.seed if self.book == "depth" else 0,
            "start_quote": self.start_quote,
            "maker_fee": costs.maker_fee,
            "taker_fee": costs.taker_fee,
            "liquidation_fee": costs.liquidation_fee,
            "slippage_min_bps": costs.slippage_min_bps,
            "slippage_max_bps": costs.slippage_max_bps,
            "end": None if self.end is None else self.end.isoformat(),
        }
