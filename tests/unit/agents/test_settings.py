from __future__ import annotations

from dataclasses import fields

import pytest

from agents.settings import KellySettings, SizingSettings

SPECIFIED = {
    "RL_SIZING_PRESET": "full",
    "RL_SIZING_LEARNER": "counterfactual",
    "RL_SIZING_AGENT": "auto",
    "RL_SIZING_REWARD": "log_growth",
    "RL_SIZING_EPSILON": 0.10,
    "RL_SIZING_MIN_STEP": 0.0003,
    "RL_SIZING_SHRINK_K": (1000.0, 100.0, 30.0),
    "RL_SIZING_LCB_Z": 1.0,
    "RL_SIZING_PRIOR": "ev_line",
    "RL_SIZING_EV_Z": 0.5,
    "RL_SIZING_KELLY_FRACTION": 0.5,
    "RL_SIZING_ALPHA": 0.15,
    "RL_SIZING_DISCOUNT": "auto",
    "RL_SIZING_Q0": 0.0,
    "RL_SIZING_STEP": "constant",
    "RL_SIZING_ALGORITHM": "q",
    "RL_SIZING_EXPLORATION": "epsilon",
    "RL_SIZING_UCB_C": 0.5,
    "MATH_KELLY_MIN_TRADES": 20,
    "MATH_KELLY_FRACTION": 0.5,
    "MATH_KELLY_MAX": 0.25,
    "MATH_KELLY_PRIOR": 20.0,
    "MATH_DD_CONSTRAINT": False,
    "MATH_DD_ALPHA": 0.7,
    "MATH_DD_BETA": 0.1,
}


def test_defaults_are_those_of_the_specification() -> None:
    found = {
        f.metadata["env"]: f.default
        for group in (SizingSettings, KellySettings)
        for f in fields(group)
    }
    assert {name: found.get(name) for name in SPECIFIED} == SPECIFIED


@pytest.mark.parametrize("group", [SizingSettings, KellySettings])
def test_every_setting_names_its_unit_and_help(group: type) -> None:
    for f in fields(group):
        assert f.metadata["unit"]
        assert f.metadata["help"]
