"""The command line: what it refuses, and what it says of settings that differ by design."""

from __future__ import annotations

import argparse
from dataclasses import replace
from pathlib import Path

import pytest

from envs.core.errors import FixInput
from envs.core.settings import CoreSettings
from envs.core.types import EntryStyle, IntrabarRule
from runtime import parity_cli
from runtime.cli import main
from runtime.parity.faces import chosen_faces
from runtime.parity.report import by_design, instant


def test_faces_are_taken_in_their_order() -> None:
    assert chosen_faces("local, env") == ("env", "local")
    assert chosen_faces("sim,compiled,env,sim") == ("env", "compiled", "sim")


@pytest.mark.parametrize("text", ["", "env", "env,env", "env,live", "compiled,sim"])
def test_faces_that_compare_nothing_are_refused(text: str) -> None:
    with pytest.raises(FixInput, match="--faces"):
        chosen_faces(text)


def test_a_folder_that_is_no_bundle_is_bad_input(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["parity", "--bundle", str(tmp_path / "none")]) == 2
    assert "is this a bundle?" in capsys.readouterr().err


def test_defaults_compare_three_faces_with_learning() -> None:
    parser = argparse.ArgumentParser()
    parity_cli.add_arguments(parser)
    args = parser.parse_args(["--bundle", "b"])
    assert (args.faces, args.learn, args.policy) == ("env,sim,local", True, "shipped")
    assert not parser.parse_args(["--bundle", "b", "--no-learn"]).learn


def test_known_differences_are_named() -> None:
    core = CoreSettings()
    assert by_design(core) == []
    resting = replace(core, entry=replace(core.entry, style=EntryStyle.POST_ONLY))
    assert "QT_ENTRY_STYLE=post_only" in by_design(resting)[0]
    worst = replace(core, entry=replace(core.entry, intrabar=IntrabarRule.PESSIMISTIC))
    assert "QT_INTRABAR_RULE=pessimistic" in by_design(worst)[0]


def test_times_are_shown_in_utc() -> None:
    assert instant(1_593_824_400_250_000_000) == "2020-07-04 01:00:00.250Z"
