"""The Gymnasium environment, observed: the hooks that let signals and agents learn beside it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

from envs.core.decide import Desk
from envs.core.hooks import HookChain
from envs.core.settings import CoreSettings
from envs.core.tape import SignalTape
from envs.core.world import Resolved
from envs.trading import TradingEnv
from runtime.kernel_ports import Signals


class WatchedEnv(TradingEnv):
    """``TradingEnv`` on signals that are revealed row by row; nothing of its rules is changed.

    Args:
        on_row: called at every close, with what the bar resolved, before candidates are looked
            for; it fills the tape's row.
        on_blocked: called for every candidate that cannot be executed, in its turn.
    """

    def __init__(
        self, signals: Signals, settings: CoreSettings, preset_name: str, chain: HookChain,
        on_row: Callable[[list[Resolved]], None], on_blocked: Callable[[Desk, int], None],
    ) -> None:  # fmt: skip
        market = signals.data.market
        # A tape that is still to come has no candidate to find the first row by; it is not used.
        every: SignalTape = replace(signals.tape, candidate=market.complete)
        super().__init__(
            market, every, signals.votes, preset_name, settings, "signals", chain=chain,
            prepared=signals.data,
        )  # fmt: skip
        self.tape = signals.tape
        self._on_row, self._on_blocked = on_row, on_blocked
        self._told = 0
        self._begun = False

    def reset(
        self, *, seed: int | None = None, options: dict[str, Any] | None = None
    ) -> tuple[Any, dict[str, Any]]:
        """Start the one episode there is."""
        self._told, self._begun = 0, False
        return super().reset(seed=seed, options=options)

    def step(self, action: Any) -> tuple[Any, float, bool, bool, dict[str, Any]]:
        """Decide the present candidate and run on to the next one."""
        self._told = 0
        return super().step(action)

    def untold(self) -> list[Resolved]:
        """What was resolved and not handed to ``on_row`` yet."""
        new = self._resolved[self._told :]
        self._told = len(self._resolved)
        return new

    def _present(self) -> list[int]:
        if not self._begun:
            self._begun, self._resolved = True, []
            self.world.account.keep_ledger = True
        self._on_row(self.untold())
        return self._without_blocked(super()._present())

    def _seek(self) -> None:
        self._queue = self._without_blocked(self._queue)
        super()._seek()

    def _without_blocked(self, queue: list[int]) -> list[int]:
        """Hand on blocked candidates up to the first that can be executed."""
        for k, s in enumerate(queue):
            if not self.desk.block_reason(s):
                return queue[k:]
            self._on_blocked(self.desk, s)
        return []
