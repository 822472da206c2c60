"""What a test tried, in the last lines: whatever it recorded by `record_property("tried", "...")`."""

from __future__ import annotations

import pytest

TRIED = "tried"


class Tried:
    """A plugin of the process that counts; a worker's reports carry what its tests recorded."""

    def __init__(self) -> None:
        self._lines: list[str] = []

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        if report.when == "call":
            self._lines += [str(value) for name, value in report.user_properties if name == TRIED]

    def pytest_terminal_summary(self, terminalreporter: pytest.TerminalReporter) -> None:
        for line in self._lines:
            terminalreporter.write_line(line)
