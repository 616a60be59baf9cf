"""What one run of the trader is asked for, checked before anything is opened."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal, get_args

from envs.core.errors import FixSettings
from runtime.settings import Settings

VenueName = Literal["sim", "local", "demo", "live"]
JournalLevel = Literal["full", "trades"]
OnExit = Literal["flatten", "leave"]
LOCKSTEP: Literal["lockstep"] = "lockstep"


@dataclass(frozen=True)
class TradePlan:
    """One run of the trader.

    Attributes:
        bundle: folder that training wrote.
        venue: sim (in process), local (built-in exchange), demo, or live (gated).
        settings: everything else, resolved; ``settings.run`` names data, symbols and seed.
        state: folder of the journal, checkpoints, lock and this run's record.
        database_url: SQLAlchemy URL of the journal; empty: SQLite in ``state``.
        journal: full writes every view and decision before it acts, trades the coarse level.
        start_ns, end_ns: close of the first decision and of the last bar, UTC nanoseconds; None:
            the bundle's held-out period (sim, local), or now and without end (demo).
        exchange_url, control_url: of a local exchange that runs already; empty: a child is started.
        speed: of the child, market seconds per wall second, or lockstep.
        max_bars: bar closes after which the run ends; None: no limit.
        learn: whether the agents learn from what happens.
        on_exit: what becomes of open positions when the run is stopped: closed, or left with
            their protective orders resting at the venue.
        cache: folder of computed votes; None computes them anew.
        account: name in decision ids and in the lock; empty: the venue's name.
        command: the command line, for the record.
    """

    bundle: Path
    venue: VenueName
    settings: Settings
    state: Path
    database_url: str = field(default="", repr=False)
    journal: JournalLevel = "full"
    start_ns: int | None = None
    end_ns: int | None = None
    exchange_url: str = ""
    control_url: str = ""
    speed: float | Literal["lockstep"] = 60.0
    max_bars: int | None = None
    learn: bool = True
    on_exit: OnExit = "leave"
    cache: Path | None = None
    account: str = ""
    command: str = ""

    def __post_init__(self) -> None:
        if self.venue not in get_args(VenueName):
            raise FixSettings(f"--venue: sim, local or demo, got {self.venue!r}")
        if self.journal not in get_args(JournalLevel):
            raise FixSettings(f"--journal: full or trades, got {self.journal!r}")
        if self.journal == "trades" and self.venue != "sim":
            raise FixSettings(
                f"--journal trades is for --venue sim: it is written every 500 bars, so a killed "
                f"run at {self.venue} would forget what it holds: use full"
            )
        if self.on_exit not in get_args(OnExit):
            raise FixSettings(f"--on-exit: flatten or leave, got {self.on_exit!r}")
        if self.max_bars is not None and self.max_bars < 1:
            raise FixSettings(f"--max-bars: at least 1, got {self.max_bars}")
        if self.speed != LOCKSTEP and not 0.0 < float(self.speed) <= 1e7:
            raise FixSettings(f"--speed: lockstep or a number in (0, 1e7], got {self.speed}")
        self._check_places()

    def _check_places(self) -> None:
        if self.start_ns is not None and self.end_ns is not None and self.start_ns >= self.end_ns:
            raise FixSettings("--start must be before --end")
        if self.exchange_url and self.venue != "local":
            raise FixSettings(f"--exchange-url is for --venue local, not {self.venue}")
        if self.control_url and not self.exchange_url:
            raise FixSettings("--control-url needs --exchange-url: the exchange it controls")
        if self.lockstep and self.exchange_url and not self.control_url:
            raise FixSettings(
                "--speed lockstep with --exchange-url needs --control-url: the trader moves the "
                "market through it"
            )

    @property
    def lockstep(self) -> bool:
        """Whether the trader moves the local exchange's market."""
        return self.venue == "local" and self.speed == LOCKSTEP

    @property
    def account_name(self) -> str:
        """Name in decision ids and in the lock."""
        return self.account or self.venue
