"""Which resolved decisions an agent has already learned: exact, unbounded and small.

A watermark in time would not do: outcomes resolve out of order, and a trade may stay open for any
number of bars. Sixteen bytes of BLAKE2b an id are kept instead, 16 MB a million decisions, and
they travel with the checkpoint, so a restart learns nothing twice.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from hashlib import blake2b

import numpy as np
from numpy.typing import NDArray

from envs.core.errors import RefusedArtifact

UInt8Array = NDArray[np.uint8]
_WIDTH = 16


class LearnedIds:
    """Set of (decision id, part)."""

    def __init__(self) -> None:
        self._hashed: set[bytes] = set()
        self._later: list[Callable[[], Iterable[tuple[str, int]]]] = []

    def __len__(self) -> int:
        return len(self._seen)

    def __contains__(self, identity: tuple[str, int]) -> bool:
        return _key(identity) in self._seen

    @property
    def _seen(self) -> set[bytes]:
        if self._later:
            for identities in self._later:
                self._hashed.update(_key(identity) for identity in identities())
            self._later.clear()
        return self._hashed

    def unknown(self, identity: tuple[str, int]) -> bytes | None:
        """Key of an id that is not remembered yet, for ``add_key``; None where it is."""
        key = _key(identity)
        return None if key in self._seen else key

    def add_key(self, key: bytes) -> None:
        """Remember an id by the key that ``unknown`` gave."""
        self._hashed.add(key)

    def add(self, identity: tuple[str, int]) -> bool:
        """Remember an id; False when it was known."""
        key = self.unknown(identity)
        if key is None:
            return False
        self._hashed.add(key)
        return True

    def add_later(self, identities: Callable[[], Iterable[tuple[str, int]]]) -> None:
        """Remember ids, named only when somebody asks: a pass over many rows seldom needs them."""
        self._later.append(identities)

    def first_known(
        self, identities: Callable[[], Iterable[tuple[str, int]]]
    ) -> tuple[str, int] | None:
        """Return the first of these ids that is remembered; asks for none where none can be."""
        if not (self._hashed or self._later):
            return None
        return next((identity for identity in identities() if identity in self), None)

    def clear(self) -> None:
        """Forget all ids."""
        self._hashed.clear()
        self._later.clear()

    def to_array(self) -> UInt8Array:
        """Return the ids as (N, 16) bytes, sorted: equal sets give equal arrays."""
        joined = b"".join(sorted(self._seen))
        return np.frombuffer(joined, dtype=np.uint8).reshape(-1, _WIDTH).copy()

    def load_array(self, array: UInt8Array) -> None:
        """Take the ids of ``to_array``.

        Raises:
            RefusedArtifact: The array has another shape or type; both are named.
        """
        if array.ndim != 2 or array.shape[1] != _WIDTH or array.dtype != np.uint8:
            raise RefusedArtifact(
                f"learned ids: expected uint8 of shape (N, {_WIDTH}), found {array.dtype} of shape "
                f"{array.shape}"
            )
        self._later.clear()
        blob = array.tobytes()
        self._hashed = {blob[i : i + _WIDTH] for i in range(0, len(blob), _WIDTH)}


def _key(identity: tuple[str, int]) -> bytes:
    return blake2b(f"{identity[1]}:{identity[0]}".encode(), digest_size=_WIDTH).digest()
