"""One simulated project for the tests of a file; the last lines say how many steps were tried."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import cloud_images
import pytest
import simulated_project
from simulated_project import SimulatedProject


@pytest.fixture(scope="module")  # it changes this process, in which other folders' tests run afterwards
def simulated(cloud: Any, tmp_path_factory: pytest.TempPathFactory) -> Iterator[SimulatedProject]:
    runtime = cloud_images.runtime(tmp_path_factory.mktemp("runtime"))
    with simulated_project.simulated(cloud, tmp_path_factory.mktemp("simulated"), runtime) as project:
        yield project
