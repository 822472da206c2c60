"""One simulated project for all tests of this folder; the last lines say how many steps were tried."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import cloud_images
import pytest
import simulated_project
from simulated_project import SimulatedProject


@pytest.fixture(scope="session")
def simulated(cloud: Any, tmp_path_factory: pytest.TempPathFactory) -> Iterator[SimulatedProject]:
    runtime = cloud_images.runtime(tmp_path_factory.mktemp("runtime"))
    with simulated_project.simulated(cloud, tmp_path_factory.mktemp("simulated"), runtime) as project:
        yield project
