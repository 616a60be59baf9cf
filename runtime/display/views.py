"""How a run is shown: a live screen, a progress bar, lines, or not at all."""

from __future__ import annotations

import time
from collections.abc import Collection
from types import TracebackType
from typing import Protocol, Self

from rich.console import Console, RenderableType
from rich.live import Live
from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn, TimeRemainingColumn

from runtime.display.lines import EventLines
from runtime.display.reading import Reader
from runtime.display.screen import render
from runtime.display.snapshot import Snapshot
from runtime.display.words import utc
from runtime.kernel_ports import Record
from runtime.trading import records
from runtime.wiring.trader import Trader

_READ_S, _DIGEST_S, _STATUS_S = 0.4, 3.0, 10.0
_FRAMES = 4.0


class View(Protocol):
    """Something that is entered for the time of a run and hears records of its ``kinds``."""

    @property
    def kinds(self) -> Collection[str] | None:
        """Kinds of records it wants; None for all of them."""
        ...

    def __enter__(self) -> Self:
        """Begin to show."""
        ...

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:  # fmt: skip
        """End it."""
        ...

    def __call__(self, record: Record) -> None:
        """Hear a record."""
        ...


class _Timed:
    """Decides when it is time again; one reading of the monotonic clock a record."""

    def __init__(self, every_s: float) -> None:
        self._every_s, self._next_s = every_s, 0.0

    def due(self) -> bool:
        now_s = time.monotonic()
        if now_s < self._next_s:
            return False
        self._next_s = now_s + self._every_s
        return True


class ScreenView:
    """The whole screen; drawn by a thread of its own from the last snapshot taken."""

    kinds: Collection[str] | None = None

    def __init__(self, trader: Trader, reader: Reader, console: Console) -> None:
        self._reader, self._console = reader, console
        self._read, self._digest = _Timed(_READ_S), _Timed(_DIGEST_S)
        self._shot: Snapshot = reader.take()
        self._live = Live(
            get_renderable=self._draw, console=console, refresh_per_second=_FRAMES,
            screen=False, transient=True,
        )  # fmt: skip

    def __enter__(self) -> Self:
        """Begin to draw."""
        self._live.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:  # fmt: skip
        """Stop drawing; the screen is cleared."""
        self._live.stop()

    def __call__(self, record: Record) -> None:
        """Take a snapshot when it is time."""
        self.refresh()

    def refresh(self) -> None:
        """Take a snapshot when it is time: called between events as well."""
        if self._read.due():
            self._shot = self._reader.take(digest=self._digest.due())

    def _draw(self) -> RenderableType:
        return render(self._shot, self._console.width)


class ProgressView:
    """A progress bar over the bars of a simulation."""

    kinds: Collection[str] | None = (records.BAR, records.TRADE)

    def __init__(self, trader: Trader, reader: Reader, console: Console) -> None:
        self._trader, self._read = trader, _Timed(0.1)
        self._progress = Progress(
            TextColumn("{task.description}"), BarColumn(), TextColumn("{task.percentage:>3.0f} %"),
            TextColumn("{task.fields[said]}"), TimeElapsedColumn(), TimeRemainingColumn(),
            console=console, transient=True,
        )  # fmt: skip
        self._task = self._progress.add_task("trading", total=trader.most_bars or None, said="")
        self._bars = self._trades = 0

    def __enter__(self) -> Self:
        """Begin to draw."""
        self._progress.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:  # fmt: skip
        """Remove the bar."""
        self._progress.stop()

    def __call__(self, record: Record) -> None:
        """Count bars and trades."""
        self._trades += record.kind == records.TRADE
        if record.kind != records.BAR:
            return
        self._bars += 1
        if self._read.due():
            account = self._trader.kernel.context.books.account
            equity = f"equity {account.equity_quote():,.0f}"
            said = f"{utc(record.time_ns, '%Y-%m-%d')} {self._trades} trades, {equity}"
            self._progress.update(self._task, completed=self._bars, said=said)


class LinesView:
    """A line per event and now and then one that says how it stands."""

    def __init__(self, trader: Trader, reader: Reader, console: Console) -> None:
        self._reader, self._console = reader, console
        self._status = _Timed(_STATUS_S)
        self._status.due()
        # A simulation closes hundreds of trades a second: how it stands is enough.
        only_status = trader.plan.venue == "sim"
        self.kinds: Collection[str] | None = (records.BAR,) if only_status else None
        self._events = None if only_status else EventLines(trader.bundle.table.preset, self._write)

    def __enter__(self) -> Self:
        """Nothing is held open."""
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:  # fmt: skip
        """Nothing to end."""

    def __call__(self, record: Record) -> None:
        """Write what there is to say."""
        if self._events is not None:
            self._events(record)
        if record.kind == records.BAR and self._status.due():
            self._write(status_line(self._reader.take()))

    def _write(self, text: str) -> None:
        self._console.print(text, markup=False, highlight=False, soft_wrap=True)


class NoView:
    """Shows nothing until the end."""

    kinds: Collection[str] | None = ()

    def __init__(self, trader: Trader, reader: Reader, console: Console) -> None:
        pass

    def __enter__(self) -> Self:
        """Nothing."""
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:  # fmt: skip
        """Nothing."""

    def __call__(self, record: Record) -> None:
        """Nothing."""


def status_line(shot: Snapshot) -> str:
    """How a run stands, in one line."""
    t = shot.totals
    of = f" of {shot.most_bars:,}" if shot.most_bars else ""
    return (
        f"{utc(shot.now_ns)} bar {shot.bars:,}{of}, equity {shot.equity:,.2f}, {t.trades} trades, "
        f"{len(shot.positions)} open, learned {shot.learned.resolved:,} decisions, {shot.gate}"
    )


def view_of(name: str, trader: Trader, reader: Reader, console: Console) -> View:
    """The view asked for; ``auto`` is live at a terminal and lines elsewhere."""
    if name == "none":
        return NoView(trader, reader, console)
    if is_plain(name, console):
        return LinesView(trader, reader, console)
    if trader.plan.venue == "sim":
        return ProgressView(trader, reader, console)
    return ScreenView(trader, reader, console)


def is_plain(name: str, console: Console) -> bool:
    """Whether a run is shown as lines."""
    return name == "plain" or (name == "auto" and not console.is_terminal)
