"""`inv check` reports every check, and fails when one does."""

import io

import pytest

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


def test_a_check_whose_tool_is_missing_is_skipped_out_loud(tmp_path):
    said = _run(tmp_path, Check("rare", ("true",), needs="no-such-tool"))
    assert "rare is skipped: no-such-tool is not on PATH" in said
    assert "0 checks passed, 1 skipped" in said
