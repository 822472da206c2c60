"""`inv check` reports every check, and fails when one does."""

import io

import pytest
from fakes.terraform import FakeTerraform

from stepladder.checks import Check, run_all
from stepladder.console import Console
from stepladder.errors import StepladderError


def _run(tmp_path, *checks):
    err = io.StringIO()
    try:
        run_all(checks, tmp_path, Console(err=err, live=False))
    finally:
        said = err.getvalue()
    return said


def test_checks_that_pass_are_counted(tmp_path):
    assert "2 checks passed, 0 skipped" in _run(tmp_path, Check("one", ("true",)), Check("two", ("true",)))


def test_a_failed_check_fails_all_and_is_named(tmp_path):
    with pytest.raises(StepladderError, match="1 of 2 checks failed: bad"):
        _run(tmp_path, Check("good", ("true",)), Check("bad", ("false",)))


def test_a_check_whose_tool_is_missing_is_skipped_out_loud(tmp_path, monkeypatch):
    monkeypatch.delenv("CI", raising=False)
    said = _run(tmp_path, Check("rare", ("true",), needs="no-such-tool"))
    assert "rare is skipped: there is no no-such-tool that will do" in said
    assert "0 checks passed, 1 skipped" in said


def test_a_ci_job_may_skip_only_what_is_optional(tmp_path, monkeypatch):
    monkeypatch.setenv("CI", "true")
    assert "1 skipped" in _run(tmp_path, Check("rare", ("true",), needs="no-such-tool", optional=True))
    with pytest.raises(StepladderError, match="a CI job must run them: rare") as caught:
        _run(tmp_path, Check("rare", ("true",), needs="no-such-tool"), Check("good", ("true",)))
    assert caught.value.hint == "install what they need: no-such-tool"


def test_terraform_in_the_tools_of_the_project_is_run_although_path_has_none(tmp_path, monkeypatch):
    own = FakeTerraform(tmp_path / ".tools")
    for name, value in own.variables.items():
        monkeypatch.setenv(name, value)
    monkeypatch.delenv("STEPLADDER_TERRAFORM")
    monkeypatch.setenv("PATH", str(tmp_path / "empty"))
    said = _run(tmp_path, Check("terraform", ("terraform", "fmt", "-check"), needs="terraform"))
    assert "1 checks passed, 0 skipped" in said
    assert own.verbs == ["fmt"]


def test_what_is_checked_here_is_counted_with_the_rest_and_told_before_the_total(tmp_path):
    err = io.StringIO()
    console = Console(err=err, live=False)

    def here(name):
        with console.step(name):
            pass

    run_all(
        [Check("one", ("true",))],
        tmp_path,
        console,
        before=[lambda: here("settings")],
        after=[lambda: here("validate")],
    )
    assert [line.split()[1] for line in err.getvalue().splitlines()[:-1]] == ["settings", "one", "validate"]
    assert err.getvalue().splitlines()[-1] == "3 checks passed, 0 skipped"
