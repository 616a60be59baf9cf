"""The learning curves: their picture, their figures, and the section they write."""

from __future__ import annotations

from pathlib import Path
from xml.etree import ElementTree

import numpy as np
import pytest

from agents.deep.settings import DeepSettings
from benchmarks.agents_compare import periods
from benchmarks.curve_picture import HEIGHT, WIDTH, Curve, Level, Picture, curves_svg
from benchmarks.docs_section import paragraph, write_section
from benchmarks.learning_curves import (
    FIXED,
    LABELS,
    Point,
    curve_of,
    deep_settings,
    markdown,
    picture,
    table_points,
)

WORDS = Picture("a < b", "x", "y", "note & more")
SPACE = "{http://www.w3.org/2000/svg}"


def points() -> list[Point]:
    made = [Point(FIXED, m, 0, 0, 1.0 + m) for m in range(2)]
    made += [
        Point(learner, market, place, 10 ** (place + 2), market + 0.5 * place)
        for learner in LABELS
        for market in range(2)
        for place in range(3)
    ]
    return made


def test_a_curve_is_the_mean_and_the_range_over_the_markets() -> None:
    curve = curve_of(points(), "dqn")
    assert curve.x == [100.0, 1_000.0, 10_000.0]
    assert curve.mean == [0.5, 1.0, 1.5]
    assert curve.low == [0.0, 0.5, 1.0]
    assert curve.high == [1.0, 1.5, 2.0]


def test_the_picture_shows_every_learner_inside_its_frame() -> None:
    tree = ElementTree.fromstring(picture(points()))  # noqa: S314
    lines, bands = tree.findall(f"{SPACE}polyline"), tree.findall(f"{SPACE}polygon")
    assert len(lines) == len(bands) == len(LABELS)
    words = {t.text for t in tree.iter(f"{SPACE}text")}
    assert {label for label, _ in LABELS.values()} | {"skip", "fixed largest"} <= words
    for drawn in [*lines, *bands]:
        for pair in drawn.attrib["points"].split():
            x, y = map(float, pair.split(","))
            assert 0 <= x <= WIDTH
            assert 0 <= y <= HEIGHT


def test_higher_values_are_drawn_higher_and_x_is_logarithmic() -> None:
    up = Curve("up", "#000000", [10, 100, 1_000], [0.0, 1.0, 2.0], [0.0] * 3, [2.0] * 3)
    text = curves_svg(WORDS, [up], [Level("zero", 0.0)])
    line = ElementTree.fromstring(text).find(f"{SPACE}polyline")  # noqa: S314
    assert line is not None
    xy = np.array([[float(v) for v in p.split(",")] for p in line.attrib["points"].split()])
    assert np.diff(xy[:, 0]) == pytest.approx(np.full(2, xy[1, 0] - xy[0, 0]), abs=0.11)
    assert (np.diff(xy[:, 1]) < 0).all()
    assert "a &lt; b" in text
    assert "note &amp; more" in text


def test_names_at_the_ends_do_not_overlap() -> None:
    same = [Curve(f"c{k}", "#000000", [1, 10], [1.0, 1.0], [1.0] * 2, [1.0] * 2) for k in range(4)]
    tree = ElementTree.fromstring(curves_svg(WORDS, same))  # noqa: S314
    places = [float(t.attrib["y"]) for t in tree.iter(f"{SPACE}text") if t.text in {"c0", "c3"}]
    assert abs(places[1] - places[0]) >= 40.0


@pytest.mark.parametrize("curves", [[], [Curve("c", "#000", [0.0], [1.0], [1.0], [1.0])]])
def test_a_picture_of_nothing_is_refused(curves: list[Curve]) -> None:
    with pytest.raises(ValueError, match="every x above 0"):
        curves_svg(WORDS, curves)


def test_the_section_names_command_picture_and_every_figure() -> None:
    text = markdown(points(), 400)
    assert "python benchmarks/learning_curves.py --write-docs" in text
    assert "(learning_curves.svg)" in text
    assert text.count("\n| ") == 1 + 3 * len(LABELS)
    assert "`fixed largest` earns +1.50" in text


def test_a_section_is_replaced_where_it_stood(tmp_path: Path) -> None:
    path = tmp_path / "doc.md"
    write_section(path, "One", "first")
    write_section(path, "Two", "second\n\n### below\n")
    write_section(path, "One", "anew\n\nlonger")
    assert path.read_text() == "## One\n\nanew\n\nlonger\n\n## Two\n\nsecond\n\n### below\n"
    path.write_text("# Title\n\n## One\n\nold\n\n## Two\n\nkept\n")
    write_section(path, "One", "new")
    assert path.read_text() == "# Title\n\n## One\n\nnew\n\n## Two\n\nkept\n"
    assert max(len(line) for line in paragraph("word " * 200).splitlines()) <= 100


def test_small_budgets_leave_dqn_something_to_learn_from() -> None:
    assert deep_settings(10_000).learning_starts == 1_000
    assert deep_settings(1_000_000) == DeepSettings()


@pytest.mark.slow
def test_the_table_is_measured_on_growing_parts_of_the_training_period() -> None:
    training, held_out, _ = periods(3_000, 0)
    found = list(table_points(0, training, held_out, "counterfactual"))
    decisions = [p.decisions for p in found]
    assert decisions == sorted(decisions)
    assert decisions[-1] == 10 * training.rows().size
    assert {p.learner for p in found} == {"counterfactual"}
    assert len({p.bps for p in found}) > 2
    classic = list(table_points(0, training, held_out, "classic"))
    assert all(c.decisions < p.decisions for c, p in zip(classic, found, strict=True))
