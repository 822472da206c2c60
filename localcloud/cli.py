"""The command `localcloud`: run a local cloud in the foreground.

It starts the services, the state and the HTTP server in this process, and stops them on SIGTERM and Ctrl-C.
"""

from __future__ import annotations

import argparse
import contextlib
import functools
import importlib
import importlib.util
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

from localcloud import clock
from localcloud.access.gate import MODES, VARIABLE
from localcloud.cloud import Cloud
from localcloud.endpoint_variables import unset
from localcloud.http.dispatch import Dispatcher
from localcloud.http.server import Server
from localcloud.services import SERVICES
from localcloud.state import SavedState
from stepladder.core.errors import BadInputError, ExitCode, NotReadyError, StepladderError

INSTALL = "pip install 'stepladder[local]'"
EPILOG = """\
Point AWS SDKs and Terraform at it:
  export AWS_ENDPOINT_URL=http://127.0.0.1:4600 AWS_ACCESS_KEY_ID=123456789012 AWS_SECRET_ACCESS_KEY=local

Exit codes:
  0  ended by Ctrl-C or SIGTERM
  1  the state in the folder can't be used
  2  a wrong option
  6  the port is taken, or Moto is not installed
"""
WARM = ("sts", "dynamodb", "lambda", "s3", "iam", "ecr", "logs", "stepfunctions", "codedeploy", "cloudwatch")


def main(argv: Sequence[str] | None = None) -> int:
    """Run until SIGTERM or Ctrl-C. Return an `ExitCode`."""
    options = _options(argv)
    try:
        _check_moto()
        _run(options)
    except StepladderError as error:
        sys.stderr.write(f"error: {error.message}\n" + (f"\nhint: {error.hint}\n" if error.hint else ""))
        return error.exit_code
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(ExitCode.OK)  # threads that wait for functions or clocks have nothing left to do


def _check_moto() -> None:
    if importlib.util.find_spec("moto") is None:
        raise NotReadyError("the local cloud needs Moto, which isn't installed", hint=f"`{INSTALL}`")


def _listen(host: str, port: int) -> Server:
    try:
        return Server(host, port)
    except OSError as error:
        raise NotReadyError(
            f"the port {port} on {host} can't be used: {error.strerror}", hint="`localcloud --port 0` takes a free one"
        ) from None


def _run(options: argparse.Namespace) -> None:
    _allow_many_files()
    if (mode := os.environ.get(VARIABLE, "")) not in ("", *MODES):
        raise BadInputError(f"{VARIABLE} is {mode!r}; it takes {', '.join(MODES)}", kind="bad-arguments")
    for name in ("AWS_ENDPOINT_URL", *unset(os.environ)):
        os.environ.pop(name, None)
    server = _listen(options.host, options.port)
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
        dispatcher = Dispatcher(cloud)
        _configure_moto(server.port)
        _install(cloud)
        state = SavedState(cloud, data / "state", dispatcher.gate) if options.data else None
        if state:
            state.load()
            dispatcher.admin.save = state.save
            state.save_in_background(lambda: dispatcher.served)
        if options.iam:
            cloud.access.set_mode(options.iam)
            dispatcher.admin.save()
        if options.speed:
            cloud.clock.set_speed(options.speed)
            dispatcher.admin.save()
        for call in cloud.starters:
            call()
        threading.Thread(target=server.serve, args=(dispatcher,), daemon=True, name="accept").start()
        _announce(options.ready_file, url)
        threading.Thread(target=_warm_up, args=(dispatcher, stopping), daemon=True, name="warm-up").start()
        stopping.wait()
        server.stop()
        _stop(cloud)
        if state:
            state.stop()


def _options(argv: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="localcloud",
        description="Run a local cloud: AWS services on this machine, for trials and for tests. Ctrl-C ends it.",
        epilog=EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--host", default="127.0.0.1", help="bind this address; others reach anything but loopback")
    parser.add_argument("--port", type=int, default=4600, help="listen on this port; 0: any free one (default: 4600)")
    parser.add_argument(
        "--allow-host",
        action="append",
        default=[],
        metavar="NAME",
        help="answer to this host name too (repeatable)",
    )
    parser.add_argument("--data", type=Path, metavar="DIR", help="keep the state in this folder across restarts")
    parser.add_argument(
        "--speed", type=_speed, default=0.0, help="run the clock faster: 60 lets a canary of 5 minutes take 5 seconds"
    )
    parser.add_argument(
        "--iam",
        choices=("", *MODES),
        default="",
        help="enforce IAM (the default), warn of what it would refuse, or off",
    )
    parser.add_argument("--ready-file", type=Path, metavar="FILE", help="write URL and process id here when ready")
    parser.add_argument("--leash", type=int, default=0, help=argparse.SUPPRESS)  # a pipe; the cloud ends with it
    return parser.parse_args(argv)


def _speed(text: str) -> float:
    """Read `--speed`. 0 leaves the speed as the state has it."""
    try:
        return clock.check(float(text)) if float(text) else 0.0
    except ValueError:
        raise argparse.ArgumentTypeError(f"{text!r} is not a number over 0 and at most {clock.FASTEST:.0f}") from None


def _follow(leash: int, stopping: threading.Event) -> None:
    """Stop when the process that holds the other end of the pipe has ended, also when it was killed."""
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
    from moto.core import utils
    from moto.core.config import default_user_config

    default_user_config["iam"] = {"load_aws_managed_policies": False}  # the iam service adds those that are named
    default_user_config["lambda"] = {"use_docker": False}
    # One of each for all services: a new one lists botocore's folders again, which takes as long as to read a model.
    vars(utils).update(create_loader=functools.cache(utils.create_loader), Session=functools.cache(utils.Session))


def _install(cloud: Cloud) -> None:
    for name in SERVICES:
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


def _warm_up(dispatcher: Dispatcher, stopping: threading.Event) -> None:
    """Import in the background what the first calls will need. Step aside while requests come in."""
    for service in WARM:
        while dispatcher.busy and not stopping.is_set():
            time.sleep(0.02)
        if stopping.is_set():
            return
        with contextlib.suppress(Exception):
            dispatcher.moto.warm(service)


def _stop(cloud: Cloud) -> None:
    cloud.stopping.set()
    for call in reversed(cloud.stoppers):
        try:
            call()
        except Exception:  # noqa: BLE001 - the others must still stop
            traceback.print_exc()
