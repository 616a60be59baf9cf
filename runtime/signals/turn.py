"""Whose turn it is: one step of the loop at a time, and anybody's while the models are asked."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from types import TracebackType


class Turn:
    """A lock that its holder lends to others for as long as it only waits.

    Attributes:
        is_lent: whether the holder waits for the models. What the others do meanwhile is finished
            before it goes on.
    """

    def __init__(self) -> None:
        self.is_lent = False
        self._lock = asyncio.Lock()

    async def __aenter__(self) -> None:
        await self._lock.acquire()

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:  # fmt: skip
        self._lock.release()

    @asynccontextmanager
    async def lent(self) -> AsyncIterator[None]:
        """Lend it; where nobody holds it there is nothing to lend."""
        if not self._lock.locked():
            yield
            return
        self.is_lent = True
        self._lock.release()
        try:
            yield
        finally:
            self.is_lent = False
            await self._lock.acquire()
