"""`inv check` reports every check, and fails when one does."""

import io

import pytest
from fakes.terraform import FakeTerraform

from stepladder.commands.checks import ProjectCheck, run_all
from stepladder.core.console import Console
from stepladder.core.errors import BadInputError, NotReadyError, StepladderError


def _run(tmp_path, *checks):
    err = io.StringIO()
    try:
        run_all(checks, tmp_path, Console(err=err, live=False))
    finally:
        said = err.getvalue()
    return said


def test_checks_that_pass_are_counted(tmp_path):
    assert "2 checks passed, 0 skipped" in _run(
        tmp_path, ProjectCheck("one", ("true",)), ProjectCheck("two", ("true",))
    )


def test_a_failed_check_fails_all_and_is_named(tmp_path):
    with pytest.raises(StepladderError, match="1 of 2 checks failed: bad"):
        _run(tmp_path, ProjectCheck("good", ("true",)), ProjectCheck("bad", ("false",)))


def _fails(error):
    def act(_step):
        raise error

    return act


def test_every_check_runs_whichever_fails_and_the_total_comes_last(tmp_path):
    said = _run(tmp_path, ProjectCheck("one", act=lambda step: step.done("fine")), ProjectCheck("two", ("true",)))
    assert said.splitlines()[-1] == "2 checks passed, 0 skipped"
    err = io.StringIO()
    with pytest.raises(StepladderError, match=r"^2 of 3 checks failed: bad, worse$"):
        run_all(
            (
                ProjectCheck("bad", ("false",)),
                ProjectCheck("worse", act=_fails(BadInputError("it is bad", hint="fix it", problems=("line 1",)))),
                ProjectCheck("good", act=lambda step: step.done("fine")),
            ),
            tmp_path,
            Console(err=err, live=False),
        )
    assert "good" in err.getvalue()


def test_the_only_failure_is_told_whole_with_its_exit_code(tmp_path):
    error = BadInputError("the lock is stale", hint="run `inv lock`", problems=("a: not locked",))
    with pytest.raises(BadInputError, match=r"^1 of 2 checks failed: lock: the lock is stale$") as caught:
        _run(tmp_path, ProjectCheck("lock", act=_fails(error)), ProjectCheck("good", ("true",)))
    assert caught.value.hint == "run `inv lock`"
    assert caught.value.problems == ("a: not locked",)
    assert caught.value.exit_code == 2


@pytest.mark.parametrize(
    ("errors", "code"),
    [
        ([NotReadyError("no tool")], 6),
        ([BadInputError("a"), BadInputError("b")], 2),
        ([BadInputError("a"), NotReadyError("b")], 1),
    ],
    ids=str,
)
def test_the_exit_code_is_that_of_the_failures_when_they_agree(tmp_path, errors, code):
    with pytest.raises(StepladderError) as caught:
        _run(tmp_path, *(ProjectCheck(str(n), act=_fails(error)) for n, error in enumerate(errors)))
    assert caught.value.exit_code == code


def test_several_failures_are_told_with_the_names_of_their_checks(tmp_path):
    errors = (BadInputError("it is bad", hint="fix it", problems=("line 1",)), StepladderError("it is worse"))
    with pytest.raises(StepladderError) as caught:
        _run(tmp_path, *(ProjectCheck(name, act=_fails(error)) for name, error in zip("ab", errors, strict=True)))
    assert caught.value.problems == ("a: it is bad (fix it)", "a: line 1", "b: it is worse")


def test_a_check_whose_tool_is_missing_is_skipped_out_loud(tmp_path, monkeypatch):
    monkeypatch.delenv("CI", raising=False)
    said = _run(tmp_path, ProjectCheck("rare", ("true",), needs="no-such-tool"))
    assert "rare is skipped: there is no no-such-tool that will do" in said
    assert "0 checks passed, 1 skipped" in said


def test_a_ci_job_may_skip_nothing(tmp_path, monkeypatch):
    monkeypatch.setenv("CI", "true")
    with pytest.raises(StepladderError, match="a CI job must run them: rare") as caught:
        _run(tmp_path, ProjectCheck("rare", ("true",), needs="no-such-tool"), ProjectCheck("good", ("true",)))
    assert caught.value.hint == "install what they need, then `inv check`: no-such-tool"


def test_terraform_in_the_tools_of_the_project_is_run_although_path_has_none(tmp_path, monkeypatch):
    own = FakeTerraform(tmp_path / ".tools")
    for name, value in own.variables.items():
        monkeypatch.setenv(name, value)
    monkeypatch.delenv("STEPLADDER_TERRAFORM")
    monkeypatch.setenv("PATH", str(tmp_path / "empty"))
    said = _run(tmp_path, ProjectCheck("terraform", ("terraform", "fmt", "-check"), needs="terraform"))
    assert "1 checks passed, 0 skipped" in said
    assert own.verbs == ["fmt"]
