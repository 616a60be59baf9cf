"""Listen keys live by market time."""

from __future__ import annotations

import pytest

from runtime.exchange.errors import VenueError
from runtime.exchange.listen_keys import LIFE_MS, ListenKeys, life_at


class Now:
    """A market time that tests set."""

    def __init__(self) -> None:
        self.ms = 5_000

    def __call__(self) -> int:
        return self.ms


def test_a_key_ends_after_an_hour_and_says_so_once() -> None:
    now, ended = Now(), []
    keys = ListenKeys(now)
    keys.on_expired(ended.append)
    key = keys.create()
    now.ms += LIFE_MS - 1
    assert keys.is_alive(key)
    now.ms += 1
    assert not keys.is_alive(key)
    keys.expire_due()
    assert ended == [key]
    assert keys.next_expiry_ms is None


def test_asking_again_gives_the_same_key_and_renews_it() -> None:
    now = Now()
    keys = ListenKeys(now)
    key = keys.create()
    now.ms += LIFE_MS // 2
    assert keys.create() == key
    assert keys.next_expiry_ms == now.ms + LIFE_MS
    now.ms += LIFE_MS - 1
    assert keys.keep() == key
    now.ms += LIFE_MS - 1
    assert keys.is_alive(key)


def test_keeping_or_closing_what_is_not_there() -> None:
    now = Now()
    keys = ListenKeys(now)
    with pytest.raises(VenueError) as refused:
        keys.keep()
    assert refused.value.code == -1125
    keys.close()
    first = keys.create()
    keys.close()
    assert keys.create() != first
    now.ms += LIFE_MS
    with pytest.raises(VenueError):
        keys.keep()


def test_keys_repeat_with_their_seed() -> None:
    now = Now()
    one, same, other = ListenKeys(now, 1), ListenKeys(now, 1), ListenKeys(now, 2)
    assert one.create() == same.create() != other.create()
    assert len(one.create()) == 64


def test_a_key_lives_a_wall_minute_at_least_and_in_lockstep_for_ever() -> None:
    assert life_at(1.0) == life_at(60.0) == LIFE_MS
    assert life_at(3_600.0) == 60 * LIFE_MS
    assert life_at(0.0) > 10_000 * 24 * LIFE_MS
