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
import time
from pathlib import Path

from stepladder.process import die_with_parent

SUITES = {"3.13": "trixie", "3.11": "bookworm"}  # Debian releases by their Python
RUNTIME_CLIENT = "awslambdaric==4.2.2"
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
    "ENV LAMBDA_TASK_ROOT=/var/task",
    "ENV LAMBDA_RUNTIME_DIR=/var/runtime",
    "ENV PIP_CERT=/etc/ssl/certs/ca-certificates.crt",
    "WORKDIR /var/task",
    'ENTRYPOINT ["/lambda-entrypoint.sh"]',
)


class NoEngineError(Exception):
    """No engine answers and none can be started here."""


def answers(host):
    """Say whether an engine answers at `host` (None: wherever the environment says)."""
    import docker
    from docker.errors import DockerException

    try:
        client = docker.DockerClient(base_url=host, timeout=5) if host else docker.from_env(timeout=5)
    except DockerException:
        return False
    with contextlib.closing(client):
        try:
            return client.ping()
        except (DockerException, OSError):
            return False


@contextlib.contextmanager
def running(folder):
    """Yield the address of an engine; one that had to be started ends with the block."""
    if answers(None):
        yield os.environ.get("DOCKER_HOST", "unix:///var/run/docker.sock")
        return
    _install()
    host = f"unix://{folder}/docker.sock"
    argv = ["dockerd", "--host", host, "--data-root", f"{folder}/data", "--exec-root", f"{folder}/exec"]
    argv += ["--pidfile", f"{folder}/docker.pid", "--iptables=false", "--bridge=none"]  # host networking is all we use
    log = folder / "dockerd.log"
    with log.open("wb") as output:
        daemon = subprocess.Popen(argv, stdout=output, stderr=output, preexec_fn=die_with_parent)  # noqa: PLW1509 - one libc call
    try:
        deadline = time.monotonic() + 60
        while not answers(host):
            if daemon.poll() is not None or time.monotonic() > deadline:
                raise NoEngineError(f"dockerd did not start:\n{log.read_text()[-2000:]}")
            time.sleep(0.2)
        yield host
    finally:
        daemon.terminate()
        try:
            daemon.wait(30)
        except subprocess.TimeoutExpired:
            daemon.kill()
            daemon.wait(5)


def _install():
    if shutil.which("dockerd", path=_sbin()):
        return
    if sys.platform != "linux" or os.geteuid() != 0 or not shutil.which("apt-get"):
        raise NoEngineError("no Docker engine answers, and one is installed only on Debian as root")
    quiet = {"stdout": subprocess.DEVNULL, "stderr": subprocess.PIPE, "timeout": 300}
    environment = os.environ | {"DEBIAN_FRONTEND": "noninteractive"}
    try:
        subprocess.run(["apt-get", "update", "-qq"], env=environment, check=True, **quiet)
        packages = ["docker.io", "iptables", "debootstrap"]
        subprocess.run(
            ["apt-get", "install", "-y", "-qq", "--no-install-recommends", *packages], env=environment, **quiet
        )
    except subprocess.SubprocessError as error:
        raise NoEngineError(f"docker.io could not be installed: {error}") from error


def _sbin():
    return f"{os.environ.get('PATH', '')}:/usr/sbin:/sbin"


@functools.cache
def base_image(host, python="3.13"):
    """Make sure that the engine has AWS's base image of a Python, or a stand-in under its name; return the name."""
    import docker

    name = f"public.ecr.aws/lambda/python:{python}"
    with contextlib.closing(docker.DockerClient(base_url=host, timeout=120)) as client:
        if not client.images.list(name):
            saved = CACHE / f"base-python-{python}-{MACHINE[platform.machine()]}.tar"
            if not saved.exists():
                _make(client, name, python, saved)
            with saved.open("rb") as file:
                client.images.load(file)
    return name


def _make(client, name, python, saved):
    """Debian's Python, AWS's runtime client and the base image's contract; kept for the next run."""
    if not shutil.which("debootstrap", path=_sbin()):
        raise NoEngineError("debootstrap is needed to make a stand-in for the base image")
    saved.parent.mkdir(parents=True, exist_ok=True)
    root = saved.with_suffix(".root")
    shutil.rmtree(root, ignore_errors=True)
    run = functools.partial(subprocess.run, check=True, timeout=600, stdout=subprocess.DEVNULL)
    run(["debootstrap", "--variant=minbase", "--include=python3,ca-certificates", SUITES[python], str(root)])
    for folder in ("var/task", "var/runtime", "var/lang/bin", "opt"):
        (root / folder).mkdir(parents=True, exist_ok=True)
    (root / "var/lang/bin/python3").symlink_to("/usr/bin/python3")
    (root / "var/lang/bin/python").symlink_to("/usr/bin/python3")
    (root / "lambda-entrypoint.sh").write_text(ENTRYPOINT)
    (root / "lambda-entrypoint.sh").chmod(0o755)
    # The machine's own certificates: it may sit behind a proxy that the image knows nothing of.
    bundle = Path(os.environ.get("SSL_CERT_FILE", "/etc/ssl/certs/ca-certificates.crt"))
    if bundle.exists():
        shutil.copy(bundle, root / "etc/ssl/certs/ca-certificates.crt")
    uv = [sys.executable, "-m", "uv", "pip", "install", "--quiet", "--python-version", python, "--only-binary", ":all:"]
    platform_tag = "x86_64-manylinux_2_28" if MACHINE[platform.machine()] == "amd64" else "aarch64-manylinux_2_28"
    run([*uv, "--python-platform", platform_tag, "--target", str(root / "var/runtime"), RUNTIME_CLIENT])
    run(
        [*uv, "--python-platform", platform_tag, "--target", str(root / f"usr/lib/python{python}/site-packages"), "pip"]
    )
    (root / "var/lang/bin/pip").write_text('#!/bin/sh\nexec /var/lang/bin/python3 -m pip "$@"\n')
    (root / "var/lang/bin/pip").chmod(0o755)
    (root / f"usr/lib/python{python}/EXTERNALLY-MANAGED").unlink(missing_ok=True)
    (root / "usr/lib/python3/dist-packages/stand-in.pth").write_text(f"/usr/lib/python{python}/site-packages\n")
    with subprocess.Popen(["tar", "-C", str(root), "-c", "."], stdout=subprocess.PIPE) as tar:
        client.api.import_image_from_stream(
            tar.stdout, repository=name.rsplit(":", 1)[0], tag=python, changes=list(CONTRACT)
        )
    part = saved.with_suffix(".part")
    with part.open("wb") as file:
        for chunk in client.images.get(name).save(named=True):
            file.write(chunk)
    part.rename(saved)
    shutil.rmtree(root)
