from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime

import pytest

from envs.core.errors import FixData, FixSettings
from runtime.exchange.settings import ExchangeSettings


def test_defaults_are_the_contracts() -> None:
    s = ExchangeSettings()
    assert (s.port, s.speed, s.tick_s, s.book, s.api_key, s.api_secret) == (
        18_080, 60.0, 1.0, "none", "local", "local",
    )  # fmt: skip
    assert s.is_synthetic
    assert not s.lockstep
    assert s.rate == 60.0
    assert ExchangeSettings(speed="lockstep").rate == 0.0


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"symbols": ()}, "--symbols"),
        ({"symbols": ("A", "A")}, "--symbols"),
        ({"speed": 0.0}, "--speed"),
        ({"speed": 1e9}, "--speed"),
        ({"tick_s": 0.0}, "--tick-s"),
        ({"book": "full"}, "--book"),
        ({"speed": "lockstep", "book": "depth"}, "lockstep needs --book none"),
        ({"start_quote": 0.0}, "start wallet"),
        ({"start_quote": 1e9}, "start wallet"),
        ({"port": -1}, "--port"),
        ({"control_port": 70_000}, "--control-port"),
        ({"start": datetime(2024, 1, 1)}, "a time with its zone"),  # noqa: DTZ001
    ],
)
def test_values_out_of_range_name_their_option(change: dict[str, object], message: str) -> None:
    with pytest.raises(FixSettings, match=message):
        ExchangeSettings(**change)  # type: ignore[arg-type]


def test_a_timeframe_that_is_none_is_refused() -> None:
    with pytest.raises(FixData, match="timeframe"):
        ExchangeSettings(timeframe="1x")


def test_the_secret_is_not_shown() -> None:
    assert "topsecret" not in repr(ExchangeSettings(api_secret="topsecret"))  # noqa: S106


def test_a_journal_depends_on_rules_not_on_keys_speed_or_start() -> None:
    base = ExchangeSettings()
    for change in ({"speed": 5.0}, {"api_key": "x"}, {"port": 0},
                   {"start": datetime(2024, 1, 1, tzinfo=UTC)}):  # fmt: skip
        assert replace(base, **change).journalled() == base.journalled()
    for change in ({"speed": "lockstep"}, {"tick_s": 2.0}, {"book": "depth"},
                   {"start_quote": 5.0}, {"symbols": ("ETHUSDT",)}):  # fmt: skip
        assert replace(base, **change).journalled() != base.journalled()
