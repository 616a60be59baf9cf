from __future__ import annotations

from pathlib import Path

import pytest

from benchmarks import compare as program
from benchmarks.framework.compare import judge, loss_of, unmatched
from benchmarks.framework.metrics import Direction, Metric


def metric(value: float, direction: Direction = "lower", tolerance: float | None = 0.1) -> Metric:
    return Metric(value, "ns", direction, tolerance)


@pytest.mark.parametrize(
    ("base", "head", "direction", "loss"),
    [
        (100.0, 120.0, "lower", 0.2),
        (100.0, 80.0, "lower", -0.2),
        (100.0, 80.0, "higher", 0.25),
        (80.0, 100.0, "higher", -0.2),
        (0.0, 0.0, "higher", 0.0),
    ],
)
def test_loss_follows_the_direction(
    base: float, head: float, direction: Direction, loss: float
) -> None:
    assert loss_of(metric(base, direction), metric(head, direction)) == pytest.approx(loss)


def test_metrics_of_other_units_are_not_compared() -> None:
    with pytest.raises(ValueError, match="against"):
        loss_of(metric(1.0), Metric(1.0, "s", "lower"))
    with pytest.raises(ValueError, match="against"):
        loss_of(metric(1.0), metric(1.0, "higher"))


def pair(base: float, head: float, tolerance: float | None = 0.1):  # type: ignore[no-untyped-def]
    return {"a": {"t": metric(base)}}, {"a": {"t": metric(head, tolerance=tolerance)}}


def test_only_a_loss_beyond_the_tolerance_is_a_regression() -> None:
    assert judge([pair(100.0, 111.0)])[0].regressed
    assert not judge([pair(100.0, 109.0)])[0].regressed
    assert not judge([pair(100.0, 50.0)])[0].regressed
    assert not judge([pair(100.0, 900.0, tolerance=None)])[0].regressed


def test_the_middle_pair_decides() -> None:
    verdict = judge([pair(100.0, 300.0), pair(50.0, 51.0), pair(100.0, 99.0)])[0]
    assert verdict.loss == pytest.approx(0.02)
    assert not verdict.regressed


def test_what_one_side_lacks_is_named_and_not_judged() -> None:
    base, head = pair(1.0, 1.0)
    head["a"]["new"] = metric(1.0)
    head["a"]["told"] = metric(1.0, tolerance=None)
    base["old"] = {"t": metric(1.0)}
    assert [v.metric for v in judge([(base, head)])] == ["t"]
    assert unmatched([(base, head)]) == ["a new", "old t"]
    with pytest.raises(ValueError, match="pair"):
        judge([])


def figures(value: float) -> dict[str, object]:
    entry = {
        "value": value, "unit": "ns", "direction": "lower", "tolerance": 0.1, "low": None,
        "high": None, "runs": 5,
    }  # fmt: skip
    return {"schema": 1, "scenarios": {"a": {"metrics": {"t": entry}}}}


@pytest.mark.parametrize(("head", "status"), [(105.0, 0), (130.0, 1)])
def test_the_program_ends_with_1_on_a_regression(
    monkeypatch: pytest.MonkeyPatch, head: float, status: int
) -> None:
    order: list[bool] = []

    def run(tree: Path, arguments: object, out: Path) -> dict[str, object]:
        order.append(tree == program.ROOT)
        return figures(head if tree == program.ROOT else 100.0)

    monkeypatch.setattr(program, "check_out", lambda revision, folder: None)
    monkeypatch.setattr(program, "run_tree", run)
    assert program.main(["base", "--pairs", "2"]) == status
    assert order == [False, True, True, False]


def test_unknown_revisions_and_empty_comparisons_end_with_2(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert program.main(["no-such-revision"]) == 2
    assert "no-such-revision" in capsys.readouterr().out
    assert program.main(["HEAD", "--pairs", "0"]) == 2
    monkeypatch.setattr(program, "check_out", lambda revision, folder: None)
    monkeypatch.setattr(program, "run_tree", lambda *a: {"schema": 1, "scenarios": {}})
    assert program.main(["HEAD"]) == 2


@pytest.mark.skipif(
    not (program.ROOT / ".git").exists(), reason="needs the repository, not an export of it"
)
def test_a_revision_is_unpacked_with_the_present_benchmarks(tmp_path: Path) -> None:
    program.check_out("HEAD", tmp_path)
    assert (tmp_path / "envs" / "core").is_dir()
    mine = sorted(p.name for p in (program.ROOT / "benchmarks").glob("*.py"))
    assert sorted(p.name for p in (tmp_path / "benchmarks").glob("*.py")) == mine
