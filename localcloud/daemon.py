"""Start, find and end a local cloud from outside: what `inv local.*` and the tests use."""

from __future__ import annotations

import contextlib
import json
import os
import shlex
import signal
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from localcloud.endpoint_variables import UNSET, unset
from localcloud.process_start import boot_id, started_at
from stepladder.core.errors import NotReadyError, StepladderError

__all__ = ["UNSET"]

READY_SECONDS = 30.0  # it takes one; a loaded machine may take many
STOP_SECONDS = 10.0
ACCOUNT = "123456789012"
REGION = "us-east-1"
_children: dict[int, subprocess.Popen[bytes]] = {}
"""The clouds that this very process started: their exit status must be taken by it."""
_leashes: dict[int, int] = {}
"""The writing ends of the pipes whose other ends clouds hold: a cloud ends when its pipe is closed, as a kill does."""


@dataclass(frozen=True)
class CloudInfo:
    """A local cloud. `pid` and `started` (the kernel's start time of the process) name exactly one process."""

    url: str
    pid: int
    started: str
    data: str
    log: str

    def env(self, *, account: str = ACCOUNT, region: str = REGION) -> dict[str, str]:
        """Return the variables that point AWS SDKs, Terraform and the tasks at this cloud."""
        return {
            "AWS_ENDPOINT_URL": self.url,
            "AWS_ACCESS_KEY_ID": account,  # twelve digits: the local cloud takes the key id as the account
            "AWS_SECRET_ACCESS_KEY": "local",
            "AWS_REGION": region,
            "AWS_DEFAULT_REGION": region,
            "AWS_EC2_METADATA_DISABLED": "true",
        }

    def request(self, path: str, method: str = "GET", body: Any = None) -> Any:
        """Ask one of the cloud's own pages (`/_stepladder/...`) and return its JSON."""
        request = urllib.request.Request(  # noqa: S310 - our own loopback address
            f"{self.url}/_stepladder/{path}", method=method, data=None if body is None else json.dumps(body).encode()
        )
        opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
        try:
            with opener.open(request, timeout=30) as answer:
                return json.load(answer)
        except urllib.error.HTTPError as error:
            with error:
                raise StepladderError(
                    f"the local cloud refused: {error.read().decode()}", kind="local-cloud-failed"
                ) from None
        except (OSError, ValueError) as error:
            raise NotReadyError(
                f"the local cloud at {self.url} doesn't answer",
                kind="local-cloud-down",
                hint="start it: `inv local.up`",
            ) from error


def up(
    folder: Path,
    *,
    port: int = 0,
    data: Path | None = None,
    speed: float = 0.0,
    iam: str = "",
    environ: Mapping[str, str] | None = None,
    leashed: bool = False,
) -> tuple[CloudInfo, bool]:
    """Start a cloud in the background, or find the one that `folder` knows. Return it and whether it was started.

    `folder` (`.stepladder/local` of a project) holds the record and the log. `environ` is added to this process's
    environment for the cloud alone. `speed` 0 leaves it as it was: as `data` kept it, or 1. So does an empty `iam`,
    the mode of IAM. A `leashed` cloud ends when
    this process does, however that ends. Raises `NotReadyError` with the end of the log when it doesn't come up, for
    example because the port is taken.
    """
    running_cloud = find(folder)
    if running_cloud:
        if port and not running_cloud.url.endswith(f":{port}"):
            raise StepladderError(
                f"a local cloud runs already, at {running_cloud.url}",
                kind="local-cloud-failed",
                hint="end it first: `inv local.down`",
            )
        if speed:
            running_cloud.request("clock", "POST", {"speed": speed})
        if iam:
            running_cloud.request("iam", "POST", {"mode": iam})
        return running_cloud, False
    folder.mkdir(parents=True, exist_ok=True)
    ready, log = folder / "ready.json", folder / "cloud.log"
    ready.unlink(missing_ok=True)
    argv = [sys.executable, "-m", "localcloud", "--port", str(port), "--ready-file", str(ready)]
    argv += ["--speed", str(speed), "--iam", iam, *(("--data", str(data.resolve())) if data else ())]
    inherited = {k: v for k, v in os.environ.items() if k not in unset(os.environ) and not k.startswith("MOTO_")}
    with contextlib.ExitStack() as stack:
        output = stack.enter_context(_private(log).open("wb"))
        leash, held = os.pipe() if leashed else (0, 0)
        if leashed:
            stack.callback(os.close, leash)
            argv += ["--leash", str(leash)]
        child = subprocess.Popen(
            argv,
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            env={**inherited, **(environ or {})},
            pass_fds=(leash,) if leashed else (),
            start_new_session=True,
        )
    _children[child.pid] = child
    if leashed:
        _leashes[child.pid] = held
    try:
        url = _wait_ready(child, ready, log)
        info = CloudInfo(url, child.pid, started_at(child.pid), str(data.resolve()) if data else "", str(log))
        _record(folder).write_text(json.dumps(asdict(info) | {"boot": boot_id()}))
    except BaseException:  # Ctrl-C too: a cloud that no record names could never be ended
        child.kill()
        child.wait(STOP_SECONDS)
        if leashed:
            os.close(_leashes.pop(child.pid))
        raise
    return info, True


def find(folder: Path) -> CloudInfo | None:
    """Return the running cloud that `folder` knows, or None when there is none. A stale record is no cloud."""
    try:
        raw = json.loads(_record(folder).read_text())
        boot = raw.pop("boot")
        info = CloudInfo(**raw)
    except (OSError, ValueError, TypeError, KeyError):
        return None
    return info if boot == boot_id() and started_at(info.pid) == info.started != "" else None


def down(folder: Path) -> CloudInfo | None:
    """End exactly the cloud that `folder` knows, with its function processes. Return it, or None when none ran."""
    info = find(folder)
    if info is not None:
        _end(info)
    _record(folder).unlink(missing_ok=True)
    _reap_dead()
    return info


def export_lines(info: CloudInfo, *, account: str = ACCOUNT, region: str = REGION) -> str:
    """Return what `eval "$(inv local.env)"` takes."""
    lines = [f"export {name}={shlex.quote(value)}" for name, value in info.env(account=account, region=region).items()]
    return "\n".join([*lines, f"unset {' '.join(unset(os.environ))}"])


@contextlib.contextmanager
def running(
    *, data: Path | None = None, speed: float = 0.0, environ: Mapping[str, str] | None = None
) -> Iterator[CloudInfo]:
    """Run a cloud in a temporary folder while the block runs. It ends with this process, however that ends."""
    with tempfile.TemporaryDirectory(prefix="stepladder-local-") as folder:
        info, _ = up(Path(folder), data=data, speed=speed, environ=environ, leashed=True)
        try:
            yield info
        finally:
            down(Path(folder))
            os.close(_leashes.pop(info.pid))


def _private(path: Path) -> Path:
    """Make a file that only its owner may read, also of one that is there."""
    path.touch(mode=0o600)
    path.chmod(0o600)
    return path


def _record(folder: Path) -> Path:
    return folder / "cloud.json"


def _wait_ready(child: subprocess.Popen[bytes], ready: Path, log: Path) -> str:
    deadline = time.monotonic() + READY_SECONDS
    while time.monotonic() < deadline:
        with contextlib.suppress(OSError, ValueError, KeyError):
            return str(json.loads(ready.read_text())["url"])
        if child.poll() is not None:
            break
        time.sleep(0.01)
    lines = log.read_text(errors="replace").strip().splitlines() or ["its log is empty"]
    errors = [line.removeprefix("error: ") for line in lines if line.startswith("error: ")]
    raise NotReadyError(
        f"the local cloud did not start: {(errors or lines)[-1]}",
        kind="local-cloud-down",
        hint=f"its log is {log}; `inv local.logs` prints its end",
    )


def _end(info: CloudInfo) -> None:
    for number, patience in ((signal.SIGTERM, STOP_SECONDS), (signal.SIGKILL, 5.0)):
        with contextlib.suppress(ProcessLookupError):
            os.kill(info.pid, number)
        deadline = time.monotonic() + patience
        while time.monotonic() < deadline:
            _reap(info.pid)
            if started_at(info.pid) != info.started:
                if child := _children.pop(info.pid, None):
                    child.wait(STOP_SECONDS)  # its first thread may be gone before the others
                return
            time.sleep(0.01)
    raise StepladderError(f"the local cloud (process {info.pid}) did not end", kind="local-cloud-failed")


def _reap(pid: int) -> None:
    """Take the exit status when the cloud is our own child, so that no zombie stays."""
    child = _children.get(pid)
    if child and child.poll() is not None:
        del _children[pid]


def _reap_dead() -> None:
    """Take the exit status of our own children that ended without us: killed, or by a fault."""
    for pid, child in list(_children.items()):
        if not started_at(pid):
            child.wait(STOP_SECONDS)
            _children.pop(pid, None)


def healthy(info: CloudInfo) -> Mapping[str, Any]:
    """Return the health page. Raises `NotReadyError` when the cloud doesn't answer."""
    answer: Mapping[str, Any] = info.request("health")
    return answer


def require(folder: Path) -> CloudInfo:
    """Return the running cloud. Raises `NotReadyError` when there is none."""
    info = find(folder)
    if info is None:
        raise NotReadyError("no local cloud is running here", kind="local-cloud-down", hint="start it: `inv local.up`")
    return info


def log_lines(folder: Path, count: int) -> list[str]:
    """Return the last `count` lines of the cloud's log, of a stopped cloud too."""
    try:
        lines = (folder / "cloud.log").read_text(errors="replace").splitlines()
    except FileNotFoundError:
        what = "there is no log here: no local cloud was started"
        raise NotReadyError(what, kind="local-cloud-down", hint="start it: `inv local.up`") from None
    return lines[-count:] if count > 0 else []


def run_in_foreground(
    *, host: str, port: int, data: Path | None, speed: float, names: Sequence[str] = (), iam: str = ""
) -> None:
    """Become the cloud: replaces this process, so that signals and the exit code are the cloud's own."""
    argv = [
        sys.executable,
        "-m",
        "localcloud",
        "--host",
        host,
        "--port",
        str(port),
        "--speed",
        str(speed),
        "--iam",
        iam,
    ]
    argv += [part for name in names for part in ("--allow-host", name)]
    sys.stdout.flush()
    os.execv(sys.executable, [*argv, *(("--data", str(data)) if data else ())])  # noqa: S606 - our own interpreter
