"""`bootstrap.sh` on machines of every kind: fresh, done, broken, without Terraform, without a network."""

from __future__ import annotations

import hashlib
import os
import platform
import pty
import re
import shutil
import subprocess
import sys
import time
import zipfile
from pathlib import Path

import needs
import pytest

ROOT = Path(__file__).resolve().parents[2]
TOOLS = (
    "awk",
    "cat",
    "chmod",
    "cksum",
    "cut",
    "dirname",
    "env",
    "mkdir",
    "rm",
    "sed",
    "sh",
    "sha256sum",
    "tr",
    "uname",
)
INSTALL = "hint: install Terraform 1.10 or newer (https://developer.hashicorp.com/terraform/install)"
NOWHERE = "http://127.0.0.1:9"  # discard (RFC 863): nothing listens

pytestmark = pytest.mark.e2e


def _run(folder: Path, **env: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        ["sh", str(folder / "bootstrap.sh")],
        capture_output=True,
        text=True,
        timeout=280,
        check=False,
        cwd="/",
        env={**os.environ, **env},
    )


def _script(path: Path, text: str) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(f"#!/bin/sh\n{text}\n")
    path.chmod(0o755)
    return path


@pytest.fixture
def checkout(tmp_path):
    """A checkout whose .venv is done already, and a PATH with nothing but the ordinary tools."""
    folder = tmp_path / "checkout"
    folder.mkdir()
    for name in ("bootstrap.sh", "uv.lock", "pyproject.toml"):
        shutil.copy(ROOT / name, folder / name)
    _script(folder / ".venv/bin/invoke", "exit 0")
    _script(folder / ".venv/bin/python", f'exec {sys.executable} "$@"')
    _stamp(folder)
    (tmp_path / "bin").mkdir()
    for tool in TOOLS:
        (tmp_path / "bin" / tool).symlink_to(needs.tool(tool))
    return folder


def _stamp(folder: Path) -> None:
    """Say that the packages are installed."""
    checksum = _output("sh", "-c", "cat uv.lock pyproject.toml bootstrap.sh | cksum", cwd=folder).strip()
    (folder / ".venv/bootstrap.stamp").write_text(f"{folder.resolve()} {checksum}")


def _output(*argv: str, cwd: Path) -> str:
    return subprocess.run(argv, cwd=cwd, timeout=60, capture_output=True, text=True, check=True).stdout


def _offline(checkout: Path) -> dict[str, str]:
    return {"PATH": str(checkout.parent / "bin"), "https_proxy": NOWHERE, "HTTPS_PROXY": NOWHERE, "no_proxy": ""}


def test_a_good_terraform_on_path_is_all_that_is_needed(checkout):
    _script(checkout.parent / "bin/terraform", "echo Terraform v1.14.0")
    done = _run(checkout, **_offline(checkout))
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")


@pytest.mark.parametrize("found", ["", "Terraform v1.5.7", "Terraform v1.9.8", "Terraform v2.0.0", "OpenTofu v1.10.0"])
def test_without_a_good_terraform_and_a_network_it_says_what_to_install(checkout, found):
    if found:
        _script(checkout.parent / "bin/terraform", f"echo {found}")
    started = time.monotonic()
    done = _run(checkout, **_offline(checkout))
    assert done.returncode == 6
    assert "error: Terraform 1.11.4 could not be fetched" in done.stderr
    assert INSTALL in done.stderr
    assert "Traceback" not in done.stderr
    assert time.monotonic() - started < 60
    assert not list((checkout / ".tools").iterdir()), "a half download stayed"


def _download(checkout: Path, archive: Path) -> None:
    """Let the download (`python - URL FILE`) give this file."""
    _script(
        checkout / ".venv/bin/python",
        f'[ "$1" = - ] && exec cp "{archive}" "$3"\nexec {sys.executable} "$@"',
    )
    (checkout.parent / "bin/cp").symlink_to(shutil.which("cp"))


def _archive(tmp_path: Path) -> Path:
    with zipfile.ZipFile(tmp_path / "terraform.zip", "w") as archive:
        archive.writestr("terraform", "#!/bin/sh\necho Terraform v1.11.4\n")
    return tmp_path / "terraform.zip"


def test_a_download_with_another_checksum_is_refused(checkout, tmp_path):
    _download(checkout, _archive(tmp_path))
    done = _run(checkout, **_offline(checkout))
    assert done.returncode == 6
    assert "not the pinned" in done.stderr
    assert INSTALL in done.stderr
    assert not list((checkout / ".tools").iterdir())


def test_a_download_with_the_pinned_checksum_is_used_and_not_fetched_again(checkout, tmp_path):
    archive = _archive(tmp_path)
    _download(checkout, archive)
    machine = {"x86_64": "amd64", "aarch64": "arm64"}[platform.machine()]
    digest = hashlib.sha256(archive.read_bytes()).hexdigest()
    script = checkout / "bootstrap.sh"
    lines = script.read_text().splitlines(keepends=True)
    pinned = f"linux_{machine} "
    script.write_text("".join(f"{pinned}{digest}\n" if line.startswith(pinned) else line for line in lines))
    _stamp(checkout)
    first = _run(checkout, **_offline(checkout))
    assert first.returncode == 0, first.stderr
    assert [path.name for path in (checkout / ".tools").iterdir()] == ["terraform"]
    archive.unlink()
    assert _run(checkout, **_offline(checkout)).stderr == ""


@pytest.fixture
def fake_python(checkout):
    """A Python whose `-m venv` makes a venv of fakes, as far as bootstrap.sh can tell."""
    version = re.search(r'^name = "uv"\nversion = "(.*)"$', (checkout / "uv.lock").read_text(), re.MULTILINE)[1]
    uv = f'[ "$1" = --version ] && echo uv {version} && exit\necho synced >>"{checkout}/calls"'
    folder = checkout.parent / "venv"
    for name, text in (("python", f'exec {sys.executable} "$@"'), ("invoke", "exit 0"), ("uv", uv)):
        _script(folder / "bin" / name, text)
    _script(checkout.parent / "bin/terraform", "echo Terraform v1.14.0")
    (checkout.parent / "bin/cp").symlink_to(shutil.which("cp"))
    return _script(
        checkout.parent / "python",
        f'[ "$1" = -m ] || exec {sys.executable} "$@"\necho made >>"{checkout}/calls"\ncp -r "{folder}" .venv',
    )


def _gone(checkout):
    (checkout / ".venv/bin/python").unlink()
    (checkout / ".venv/bin/python").symlink_to("/nowhere/python")


def _moved(checkout):
    stamp = checkout / ".venv/bootstrap.stamp"
    stamp.write_text(stamp.read_text().replace(str(checkout.resolve()), "/where/it/was"))


def _changed(checkout):
    (checkout / "uv.lock").write_text((checkout / "uv.lock").read_text() + "\n")


@pytest.mark.parametrize(
    ("happened", "calls"),
    [
        pytest.param(_gone, "made\nsynced\n", id="its Python is gone: made anew"),
        pytest.param(_moved, "made\nsynced\n", id="it was moved: made anew"),
        pytest.param(_changed, "synced\n", id="the lock file changed: installed anew"),
    ],
)
def test_a_venv_is_brought_up_to_date(checkout, fake_python, happened, calls):
    shutil.copy(checkout.parent / "venv/bin/uv", checkout / ".venv/bin/uv")
    happened(checkout)
    env = {**_offline(checkout), "PYTHON": str(fake_python)}
    first = _run(checkout, **env)
    assert first.returncode == 0, first.stderr
    assert (checkout / "calls").read_text() == calls
    assert (_run(checkout, **env).stderr, (checkout / "calls").read_text()) == ("", calls)


@pytest.mark.parametrize(("job", "quiet"), [({}, False), ({"CI": "true"}, True)], ids=["a person", "a CI job"])
def test_a_person_at_a_terminal_sees_how_far_uv_is(checkout, fake_python, job, quiet):
    """uv draws its progress itself. A list of a hundred packages is nothing for a log."""
    uv = (checkout.parent / "venv/bin/uv").read_text().replace("echo synced", 'echo "$@"')
    _script(checkout / ".venv/bin/uv", uv.removeprefix("#!/bin/sh\n"))
    _changed(checkout)
    own, terminal = pty.openpty()
    try:
        env = {"PATH": str(checkout.parent / "bin"), "PYTHON": str(fake_python), **job}
        argv = ["sh", str(checkout / "bootstrap.sh")]
        subprocess.run(argv, stdout=terminal, stderr=terminal, env=env, timeout=60, check=True)
    finally:
        os.close(own)
        os.close(terminal)
    assert ("--quiet" in (checkout / "calls").read_text()) == quiet


def test_uv_comes_from_pip_by_the_hashes_of_its_wheels_in_the_lock(checkout):
    _script(checkout.parent / "bin/terraform", "echo Terraform v1.14.0")
    _changed(checkout)
    lock = (checkout / "uv.lock").read_text()
    version, wheels = re.search(
        r'^name = "uv"\nversion = "(.*)"\n.*\n.*\nwheels = \[\n((?:    .*\n)+)', lock, re.MULTILINE
    ).groups()
    _script(
        checkout / ".venv/bin/python",
        f"""[ "$2" = pip ] || exec {sys.executable} "$@"
echo "$@" >"{checkout}/calls"
printf '#!/bin/sh\\n' >.venv/bin/uv
chmod 755 .venv/bin/uv""",
    )
    done = _run(checkout, **_offline(checkout), PYTHON=sys.executable)
    assert done.returncode == 0, done.stderr
    called = (checkout / "calls").read_text()
    assert "--require-hashes --only-binary :all: --requirement .venv/bootstrap-uv.txt" in called
    asked, *hashes = (checkout / ".venv/bootstrap-uv.txt").read_text().split()
    assert asked == f"uv=={version}"
    assert hashes == [f"--hash={found}" for found in re.findall(r'hash = "(sha256:[0-9a-f]{64})"', wheels)]
    for machine in ("manylinux_2_17_x86_64", "manylinux_2_28_aarch64", "macosx_10_12_x86_64", "macosx_11_0_arm64"):
        assert machine in wheels, "this machine would get no uv"


def test_a_uv_that_pip_refuses_ends_the_run_with_what_to_look_at(checkout):
    _changed(checkout)
    _script(checkout / ".venv/bin/python", '[ "$2" != pip ] || { echo "THESE PACKAGES DO NOT MATCH" >&2; exit 1; }')
    done = _run(checkout, **_offline(checkout), PYTHON=sys.executable)
    assert done.returncode == 6
    assert "could not be installed into .venv" in done.stderr
    assert "that the index gives the files that uv.lock names" in done.stderr


def test_without_a_python_that_will_do_it_says_which_one(checkout):
    (checkout / ".venv/bootstrap.stamp").unlink()
    done = _run(checkout, **_offline(checkout), PYTHON="")
    assert done.returncode == 6
    assert "no Python 3.11 or newer" in done.stderr
    assert "apt-get install python3 python3-venv" in done.stderr


@pytest.fixture(scope="module")
def whole(tmp_path_factory):
    """A whole copy of this checkout, bootstrapped, at a path with spaces; needs a package index.

    Of the packages it gets those of the tasks alone: `.ci/run` has installed all before it runs this.
    """
    folder = tmp_path_factory.mktemp("a path") / "with spaces"
    listed = _output("git", "ls-files", "-z", cwd=ROOT).split("\0")
    for name in filter(None, listed):
        if (ROOT / name).is_file():
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(ROOT / name, folder / name)
    project = folder / "pyproject.toml"
    groups = 'default-groups = ["dev", "docs"]'
    assert groups in project.read_text("utf-8")
    project.write_text(project.read_text("utf-8").replace(groups, "default-groups = []"), "utf-8")
    done = _run(folder, PYTHON=sys.executable)
    assert done.returncode == 0, done.stderr
    return folder


@pytest.mark.timing("a second run is bounded to 20 s")
def test_the_second_run_is_quick_and_says_nothing(whole):
    started = time.monotonic()
    done = _run(whole)
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
    assert time.monotonic() - started < 20


def test_the_tasks_run_from_a_path_with_spaces(whole):
    assert "demo" in _output(str(whole / ".venv/bin/invoke"), "--list", cwd=whole)
