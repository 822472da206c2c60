"""What the demo chooses by itself."""

from __future__ import annotations

import pytest

from stepladder.core import container_engine, interpreters
from stepladder.core.container_engine import ContainerEngine
from stepladder.demo import acts


@pytest.mark.parametrize(
    ("found", "python"),
    [
        pytest.param(ContainerEngine("1", "x86_64", is_local=True), "3.13", id="an engine here runs any image"),
        pytest.param(
            ContainerEngine("1", "x86_64", is_local=False),
            interpreters.running(),
            id="one in a virtual machine",
        ),
        pytest.param(None, interpreters.running(), id="no engine"),
    ],
)
def test_the_demos_function_runs_on_a_python_that_is_there(
    monkeypatch: pytest.MonkeyPatch, found: ContainerEngine | None, python: str
) -> None:
    monkeypatch.setattr(container_engine, "find", lambda: found)
    assert acts._python() == python
