from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from agents.baselines import EvKelly, fixed_1x
from agents.checkpoint import load_agent, restore_agent, save_agent, stored_settings
from agents.checks import sample_rows
from agents.protocol import SizingAgent
from agents.settings import SizingSettings
from agents.sizing.counterfactual import CounterfactualAgent
from agents.sizing.q_learning import QLearningAgent
from envs.artifact import load_artifact, save_artifact
from envs.core.actions import preset
from envs.core.errors import FixInput, RefusedArtifact

FULL, CLASSIC = preset("full"), preset("classic")
SETTINGS = SizingSettings(lcb_z=0.5, shrink_k=(500.0, 50.0, 10.0))
DOUBLE = SizingSettings(algorithm="double")
MAKERS: dict[str, tuple[Callable[[], SizingAgent], SizingSettings]] = {
    "table": (lambda: CounterfactualAgent(FULL, SETTINGS, 3), SETTINGS),
    "classic": (lambda: QLearningAgent(FULL, DOUBLE, seed=9), DOUBLE),
    "ev_kelly": (lambda: EvKelly(FULL, SETTINGS), SETTINGS),
}


@pytest.mark.parametrize("kind", MAKERS)
def test_1000_more_steps_equal_those_without_saving(kind: str, tmp_path: Path) -> None:
    make, settings = MAKERS[kind]
    agent, rows = make(), list(sample_rows(FULL, 2000, 3))
    for row in rows[:1000]:
        agent.learn_one(row)
    path = tmp_path / "sizing.json"
    save_agent(path, agent, settings=settings, config_hash="c", extra={"episode": 4})
    loaded, extra = load_agent(path, config_hash="c")
    assert extra == {"episode": 4}
    assert type(loaded) is type(agent)
    # The overlap shows that what was learned before the save is not learned again.
    for row in rows[900:]:
        agent.learn_one(row)
        loaded.learn_one(row)
    assert loaded.digest() == agent.digest()
    for row in rows[:100]:
        assert loaded.decide(row.decision.context, None) == agent.decide(row.decision.context, None)


def test_settings_and_passes_come_back(tmp_path: Path) -> None:
    save_agent(tmp_path / "a.json", CounterfactualAgent(FULL, SETTINGS, 3), settings=SETTINGS)
    loaded, extra = load_agent(tmp_path / "a.json")
    assert isinstance(loaded, CounterfactualAgent)
    assert loaded.settings == SETTINGS
    assert loaded.planned_passes == 3
    assert extra == {}


@pytest.mark.parametrize("make", [CounterfactualAgent, QLearningAgent])
def test_a_classic_table_into_the_full_preset_names_both_shapes(
    make: Callable[..., SizingAgent], tmp_path: Path
) -> None:
    path = tmp_path / "sizing.json"
    save_agent(path, make(CLASSIC, SETTINGS), settings=SETTINGS)
    with pytest.raises(RefusedArtifact, match=r"sizing\.json.*300, 76\).*300, 25\) \(preset"):
        load_agent(path, expected_preset="full")
    load_agent(path, expected_preset="classic")


def test_another_configuration_or_schema_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "sizing.json"
    agent = CounterfactualAgent(FULL, SETTINGS)
    save_agent(path, agent, settings=SETTINGS, config_hash="a", feature_schema_hash="f")
    with pytest.raises(RefusedArtifact, match="config hash: expected b, found a"):
        load_agent(path, config_hash="b")
    with pytest.raises(RefusedArtifact, match="expected 'g', found 'f'"):
        load_agent(path, feature_schema_hash="g")
    load_agent(path, config_hash="a", feature_schema_hash="f")


def test_a_flipped_byte_is_refused(tmp_path: Path) -> None:
    for name in ("sizing.json", "sizing.npz"):
        save_agent(tmp_path / "sizing.json", CounterfactualAgent(FULL, SETTINGS), settings=SETTINGS)
        file = tmp_path / name
        damaged = bytearray(file.read_bytes())
        damaged[len(damaged) // 2] ^= 1
        file.write_bytes(bytes(damaged))
        with pytest.raises(RefusedArtifact, match=r"sizing\.json"):
            load_agent(tmp_path / "sizing.json")


def test_an_unknown_agent_or_setting_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "sizing.json"
    save_agent(path, CounterfactualAgent(FULL, SETTINGS), settings=SETTINGS)
    file = load_artifact(path, schema_name="sizing-agent", max_version=2)
    for change, message in (
        ({"agent": "oracle"}, "expected one of table, classic, ev_kelly.*, found 'oracle'"),
        ({"preset": "grand"}, "unknown preset 'grand'"),
        ({"settings": {**file.payload["settings"], "mood": 1}}, "unknown fields mood"),
    ):
        save_artifact(
            tmp_path / "b.json", schema_name="sizing-agent", schema_version=2,
            payload={**file.payload, **change}, arrays=file.arrays,
        )  # fmt: skip
        with pytest.raises(RefusedArtifact, match=message):
            load_agent(tmp_path / "b.json")


@pytest.mark.parametrize("lost", ["preset", "settings", "state", "extra"])
@pytest.mark.parametrize("kind", MAKERS)
def test_a_whole_file_of_another_form_is_refused_by_name(
    kind: str, lost: str, tmp_path: Path
) -> None:
    """The checksum holds, the content does not: every part missing, or of another kind."""
    make, settings = MAKERS[kind]
    path = tmp_path / "sizing.json"
    save_agent(path, make(), settings=settings)
    file = load_artifact(path, schema_name="sizing-agent", max_version=2)
    rest = {k: v for k, v in file.payload.items() if k != lost}
    for payload in (rest, {**rest, lost: None}, {**rest, lost: 7}):
        save_artifact(
            tmp_path / "b.json", schema_name="sizing-agent", schema_version=2, payload=payload,
            arrays=file.arrays,
        )  # fmt: skip
        with pytest.raises(RefusedArtifact, match=r"b\.json"):
            load_agent(tmp_path / "b.json")


def test_a_missing_setting_is_not_filled_in() -> None:
    stored = json.loads(json.dumps(vars(SETTINGS)))
    assert stored_settings(stored) == SETTINGS
    del stored["lcb_z"]
    with pytest.raises(RefusedArtifact, match="missing or unknown fields lcb_z"):
        stored_settings(stored)


def test_policies_without_a_file_form_are_refused(tmp_path: Path) -> None:
    with pytest.raises(FixInput, match="cannot save a Constant"):
        save_agent(tmp_path / "a.json", fixed_1x(FULL), settings=SETTINGS)
    assert not list(tmp_path.iterdir())


def test_equal_agents_write_equal_files(tmp_path: Path) -> None:
    for name in ("a.json", "b.json"):
        agent = CounterfactualAgent(FULL, SETTINGS)
        for row in sample_rows(FULL, 50, 2):
            agent.learn_one(row)
        save_agent(tmp_path / name, agent, settings=SETTINGS, created_ns=5)
    assert (tmp_path / "a.json").read_bytes() == (tmp_path / "b.json").read_bytes()


def as_version_1(path: Path, ids: list[list[object]]) -> None:
    """Rewrite a file as the first version wrote it."""
    file = load_artifact(path, schema_name="sizing-agent", max_version=2)
    payload = json.loads(json.dumps(file.payload))
    payload["settings"]["discount"] = 0.95
    payload["state"]["learned"] = ids
    del payload["state"]["last_update_ns"]
    arrays = {name: array for name, array in file.arrays.items() if name != "learned"}
    save_artifact(
        path, schema_name="sizing-agent", schema_version=1, payload=payload, arrays=arrays
    )


def test_a_file_of_version_1_loads_and_goes_on(tmp_path: Path) -> None:
    path, settings = tmp_path / "a.json", SizingSettings(discount="0.95")
    agent, rows = CounterfactualAgent(FULL, settings), list(sample_rows(FULL, 40, 2))
    for row in rows[:20]:
        agent.learn_one(row)
    save_agent(path, agent, settings=settings)
    ids = [list(row.id) for row in rows[:20]]
    as_version_1(path, [*ids, ["sim:BTCUSDT:1600000000000000000", 0], ["odd", 1]])
    loaded, _ = load_agent(path)
    assert isinstance(loaded, CounterfactualAgent)
    assert loaded.settings == settings
    assert loaded.last_update_ns == 1_600_000_000_000_000_000
    for row in rows:
        agent.learn_one(row)
        loaded.learn_one(row)
    assert loaded.digest() == agent.digest()


def test_late_files_of_version_1_were_in_the_present_form(tmp_path: Path) -> None:
    path = tmp_path / "a.json"
    agent = QLearningAgent(FULL, DOUBLE, seed=9)
    save_agent(path, agent, settings=DOUBLE)
    file = load_artifact(path, schema_name="sizing-agent", max_version=2)
    save_artifact(
        path, schema_name="sizing-agent", schema_version=1, payload=file.payload,
        arrays=file.arrays,
    )  # fmt: skip
    loaded, _ = load_agent(path)
    assert loaded.digest() == agent.digest()


def test_a_running_system_takes_the_copy_before_a_damaged_file(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    path, agent = tmp_path / "a.json", CounterfactualAgent(FULL, SETTINGS)
    rows = list(sample_rows(FULL, 20, 2))
    save_agent(path, agent, settings=SETTINGS)
    untrained = agent.digest()
    for row in rows:
        agent.learn_one(row)
    save_agent(path, agent, settings=SETTINGS, config_hash="c")
    damaged = path.with_suffix(".npz").read_bytes()
    path.with_suffix(".npz").write_bytes(damaged[:-1])
    with pytest.raises(RefusedArtifact, match="is intact"):
        load_agent(path)
    restored, _ = restore_agent(path)
    assert restored.digest() == untrained
    assert "a.json.prev instead" in caplog.text
    for row in rows:
        restored.learn_one(row)
    assert restored.digest() == agent.digest()
    with pytest.raises(RefusedArtifact, match="sha256"):
        restore_agent(path, config_hash="c")
