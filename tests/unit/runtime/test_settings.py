from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agents.adviser_settings import MemorySettings, PerformanceSettings
from envs.core.errors import FixSettings
from envs.core.settings import CoreSettings
from envs.core.types import EntryStyle
from runtime.settings import Settings, load_settings
from runtime.settings_tree import Variable, edit_distance, nearest, variables
from runtime.settings_values import render


def refusal(**sources: Any) -> str:
    with pytest.raises(FixSettings) as error:
        load_settings(**sources)
    return str(error.value)


def toml(folder: Path, text: str) -> Path:
    path = folder / "run.toml"
    path.write_text(text, encoding="utf-8")
    return path


def test_without_any_source_the_defaults_of_the_packages_hold() -> None:
    assert load_settings() == Settings()
    assert load_settings().core == CoreSettings()


def test_each_source_overrides_the_ones_below(tmp_path: Path) -> None:
    file = toml(tmp_path, "[run]\nseed = 1\n[costs]\nmaker_fee = 0.001\ntaker_fee = 0.001\n")
    environ = {"QT_SEED": "2", "COST_MAKER_FEE": "0.002"}
    assert load_settings(None, file).run.seed == 1
    assert load_settings(None, file, environ).run.seed == 2
    found = load_settings({"seed": "3", "preset": None}, file, environ)
    assert (found.run.seed, found.core.costs.maker_fee, found.core.costs.taker_fee) == (
        3, 0.002, 0.001,
    )  # fmt: skip
    assert found.sizing.preset == "full"


def test_every_kind_of_value_is_read_from_text() -> None:
    found = load_settings(
        {"symbols": "BTCUSDT, XRPUSDT", "start": "2024-01-31", "out": "runs/a", "resume": True},
        None,
        {
            "QT_ENTRY_STYLE": "post_only",
            "MATH_VOL_SCALING": "0",
            "RL_SIZING_SHRINK_K": "10,20,30",
            "QT_TRAIN_END": "2024-02-01T12:00:00+02:00",
            "QT_HORIZON": "4",
        },
    )
    assert found.run.symbols == ("BTCUSDT", "XRPUSDT")
    assert found.run.start == datetime(2024, 1, 31, tzinfo=UTC)
    assert found.run.start_ns == 1_706_659_200_000_000_000
    assert found.run.train_end == datetime(2024, 2, 1, 10, tzinfo=UTC)
    assert found.run.out == Path("runs/a")
    assert found.run.resume is True
    assert found.core.entry.style is EntryStyle.POST_ONLY
    assert found.core.plan.vol_scaling is False
    assert found.sizing.shrink_k == (10.0, 20.0, 30.0)
    assert found.core.signal.horizon_bars == 4


@pytest.mark.parametrize(
    ("name", "value", "message"),
    [
        ("COST_MAKER_FEE", "5", "must be a number in (-0.01, 0.05)"),
        ("COST_MAKER_FEE", "two", "must be a number in (-0.01, 0.05)"),
        ("COST_MAKER_FEE", "0.05", "must be a number in (-0.01, 0.05)"),
        ("QT_START_EQUITY", "nan", "must be a number in (0, 90000000]"),
        ("QT_HORIZON", "4.5", "must be a whole number in [1, 48]"),
        ("QT_HORIZON", "", "must be a whole number in [1, 48]"),
        ("QT_ENTRY_STYLE", "limit", "must be one of market, post_only"),
        ("RL_SIZING_PRESET", "huge", "must be one of classic, overview, full"),
        ("MATH_VOL_SCALING", "yes", "must be true, false, 1 or 0"),
        ("RL_SIZING_SHRINK_K", "1,2", "must be a comma-separated list of 3: each a number >= 0"),
        ("RL_SIZING_SHRINK_K", "1,2,-3", "must be a comma-separated list of 3"),
        ("QT_SYMBOLS", "BTCUSDT,BTCUSDT", "none twice"),
        ("QT_SYMBOLS", "../BTC", "must be a comma-separated list"),
        ("QT_START", "2024-01-01T03:00:00", "a time with its zone"),
        ("QT_START", "2024-13-01", "must be a date such as 2024-01-31 (midnight UTC)"),
    ],
)
def test_a_bad_value_is_refused_by_name_value_and_range(
    name: str, value: str, message: str
) -> None:
    said = refusal(environ={name: value})
    assert said.startswith(f"{name} = {value!r} (environment): ")
    assert message in said


@pytest.mark.parametrize("v", [v for v in variables() if v.env], ids=lambda v: v.env)
def test_every_variable_reads_its_own_default_and_refuses_nonsense(v: Variable) -> None:
    if v.default is not None:
        found = load_settings(environ={v.env: render(v.default)})
        assert found.values()[v.key] == v.default
    if v.kind not in (str, Path) or v.limits:
        assert f"{v.env} = 'no such; value'" in refusal(environ={v.env: "no such; value"})


@pytest.mark.parametrize(
    "v",
    [v for v in variables() if v.kind in (int, float) and set(v.limits) & {"ge", "gt", "le", "lt"}],
    ids=lambda v: v.key,
)
def test_every_limit_is_kept(v: Variable) -> None:
    limits = v.limits
    outside = [limits[k] for k in ("gt", "lt") if k in limits]
    outside += [limits["ge"] - 1] if "ge" in limits else []
    outside += [limits["le"] + 1] if "le" in limits else []
    for value in outside:
        assert v.label in refusal(argv_options={v.key: value})


def test_all_bad_values_are_told_at_once() -> None:
    said = refusal(environ={"QT_SEED": "x", "QT_HORIZON": "0"}, argv_options={"preset": "y"})
    assert [line.split(" ")[0] for line in said.splitlines()] == [
        "QT_SEED", "QT_HORIZON", "RL_SIZING_PRESET",
    ]  # fmt: skip


@pytest.mark.parametrize(
    "name", ["COST_MAKER_FE", "RL_SPEED", "QT_ESS_X", "MEMORY_LIMIT", "ORCH_A"]
)
def test_unlisted_names_of_our_prefixes_are_refused(name: str) -> None:
    assert f"unknown environment variable {name}" in refusal(environ={name: "1"})


def test_other_qt_names_are_refused_only_when_they_look_like_a_slip() -> None:
    said = refusal(environ={"QT_SEDE": "1"})
    assert said == "unknown environment variable QT_SEDE: did you mean QT_SEED?"
    toolkit = {"QT_QPA_PLATFORM": "x", "QT_SCALE_FACTOR": "2", "QT_STYLE_OVERRIDE": "y"}
    ours_elsewhere = {"QT_REAL_DATA": "z", "QT_KERNEL_CACHE_DIR": "z"}
    assert load_settings(environ={**toolkit, **ours_elsewhere, "PATH": "x"}) == Settings()


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("[costs]\nmaker_fe = 1\n", "unknown key costs.maker_fe: did you mean costs.maker_fee?"),
        ("[coffee]\nsugar = 1\n", "unknown key coffee.sugar: see docs/settings.md"),
        ("seed = 1\n", "unknown key seed"),
        ("[run]\nseed = 'x'\n", "QT_SEED = 'x' ("),
        ("[run]\nseed = true\n", "must be a whole number"),
        ("[run]\nstart = 2024-01-01T00:00:00\n", "a time with its zone"),
        ("[run\n", "is not valid TOML"),
    ],
)
def test_a_bad_file_is_refused(tmp_path: Path, text: str, message: str) -> None:
    path = toml(tmp_path, text)
    said = refusal(toml_path=path)
    assert message in said
    assert str(path) in said


def test_a_missing_file_is_refused(tmp_path: Path) -> None:
    assert "cannot be read" in refusal(toml_path=tmp_path / "none.toml")


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"risk.dd_warning": 0.03}, "must be below QT_AI_SELF_HEALING_DD_STOP = 0.03"),
        ({"risk.dd_stop": 0.05}, "must be below QT_AI_MAX_DAILY_DD = 0.05"),
        ({"plan.leverage": 6}, "MATH_LEVERAGE = 6 must not be above RM_MAX_LEVERAGE = 5"),
        ({"costs.slippage_min_bps": 6}, "must not be above COST_SLIPPAGE_MAX_BPS = 5"),
        ({"reinforcement.reward_alpha": 0.7}, "must sum to 1, not 1.1"),
        ({"market.adx_range": 26}, "must not be above REGIME_ADX_TREND = 25"),
        ({"reinforcement.min_exploration": 0.5}, "must not be above RL_INITIAL_EXPLORATION_RATE"),
        ({"performance.poor_win_rate": 0.6}, "must not be above PERF_GOOD_WINRATE = 0.55"),
        (
            {"train_end": "2024-01-01", "test_end": "2024-01-01"},
            "QT_TRAIN_END = 2024-01-01T00:00:00Z must be below QT_TEST_END = 2024-01-01T00:00:00Z",
        ),
        ({"start": "2024-01-01", "test_end": "2023-01-01"}, "QT_START = 2024-01-01T00:00:00Z"),
    ],
)
def test_contradictions_are_refused(changes: dict[str, object], message: str) -> None:
    assert message in refusal(argv_options=changes)


def test_set_reaches_every_setting_and_refuses_doubles() -> None:
    found = load_settings({"set": ["RL_SIZING_ALPHA=0.3", "run.synthetic_bars=3000"]})
    assert (found.sizing.alpha, found.run.synthetic_bars) == (0.3, 3000)
    assert "expected NAME=VALUE" in refusal(argv_options={"set": ["QT_SEED"]})
    assert "unknown option QT_SED" in refusal(argv_options={"set": ["QT_SED=1"]})
    assert "given twice" in refusal(argv_options={"seed": "1", "set": ["QT_SEED=2"]})


def test_quick_shortens_unless_told_otherwise() -> None:
    assert load_settings({"quick": True}).run.episodes == 3
    assert load_settings({"quick": True, "episodes": "5"}).run.episodes == 5
    assert load_settings({"quick": True}, None, {"QT_EPISODES": "6"}).run.episodes == 6


def test_resolved_toml_means_the_same(tmp_path: Path) -> None:
    options = {
        "seed": 4, "start": "2024-01-01", "symbols": "SOLUSDT", "out": 'a"b\\c',
        "set": ["COST_MAKER_FEE=-0.00005", "QT_ENTRY_STYLE=post_only", "MATH_VOL_SCALING=false"],
    }  # fmt: skip
    first = load_settings(options)
    again = load_settings(None, toml(tmp_path, first.resolved_toml()))
    assert again == first
    assert again.config_hash() == first.config_hash()


def test_config_hash_follows_what_shapes_a_result() -> None:
    base = load_settings().config_hash()
    for changed in ({"seed": 1}, {"set": ["COST_TAKER_FEE=0.0005"]}, {"learner": "classic"}):
        assert load_settings(changed).config_hash() != base
    for unchanged in ({"out": "elsewhere"}, {"resume": True}, {"set": ["QT_DATA_DIR=x"]}):
        assert load_settings(unchanged).config_hash() == base
    one, two = (load_settings({"data": d}).config_hash() for d in ("a", "b"))
    assert one == two != base


def test_secrets_are_masked() -> None:
    secret = Variable(
        "api.token", "QT_API_TOKEN", "", "", str, "", "text", "", {}, hashed=True, secret=True
    )
    assert secret.shown("hunter2") == "***"
    open_one = next(v for v in variables() if v.env == "QT_SEED")
    assert open_one.shown("7") == "'7'"
    assert all(v.secret for v in variables() if "TOKEN" in v.env or "DATABASE_URL" in v.env)


@pytest.mark.parametrize(
    ("a", "b", "distance"),
    [("", "abc", 3), ("seed", "seed", 0), ("sede", "seed", 1), ("kitten", "sitting", 3)],
)
def test_edit_distance(a: str, b: str, distance: int) -> None:
    assert edit_distance(a, b) == edit_distance(b, a) == distance


WORDS = st.text(alphabet="AB_", max_size=6)


@given(WORDS, WORDS)
def test_edit_distance_is_zero_only_for_equal_names(a: str, b: str) -> None:
    assert (edit_distance(a, b) == 0) == (a == b)
    assert abs(len(a) - len(b)) <= edit_distance(a, b) <= max(len(a), len(b))
    assert nearest(a, [b], limit=edit_distance(a, b)) == b


def test_discount_is_one_of_the_classic_learner() -> None:
    assert Settings().sizing.classic_discount == 0.95
    classic = {"RL_SIZING_LEARNER": "classic", "RL_SIZING_DISCOUNT": "0.5"}
    assert load_settings(environ=classic).sizing.classic_discount == 0.5
    assert load_settings(environ={"RL_SIZING_DISCOUNT": "0"}).sizing.classic_discount == 0.0
    said = refusal(environ={"RL_SIZING_DISCOUNT": "0.5"})
    assert "RL_SIZING_DISCOUNT = 0.5" in said
    assert "RL_SIZING_LEARNER = counterfactual" in said
    assert "RL_SIZING_DISCOUNT" in refusal(environ={**classic, "RL_SIZING_DISCOUNT": "1.0"})


LIVE_ONLY = {
    "RL_SIZING_ENABLED": "false", "RL_SIZING_MODE": "math_ai", "RL_SIZING_LIVE_EXPLORATION": "ucb",
    "RL_SIZING_CHECKPOINT_PATH": "x.json", "MATH_KELLY_CAP": "true", "RL_CHECKPOINT_PATH": "y.json",
    "RL_CHECKPOINT_INTERVAL": "5", "QT_ESS_AUTO_ACK": "false", "QT_ESS_MAX_ENGINE_ERRORS": "9",
    "QT_ESS_FEED_TIMEOUT_S": "30", "QT_ESS_ACK_FROM_LEVEL": "3",
}  # fmt: skip


def test_settings_of_the_live_runtime_say_so_and_shape_no_result() -> None:
    known = {v.env: v for v in variables()}
    for name in LIVE_ONLY:
        assert known[name].table == "live"
        assert not known[name].hashed
    changed = load_settings(environ=LIVE_ONLY)
    assert changed.config_hash() == Settings().config_hash()
    assert changed.live.sizing_mode == "math_ai"


@pytest.mark.parametrize("name", ["QT_AI_PAL_ENABLED", "ORCH_ENABLED", "PERF_SPEED", "QT_ESS_LOCK"])
def test_settings_of_systems_that_do_not_exist_are_refused(name: str) -> None:
    assert name in refusal(environ={name: "true"})


ADVISERS = {
    "PERF_ENABLED": "true", "PERF_MIN_TRADES": "7", "PERF_POOR_WINRATE": "0.3",
    "PERF_GOOD_WINRATE": "0.6", "PERF_POOR_MULT": "0.4", "PERF_GOOD_MULT": "1.1",
    "PERF_DISABLE_AFTER_LOSSES": "8", "PERF_REENABLE_AFTER_WINS": "4", "PERF_PROBATION_DAYS": "7",
    "PERF_HALF_LIFE_DAYS": "10", "MEMORY_ENABLED": "1", "MEMORY_HALF_LIFE_H": "12",
    "MEMORY_BLOCK_H": "6", "MEMORY_CHECKPOINT_PATH": "m.json",
}  # fmt: skip


def test_advisers_are_off_by_default_and_shape_no_training_result() -> None:
    default = Settings()
    assert (default.performance.enabled, default.memory.enabled) == (False, False)
    assert (default.memory.half_life_h, default.memory.block_h) == (24.0, 12.0)
    changed = load_settings(environ=ADVISERS)
    assert changed.config_hash() == default.config_hash()
    assert changed.performance == PerformanceSettings(True, 7, 0.3, 0.6, 0.4, 1.1, 8, 4, 7.0, 10.0)
    assert changed.memory == MemorySettings(True, 12.0, 6.0, Path("m.json"))
    known = {v.env for v in variables() if v.table in ("performance", "memory")}
    assert known == set(ADVISERS)
