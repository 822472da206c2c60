"""How `inv test` runs the tests: only what is marked `timing` gets a second try, and the last lines say so."""

from __future__ import annotations

import re
import shutil
import sys
from pathlib import Path

import pytest

import suite
from stepladder.core import process
from stepladder.core.errors import BadInputError, StepladderError

ROOT = Path(__file__).resolve().parents[2]
FLAKY = """
import pathlib, pytest

@pytest.mark.timing("the first try comes too late")
def test_late():
    seen = pathlib.Path({seen!r})
    late = not seen.exists()
    seen.touch()
    assert not late

def test_fine():
    pass
"""
ALWAYS_LATE = """
import pytest

@pytest.mark.timing("it never comes in time")
def test_never():
    raise AssertionError("late")
"""
BROKEN = """
def test_broken():
    raise AssertionError("a defect")
"""
LONG = """
import pytest

@pytest.mark.long("the default run has nothing in its place")
def test_long():
    raise AssertionError("the long form")

def test_short():
    pass
"""
NEEDY = """
import needs

def test_needy():
    needs.tool("no-such-tool")
"""


class Checkout:
    """A checkout with this one's way to run tests, and tests of its own."""

    def __init__(self, root: Path, capfd: pytest.CaptureFixture[str]) -> None:
        self.root, self._capfd = root, capfd
        shutil.copytree(ROOT / "tests/support", root / "tests/support", ignore=shutil.ignore_patterns("__pycache__"))
        shutil.copy(ROOT / "tests/conftest.py", root / "tests/conftest.py")
        shutil.copy(ROOT / "pyproject.toml", root / "pyproject.toml")

    def has(self, **tests: str) -> None:
        for name, text in tests.items():
            (self.root / f"tests/test_{name}.py").write_text(text.replace("{seen!r}", repr(str(self.root / "seen"))))

    def run(self, **options: bool | str) -> tuple[bool, str]:
        """Return whether the run passed, and what it said."""
        try:
            suite.run_tests(self.root, **options)
            passed = True
        except StepladderError:
            passed = False
        return passed, "".join(self._capfd.readouterr())


@pytest.fixture
def checkout(tmp_path: Path, capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> Checkout:
    monkeypatch.setattr(suite, "_workers", lambda: ("-n", "0"))
    monkeypatch.delenv("STEPLADDER_TESTS_IN_CI", raising=False)
    return Checkout(tmp_path, capfd)


@pytest.mark.parametrize("workers", ["0", "2"], ids=["in one process", "on two workers"])
def test_a_marked_test_that_fails_is_run_once_more_alone_and_listed(
    checkout: Checkout, monkeypatch: pytest.MonkeyPatch, workers: str
) -> None:
    monkeypatch.setattr(suite, "_workers", lambda: ("-n", workers))
    checkout.has(late=FLAKY, short="def test_short():\n    pass\n")
    passed, said = checkout.run()
    assert passed, said
    first, _, again = said.partition("test session starts")[2].partition("test session starts")
    assert "1 failed, 2 passed" in first
    assert "tests marked timing: 1; of these failed: 1" in first
    assert re.search(r"collected 2 items / 1 deselected / 1 selected", again), "of the other file nothing is read"
    assert "\n  passed tests/test_late.py::test_late (the first try comes too late)\n" in again
    assert len(said.splitlines()) - said.splitlines().index("run again, alone, since their timing matters: 1") == 3


def test_a_marked_test_that_fails_twice_fails_the_run(checkout: Checkout) -> None:
    checkout.has(never=ALWAYS_LATE)
    passed, said = checkout.run()
    assert not passed
    assert "FAILED AGAIN tests/test_never.py::test_never (it never comes in time)" in said
    assert said.count("test session starts") == 2


def test_without_pytests_cache_a_marked_test_that_fails_fails_the_run(checkout: Checkout) -> None:
    checkout.has(never=ALWAYS_LATE)
    passed, said = checkout.run(only="-p no:cacheprovider tests")
    assert not passed
    assert said.count("test session starts") == 1
    assert "tests marked timing: 1; of these failed: 1" in said
    assert "AttributeError" not in said


@pytest.mark.parametrize("others", [{}, {"late": FLAKY}], ids=["alone", "beside a marked one"])
def test_any_other_failure_fails_the_run_at_once(checkout: Checkout, others: dict[str, str]) -> None:
    checkout.has(broken=BROKEN, **others)
    passed, said = checkout.run()
    assert not passed
    assert said.count("test session starts") == 1
    assert "failed, and not run again: 1" in said


def test_a_file_that_can_not_be_imported_fails_the_run(checkout: Checkout) -> None:
    checkout.has(unreadable="import no_such_module\n", late=FLAKY)
    assert checkout.run()[0] is False


@pytest.mark.parametrize(
    ("name", "text", "why"),
    [("timing", FLAKY, "the first try comes too late"), ("long", LONG, "the default run has nothing in its place")],
)
def test_a_mark_must_say_why(checkout: Checkout, name: str, text: str, why: str) -> None:
    checkout.has(marked=text.replace(f'("{why}")', ""))
    passed, said = checkout.run(long=True)
    assert not passed
    assert f'say why: @pytest.mark.{name}("...")' in said


def test_the_long_form_is_left_out_unless_it_is_asked_for(checkout: Checkout) -> None:
    checkout.has(long=LONG)
    assert checkout.run()[0] is True
    passed, said = checkout.run(long=True)
    assert not passed
    assert "the long form" in said


def test_a_missing_tool_skips_on_a_laptop_and_fails_in_ci(checkout: Checkout, monkeypatch: pytest.MonkeyPatch) -> None:
    checkout.has(needy=NEEDY)
    passed, said = checkout.run()
    assert passed
    assert "1 skipped" in said
    monkeypatch.setenv("CI", "true")
    passed, said = checkout.run()
    assert not passed
    assert "a CI job must have what its tests need: no no-such-tool on PATH" in said


def test_the_forms_exclude_each_other(tmp_path: Path) -> None:
    with pytest.raises(BadInputError):
        suite.run_tests(tmp_path, quick=True, long=True)


@pytest.mark.parametrize("name", ["SPREAD", "FIRST"])
def test_every_file_and_folder_that_the_order_of_tests_names_is_there(name: str) -> None:
    text = (ROOT / "tests/conftest.py").read_text("utf-8")
    table = re.search(rf"^{name} = [{{(](.*?)[)}}]$", text, re.DOTALL | re.MULTILINE)
    named = re.findall(r'"(tests/[\w/.]+)"', table[1]) if table else []
    assert named
    assert [each for each in named if not (ROOT / each).exists()] == []


def test_the_folders_of_slow_tests_are_begun_first(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("PYTEST_ADDOPTS", raising=False)  # a `-v` of whoever runs these tests undoes this `-q`
    argv = [sys.executable, "-m", "pytest", "--collect-only", "-q", "-p", "no:cacheprovider"]
    chosen = [str(next((ROOT / "tests" / folder).glob("test_*.py"))) for folder in ("unit", "process", "faults", "e2e")]
    said = process.run([*argv, *chosen], cwd=ROOT, timeout=100).out
    found = [line.split("/")[1] for line in said.splitlines() if line.startswith("tests/")]
    assert list(dict.fromkeys(found)) == ["e2e", "faults", "unit", "process"]
