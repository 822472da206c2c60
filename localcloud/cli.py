"""Start the cloud in this process: plugins, state, front, HTTP server; stop all of it on SIGTERM."""

from __future__ import annotations

import argparse
import contextlib
import importlib
import json
import os
import signal
import sys
import tempfile
import threading
import time
import traceback
from collections.abc import Sequence
from pathlib import Path

from localcloud.cloud import Cloud
from localcloud.endpoint_variables import unset
from localcloud.http.dispatch import Front
from localcloud.http.server import Server
from localcloud.services import PLUGINS
from localcloud.state import State

WARM = ("sts", "dynamodb", "lambda", "s3", "iam", "ecr", "logs", "stepfunctions", "codedeploy", "cloudwatch")


def main(argv: Sequence[str] | None = None) -> int:
    """Run until SIGTERM or SIGINT. Exit code 0, or 1 when the port is taken."""
    options = _options(argv)
    _allow_many_files()
    for name in ("AWS_ENDPOINT_URL", *unset(os.environ)):
        os.environ.pop(name, None)
    try:
        server = Server(options.host, options.port)
    except OSError as error:
        sys.stderr.write(f"the port {options.port} on {options.host} can't be used: {error.strerror}\n")
        return 1
    stopping = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: stopping.set())
    if options.leash:
        threading.Thread(target=_follow, args=(options.leash, stopping), daemon=True, name="leash").start()
    with contextlib.ExitStack() as stack:
        data = options.data or Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="stepladder-cloud-")))
        url = f"http://{_reachable(options.host)}:{server.port}"
        cloud = Cloud(url=url, data_dir=data.resolve(), persistent=bool(options.data))
        cloud.names = (options.host, *options.allow_host)
        _keep_clock(cloud)
        front = Front(cloud)
        _configure_moto(server.port)
        _install(cloud)
        state = State(cloud, data / "state", front.gate) if options.data else None
        if state:
            state.load()
            front.admin.save = state.save
            state.save_in_background(lambda: front.served)
        if options.speed:
            cloud.clock.set_speed(options.speed)
            front.admin.save()
        for call in cloud.starters:
            call()
        threading.Thread(target=server.serve, args=(front,), daemon=True, name="accept").start()
        _announce(options.ready_file, url)
        threading.Thread(target=_warm_up, args=(front, stopping), daemon=True, name="warm-up").start()
        stopping.wait()
        server.stop()
        _stop(cloud)
        if state:
            state.stop()
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(0)  # threads that wait for functions or clocks have nothing left to do


def _options(argv: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m localcloud", description=__doc__)
    parser.add_argument("--host", default="127.0.0.1", help="address to bind; anything but loopback is open to others")
    parser.add_argument(
        "--allow-host", action="append", default=[], help="another name by which clients reach the cloud"
    )
    parser.add_argument("--port", type=int, default=0, help="0: any free port")
    parser.add_argument("--data", type=Path, help="folder that keeps the state across restarts")
    parser.add_argument("--ready-file", type=Path, help="written with url and pid, as JSON, when ready")
    parser.add_argument("--leash", type=int, default=0, help="descriptor of a pipe; the cloud ends when it is closed")
    parser.add_argument("--speed", type=float, default=0.0, help="cloud seconds in a real second; 0: as saved, or 1")
    return parser.parse_args(argv)


def _follow(leash: int, stopping: threading.Event) -> None:
    """Stop when the process that holds the other end of a pipe has ended: killed, it tells nobody."""
    os.set_inheritable(leash, False)
    while os.read(leash, 1):
        pass
    stopping.set()


def _allow_many_files() -> None:
    """Raise the soft limit of open files, 256 on macOS, to the hard one: each connection is one."""
    with contextlib.suppress(ImportError, ValueError, OSError):
        import resource

        hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
        resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))


def _reachable(host: str) -> str:
    return "127.0.0.1" if host in ("", "0.0.0.0") else host  # noqa: S104 - compared, not bound


def _configure_moto(port: int) -> None:
    """Set what Moto reads at import: before the first of its modules is imported."""
    os.environ["MOTO_PORT"] = str(port)
    os.environ["MOTO_DISABLE_GLOBAL_CORS"] = "true"
    os.environ["MOTO_EVENTS_INVOKE_HTTP"] = "false"
    os.environ.setdefault("AWS_ACCESS_KEY_ID", "123456789012")
    os.environ.setdefault("AWS_SECRET_ACCESS_KEY", "local")
    from moto.core.config import default_user_config

    default_user_config["iam"] = {"load_aws_managed_policies": False}  # the iam plugin brings those that are asked for
    default_user_config["lambda"] = {"use_docker": False}


def _install(cloud: Cloud) -> None:
    for name in PLUGINS:
        importlib.import_module(f"localcloud.services.{name}.api").install(cloud)


def _keep_clock(cloud: Cloud) -> None:
    """Let a restarted cloud go on where its clock was, and as fast: what is saved has its times."""

    def load(saved: dict[str, float]) -> None:
        cloud.clock.set_speed(saved["speed"])
        cloud.clock.catch_up(saved["now"])

    cloud.on_save("clock", lambda: {"speed": cloud.clock.speed, "now": cloud.clock.now()})
    cloud.on_load("clock", load)


def _announce(ready_file: Path | None, url: str) -> None:
    if ready_file:
        temporary = ready_file.with_suffix(".new")
        temporary.write_text(json.dumps({"url": url, "pid": os.getpid()}))
        temporary.replace(ready_file)
    sys.stdout.write(f"ready at {url}\n")
    sys.stdout.flush()


def _warm_up(front: Front, stopping: threading.Event) -> None:
    """Import in the background what the first calls will need; step aside while requests come in."""
    for service in WARM:
        while front.busy and not stopping.is_set():
            time.sleep(0.02)
        if stopping.is_set():
            return
        with contextlib.suppress(Exception):
            front.warm(service)


def _stop(cloud: Cloud) -> None:
    for call in reversed(cloud.stoppers):
        try:
            call()
        except Exception:  # noqa: BLE001 - the others must still stop
            traceback.print_exc()
