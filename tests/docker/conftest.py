"""Everything here needs a Docker engine; all of it runs in one worker, so that one engine serves."""

import os

import engine
import pytest


def pytest_collection_modifyitems(items):
    for item in items:
        item.add_marker(pytest.mark.docker)
        item.add_marker(pytest.mark.xdist_group("docker"))


@pytest.fixture(scope="session")
def docker_host(tmp_path_factory):
    try:
        with engine.running(tmp_path_factory.mktemp("engine")) as host:
            before = os.environ.get("DOCKER_HOST")
            os.environ["DOCKER_HOST"] = host
            yield host
            if before is None:
                del os.environ["DOCKER_HOST"]
            else:
                os.environ["DOCKER_HOST"] = before
    except engine.NoEngineError as error:
        pytest.skip(str(error))


@pytest.fixture(scope="session")
def base_image(docker_host):
    return engine.base_image(docker_host)
