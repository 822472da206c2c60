"""The default run's made-up inputs are the same whatever the process imported before."""

from __future__ import annotations

import importlib.util
import sys
from pathlib import Path

import pytest
from fuzzing import tried
from hypothesis import strategies as st

CONSTANTS = "".join(f"VALUE_{number} = {number * 7_919}\n" for number in range(1, 200))


class _Default:
    """What `tried` asks of a request: whether the long form runs."""

    class config:  # noqa: N801 - pytest's own name
        @staticmethod
        def getoption(_name: str) -> bool:
            return False


def _inputs() -> list[int]:
    drawn: list[int] = []

    def check(number: int) -> None:
        drawn.append(number)

    tried(_Default(), st.integers(), check, 200)  # type: ignore[arg-type]
    return drawn


def test_a_module_that_was_imported_changes_no_input(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    before = _inputs()
    (tmp_path / "constants.py").write_text(CONSTANTS)
    spec = importlib.util.spec_from_file_location("constants_of_a_test", tmp_path / "constants.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    monkeypatch.setitem(sys.modules, "constants_of_a_test", module)
    assert _inputs() == before
