"""What is stored is shown to people on one line, without our class names, cut to the terminal; nothing else is lost."""

import re
from pathlib import Path

import pytest

from stepladder.core.display import ERROR_NAMES, cut, one_line, plain, plain_cause, width_of
from stepladder.core.tables import Cell, Column, lay_out

ROOT = Path(__file__).parents[2]


@pytest.mark.parametrize(
    ("stored", "shown"),
    [
        pytest.param("RefusedError: the image is too big", "the image is too big", id="a refusal"),
        pytest.param("DeploymentFailed: d-1 ended: ALARM_ACTIVE", "d-1 ended: ALARM_ACTIVE", id="a failed deployment"),
        pytest.param("production: it failed (ProbeFailedError)", "production: it failed", id="in brackets"),
        pytest.param("x; after SmokeFailedError: y", "x; after y", id="in the middle"),
        pytest.param("rolled back on qa: NotServedError: y", "rolled back on qa: y", id="after an environment"),
        pytest.param("Lambda.ServiceException: it broke", "it broke", id="a service's"),
        pytest.param(
            'x; after ProbeFailedError: {"errorMessage": "it {broke}", "errorType": "ProbeFailedError"} there',
            "x; after it {broke} there",
            id="a function's error as JSON",
        ),
        pytest.param('{"errorType": "RefusedError", "errorMessage": "no"}', "no", id="nothing but JSON"),
        pytest.param('body: {"a": 1}, {broken', 'body: {"a": 1}, {broken', id="JSON of something else"),
        pytest.param("States.Timeout", "timeout", id="nothing but a name"),
        pytest.param("DeploymentFailed: ", "deployment failed", id="a name without a sentence"),
        pytest.param("two\nlines\tand \x1b[31mred\x1b[0m\x07", "two lines and red", id="line breaks and control codes"),
    ],
)
def test_a_cause_is_one_line_without_class_names(stored, shown):
    assert plain_cause(stored) == shown


@pytest.mark.parametrize(
    "cause",
    [
        "works: error: expected none, got ValueError: no",
        "these credentials may not call Lambda (AccessDeniedException)",
        "GitHub: the runner broke",
        "KeyError: greeting by name",
        "",
    ],
)
def test_what_a_function_raised_and_what_a_person_wrote_stays(cause):
    assert plain_cause(cause) == cause


def test_a_text_of_several_lines_keeps_them():
    assert plain("one\nRefusedError: two\x1b[2K") == "one\ntwo"


def test_every_name_that_the_pipeline_gives_its_errors_is_known():
    errors = (ROOT / "function/shared/errors.py").read_text("utf-8")
    definition = (ROOT / "terraform/modules/delivery/promotion.asl.json").read_text("utf-8")
    names = set(re.findall(r"^class (\w+)\(", errors, re.MULTILINE))
    names |= {name for name in re.findall(r'"(?:Error|error)": "(\w+)"', definition) if name}
    assert names <= {*ERROR_NAMES}


def test_a_text_is_cut_by_what_it_takes_on_the_terminal():
    assert cut("abcdef", 6) == "abcdef"
    assert cut("abc def", 5) == "abc…"
    assert (width_of("日本語"), cut("日本語", 5)) == (6, "日本…")
    assert one_line("  a \r\n b ") == "a b"


def text_of(layout):
    return ["".join(text for text, _ in line) for line in layout.lines]


LEDGER = (Column("release"), Column("digest", spare=1), Column("by", least=6, spare=2), Column("cause", 20, prose=True))
ROWS = [("20261121T230501Z-a1b2c3", "cf58353c4e4f", "somebody@a-host", "the version fails its smoke cases " * 3)]


def test_without_a_width_everything_is_whole():
    (_, row) = text_of(lay_out(LEDGER, ROWS, None))
    assert all(cell.strip() in row for cell in ROWS[0])


@pytest.mark.parametrize("width", [30, 40, 60, 80, 120])
def test_no_line_is_longer_than_the_terminal(width):
    layout = lay_out(LEDGER, ROWS, width)
    assert max(map(len, text_of(layout))) <= width
    assert any("…" in line for line in text_of(layout))


def test_prose_without_room_stands_below_its_row_and_spared_columns_are_named():
    layout = lay_out(LEDGER, ROWS, 40)
    assert layout.left_out == ("by",)
    assert text_of(layout)[2].startswith("    cause: the version fails")
    assert text_of(lay_out(LEDGER, [(*ROWS[0][:3], "-")], 40))[2:] == []


def test_colours_belong_to_cells_and_take_no_room():
    layout = lay_out(("a", "b"), [(Cell("ok", "green"), "x")], 80)
    assert layout.lines[1][0] == ("ok", "green")
    assert text_of(layout) == ["a   b", "ok  x"]


def test_an_alarm_that_stopped_a_deployment_is_told_in_a_few_words():
    stored = (
        "DeploymentFailed: deployment d-K8DUX7WMY ended Stopped: ALARM_ACTIVE: One or more alarms have been activated "
        "according to the Amazon CloudWatch metrics you selected, and the affected deployments have been stopped. "
        "Activated alarms: <orders-production-errors>"
    )
    assert plain_cause(stored) == (
        "alarm orders-production-errors fired and stopped deployment d-K8DUX7WMY (ALARM_ACTIVE)"
    )


@pytest.mark.parametrize(
    ("stored", "shown"),
    [
        (
            "version 3 failed its traffic: MANUAL_STOP: The deployment was stopped on request. (ProbeFailedError)",
            "version 3 failed its traffic",
        ),
        (
            "deployment d-1 ended Stopped: MANUAL_STOP: The deployment was stopped on request.",
            "deployment d-1 ended Stopped: MANUAL_STOP: The deployment was stopped on request.",
        ),
        (
            "version 3 failed its traffic: ALARM_ACTIVE: One or more. Activated alarms: <orders-production-errors>",
            "version 3 failed its traffic: alarm orders-production-errors fired (ALARM_ACTIVE)",
        ),
    ],
    ids=["we stopped it", "a person stopped it", "an alarm fired as well"],
)
def test_codedeploy_s_prose_after_a_cause_is_left_out(stored, shown):
    assert plain_cause(stored) == shown
