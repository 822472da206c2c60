"""A Docker engine for the tests, and a stand-in for AWS's base image where its registry can't be reached.

An engine that answers is used as it is. On a Debian machine as root one is installed and started for the session:
data folder and socket of its own, ended afterwards. Elsewhere `NoEngineError` says why.
"""

import contextlib
import functools
import os
import platform
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import debian
import pytest

from stepladder.core import container_engine
from stepladder.core.process import die_with_parent

SUITES = {"3.13": "trixie", "3.11": "bookworm"}  # Debian releases by their Python
MIRROR = "http://deb.debian.org/debian"
PYTHON = "3.13"
EDITION = 4  # raise it when what `_make` makes has changed
NEEDLESS = ("usr/share/doc", "usr/share/locale", "usr/share/man", "var/cache/apt", "var/lib/apt/lists")
RUNTIME_CLIENT = "awslambdaric==4.2.2"
_START_SECONDS = 60
MACHINE = {"x86_64": "amd64", "aarch64": "arm64", "arm64": "arm64"}
CACHE = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "stepladder-tests"
ENTRYPOINT = """#!/bin/sh
# What AWS's base images do, less the emulator for a missing Runtime API.
export PYTHONPATH="$LAMBDA_RUNTIME_DIR"
if [ -z "$AWS_LAMBDA_RUNTIME_API" ]; then echo "AWS_LAMBDA_RUNTIME_API is not set" >&2; exit 64; fi
exec /var/lang/bin/python3 -m awslambdaric "$1"
"""
CONTRACT = (
    "ENV LANG=en_US.UTF-8",
    "ENV PATH=/var/lang/bin:/usr/local/bin:/usr/bin/:/bin:/opt/bin",
    "ENV LD_LIBRARY_PATH=/var/lang/lib:/lib64:/usr/lib64:/var/runtime:/var/task:/var/task/lib:/opt/lib",
    "ENV LAMBDA_TASK_ROOT=/var/task",
    "ENV LAMBDA_RUNTIME_DIR=/var/runtime",
    "ENV PIP_CERT=/etc/ssl/certs/ca-certificates.crt",
    "WORKDIR /var/task",
    'ENTRYPOINT ["/lambda-entrypoint.sh"]',
)


class NoEngineError(Exception):
    """No engine answers and none can be started here."""


@contextlib.contextmanager
def running():
    """Yield the address of an engine of this machine; one that had to be started ends with the block."""
    engine = container_engine.find()
    if engine and engine.is_local:
        yield container_engine.address()
        return
    _install()
    with tempfile.TemporaryDirectory(prefix="stepladder-docker-") as folder, started(Path(folder)) as host:
        yield host


@contextlib.contextmanager
def started(folder, *options):
    """Start an engine with socket and data of its own in a folder; yield its address, and end it."""
    host = f"unix://{folder}/docker.sock"
    argv = ["dockerd", "--host", host, "--data-root", f"{folder}/data", "--exec-root", f"{folder}/exec"]
    argv += ["--pidfile", f"{folder}/docker.pid", "--iptables=false", "--bridge=none", *options]  # only host networking
    log = folder / "dockerd.log"
    with log.open("wb") as output:
        daemon = subprocess.Popen(
            argv,
            stdout=output,
            stderr=output,
            env=os.environ | {"PATH": debian.search_path()},
            preexec_fn=die_with_parent,  # noqa: PLW1509 - one libc call
        )
    try:
        deadline = time.monotonic() + _START_SECONDS
        while not answers(host):
            if daemon.poll() is not None or time.monotonic() > deadline:
                raise NoEngineError(f"dockerd did not start:\n{log.read_text()[-2000:]}")
            time.sleep(0.1)
        yield host
    finally:
        daemon.terminate()
        try:
            daemon.wait(30)
        except subprocess.TimeoutExpired:
            daemon.kill()
            daemon.wait(5)
        _unmount(folder)


def answers(host):
    """Say whether an engine answers at `host`."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("DOCKER_HOST", host)
        return container_engine.answers()


def _unmount(folder):
    """Take away what a killed engine has left mounted, so that its folder can be removed."""
    mounted = [line.split()[1] for line in Path("/proc/mounts").read_text().splitlines()]
    for path in sorted((path for path in mounted if path.startswith(f"{folder}/")), reverse=True):
        subprocess.run(["umount", "--lazy", path], timeout=30, check=False, stderr=subprocess.DEVNULL)


def forget(client, prefix):
    """Take the names that begin so off the engine's images; an engine that isn't ours shall not fill up."""
    from docker.errors import APIError

    for image in client.images.list():
        for tag in image.tags:
            if tag.startswith(prefix):
                with contextlib.suppress(APIError):
                    client.images.remove(tag, force=True)


def _install():
    try:
        debian.ensure(("docker.io", "iptables", "mmdebstrap"), "dockerd", "mmdebstrap")
    except debian.NotInstalledError as error:
        raise NoEngineError(f"no Docker engine answers: {error}") from error


@functools.cache
def base_image(host, python=PYTHON):
    """Make sure that the engine has AWS's base image of a Python, or a stand-in under its name; return the name."""
    import docker

    name = f"public.ecr.aws/lambda/python:{python}"
    with contextlib.closing(docker.DockerClient(base_url=host, timeout=120)) as client:
        if not client.images.list(name):
            saved = CACHE / f"base-{EDITION}-python-{python}-{MACHINE[platform.machine()]}.tar"
            if not saved.exists():
                _make(client, name, python, saved)
            with saved.open("rb") as file:
                client.images.load(file)
    return name


def _make(client, name, python, saved):
    """Debian's Python, AWS's runtime client and the base image's contract; kept for the next run."""
    saved.parent.mkdir(parents=True, exist_ok=True)
    before = os.umask(0o022)
    try:
        with tempfile.TemporaryDirectory(dir=saved.parent) as folder:
            root = Path(folder) / "root"
            _fill(root, python)
            with subprocess.Popen(["tar", "-C", str(root), "-c", "."], stdout=subprocess.PIPE) as tar:
                client.api.import_image_from_stream(
                    tar.stdout, repository=name.rsplit(":", 1)[0], tag=python, changes=list(CONTRACT)
                )
            part = Path(folder) / "image.tar"
            with part.open("wb") as file:
                for chunk in client.images.get(name).save(named=True):
                    file.write(chunk)
            part.rename(saved)
    except subprocess.SubprocessError as error:
        raise NoEngineError(f"no stand-in for {name} can be made: {error}") from error
    finally:
        os.umask(before)


def _fill(root, python):
    run = functools.partial(subprocess.run, check=True, timeout=600, stdout=subprocess.DEVNULL)
    environment = os.environ | {"PATH": debian.search_path()}
    suite = ["--mode=root", "--variant=minbase", "--include=python3,ca-certificates", SUITES[python], str(root)]
    run(["mmdebstrap", "--quiet", *suite, MIRROR], env=environment)  # in half of debootstrap's processor time
    for folder in NEEDLESS:  # half of the image, and every push compresses it
        shutil.rmtree(root / folder)
    site = f"var/lang/lib/python{python}/site-packages"
    for folder in ("var/task", "var/runtime", "var/lang/bin", site, "opt"):
        (root / folder).mkdir(parents=True, exist_ok=True)
    # A virtual environment makes Debian's pip install where AWS's does, and not into dist-packages.
    (root / "var/lang/pyvenv.cfg").write_text(f"home = /usr/bin\nversion = {python}\n")
    for alias in ("python", "python3", f"python{python}"):
        (root / "var/lang/bin" / alias).symlink_to("/usr/bin/python3")
    _script(root / "lambda-entrypoint.sh", ENTRYPOINT)
    # The machine's own certificates: it may sit behind a proxy that the image knows nothing of.
    bundle = Path(os.environ.get("SSL_CERT_FILE", "/etc/ssl/certs/ca-certificates.crt"))
    if bundle.exists():
        shutil.copy(bundle, root / "etc/ssl/certs/ca-certificates.crt")
    machine = {"amd64": "x86_64", "arm64": "aarch64"}[MACHINE[platform.machine()]]
    uv = [sys.executable, "-m", "uv", "pip", "install", "--quiet", "--python-version", python, "--only-binary", ":all:"]
    uv += ["--python-platform", f"{machine}-manylinux_2_28", "--target"]
    run([*uv, str(root / "var/runtime"), RUNTIME_CLIENT])
    run([*uv, str(root / site), "pip"])
    for alias in ("pip", "pip3"):
        _script(root / "var/lang/bin" / alias, '#!/bin/sh\nexec /var/lang/bin/python3 -m pip "$@"\n')


def _script(path, text):
    path.write_text(text)
    path.chmod(0o755)
