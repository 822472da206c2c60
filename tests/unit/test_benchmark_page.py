"""The page of the benchmarks and its pictures are what the record says."""

from __future__ import annotations

import sys
from pathlib import Path
from xml.etree import ElementTree as ET

import pytest

ROOT = Path(__file__).resolve().parents[2]
sys.path += [str(ROOT / "docs"), str(ROOT / "benchmarks")]

import benchmark_page  # noqa: E402
import charts  # noqa: E402
from record import FILE, Part, Record  # noqa: E402
from tables import Goal, Row, Table, told  # noqa: E402

BARS = Table(
    "change",
    "A change",
    ("tool", "seconds"),
    (
        Row(
            ("stepladder", "1"), {"tool": "stepladder", "seconds": [1.0, 2.0, 9.0], "own": [0.5, 0.6, 7.0], "calls": 17}
        ),
        Row(("other", "3"), {"tool": "other & son", "seconds": [3.0], "calls": 1}),
        Row(("third", "can't run: no Node"), {"tool": "third"}),
    ),
    ("A note.",),
    (Goal("a change", "at most 1 s", "2 s", met=False), Goal("ten", "3x", "4x", met=False, needs="four processors")),
)
GRID = Table(
    "toughness",
    "Faults",
    ("tool", "killed", "throttled"),
    (
        Row(("stepladder", "converges, 3 s", "refuses with the cause, 1 s"), {"tool": "stepladder"}),
        Row(("other", "fails, 2 s", "pushes nothing"), {"tool": "other"}),
        Row(("third", "can't run here: no Node", ""), {}),
    ),
)


@pytest.fixture
def made():
    return Record(
        started="2026-11-26T23:40:00+00:00",
        seconds=600.0,
        rounds=7,
        whole=True,
        commit="0123456789abcdef",
        changed=False,
        machine={"processors": "2"},
        versions={"osls": "4.3.1"},
        load=(0.5, 1.0),
        parts=(Part("change", 60.0, (0.5, 0.6)),),
        tables=(BARS, GRID),
    )


def test_a_record_is_read_as_it_was_written(made, tmp_path):
    file = tmp_path / "benchmarks.json"
    file.write_text(made.text(), "utf-8")
    assert Record.read(file).text() == made.text()


def test_the_page_has_every_table_note_goal_and_version(made):
    page = benchmark_page.page(made)
    assert "| stepladder | 1 |" in page
    assert "* A note." in page
    assert "| A change | a change at most 1 s | 2 s | **missed** |" in page
    assert "| A change | ten 3x | 4x | not met; it needs four processors |" in page
    assert "| osls | 4.3.1 |" in page
    assert "Made on 2026-11-26 at 23:40 UTC" in page
    assert "trial" not in page


def test_a_trial_says_so(made):
    trial = Record(**{**vars(made), "rounds": 1})
    assert "**This was a trial**" in benchmark_page.page(trial)


def test_a_table_that_is_drawn_is_on_the_page_in_both_themes(made):
    page = benchmark_page.page(made)
    for theme in ("light", "dark"):
        assert f"../pictures/bench-change-{theme}.svg" in page
        assert f"../pictures/bench-toughness-{theme}.svg" in page


def _read(picture):
    tree = ET.fromstring(picture)
    return tree, " ".join("".join(text.itertext()) for text in tree.iter(f"{SVG}text"))


SVG = "{http://www.w3.org/2000/svg}"


def test_bars_say_their_medians_and_calls_in_words():
    tree, words = _read(benchmark_page.picture(BARS, "light"))
    assert "2.00 s, 17 calls, 0.60 s without its tests" in words
    assert "3.00 s, 1 call" in words
    assert "other & son" in words
    assert "third" not in words, "what could not run has no bar"
    assert tree.find(f"{SVG}title").text == "A change"
    assert (
        "stepladder: 2.00 s, 17 calls, 0.60 s without its tests; other & son: 3.00 s, 1 call"
        in tree.find(f"{SVG}desc").text
    )


def test_a_grid_has_a_mark_and_words_in_each_cell():
    tree, words = _read(benchmark_page.picture(GRID, "dark"))
    assert "✓ converges, 3\N{NO-BREAK SPACE}s" in words
    assert "✗ fails, 2\N{NO-BREAK SPACE}s" in words
    assert "- pushes nothing" in words
    assert "third" not in words
    assert "killed: stepladder converges, 3 s, other fails, 2 s" in tree.find(f"{SVG}desc").text


def test_a_table_of_sizes_is_drawn_as_curves_by_its_commands():
    rows = [(size, tool, seconds) for tool, seconds in (("none", 0.3), ("all", 2.0)) for size in (1, 100)]
    cells = [Row((f"{s} functions", t), {"size": s, "tool": t, "seconds": [x * s]}) for s, t, x in rows]
    tree, words = _read(benchmark_page.picture(Table("scale", "Scale", ("size", "command"), tuple(cells)), "light"))
    assert {"none", "all", "functions"} <= set(words.split())
    assert "all: 1: 2, 100: 200" in tree.find(f"{SVG}desc").text


def test_curves_have_a_shape_each_and_their_points_in_words():
    lines = [charts.Curve("none", [(1, 0.3), (100, 0.5)]), charts.Curve("all", [(1, 0.9), (100, 30)])]
    tree, words = _read(charts.curves("Functions", ("functions", "seconds"), lines, "light"))
    assert {"none", "all", "functions", "seconds"} <= set(words.split())
    assert "none: 1: 0.3, 100: 0.5; all: 1: 0.9, 100: 30" in tree.find(f"{SVG}desc").text
    shapes = {path.get("d").partition("m")[2] for path in tree.iter(f"{SVG}path") if "shape" in path.get("class")}
    assert len(shapes) == 2


def test_no_picture_is_left_of_a_table_that_is_gone():
    drawn = {path.name for path in benchmark_page.documents() if path.suffix == ".svg"}
    assert {path.name for path in benchmark_page.PICTURES.glob("bench-*")} == drawn
    assert FILE.is_file()


def test_figures_of_fewer_runs_say_so(made):
    (noted,) = [line for line in benchmark_page.page(made).splitlines() if line.startswith("* Counted runs: 1 ")]
    assert noted == "* Counted runs: 1 of `other`."


@pytest.mark.parametrize(
    ("figure", "goal", "digits", "shown"),
    [
        (0.232, 0.25, 3, "0.232"),
        (0.25004, 0.25, 3, "0.25004"),
        (0.24996, 0.25, 3, "0.24996"),
        (0.25, 0.25, 3, "0.250"),
        (14.02, 14.0, 1, "14.02"),
        (250.4, 250.0, 0, "250.4"),
        (float("nan"), 250.0, 0, "nan"),
    ],
)
def test_a_figure_beside_its_goal_shows_on_which_side_it_is(figure, goal, digits, shown):
    assert told(figure, goal, digits) == shown
