"""Accounts of many environments on one market, and the compiled call that steps them."""

from __future__ import annotations

from contextlib import nullcontext

import numpy as np

from envs.core.errors import LedgerError
from envs.core.types import BoolArray, Int64Array
from envs.kernel.layout import MarketMemory
from envs.kernel.pointer import address_of, aligned_zeros
from envs.kernel.state import SLOT, TRADE, TRUNCATED, account_dtype
from envs.kernel.step import CALL, FROM_SIGNAL, SERIAL_BELOW, compiled_masks, compiled_step
from envs.kernel.threads import PARALLEL_LOCK


class Batch:
    """State of N environments, written by the compiled loop, and the columns it reads and writes.

    ``accounts`` (N,) and ``slots`` (N, S), see ``state``; ``trades`` (N, S) closed trades of the
    last step, (N, 0) unless asked for; ``sides``, ``actions`` what is decided next; ``first``,
    ``last``, ``allowed`` period and symbols (as bits) of the next episode; ``rewards``,
    ``states``; ``observations`` (buffers, N, n_obs) float32.

    Args:
        summary: keep ``numbers`` (N, 2) and ``codes`` (N, 7) of each step, see ``step``.
    """

    def __init__(
        self, market: MarketMemory, n: int, n_obs: int, max_stops_15m: int, buffers: int = 1,
        trades: bool = False, summary: bool = False,
    ) -> None:  # fmt: skip
        s = market.contracts.shape[0]
        self.market = market
        self.accounts = aligned_zeros((n,), account_dtype(max_stops_15m))
        self.accounts["phase"] = TRUNCATED
        self.slots = aligned_zeros((n, s), SLOT)
        self.trades = np.zeros((n, s if trades else 0), dtype=TRADE)
        self.observations = aligned_zeros((buffers, n, n_obs), np.float32)
        self.sides = np.full(n, FROM_SIGNAL, dtype=np.int64)
        self.actions, self.first, self.last, self.allowed, self.states = (
            np.zeros(n, dtype=np.int64) for _ in range(5)
        )
        self.rewards = np.zeros(n)
        self.numbers = np.zeros((n if summary else 0, 2))
        self.codes = np.zeros((n if summary else 0, 7), dtype=np.int64)
        self.all = np.arange(n, dtype=np.int64)
        self.parallel = n >= SERIAL_BELOW
        self.kernel = compiled_step(self.parallel)
        self.call = np.zeros(1, dtype=CALL)
        self._fill_call(n_obs)

    def _fill_call(self, n_obs: int) -> None:
        call = self.call
        call["world"], call["n_envs"] = self.market.address, self.accounts.size
        call["n_obs"], call["account_bytes"] = n_obs, self.accounts.itemsize
        call["n_trades"] = self.trades.shape[1]
        columns = (
            "accounts", "slots", "trades", "sides", "actions", "first", "last", "allowed",
            "rewards", "states",
        )  # fmt: skip
        for name in columns:
            call[name] = address_of(getattr(self, name))
        if self.numbers.size:
            call["numbers"], call["codes"] = address_of(self.numbers), address_of(self.codes)
        self.aim(self.all, 0)

    def aim(self, chosen: Int64Array, buffer: int) -> None:
        """Say which environments the next call steps, and where it writes their observations."""
        self.call["chosen"], self.call["n_chosen"] = address_of(chosen), chosen.size
        self.call["obs"] = address_of(self.observations[buffer])

    def run(self, chosen: Int64Array, buffer: int) -> None:
        """Step (or, after an end, begin) the chosen environments.

        Raises:
            LedgerError: An amount left the range in which money is exact.
        """
        self.aim(chosen, buffer)
        # The threads of the compiled loop serve one caller at a time.
        with PARALLEL_LOCK if self.parallel else nullcontext():
            self.kernel(address_of(self.call), self.accounts)
        if bool(self.accounts["overflow"].any()):
            raise_overflow(np.flatnonzero(self.accounts["overflow"]).tolist())

    def masks(self) -> BoolArray:
        """Masks (N, A) of the present decisions, True = allowed; all True at an end."""
        n = self.accounts.size
        out = np.empty((n, self.market.actions.shape[0]), dtype=np.bool_)
        sides = np.full(n, FROM_SIGNAL, dtype=np.int64)
        compiled_masks()(self.market.address, self.accounts, self.slots, sides, out)
        return out


def raise_overflow(which: list[int]) -> None:
    """Refuse to go on.

    Raises:
        LedgerError: Always.
    """
    raise LedgerError(
        f"environments {which[:5]}: an amount or a balance exceeds 9e7 quote; "
        "amounts that large cannot be kept exact"
    )
