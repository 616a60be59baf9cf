from __future__ import annotations

import numpy as np
import pytest

from agents.learned import LearnedIds
from envs.core.errors import RefusedArtifact


def test_an_id_is_new_once() -> None:
    ids = LearnedIds()
    assert ids.add(("sim:BTCUSDT:1", 0))
    assert not ids.add(("sim:BTCUSDT:1", 0))
    assert len(ids) == 1


def test_id_and_part_are_kept_apart() -> None:
    ids = LearnedIds()
    for identity in (("a", 0), ("a", 1), ("a:1", 0), ("1:a", 0), ("0:a", 1)):
        assert identity not in ids
        assert ids.add(identity)
    assert len(ids) == 5


def test_ids_survive_a_restart_whatever_their_order() -> None:
    identities = [(f"sim:ETHUSDT:{k}", k % 2) for k in range(500)]
    ids, other, loaded = LearnedIds(), LearnedIds(), LearnedIds()
    for identity in identities:
        ids.add(identity)
    for identity in reversed(identities):
        other.add(identity)
    assert ids.to_array().tobytes() == other.to_array().tobytes()
    assert ids.to_array().shape == (500, 16)
    loaded.load_array(ids.to_array())
    assert all(identity in loaded for identity in identities)
    assert ("sim:ETHUSDT:500", 0) not in loaded
    loaded.clear()
    assert len(loaded) == 0
    assert loaded.to_array().shape == (0, 16)
    loaded.load_array(loaded.to_array())
    assert len(loaded) == 0


@pytest.mark.parametrize(
    "array", [np.zeros((3, 8), dtype=np.uint8), np.zeros((3, 16)), np.zeros(16, dtype=np.uint8)]
)
def test_another_shape_is_refused(array: np.ndarray) -> None:
    with pytest.raises(RefusedArtifact, match=r"\(N, 16\), found"):
        LearnedIds().load_array(array)


def test_the_first_known_id_is_found() -> None:
    ids, asked = LearnedIds(), []

    def wanted() -> list[tuple[str, int]]:
        asked.append(1)
        return [("a", 0), ("b", 1), ("b", 0), ("c", 0)]

    assert ids.first_known(wanted) is None
    assert not asked, "an empty set knows the answer without the names"
    ids.add(("b", 0))
    assert ids.first_known(wanted) == ("b", 0)
    later = LearnedIds()
    later.add_later(lambda: [("c", 0)])
    assert later.first_known(wanted) == ("c", 0)
