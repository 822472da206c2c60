"""What failed is run again only when it is marked `timing`, once, alone; the last lines say which tests that were.

A test whose outcome hangs on how busy the machine is carries `@pytest.mark.timing("why")`. A run in which no other test
failed ends with `ONLY_TIMING`, and `pytest --again` runs those that failed. Any other failure fails the run.
Without pytest's cache, which keeps their names, a marked test is as any other.
"""

from __future__ import annotations

import functools
from collections.abc import Iterator
from pathlib import Path

import pytest

MARK = "timing"
LONG = "long"
ONLY_TIMING = 8
"""Exit code of a run whose only failures are of marked tests; pytest's own are 0 to 5."""
_CACHE = "stepladder/again"
_REASON = "timing reason"


def _why(item: pytest.Item, name: str) -> str:
    """Return the reason that a mark gives, empty without the mark."""
    mark = item.get_closest_marker(name)
    if mark and (len(mark.args) != 1 or mark.kwargs or not isinstance(mark.args[0], str)):
        raise pytest.UsageError(f'{item.nodeid}: say why: @pytest.mark.{name}("...")')
    return str(mark.args[0]) if mark else ""


class Reruns:
    """A plugin of the process that runs the tests, or with xdist of every worker and of the one that counts."""

    def __init__(self, config: pytest.Config) -> None:
        self._config = config
        self._cache: pytest.Cache | None = getattr(config, "cache", None)  # none with `-p no:cacheprovider`
        self._again = bool(config.getoption("again"))
        self._marked: dict[str, str] = {}  # test: why it is marked
        self._failed: set[str] = set()

    @functools.cached_property
    def _wanted(self) -> frozenset[str]:
        """The tests that are to be run again."""
        return frozenset(self._cache.get(_CACHE, []) if self._again and self._cache else ())

    def pytest_ignore_collect(self, collection_path: Path) -> bool | None:
        """Read only the files of what is run again: to read all takes as long as many a test."""
        files = {self._config.rootpath / test.partition("::")[0] for test in self._wanted}
        return True if self._again and collection_path.is_file() and collection_path not in files else None

    @pytest.hookimpl(trylast=True)
    def pytest_collection_modifyitems(self, config: pytest.Config, items: list[pytest.Item]) -> None:
        for item in items:
            _why(item, LONG)
            if why := _why(item, MARK):
                item.user_properties.append((_REASON, why))
        if self._again:
            kept = [item for item in items if item.nodeid in self._wanted]
            config.hook.pytest_deselected(items=[item for item in items if item.nodeid not in self._wanted])
            items[:] = kept

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        why = dict(report.user_properties).get(_REASON)
        if isinstance(why, str):
            self._marked[report.nodeid] = why
        if report.failed:
            self._failed.add(report.nodeid)

    def pytest_collectreport(self, report: pytest.CollectReport) -> None:
        if report.failed:
            self._failed.add(report.nodeid)

    @pytest.hookimpl(tryfirst=True)
    def pytest_sessionfinish(self, session: pytest.Session, exitstatus: int) -> None:
        if hasattr(self._config, "workerinput") or self._again or exitstatus != pytest.ExitCode.TESTS_FAILED:
            return
        if self._failed and self._failed <= set(self._marked) and self._cache:
            self._cache.set(_CACHE, sorted(self._failed))
            session.exitstatus = ONLY_TIMING

    @pytest.hookimpl(wrapper=True, tryfirst=True)
    def pytest_terminal_summary(self, terminalreporter: pytest.TerminalReporter) -> Iterator[None]:
        yield
        line = terminalreporter.write_line
        if self._again:
            line(f"run again, alone, since their timing matters: {len(self._marked)}")
            for name, why in sorted(self._marked.items()):
                line(f"  {'FAILED AGAIN' if name in self._failed else 'passed'} {name} ({why})")
            return
        line(f"tests marked {MARK}: {len(self._marked)}; of these failed: {len(self._failed & set(self._marked))}")
        for name in sorted(self._failed & set(self._marked)):
            line(f"  {name} ({self._marked[name]})")
        if others := self._failed - set(self._marked):
            line(f"failed, and not run again: {len(others)}")
