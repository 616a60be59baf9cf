from __future__ import annotations

from pathlib import Path

import pytest

from runtime.settings_docs import files
from runtime.settings_tree import variables
from runtime.settings_values import render

# The environment variables of the specification that exist so far, with their defaults.
SPECIFIED = """
QT_SYMBOLS=BTCUSDT,ETHUSDT QT_INTERVAL=1h QT_DATA_DIR=data QT_SEED=0 QT_START_EQUITY=10000
QT_INTRABAR_RULE=path QT_MAX_GAP_BARS=3 QT_HORIZON=8 QT_CANDIDATE_MIN_EDGE=0.15
QT_CANDIDATE_TOP=0.2 QT_MIN_CONFIDENCE=0 QT_ENTRY_STYLE=market QT_ENTRY_UNFILLED=lapse
QT_ENSEMBLE_QUORUM=2 QT_ENSEMBLE_MIN_CONSENSUS=weak QT_ENTRY_COOLDOWN_S=300
QT_AI_MAX_DAILY_DD=0.05 QT_AI_MAX_OPEN_DD=0.1 QT_AI_PBA_MAX_PORTFOLIO_LEVERAGE=5
QT_AI_PBA_MAX_SINGLE_POSITION=0.15 QT_AI_SELF_HEALING_DD_WARNING=0.02
QT_AI_SELF_HEALING_DD_STOP=0.03 QT_ESS_MAX_TOTAL_DD=0.25 QT_ESS_MAX_STOPS_15M=10
QT_ESS_COOLDOWN_L1_S=900 QT_ESS_COOLDOWN_L2_S=3600 QT_ESS_COOLDOWN_L3_S=14400
QT_ESS_RECOVERY_TRADES=5 QT_ESS_RECOVERY_H=6 QT_ESS_RECOVERY_SIZE=0.25
RL_LEARNING_RATE=0.05 RL_WEIGHT_PULL=0.02 RL_WEIGHT_SOURCE=executed
RL_INITIAL_EXPLORATION_RATE=0.2 RL_MIN_EXPLORATION_RATE=0.05 RL_EXPLORATION_DECAY_TRADES=100
RL_REWARD_ALPHA=0.6 RL_REWARD_BETA=0.3 RL_REWARD_GAMMA=0.1 RL_REWARD_Z_SCALE=0
RL_ADVANTAGE_CLIP=5 RL_CALIBRATION_KAPPA=0.5 RL_CALIBRATION_VOTE_KAPPA=0
RL_MIN_MODEL_WEIGHT=0.05 RL_MAX_MODEL_WEIGHT=0.5 RL_WEIGHT_ALGORITHM=aa RL_SHARE_RATE=0.00025
RL_SIZING_PRESET=full RL_SIZING_LEARNER=counterfactual RL_SIZING_AGENT=auto
RL_SIZING_EPSILON=0.1 RL_SIZING_MIN_STEP=0.0003 RL_SIZING_SHRINK_K=1000,100,30
RL_SIZING_LCB_Z=1 RL_SIZING_PRIOR=ev_line RL_SIZING_EV_Z=0.5 RL_SIZING_KELLY_FRACTION=0.5
RL_SIZING_ALPHA=0.15 RL_SIZING_Q0=0 RL_SIZING_STEP=constant RL_SIZING_ALGORITHM=q
RL_SIZING_EXPLORATION=epsilon RL_SIZING_UCB_C=0.5 RL_SIZING_REWARD=log_growth
RL_SIZING_HIGH_VOL_MODE=relative RL_SIZING_HIGH_VOL_QUANTILE=0.75 RL_SIZING_HIGH_VOL=0.02
RL_SIZING_CHOP=61.8 MATH_RISK_PER_TRADE=0.02 MATH_MAX_MARGIN=0.1 MATH_LEVERAGE=3
MATH_SL_ATR=1.5 MATH_TP_SL=2 MATH_KELLY_MIN_TRADES=20 MATH_KELLY_FRACTION=0.5
MATH_KELLY_MAX=0.25 MATH_KELLY_PRIOR=20 MATH_DD_CONSTRAINT=false MATH_DD_ALPHA=0.7
MATH_DD_BETA=0.1 MATH_VOL_SCALING=true MATH_LIQ_BUFFER=2 RM_MAX_RISK_PER_TRADE=0.02
RM_MAX_TOTAL_RISK=0.1 RM_MAX_POSITIONS=10 RM_MAX_LEVERAGE=5 RM_MIN_ORDER_QUOTE=10
RM_BREAKEVEN_AT_R=1 RM_PARTIAL_FRACTION=0.5 RM_TRAIL_ATR=1 RM_MIN_STOP_GAP=0.0005
RM_TIME_EXIT_MIN_R=0.5 REGIME_ADX_TREND=25 REGIME_ADX_RANGE=20 REGIME_ER_GAP=0.5
REGIME_HIGH_VOL=0.02 REGIME_EXPANSION=1.25 REGIME_LOCK_CHANGES=3 REGIME_LOCK_WINDOW_BARS=6
REGIME_LOCK_BARS=2 COST_MAKER_FEE=0.0002 COST_TAKER_FEE=0.0004 COST_SLIPPAGE_MIN_BPS=2
COST_SLIPPAGE_MAX_BPS=5 COST_IMPACT_COEF=0 COST_FUNDING_RATE=0.0001
COST_LIQUIDATION_FEE=0.0125 COST_DEFAULT_MMR=0.004
"""


def test_names_and_defaults_are_those_of_the_specification() -> None:
    expected = dict(pair.split("=", 1) for pair in SPECIFIED.split())
    found = {v.env: render(v.default) for v in variables() if v.env}
    assert {name: found.get(name) for name in expected} == expected


def test_no_name_is_declared_twice() -> None:
    for names in ([v.env for v in variables() if v.env], [v.key for v in variables()]):
        assert len(set(names)) == len(names)


@pytest.mark.parametrize("name", sorted(files()))
def test_generated_files_are_current(root: Path, name: str) -> None:
    assert (root / name).read_text(encoding="utf-8") == files()[name], "run `make docs`"


def test_every_setting_is_documented() -> None:
    table, example = files()["docs/settings.md"], files()[".env.example"]
    for v in variables():
        assert f"`{v.env}`" in table or f"`{v.field}`" in table
        assert not v.env or f"# {v.env}={render(v.default)}\n" in example
        assert v.help
        assert v.unit
