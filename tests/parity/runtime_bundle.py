"""A bundle of the built-in market, trained in seconds: one pass, no comparison of algorithms."""

from __future__ import annotations

import math
from pathlib import Path

from envs.core.actions import preset
from envs.core.series import prepare
from runtime.settings import load_settings
from training.bundle import BundleParts, write_bundle
from training.inputs import load_inputs
from training.simulate import Period
from training.sizing import Choice, train
from training.tape import make_tape


def make_bundle(folder: Path, *options: str, algorithm: str = "aa") -> Path:
    """Train on the first part of a short built-in market and write the bundle to ``folder``.

    ``options`` are ``NAME=VALUE`` settings; they become the bundle's own.
    """
    given = {"set": ["QT_SYNTHETIC_BARS=3500", *options]}
    settings = load_settings(given)
    inputs = load_inputs(settings, folder.parent / "cache")
    data = prepare(inputs.market, settings.core)
    tape = make_tape(
        data, inputs.votes, settings.core, settings.reinforcement, inputs.edges,
        inputs.first_line, algorithm, None, inputs.first_slopes,
    )  # fmt: skip
    period = Period(
        data, tape.signals, inputs.votes, tape.candidates, settings.core,
        preset(settings.sizing.preset), inputs.spans.first, inputs.spans.train_last,
        settings.sizing.reward,
    )  # fmt: skip
    agent, _ = train(period, settings.sizing, 1, settings.run.seed, None)
    choice = Choice("table", math.nan, math.nan, 0, "by the test")
    write_bundle(
        folder,
        BundleParts(
            settings, inputs.market, tape, agent, choice, (), {}, "test",
            inputs.spans.to_json(inputs.market), inputs.report.fingerprint, 0,
        ),
    )  # fmt: skip
    return folder
