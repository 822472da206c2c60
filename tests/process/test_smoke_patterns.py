"""Regular expressions of smoke cases that are matched in a process of their own."""

from __future__ import annotations

import time

import pytest

from stepladder.releases import smoke_compare, smoke_pattern
from stepladder.releases.smoke_case import Case


@pytest.mark.parametrize("expression", ["(a+)+b", "(a|a)*b", "a*a*a*a*a*a*a*b", "(a?){40}a{40}b"])
def test_an_expression_that_would_never_end_is_a_mismatch_and_holds_nothing_up(
    expression: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(smoke_pattern, "SECONDS", 0.3)
    started = time.monotonic()
    case = Case("c", {}, {"result": {"a": {"$regex": expression}}})
    (line,) = smoke_compare.compare(case, {"a": "a" * 400}, None, 0.0)
    assert line.startswith(f"result.a: the regular expression {expression} did not end within 0.3 s; make it simpler")
    assert time.monotonic() - started < 20


def test_an_expression_with_groups_is_matched_as_any_other() -> None:
    assert smoke_pattern.matches("(ab|cd)+", "abcdab")
    assert not smoke_pattern.matches("(ab|cd)+", "abcda")
