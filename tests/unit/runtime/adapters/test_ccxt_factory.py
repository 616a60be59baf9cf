from __future__ import annotations

import asyncio
from typing import Any

import pytest

from envs.core.errors import FixSettings
from runtime.adapters.ccxt_factory import Keys, make_exchange
from runtime.adapters.host_guard import LIVE_PHRASE, TYPED_PHRASE, urls_in

LOCAL = "http://127.0.0.1:18080"
KEYS = Keys("some-key", "some-secret")


def test_a_local_client_knows_no_other_host() -> None:
    exchange = make_exchange("local", url=LOCAL)
    found = list(urls_in(exchange.urls))
    assert len(found) >= 20
    assert all("//127.0.0.1:18080" in url for url in found)
    assert exchange.urls["api"]["fapiPrivateV3"] == f"{LOCAL}/fapi/v3"
    assert exchange.urls["api"]["ws"]["linear"] == "ws://127.0.0.1:18080/ws"


def test_a_demo_client_knows_demo_hosts_only() -> None:
    exchange = make_exchange("demo", keys=KEYS)
    found = list(urls_in(exchange.urls))
    assert exchange.urls["api"]["fapiPrivate"] == "https://demo-fapi.binance.com/fapi/v1"
    assert not [u for u in found if "://fapi.binance.com" in u or "://api.binance.com" in u]


def test_modes_differ_in_urls_and_keys_only() -> None:
    def settings(exchange: Any) -> dict[str, Any]:
        names = ("timeout", "enableRateLimit", "rateLimiterAlgorithm", "streaming", "exceptions")
        return {n: getattr(exchange, n) for n in names} | {"options": exchange.options}

    assert settings(make_exchange("local", url=LOCAL)) == settings(make_exchange("demo", keys=KEYS))


def test_the_futures_errors_hold_on_every_host() -> None:
    exact = make_exchange("local", url=LOCAL).exceptions["exact"]
    assert exact["-2019"].__name__ == "InsufficientFunds"
    assert exact["-2022"].__name__ == "InvalidOrder"


def test_the_rules_of_the_contract_are_set() -> None:
    exchange = make_exchange("local", url=LOCAL)
    assert exchange.rateLimiterAlgorithm == "rollingWindow"
    assert exchange.streaming["keepAlive"] == 10_000
    assert exchange.tokenBucket["windowSize"] / exchange.tokenBucket["rateLimit"] >= 4 * 1_200
    assert exchange.options["maxRetriesOnFailure"] == 0
    assert exchange.options["enableDemoTrading"] is True


@pytest.mark.parametrize("url", ["https://fapi.binance.com/fapi/v1/order", "http://10.1.1.1/"])
def test_requests_and_sockets_to_other_hosts_are_stopped_where_they_leave(url: str) -> None:
    async def scene() -> None:
        exchange = make_exchange("local", url=LOCAL)
        with pytest.raises(FixSettings, match="refusing"):
            await exchange.fetch(url)
        with pytest.raises(FixSettings, match="refusing"):
            exchange.watch(url.replace("http", "ws"), "x")
        exchange.urls["api"]["fapiPublic"] = "https://fapi.binance.com/fapi/v1"
        with pytest.raises(FixSettings, match="refusing"):
            await exchange.fapiPublicGetTime()
        await exchange.close()

    asyncio.run(scene())


@pytest.mark.parametrize(
    ("mode", "more", "told"),
    [
        ("local", {}, "URL"),
        ("local", {"url": "http://example.com"}, "refusing"),
        ("local", {"url": "http://127.0.0.1:1/fapi"}, "127.0.0.1:18080"),
        ("local", {"url": "ws://127.0.0.1:1"}, "127.0.0.1:18080"),
        ("demo", {}, "API key"),
        ("demo", {"keys": Keys("a", "")}, "API key"),
        ("demo", {"keys": KEYS, "url": LOCAL}, "for local"),
        ("live", {"keys": KEYS}, "live trading is off"),
        ("live", {"keys": KEYS, "allow_live": LIVE_PHRASE}, "not confirmed"),
        ("live", {"allow_live": LIVE_PHRASE, "typed": TYPED_PHRASE}, "API key"),
        ("paper", {}, "local, demo or live"),
    ],
)
def test_refusals(mode: Any, more: dict[str, Any], told: str) -> None:
    with pytest.raises(FixSettings, match=told):
        make_exchange(mode, **more)


def test_secrets_are_not_shown() -> None:
    assert "some" not in repr(KEYS)
