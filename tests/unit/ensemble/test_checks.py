"""The conformance suite finds each rule that a forecaster breaks."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import pytest

from ensemble.checks import FailedCheck, check_forecaster
from ensemble.crossfit import prepare_data
from ensemble.protocol import Dataset
from envs.core.errors import FixInput
from envs.core.settings import CoreSettings
from envs.core.types import BoolArray
from envs.market.build import build_market
from envs.market.synthetic import SyntheticSettings, generate
from tests.unit.ensemble import doubles

CUT = 1_800


@pytest.fixture(scope="module")
def made() -> tuple[Dataset, BoolArray]:
    drawn = generate(SyntheticSettings(n_bars=1_950, seed=4))
    market, _ = build_market(drawn.series, drawn.instruments)
    data, labels = prepare_data(market, CoreSettings())
    train = market.complete & (labels.end >= 0)
    train[CUT:] = False
    return data, train


def run(make: Callable[[], doubles.Sound], made: tuple[Dataset, BoolArray]) -> None:
    own = replace(
        made[0],
        classes=made[0].classes.copy(),
        market=replace(made[0].market, features=made[0].market.features.copy()),
    )
    check_forecaster(make, own, made[1].copy(), n_rows=24)


def test_a_sound_forecaster_passes(made: tuple[Dataset, BoolArray]) -> None:
    run(doubles.Sound, made)


@pytest.mark.parametrize(
    ("broken", "found"),
    [
        (doubles.ReadsNoBars, "reads 0 bars"),
        (doubles.Nameless, "has no name"),
        (doubles.VotesUnfitted, "votes without having been fitted"),
        (doubles.FitsOnNothing, "fits on no rows"),
        (doubles.RefusesInOthersWords, r"fits on no rows: raises ValueError\('zero-size"),
        (doubles.CannotBeFitted, r"cannot be fitted: RuntimeError\('out of memory"),
        (doubles.SpoilsTheLabels, "changes its inputs while fitting"),
        (doubles.SpoilsTheMask, "changes its inputs while fitting"),
        (doubles.SpoilsTheFeatures, "changes its inputs while voting"),
        (doubles.SpoilsTheRows, "changes its inputs while voting"),
        (doubles.FitsByChance, "equal fit: chance"),
        (doubles.WarmStarts, "remembers an earlier fit"),
        (doubles.ReadsAllLabels, "labels outside the training rows"),
        (doubles.ScalesByAllBars, "bars after its training labels"),
        (doubles.CannotVote, r"cannot vote on 24 rows: KeyError\('rsi'"),
        (doubles.FloatsOf32Bits, r"not a float64 array of shape \(24,\)"),
        (doubles.GivesAColumn, r"not a float64 array of shape \(24,\)"),
        (doubles.OneSideOnly, "one side of a vote only"),
        (doubles.Infinite, "or an infinite one"),
        (doubles.StatesOdds, r"outside \[0, 1\]"),
        (doubles.MinusZero, r"outside \[0, 1\]"),
        (doubles.Unrounded, "round its votes to 1e-6"),
        (doubles.MoreThanAll, "more than the whole probability"),
        (doubles.SaysNothing, "abstains on every complete row"),
        (doubles.SaysOneThing, "votes the same on every row"),
        (doubles.DriftsAsItIsAsked, "differently when asked twice"),
        (doubles.RanksItsBatch, r"votes on row \d+ alone as .*, in a batch as"),
        (doubles.RemembersTheFirst, "differently in another order"),
        (doubles.FillsWithZero, "a required column is NaN"),
        (doubles.PadsTheStart, "row 0 without a full window"),
        (doubles.LooksAhead, "differently when later bars change"),
        (doubles.LooksFarBack, "reads more than the 2 bars it names"),
        (doubles.TakesAnySchema, "votes on another feature schema"),
        (doubles.WrapsAround, "votes on row -1, symbol 0, outside the market"),
        (doubles.SavesNothing, "saves no file"),
        (doubles.Pickles, "saves sound.pkl: not .json, .txt, .safetensors"),
        (doubles.HidesAPickle, "saves more.safetensors: not"),
        (doubles.SavesRounded, "votes differently after loading"),
        (doubles.ForgetsItsVersion, "has no version, or another when loaded"),
        (doubles.LoadsAnySchema, "loads a model of another feature schema"),
        (doubles.LoadsWhatIsLeft, "loads with half of sound.txt"),
        (doubles.LoadsWithoutItsFile, "loads without sound.txt"),
    ],
)
def test_a_broken_forecaster_is_found(
    broken: Callable[[], doubles.Sound], found: str, made: tuple[Dataset, BoolArray]
) -> None:
    with pytest.raises(FailedCheck, match=found):
        run(broken, made)


def test_an_object_without_the_protocol_is_found(made: tuple[Dataset, BoolArray]) -> None:
    class Nothing:
        name = "nothing"

    with pytest.raises(FailedCheck, match="Nothing lacks a member"):
        check_forecaster(Nothing, *made)  # type: ignore[arg-type]


def test_rows_after_training_are_needed(made: tuple[Dataset, BoolArray]) -> None:
    data, _ = made
    with pytest.raises(FixInput, match="after the last training label"):
        check_forecaster(doubles.Sound, data, data.market.complete)
