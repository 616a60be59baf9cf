"""One contract's lost answer keeps nobody else waiting."""

from __future__ import annotations

import asyncio

import pytest

from runtime.trading.at_once import AtWork, all_of


def test_a_slow_work_is_left_behind_and_not_begun_twice() -> None:
    async def scene() -> None:
        done: list[str] = []
        release = asyncio.Event()

        async def slow() -> None:
            await release.wait()
            done.append("slow")

        async def quick() -> None:
            done.append("quick")

        works = AtWork()
        works.begin(0, slow())
        works.begin(1, quick())
        await works.wait(0.01)
        assert done == ["quick"]
        works.begin(0, quick())
        await works.wait(0.01)
        assert done == ["quick"]
        release.set()
        await works.wait()
        assert done == ["quick", "slow"]

    asyncio.run(asyncio.wait_for(scene(), 5.0))


def test_an_error_is_raised_after_the_others_are_done() -> None:
    async def scene() -> None:
        done: list[int] = []

        async def fails() -> None:
            raise ValueError("on purpose")

        async def works(k: int) -> None:
            await asyncio.sleep(0)
            done.append(k)

        with pytest.raises(ValueError, match="on purpose"):
            await all_of([fails(), works(1), works(2)])
        assert done == [1, 2]
        at_work = AtWork()
        at_work.begin(0, fails())
        at_work.begin(1, works(3))
        with pytest.raises(ValueError, match="on purpose"):
            await at_work.wait()
        assert done == [1, 2, 3]

    asyncio.run(asyncio.wait_for(scene(), 5.0))
