"""What all tests share: a running local cloud."""

from __future__ import annotations

import os
import signal
import zlib
from collections.abc import Callable, Iterator
from typing import Any

import asking
import needs
import pytest
import schemas
from contract_cloud import AWS, ContractCloud
from reruns import Reruns
from running_cloud import RunningCloud
from tried import Tried

from localcloud import daemon

collect_ignore = ["support"]  # a made-up trigger kind there has a test_handler.py of its own
ALIEN = (
    "AWS_",
    "CI",
    "CODEBUILD_",
    "GITHUB_",
    "GITLAB_",
    "INVOKE_",
    "JENKINS_URL",
    "STEPLADDER_LAMBDA_",
    "STEPLADDER_LAUNCHER",
    "TEAMCITY_VERSION",
    "TF_BUILD",
    "TF_CLI_",
    "TF_VAR_",
)
SPREAD = {
    "tests/e2e/test_demo.py": 100,
    "tests/e2e/test_examples.py": 100,
    "tests/e2e/test_newcomer.py": 100,
    "tests/faults/test_promotion_states.py": 2,
    "tests/unit/test_interleavings.py": 100,
}
"""Files that are spread over workers, in how many parts. Each part makes the file's fixtures for itself."""
FIRST = ("tests/docker", "tests/e2e", "tests/terraform", "tests/faults", "tests/simulation")
"""Folders whose files take minutes. They are begun first, so that no worker ends alone with one of them.

Their files take turns: those of `tests/faults` wait for clocks while Terraform takes the processors.
"""
SHARED = pytest.StashKey[RunningCloud]()
"""Where the configuration keeps a worker's cloud, once a test has asked for one."""
CREDENTIALS = {name: value for name, value in os.environ.items() if name.startswith("AWS_")}
needs.remember_ci()
for name in [name for name in os.environ if name.startswith(ALIEN) and name != "AWS_CA_BUNDLE"]:
    # A test means the same on a laptop and in CI; one that is about CI sets the variables itself.
    del os.environ[name]
# There are hundreds of runs of Terraform: to collect garbage would take a tenth of their processor time.
os.environ.update({"GOGC": "off", "GOMEMLIMIT": "1GiB"})
if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    # A shell starts background jobs deaf to Ctrl-C, and what they start inherits that.
    signal.signal(signal.SIGINT, signal.default_int_handler)


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: Any, log: Any) -> Any:
    """Give each file to one worker, and all of tests/docker: fixtures are made once, and tests keep their order.

    The rows of the longest files go to whichever worker is free, one by one or in `SPREAD` parts. xdist's own ways
    know either whole files or single tests.
    """
    from xdist.scheduler import LoadScopeScheduling

    class Rooms(LoadScopeScheduling):
        def _split_scope(self, nodeid: str) -> str:
            file = "tests/docker" if nodeid.startswith("tests/docker/") else nodeid.partition("::")[0]
            return f"{file} {zlib.crc32(nodeid.encode()) % SPREAD[file]}" if file in SPREAD else file

    config.option.loadscopereorder = False  # as `pytest_collection_modifyitems` leaves them
    return Rooms(config, log)


def pytest_addoption(parser: pytest.Parser) -> None:
    """Point the contract tests elsewhere (docs/guides/contract-tests.md); each also by STEPLADDER_CONTRACT_<NAME>."""
    group = parser.getgroup("contract tests")
    for name, text in (
        ("endpoint", f"URL of another emulator, or {AWS!r}: only contract tests run then"),
        ("account", "the account there; required"),
        ("region", "the region there"),
    ):
        given = os.environ.get(f"STEPLADDER_CONTRACT_{name.upper()}", "us-east-1" if name == "region" else "")
        group.addoption(f"--{name}", default=given, help=text)
    group = parser.getgroup("stepladder")
    group.addoption("--long", action="store_true", help="run the long form too: what is marked `long`")
    group.addoption("--again", action="store_true", help="run only the `timing` tests that failed in the run before")


def pytest_configure(config: pytest.Config) -> None:
    config.pluginmanager.register(Reruns(config), "reruns")
    config.pluginmanager.register(Tried(), "tried")
    schemas.watch()
    os.environ.pop("COLUMNS", None)  # workers have one, and it stands for a terminal's width in everything that prints
    if not config.getoption("endpoint"):
        return
    if not config.getoption("account"):
        raise pytest.UsageError("--endpoint needs --account: the tests make and delete things in it")
    asking.patience = 600.0
    os.environ.update({k: v for k, v in CREDENTIALS.items() if not k.startswith("AWS_ENDPOINT_URL")})


def _turns(items: list[pytest.Item]) -> Callable[[pytest.Item], tuple[int, int]]:
    """Return a key to sort tests by: files of the folders in `FIRST` by turns, then all others as they are."""
    turns: dict[str, tuple[int, int]] = {}
    begun = dict.fromkeys(FIRST, 0)
    for file in dict.fromkeys(item.nodeid.partition("::")[0] for item in items):
        folder = file.rpartition("/")[0]
        if folder in begun:
            turns[file] = (begun[folder], FIRST.index(folder))
            begun[folder] += 1
    others = (max(begun.values()), 0)
    return lambda item: turns.get(item.nodeid.partition("::")[0], others)


@pytest.hookimpl(trylast=True)
def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Put the folders of slow tests first, and leave the long form out unless it is asked for.

    At another endpoint nothing but contract tests may run: the others would make things there that nothing deletes.
    """
    items.sort(key=_turns(items))
    if not config.getoption("long"):
        config.hook.pytest_deselected(items=[item for item in items if item.get_closest_marker("long")])
        items[:] = [item for item in items if not item.get_closest_marker("long")]
    if not config.getoption("endpoint"):
        return
    docker = config.rootpath / "tests" / "docker"
    kept = [i for i in items if i.get_closest_marker("contract") and not i.path.is_relative_to(docker)]
    config.hook.pytest_deselected(items=[item for item in items if item not in kept])
    items[:] = kept


@pytest.fixture(scope="session")
def cloud(request: pytest.FixtureRequest) -> Iterator[RunningCloud | ContractCloud]:
    """One cloud for a test session (for each xdist worker). Use names of your own in it: tests share it."""
    if endpoint := request.config.getoption("endpoint"):
        there = ContractCloud(endpoint, request.config.getoption("account"), request.config.getoption("region"))
        there.check_account()
        try:
            yield there
        finally:
            there.clean()
        return
    with daemon.running(environ={"STEPLADDER_LAUNCHER": "process"}) as info:  # containers: tests/docker
        request.config.stash[SHARED] = RunningCloud(info)
        yield request.config.stash[SHARED]


@pytest.fixture(scope="module", autouse=True)
def cloud_as_it_was(request: pytest.FixtureRequest) -> Iterator[None]:
    """Leave the next file a cloud in which no call fails and time is real, whatever a test that failed has left."""
    yield
    if shared := request.config.stash.get(SHARED, None):
        shared.faults()
        shared.speed(1)


@pytest.fixture(scope="session")
def cloud_of() -> type[RunningCloud]:
    """The wrapper around a cloud that a test started by itself: `cloud_of(info)`."""
    return RunningCloud


@pytest.fixture
def cloud_env(cloud: RunningCloud, monkeypatch: pytest.MonkeyPatch) -> RunningCloud:
    """The cloud, with this process's environment pointed at it."""
    for name in daemon.UNSET:
        monkeypatch.delenv(name, raising=False)
    for name, value in cloud.env.items():
        monkeypatch.setenv(name, value)
    assert os.environ["AWS_ENDPOINT_URL"] == cloud.url
    return cloud
