"""What a person sees: one aligned line a step, data apart from prose, nothing lost without colour."""

import errno
import io
import json
import time

import pytest
from asking import until

from stepladder.core import pulse
from stepladder.core.console import Console
from stepladder.core.errors import BadInputError, RefusedError, StepladderError
from stepladder.core.tables import Cell


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


@pytest.mark.parametrize("code", [errno.EIO, errno.EPIPE])
def test_a_terminal_that_was_closed_ends_no_step(streams, code):
    out, _ = streams

    class Closed(io.StringIO):
        def write(self, _text):
            raise OSError(code, "gone")

    told = Console(out=out, err=Closed(), live=False)
    with told.step("ledger") as step:
        step.done("written")
    told.data("still data")
    assert out.getvalue() == "still data\n"


def test_any_other_trouble_with_the_terminal_is_raised(streams):
    class Full(io.StringIO):
        def write(self, _text):
            raise OSError(errno.ENOSPC, "full")

    with pytest.raises(OSError, match="full"):
        Console(err=Full(), live=False).line("x")


def test_an_error_shows_its_problems_and_its_hint(console, streams):
    console.error(BadInputError("the settings are not valid", hint="fix them", problems=("one", "two")))
    assert (
        streams[0].getvalue() == "error: the settings are not valid [bad-input]\n  - one\n  - two\n\nhint: fix them\n"
    )


def test_an_error_is_also_a_json_record_where_a_machine_reads(streams):
    console = Console(err=streams[0], out=streams[1], live=False, as_json=True)
    console.error(BadInputError("no", hint="yes"))
    assert json.loads(streams[1].getvalue()) == {
        "error": "no",
        "error_kind": "bad-input",
        "hint": "yes",
        "problems": [],
        "exit_code": 2,
    }


class Terminal(io.StringIO):
    def isatty(self):
        return True


@pytest.fixture
def terminal(monkeypatch):
    for name in ("CI", "NO_COLOR", "COLUMNS", "TERM"):
        monkeypatch.delenv(name, raising=False)
    return Terminal()


@pytest.mark.parametrize(
    "variables",
    [{"CI": "true"}, {"CI": "1"}, {"TERM": "dumb"}],
    ids=["a CI job", "a CI job that counts", "a terminal that knows nothing"],
)
def test_a_terminal_that_nobody_watches_gets_plain_lines(terminal, monkeypatch, variables):
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    console = Console(err=terminal, out=terminal)
    with console.step("image") as step:
        step.progress("building")
        time.sleep(0.15)
        console.warn("look")
        step.done("pushed")
    console.table(("a", "b"), [(Cell("ok", "green"), 1)])
    assert not any(c in terminal.getvalue() for c in "\x1b\r")
    assert terminal.getvalue().splitlines()[0] == "warning: look"


def test_a_terminal_that_is_watched_has_frames_and_colours(terminal, monkeypatch):
    monkeypatch.setenv("CI", "false")
    with Console(err=terminal).step("image") as step:
        step.progress("applying", 3, 25)
        until(terminal.getvalue, lambda drawn: "applying 3 of 25" in drawn)
    assert "\x1b[32m✓" in terminal.getvalue()


def test_tables_have_colours_on_a_terminal_only(terminal, streams, monkeypatch):
    row = [(Cell("failed", "red"), "x")]
    Console(err=streams[0], out=terminal).table(("result", "b"), row)
    assert "\x1b[31mfailed\x1b[0m" in terminal.getvalue()
    Console(err=terminal, out=streams[1]).table(("result", "b"), row)
    assert streams[1].getvalue() == "result  b\nfailed  x\n"
    monkeypatch.setenv("NO_COLOR", "1")
    plain = Terminal()
    Console(err=streams[0], out=plain).table(("result", "b"), row)
    assert plain.getvalue() == "result  b\nfailed  x\n"


def test_an_empty_no_color_means_nothing(terminal, monkeypatch):
    monkeypatch.setenv("NO_COLOR", "")
    assert Console(err=terminal).paint("text", "red") != "text"


def test_a_table_fits_a_terminal_and_columns_stands_for_its_width(terminal, streams, monkeypatch):
    rows = [("x" * 60, "y" * 60)]
    Console(err=streams[0], out=terminal).table(("a", "b"), rows)
    assert max(map(len, terminal.getvalue().replace("\x1b[1m", "").replace("\x1b[0m", "").splitlines())) <= 80
    Console(err=streams[0], out=streams[1]).table(("a", "b"), rows)
    assert "x" * 60 in streams[1].getvalue()
    monkeypatch.setenv("COLUMNS", "40")
    cut = io.StringIO()
    Console(err=streams[0], out=cut).table(("a", "b"), rows)
    assert max(map(len, cut.getvalue().splitlines())) <= 40


def test_an_error_shows_no_class_name_of_ours_and_tells_a_machine_all(streams):
    Console(err=streams[0], out=streams[1], as_json=True).error(StepladderError("it was refused (RefusedError)"))
    assert streams[0].getvalue() == "error: it was refused [failed]\n"
    assert json.loads(streams[1].getvalue())["error"] == "it was refused (RefusedError)"


@pytest.mark.parametrize(
    ("typed", "answer"), [("y\n", True), ("YES\n", True), ("\n", False), ("what\nno\n", False), ("", None)]
)
def test_a_person_answers_yes_or_no(terminal, monkeypatch, typed, answer):
    console = Console(err=terminal)
    monkeypatch.setattr(Console, "can_ask", True)
    monkeypatch.setattr("sys.stdin", io.StringIO(typed))
    assert console.ask("is it bad?") is answer
    assert "is it bad? [y/N]" in terminal.getvalue()


def test_an_answer_that_is_neither_is_refused(terminal, monkeypatch):
    monkeypatch.setattr(Console, "can_ask", True)
    monkeypatch.setattr("sys.stdin", io.StringIO("perhaps\n" * 3))
    with pytest.raises(RefusedError, match="yes or no"):
        Console(err=terminal).ask("is it bad?")


@pytest.mark.parametrize("why", ["no terminal", "a CI job", "json"])
def test_nobody_is_asked_where_nobody_can_answer(terminal, monkeypatch, why):
    if why == "a CI job":
        monkeypatch.setenv("CI", "true")
    monkeypatch.setattr("sys.stdin", io.StringIO() if why == "no terminal" else terminal)
    console = Console(err=terminal, as_json=why == "json")
    assert console.ask("is it bad?") is None
    assert terminal.getvalue() == ""


def test_data_that_is_piped_has_no_colour_though_the_person_has_a_terminal(terminal, streams):
    console = Console(err=terminal, out=streams[1])
    console.data(console.paint_data("+", "green"))
    console.fields([("result", Cell("failed", "red")), ("cause", "long " * 40)])
    assert streams[1].getvalue() == f"+\nresult  failed\ncause   {('long ' * 40).strip()}\n"


def test_fields_wrap_beside_their_names(streams):
    Console(err=streams[0], out=streams[1], width=20).fields([("cause", "one two three four"), ("by", "")])
    assert streams[1].getvalue() == "cause  one two three\n       four\nby\n"


def test_a_brief_text_is_one_line_of_the_terminal(streams):
    assert Console(err=streams[0], width=20).brief("one\ntwo three four five", used=5) == "one two three…"
    assert Console(err=streams[0]).brief("one\ntwo " * 20).count("two") == 20


def test_data_keeps_its_letters_and_is_still_the_same_json(console, streams):
    console.json({"who": "zażółć é 🪜"})
    assert "zażółć é 🪜" in streams[1].getvalue()


@pytest.mark.parametrize("text", ["\ud800", "\x9b2J", "\x7f", "\u202e"], ids=["half a pair", "CSI", "DEL", "turned"])
def test_data_that_a_terminal_would_obey_or_could_not_show_is_escaped(console, streams, text):
    console.json({"who": text})
    assert streams[1].getvalue().isascii()
    assert json.loads(streams[1].getvalue()) == {"who": text}


def test_data_is_escaped_where_the_output_has_no_such_letters(streams):
    out = io.TextIOWrapper(io.BytesIO(), encoding="ascii")
    Console(err=streams[0], out=out, live=False).json({"who": "é"})
    assert json.loads(out.buffer.getvalue()) == {"who": "é"}


def test_a_long_step_that_nobody_watches_says_now_and_then_that_it_goes_on(console, streams, monkeypatch):
    monkeypatch.setattr(pulse, "BEAT", 0.0)
    monkeypatch.setattr(pulse, "_TURN", 0.02)
    until = time.monotonic() + 20
    with console.step("service") as step:
        step.progress("applying", 3, 25)
        while not streams[0].getvalue() and time.monotonic() < until:
            time.sleep(0.02)
    lines = streams[0].getvalue().splitlines()
    assert lines[0].startswith("… service      applying 3 of 25  ")
    assert lines[-1].startswith("✓ service"), "nothing is said of a step that has ended"


def test_the_thread_that_says_so_ends_with_the_last_step_and_comes_again(monkeypatch):
    monkeypatch.setattr(pulse, "BEAT", 0.0)
    monkeypatch.setattr(pulse, "_TURN", 0.01)
    said, beating, until = [], pulse.Pulse(), time.monotonic() + 20
    for step in ("one", "two"):
        beating.add(step, lambda: said.append(step))  # noqa: B023 - called before the next turn
        while step not in said and time.monotonic() < until:
            time.sleep(0.01)
        beating.remove(step)
        while beating._beats and time.monotonic() < until:
            time.sleep(0.01)
    assert ("one" in said, "two" in said, beating._beats) == (True, True, False)


def test_of_steps_that_run_at_once_one_is_drawn_and_the_others_are_counted(terminal):
    console = Console(err=terminal)
    with console.step("ruff"), console.step("mypy"):
        until(terminal.getvalue, lambda drawn: "ruff" in drawn and "(and 1 more)" in drawn)
        time.sleep(0.15)  # a turn of the other's, which draws nothing
    assert not any(f"{frame} mypy" in terminal.getvalue() for frame in "⠋⠙⠹")


def test_what_a_function_or_a_tool_painted_is_plain_where_nobody_watches(console, streams, terminal):
    console.line("\x1b[31mred\x1b[0m\x1b[2K and \rdone")
    assert streams[0].getvalue() == "red and done\n"
    Console(err=terminal).line("\x1b[31mred\x1b[0m")
    assert terminal.getvalue() == "\x1b[31mred\x1b[0m\n"


def test_an_address_that_fits_or_that_nobody_watches_is_printed_whole(monkeypatch):
    monkeypatch.setenv("NO_COLOR", "1")
    url = f"https://console.example/{'x' * 100}"
    for live, width, printed in (
        (False, 80, url),
        (True, 200, url),
        (True, 80, f"\x1b]8;;{url}\x1b\\the page\x1b]8;;\x1b\\"),
    ):
        err = io.StringIO()
        Console(err=err, live=live, width=width).link("the page", url)
        assert err.getvalue() == f"{printed}\n"


def test_a_quiet_console_prints_data_warnings_failures_and_errors_only(streams, monkeypatch):
    monkeypatch.setenv("STEPLADDER_QUIET", "1")
    out, err = streams
    console = Console(out=out, err=err, live=False)
    console.line("progress")
    console.heading("a part")
    console.hint("and now")
    with console.step("image") as step:
        step.done("built")
    with pytest.raises(StepladderError), console.step("smoke"):
        raise StepladderError("it failed")
    console.warn("mind that")
    console.data("a row")
    console.error(StepladderError("it failed", hint="run `inv status`"), explained_by="inv explain failed")
    assert out.getvalue() == "a row\n"
    lines = [line for line in err.getvalue().splitlines() if line]
    assert [line.split()[0] for line in lines] == ["✗", "warning:", "error:", "hint:", "help:"]


@pytest.mark.parametrize("value", ["", "0", "false", "No"])
def test_quiet_may_be_switched_off_by_its_variable(streams, monkeypatch, value):
    monkeypatch.setenv("STEPLADDER_QUIET", value)
    out, err = streams
    Console(out=out, err=err, live=False).line("progress")
    assert err.getvalue() == "progress\n"
