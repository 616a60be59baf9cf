"""Checks at the start: what must be mended, what a person should know, what may go on."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from envs.core.errors import QuantumTraderError
from runtime.ports import Venue
from runtime.preflight_local import (
    check_bundle,
    check_disk,
    check_journal,
    check_keys,
    check_settings,
    guarded,
)
from runtime.preflight_report import Check, PreflightReport, Verdict, refuse
from runtime.preflight_venue import (
    check_account,
    check_clock,
    check_contracts,
    check_modes,
    check_orders,
    check_positions,
)
from runtime.settings import Settings

if TYPE_CHECKING:
    from runtime.bundle import Bundle
    from runtime.wiring.plan import VenueName

__all__ = ["Check", "Journalled", "Preflight", "PreflightReport", "Verdict"]


@dataclass(frozen=True)
class Journalled:
    """What the journal knows of the account before the venue is asked.

    ``ours`` are contracts with a position of ours, ``orders`` the client ids of orders that may be
    open (None: not known), ``leverages`` those that open positions were entered with.
    """

    ours: frozenset[str] = frozenset()
    orders: Collection[str] | None = None
    leverages: Mapping[str, int] = field(default_factory=dict)


@dataclass(frozen=True)
class Preflight:
    """The checks of one start; what is None is not looked at.

    Args:
        venue_name: sim, local, demo or live.
        environ: where keys are looked for; nothing of it is shown.
        state: folder of the journal.
        journal_url: a journal that nobody has opened yet; "" where the run holds it already.
        mend: set isolated margin on flat contracts that are on cross margin.
    """

    settings: Settings
    venue_name: VenueName
    environ: Mapping[str, str] = field(repr=False, default_factory=dict)
    bundle: Bundle | None = None
    state: Path | None = None
    journal_url: str = field(repr=False, default="")
    account: str = ""
    mend: bool = True

    def look(self) -> PreflightReport:
        """What can be checked without the venue; never raises."""
        trading = self.settings.trading
        wanted: list[tuple[str, Callable[[], Check]]] = [
            ("settings", lambda: check_settings(self.settings, self.venue_name)),
            ("keys", lambda: check_keys(self.venue_name, self.environ)),
        ]
        bundle, state = self.bundle, self.state
        if bundle is not None:
            wanted.append(("bundle", lambda: check_bundle(bundle, self.settings)))
        if state is not None:
            wanted.append(("disk", lambda: check_disk(state, trading.min_free_mb)))
            if self.journal_url:
                account = self.account or self.venue_name
                wanted.append(("journal", lambda: check_journal(self.journal_url, account, state)))
        return PreflightReport(tuple(guarded(name, check) for name, check in wanted))

    async def ask(self, venue: Venue, journalled: Journalled | None = None) -> PreflightReport:
        """What an open venue says; never raises for what the venue does or does not answer."""
        known = journalled or Journalled()
        trading, symbols = self.settings.trading, self.settings.run.symbols
        found: list[Check] = []
        try:
            view = await venue.account()
            found.append(check_clock(venue))
            found.append(check_account(view))
            if found[-1].verdict is Verdict.REFUSE:
                return PreflightReport(tuple(found))
            instruments = () if self.bundle is None else self.bundle.instruments
            found.append(
                check_contracts(
                    venue, symbols, instruments, view, adopt=trading.changed_filters == "adopt"
                )
            )
            found += await check_modes(
                venue, symbols, view, known.leverages, self.settings.core.risk.max_leverage,
                mend=self.mend,
            )  # fmt: skip
            adopt = trading.foreign_positions == "adopt"
            found.append(check_positions(view, symbols, known.ours, adopt=adopt))
            found.append(check_orders(view, known.orders))
        except QuantumTraderError as error:
            found.append(refuse("venue", str(error)))
        return PreflightReport(tuple(found))

    async def run(
        self, venue: Venue | None = None, journalled: Journalled | None = None
    ) -> PreflightReport:
        """Everything: first without the venue, then, unless that refuses, with it."""
        report = self.look()
        if venue is None or report.refused:
            return report
        asked = await self.ask(venue, journalled)
        return PreflightReport((*report.checks, *asked.checks))
