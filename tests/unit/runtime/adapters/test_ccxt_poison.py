from __future__ import annotations

import asyncio
from typing import Any

from runtime.adapters.ccxt_poison import PoisonWatch


def test_errors_of_others_are_handed_on_and_the_old_handler_comes_back() -> None:
    async def scene() -> None:
        loop = asyncio.get_running_loop()
        seen: list[Any] = []

        def before(_: asyncio.AbstractEventLoop, context: dict[str, Any]) -> None:
            seen.append(context["exception"])

        loop.set_exception_handler(before)
        watch = PoisonWatch()
        watch.start()
        watch.start()
        error = ValueError("not a socket's")
        loop.call_exception_handler({"message": "x", "exception": error})
        assert seen == [error]
        assert watch.broken == 0
        watch.stop()
        assert loop.get_exception_handler() is before

    asyncio.run(scene())


def test_a_socket_whose_message_handling_fails_is_broken() -> None:
    async def scene() -> None:
        from ccxt.async_support.base.ws.client import Client
        from ccxt.base.errors import NetworkError

        def choke(*_: object) -> None:
            raise KeyError("BNB")

        client = Client("ws://127.0.0.1:1/x", choke, lambda *_: None, lambda *_: None, choke, {})
        waiting = client.future("account")
        watch = PoisonWatch()
        watch.start()
        asyncio.get_running_loop().call_soon(client.handle_text_or_binary_message, '{"a": 1}')
        try:
            await asyncio.wait_for(waiting, 2.0)
        except NetworkError as error:
            told = str(error)
        else:
            told = ""
        watch.stop()
        assert watch.broken == 1
        assert "BNB" in told

    asyncio.run(scene())
