"""One provider process for a command: when it is shared, and how it ends. A shell script plays the provider."""

from __future__ import annotations

import functools
import json
import operator
import os
import signal
import subprocess
import sys
import tempfile
import threading
from collections.abc import Callable
from pathlib import Path
from unittest.mock import MagicMock, Mock

import asking
import pytest
from fakes.terraform import project

from stepladder import terraform
from stepladder.core import run_scope
from stepladder.releases import applied_root
from stepladder.releases.adapters import ProjectInfra
from stepladder.terraform import provider_process, roots
from stepladder.terraform.distributions import OPENTOFU, TERRAFORM
from stepladder.terraform.roots import Root

SCRIPT = """#!/bin/sh
: >"$TMPDIR/plugin1"  # its socket, which one that is killed leaves
echo "Provider started. Set TF_REATTACH_PROVIDERS:"
echo "TF_REATTACH_PROVIDERS='{\\"pid\\": $$, \\"key\\": \\"$AWS_ACCESS_KEY_ID\\", \\"bundle\\": \\"$AWS_CA_BUNDLE\\"}'"
exec sleep 60
"""
SILENT = "#!/bin/sh\nexit 1\n"
OUTLIVED = """
import json, os, signal, subprocess, sys
from pathlib import Path
from fakes.terraform import project
from stepladder.core import run_scope
from stepladder.terraform import provider_process, roots
from stepladder.terraform.distributions import TERRAFORM
at = roots.root(project(Path(sys.argv[1])), "staging", "service")
with run_scope.opened(), provider_process.attached(at, TERRAFORM, {}) as attachment:
    pid = json.loads(attachment.env["TF_REATTACH_PROVIDERS"])["pid"]
    survivor = subprocess.Popen(["/bin/sleep", "60"], pass_fds=attachment.fds, stdout=subprocess.DEVNULL,
                                stderr=subprocess.DEVNULL)
    Path(sys.argv[2]).write_text(f"{pid} {survivor.pid}")
    os.kill(os.getpid(), signal.SIGKILL)
"""


@pytest.fixture
def at(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Root:
    monkeypatch.delenv("AWS_CA_BUNDLE", raising=False)
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    monkeypatch.setattr(tempfile, "tempdir", None)
    at = roots.root(project(tmp_path / "project"), "staging", "service")
    install(at, SCRIPT)
    return at


def install(at: Root, script: str, version: str = "5.100.0") -> Path:
    folder = at.data_dir / "providers" / "registry.terraform.io" / "hashicorp" / "aws" / version / "linux_amd64"
    folder.mkdir(parents=True, exist_ok=True)
    executable = folder / f"terraform-provider-aws_v{version}_x5"
    executable.write_text(script)
    executable.chmod(0o755)
    return executable


def attached_to(at: Root, **env: str | None) -> dict[str, str]:
    """Return what a command that gets `env` is attached to; nothing for one that is alone."""
    with provider_process.attached(at, TERRAFORM, env) as attachment:
        given: dict[str, str] = json.loads(attachment.env.get("TF_REATTACH_PROVIDERS", "{}"))
        return given


def lives(pid: object) -> bool:
    try:
        os.kill(int(str(pid)), 0)
    except ProcessLookupError:
        return False
    return True


def test_the_commands_of_a_run_share_one_provider_that_ends_with_it(at: Root, tmp_path: Path) -> None:
    with run_scope.opened():
        first, second = attached_to(at), attached_to(at)
        assert first["pid"] == second["pid"]
        assert lives(first["pid"])
        assert list(tmp_path.rglob("plugin1"))
    assert not lives(first["pid"])
    assert [path.name for path in tmp_path.iterdir()] == ["project"]


def test_a_terraform_that_outlives_its_caller_keeps_its_provider(at: Root, tmp_path: Path) -> None:
    caller = subprocess.run(
        [sys.executable, "-c", OUTLIVED, str(at.settings.root), str(tmp_path / "survivor")],
        env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert caller.returncode == -signal.SIGKILL, caller.stderr
    pid, survivor = (tmp_path / "survivor").read_text().split()
    assert lives(pid)
    os.kill(int(survivor), signal.SIGKILL)
    asking.until(functools.partial(lives, pid), operator.not_)
    asking.until(lambda: list(tmp_path.rglob("plugin1")), operator.not_)


def test_a_provider_that_cant_be_begun_leaves_nothing(
    at: Root, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(subprocess, "Popen", Mock(side_effect=BlockingIOError("no process is left")))
    before = len(list(Path("/dev/fd").iterdir()))
    with run_scope.opened(), pytest.raises(BlockingIOError):
        attached_to(at)
    assert len(list(Path("/dev/fd").iterdir())) == before
    assert [path.name for path in tmp_path.iterdir()] == ["project"]


def test_one_that_is_let_go_ends_at_once_and_is_begun_anew_where_it_is_needed(at: Root) -> None:
    with run_scope.opened():
        with provider_process.attached(at, TERRAFORM, {}) as attachment:
            used = json.loads(attachment.env["TF_REATTACH_PROVIDERS"])["pid"]
            provider_process.let_go()
            assert attached_to(at)["pid"] != used, "a command uses the first"
            assert lives(used)
        provider_process.let_go()
        asking.until(functools.partial(lives, used), operator.not_)
        anew = attached_to(at)["pid"]
        assert lives(anew)
        assert anew != used
    assert not lives(anew)


def test_a_deployment_lets_it_go_after_the_service_and_a_promotion_goes_on_with_it(
    at: Root, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(terraform, "ensure", MagicMock())
    rung = MagicMock(environment="staging")
    infra = ProjectInfra(rung, plan="new")
    with run_scope.opened():
        used = attached_to(at)["pid"]
        infra.ensure("service", None, Mock())
        assert attached_to(at)["pid"] == used, "the next rung's roots, and the delivery's, come after it"
        applied_root.apply(rung, infra, "foundation", None)
        assert attached_to(at)["pid"] == used
        applied_root.apply(rung, infra, "service", None)
        asking.until(functools.partial(lives, used), operator.not_)


def test_outside_of_a_command_there_is_none_to_share(at: Root) -> None:
    assert attached_to(at) == {}


def test_other_credentials_get_another_provider_and_the_first_one_ends(at: Root) -> None:
    with run_scope.opened():
        first = attached_to(at, AWS_ACCESS_KEY_ID="one")
        second = attached_to(at, AWS_ACCESS_KEY_ID="two")
        assert (first["key"], second["key"]) == ("one", "two")
        asking.until(functools.partial(lives, first["pid"]), operator.not_)


def test_two_commands_at_once_do_not_use_the_same_one_and_a_third_starts_its_own(at: Root) -> None:
    def pid(attachment: provider_process.Attachment) -> object:
        return json.loads(attachment.env["TF_REATTACH_PROVIDERS"])["pid"]

    with run_scope.opened():
        with provider_process.attached(at, TERRAFORM, {}) as one:
            with provider_process.attached(at, TERRAFORM, {}) as other:
                assert attached_to(at) == {}
            assert attached_to(at)["pid"] == pid(other)
        assert attached_to(at)["pid"] == pid(one)
        assert pid(one) != pid(other)
    for each in (one, other):
        asking.until(functools.partial(lives, pid(each)), operator.not_)


def test_two_commands_begin_their_providers_beside_each_other(at: Root) -> None:
    attached: list[dict[str, str]] = []
    both = threading.Barrier(2, timeout=60)

    def command() -> None:
        with provider_process.attached(at, TERRAFORM, {}) as attachment:
            both.wait()
            attached.append(json.loads(attachment.env["TF_REATTACH_PROVIDERS"]))

    with run_scope.opened():
        threads = [threading.Thread(target=command) for _ in range(2)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    assert len({each["pid"] for each in attached}) == 2


@pytest.mark.parametrize("how", ["it was interrupted", "its command failed"])
def test_after_a_command_that_ended_badly_the_next_gets_a_new_one(at: Root, how: str) -> None:
    def badly() -> str:
        with provider_process.attached(at, TERRAFORM, {}) as attachment:
            pid = str(json.loads(attachment.env["TF_REATTACH_PROVIDERS"])["pid"])
            attachment.spoiled = how == "its command failed"
            if how == "it was interrupted":
                raise KeyboardInterrupt(pid)
        return pid

    with run_scope.opened():
        try:
            first = badly()
        except KeyboardInterrupt as interrupt:
            first = str(interrupt)
        assert str(attached_to(at)["pid"]) != first
        asking.until(functools.partial(lives, first), operator.not_)


def test_a_provider_that_does_not_start_leaves_it_to_terraform(at: Root) -> None:
    install(at, SILENT)
    with run_scope.opened():
        assert attached_to(at) == {}
        assert attached_to(at) == {}


Unsafe = Callable[[Root, pytest.MonkeyPatch], object]


@pytest.mark.parametrize(
    "unsafe",
    [
        pytest.param(lambda _at, patch: patch.setenv("STEPLADDER_SHARED_PROVIDER", "0"), id="it is turned off"),
        pytest.param(lambda _at, patch: patch.setenv("TF_LOG", "debug"), id="its log is wanted"),
        pytest.param(
            lambda _at, patch: patch.setenv("AWS_CA_BUNDLE", "/certificates.pem"), id="certificates are given"
        ),
        pytest.param(lambda at, _patch: install(at, SCRIPT, "5.99.0"), id="two versions are installed"),
    ],
)
def test_where_sharing_is_not_safe_each_command_has_its_own(
    at: Root, monkeypatch: pytest.MonkeyPatch, unsafe: Unsafe
) -> None:
    unsafe(at, monkeypatch)
    with run_scope.opened():
        assert attached_to(at) == {}


def test_a_local_cloud_needs_no_certificates(at: Root) -> None:
    with run_scope.opened():
        given = attached_to(at, AWS_CA_BUNDLE="/certificates.pem", AWS_ENDPOINT_URL="http://127.0.0.1:4600")
    assert given["bundle"] == ""


def test_another_distribution_has_its_own_registry(at: Root) -> None:
    with run_scope.opened(), provider_process.attached(at, OPENTOFU, {}) as attachment:
        assert attachment.env == {}


def test_an_executable_that_was_replaced_has_another_identity(at: Root) -> None:
    before = provider_process.identity(at, TERRAFORM)
    executable = provider_process.installed(at, TERRAFORM)
    assert executable
    other = executable.with_name("other")
    other.write_text(SCRIPT + "#")
    other.rename(executable)
    assert provider_process.identity(at, TERRAFORM) != before
