"""What a person sees: one aligned line a step, data apart from prose, nothing lost without colour."""

import io
import json

import pytest

from stepladder.console import Console
from stepladder.errors import BadInputError


@pytest.fixture
def streams():
    return io.StringIO(), io.StringIO()


@pytest.fixture
def console(streams):
    err, out = streams
    return Console(err=err, out=out, live=False)


def test_a_finished_step_is_one_plain_line(console, streams):
    with console.step("image") as step:
        step.done("pushed")
    assert streams[0].getvalue().startswith("✓ image        pushed  0.0 s")
    assert "\x1b" not in streams[0].getvalue()
    assert streams[1].getvalue() == ""


def test_a_skipped_step_says_why(console, streams):
    with console.step("infra") as step:
        step.skip("unchanged")
    assert streams[0].getvalue() == "· infra        unchanged\n"


def test_a_step_that_raises_is_marked_failed(console, streams):
    with pytest.raises(ValueError, match="boom"), console.step("image"):
        raise ValueError("boom")
    assert streams[0].getvalue().startswith("✗ image")


def test_a_live_step_leaves_only_its_last_line(streams):
    err, _ = streams
    with Console(err=err, live=True).step("image") as step:
        step.progress("half way")
        step.done("pushed")
    assert err.getvalue().rsplit("\r\x1b[2K", 1)[-1].count("\n") == 1


def test_no_color_is_respected(streams, monkeypatch):
    monkeypatch.setenv("NO_COLOR", "1")
    console = Console(err=streams[0], live=True)
    assert console.paint("text", "red") == "text"


def test_tables_align_and_go_to_standard_output(console, streams):
    console.table(("rung", "version"), [("staging", 12), ("production", 9)])
    assert streams[1].getvalue().splitlines() == ["rung        version", "staging     12", "production  9"]


def test_an_error_shows_its_problems_and_its_hint(console, streams):
    console.error(BadInputError("the settings are not valid", hint="mend them", problems=("one", "two")))
    assert streams[0].getvalue() == "error: the settings are not valid\n  - one\n  - two\n\nhint: mend them\n"


def test_an_error_is_also_a_json_record_where_a_machine_reads(streams):
    console = Console(err=streams[0], out=streams[1], live=False, as_json=True)
    console.error(BadInputError("no", hint="yes"))
    assert json.loads(streams[1].getvalue()) == {"error": "no", "hint": "yes", "problems": [], "exit_code": 2}
