"""Planted votes asked bar by bar, in the place of models that take minutes to train."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from runtime.bundle import Bundle, load_bundle
from runtime.settings import Settings
from runtime.signals.live import LiveSignals
from runtime.signals.market import market_of_bundle
from runtime.wiring import clocked, local
from runtime.wiring.history import LiveHistory


def plant_votes(monkeypatch: pytest.MonkeyPatch, voter_of: Callable[..., Any], **more: Any) -> None:
    """Let traders on the local exchange ask ``voter_of(votes, close_ns)`` for their votes."""

    def with_models(folder: Path) -> Bundle:
        bundle = load_bundle(folder)
        return replace(bundle, manifest={**bundle.manifest, "signal_origin": "oos"})

    def planted(
        bundle: Bundle, settings: Settings, history: LiveHistory, *, learning: bool
    ) -> LiveSignals:
        market, votes = market_of_bundle(settings, load_bundle(bundle.folder))
        voter = voter_of(votes, market.close_ns)
        return LiveSignals(
            history.series, history.instruments, voter, settings, bundle.manager,
            bundle.pool_line, bundle.exit_slopes, learning=learning, **more,
        )  # fmt: skip

    monkeypatch.setattr(local, "load_bundle", with_models)
    monkeypatch.setattr(clocked, "live_signals", planted)
