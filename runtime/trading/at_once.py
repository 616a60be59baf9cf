"""Several contracts at once: none waits for the venue's answer about another."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Iterable


async def all_of(works: Iterable[Awaitable[None]]) -> None:
    """Run all to their end, whatever becomes of the others; then raise the first error."""
    results = await asyncio.gather(*works, return_exceptions=True)
    for result in results:
        if isinstance(result, BaseException):
            raise result
