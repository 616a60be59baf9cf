"""What goes wrong in one run, and when: everything follows from the seed."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from runtime.exchange.fault_kinds import ACTS, Fault, FaultKind
from runtime.exchange.fault_schedule import MESSAGE_DRAWS, REQUEST_DRAWS

K = FaultKind
_SECONDS = (0.3, 2.0)
_TRUTH = ("GET /fapi/v1/order", "GET /fapi/v1/algoOrder", "GET /fapi/v1/userTrades",
          "GET /fapi/v1/openAlgoOrders", "GET */account")  # fmt: skip
_STOP_CODES = (-2021, -4120, -2019, -1008)


@dataclass(frozen=True)
class Happening:
    """One fault, ``at_s`` wall seconds after the beginning of the storm."""

    at_s: float
    fault: Fault

    @property
    def is_act(self) -> bool:
        """Whether it happens at once instead of waiting for a request."""
        return self.fault.kind in ACTS


@dataclass(frozen=True)
class Storm:
    """A schedule: faults at a rate on every request and message, and happenings beside them."""

    seed: int
    rate: float
    kinds: tuple[str, ...]
    happenings: tuple[Happening, ...]

    @property
    def summary(self) -> str:
        """Kinds and times, for a report of what a seed did."""
        told = ", ".join(f"{h.at_s:.1f}s {h.fault.kind.value}" for h in self.happenings)
        return f"seed {self.seed}: rate {self.rate:.2f}; {told}"


Maker = Callable[[np.random.Generator, str], Fault]


def _lasting(kind: FaultKind, **more: Any) -> Maker:
    return lambda rng, symbol: Fault(kind, seconds=float(rng.uniform(*_SECONDS)), **more)


def _skew(rng: np.random.Generator, symbol: str) -> Fault:
    sign = 1.0 if rng.random() < 0.5 else -1.0
    return Fault(K.SKEW, value=sign * float(rng.uniform(500.0, 30_000.0)), seconds=3.0)


def _gap(rng: np.random.Generator, symbol: str) -> Fault:
    return Fault(K.PRICE_GAP, symbol=symbol, value=float(rng.uniform(-0.04, 0.04)))


def _answer(rng: np.random.Generator, symbol: str) -> Fault:
    endpoint = str(rng.choice(_TRUTH))
    return Fault(K.STATUS, endpoint, status=502, body="Bad Gateway", count=int(rng.integers(1, 6)))


def _stop_refused(rng: np.random.Generator, symbol: str) -> Fault:
    code = int(rng.choice(_STOP_CODES))
    return Fault(K.REFUSE, "POST /fapi/v1/algoOrder", symbol=symbol, code=code, message="refused",
                 count=int(rng.integers(1, 4)))  # fmt: skip


def _entry_refused(rng: np.random.Generator, symbol: str) -> Fault:
    code = int(rng.choice((-2019, -4164, -1111, -5022)))
    return Fault(K.REFUSE, "POST /fapi/v1/order", symbol=symbol, code=code, message="refused")


def _sockets(rng: np.random.Generator, symbol: str) -> Fault:
    return Fault(K.CLOSE_SOCKET, stream="user", code=int(rng.choice((0, 1001))))


MAKERS: dict[str, tuple[float, Maker]] = {
    "close_socket": (3.0, _sockets),
    "half_open": (1.0, lambda rng, symbol: Fault(K.HALF_OPEN, stream="user")),
    "expire_listen_key": (1.0, lambda rng, symbol: Fault(K.EXPIRE_LISTEN_KEY)),
    "mute": (2.0, _lasting(K.MUTE, stream="user")),
    "price_gap": (6.0, _gap),
    "liquidate": (1.0, lambda rng, symbol: Fault(K.LIQUIDATE, symbol=symbol)),
    "close_externally": (2.0, lambda rng, symbol: Fault(K.CLOSE_EXTERNALLY, symbol=symbol)),
    "refuse_child": (1.0, lambda rng, symbol: Fault(K.REFUSE_CHILD, symbol=symbol)),
    "set_leverage": (1.0, lambda rng, symbol: Fault(K.SET_LEVERAGE, symbol=symbol, value=2.0)),
    "vanish_algo": (2.0, _lasting(K.VANISH_ALGO)),
    "positions_empty": (2.0, lambda rng, symbol: Fault(K.POSITIONS_EMPTY)),
    "positions_fail": (2.0, lambda rng, symbol: Fault(K.POSITIONS_FAIL, count=3)),
    "truth_fails": (3.0, _answer),
    "stop_refused": (2.0, _stop_refused),
    "entry_refused": (1.0, _entry_refused),
    "skew": (1.0, _skew),
    "rate_limited": (1.0, lambda rng, symbol: Fault(K.RATE_LIMITED, retry_after_s=1)),
    "banned": (0.5, lambda rng, symbol: Fault(K.BANNED, seconds=1.0, retry_after_s=1)),
}
"""Happenings by name: how often relative to the others, and how one is made."""


def storm_of(seed: int, seconds: float, symbols: Sequence[str]) -> Storm:
    """The faults of a seed over ``seconds`` of wall time; 4 to 14 happenings beside the rate."""
    rng = np.random.default_rng([seed, 0x5708])
    names = list(MAKERS)
    weights = np.asarray([MAKERS[name][0] for name in names])
    count = int(rng.integers(4, 15))
    drawn = rng.choice(names, count, p=weights / weights.sum())
    times = np.sort(rng.uniform(0.0, seconds, count))
    happenings = tuple(
        Happening(float(at), MAKERS[str(name)][1](rng, str(rng.choice(list(symbols)))))
        for name, at in zip(drawn, times, strict=True)
    )
    kinds = [*REQUEST_DRAWS, *MESSAGE_DRAWS]
    kept = tuple(k for k in kinds if rng.random() < 0.7) or tuple(kinds)
    return Storm(seed, float(rng.uniform(0.02, 0.20)), kept, happenings)
