"""`inv local.*`: the local cloud."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from stepladder.collections.task import task

FOLDER = ".stepladder/local"
SPEED = (
    "Seconds of the cloud's clock in a real second, for CodeDeploy, alarms, schedules and waits; with 60 a canary of 5 "
    "minutes takes 5 seconds; default: as --data kept it, or 1 (real time)."
)

IAM = "Mode of IAM: enforce refuses what no policy allows, warn lets it pass and lists it, off evaluates nothing"
STRICTNESS = f"{IAM}; default: as --data kept it, or enforce."


@task(
    help={
        "port": "Port on loopback to listen on; 0 takes any free one.",
        "data": "Folder to keep the cloud's state in across restarts; without it, the state ends with the process.",
        "speed": SPEED,
        "iam": STRICTNESS,
    }
)
def up(_c: Any, port: int = 4600, data: str = "", speed: str = "", iam: str = "") -> None:
    """Start the local cloud in the background unless it runs already."""
    from localcloud import daemon, iam_mode
    from localcloud import speed as speeds
    from stepladder.core.console import Console

    console = Console()
    with console.step("local cloud") as step:
        wanted, kept = speeds.parse(speed), Path(data) if data else None
        info, started = daemon.up(Path(FOLDER), port=port, data=kept, speed=wanted, iam=iam_mode.parse(iam))
        verb = "ready" if started else "runs already"
        step.done(f"{verb} at {info.url} (process {info.pid}), speed {speeds.show(info)}")
    console.hint('point this shell at it: `eval "$(inv local.env)"`')


@task(positional=["value"], auto_shortflags=False, help={"value": SPEED})
def speed(_c: Any, value: str = "") -> None:
    """Show how fast the running cloud's clock runs, or change it: inv local.speed 60."""
    from localcloud import daemon
    from localcloud import speed as speeds
    from stepladder.core.console import Console

    wanted, info = speeds.parse(value), daemon.require(Path(FOLDER))
    Console().data(speeds.change(info, wanted) if wanted else speeds.show(info))


@task(
    prints="stepladder.commands.outputs.infrastructure:IamRecord",
    positional=["mode"],
    auto_shortflags=False,
    help={"mode": f"{IAM}.", "json": "Print one JSON document."},
)
def iam(_c: Any, mode: str = "", json: bool = False) -> None:
    """Show how IAM is taken and what it refused lately, or change it: inv local.iam warn."""
    from localcloud import daemon, iam_mode
    from stepladder.core.console import Console

    wanted, info, console = iam_mode.parse(mode), daemon.require(Path(FOLDER)), Console(as_json=json)
    shown = iam_mode.change(info, wanted) if wanted else iam_mode.show(info)
    rows = [] if wanted else iam_mode.denials(info)
    if json:
        console.json({"mode": shown.split()[0], "denials": rows})
        return
    for line in (shown, *iam_mode.lines(rows)):
        console.data(line)


@task
def down(_c: Any) -> None:
    """Stop the local cloud that `up` started, and the functions that it runs."""
    from localcloud import daemon
    from stepladder.core.aws import LEAVE_LOCAL, endpoint
    from stepladder.core.console import Console

    console = Console()
    with console.step("local cloud") as step:
        info = daemon.down(Path(FOLDER))
        step.done(f"ended, process {info.pid}") if info else step.skip("none is running here")
    if info and info.url == endpoint():
        console.hint(f"this shell still points at it; to work with AWS, open a new shell, or `{LEAVE_LOCAL}`")


@task(
    prints="stepladder.commands.outputs.infrastructure:CloudHealth",
    default=True,
    help={"json": "Print one JSON document."},
    reads_only=True,
)
def status(_c: Any, json: bool = False) -> None:
    """Show the local cloud that runs here; exit 6 when there is none."""
    from localcloud import daemon
    from stepladder.core.console import Console

    health = daemon.healthy(daemon.require(Path(FOLDER)))
    console = Console(as_json=json)
    console.json(health) if json else console.table(("what", "value"), [(k, v) for k, v in health.items() if v])


@task(
    help={
        "account": "Account to use; every account has its own resources (default: that of the lowest rung).",
        "region": "Region to use; default: that of the lowest rung.",
    },
    reads_only=True,
)
def env(c: Any, account: str = "", region: str = "") -> None:
    """Print the exports that point a shell at the local cloud: eval "$(inv local.env)"."""
    from localcloud import daemon
    from stepladder.core.console import Console

    info = daemon.require(Path(FOLDER))
    its_account, its_region = _lowest(c)
    Console().data(daemon.export_lines(info, account=account or its_account, region=region or its_region))


def _lowest(context: Any) -> tuple[str, str]:
    """Return account and region of the project's lowest rung, or the local cloud's own where there is no project."""
    from localcloud import daemon
    from stepladder.settings import load

    if not context.config.get("stepladder", {}).get("environments"):
        return daemon.ACCOUNT, daemon.REGION
    loaded = load.from_context(context)
    lowest = loaded.environment(loaded.lowest)
    return lowest.account, lowest.region


@task(help={"lines": "Number of lines from the end."}, reads_only=True)
def logs(_c: Any, lines: int = 50) -> None:
    """Print the end of the local cloud's own log."""
    from localcloud import daemon
    from stepladder.core.console import Console

    console = Console()
    for line in daemon.log_lines(Path(FOLDER), lines):
        console.data(line)


@task(
    help={
        "host": "Address to bind; any other than loopback is open to the network.",
        "allow_host": "Additional host names, separated by commas, by which clients may reach the cloud.",
        "port": "Port to listen on; 0 takes any free one.",
        "data": "Folder to keep the cloud's state in across restarts.",
        "speed": SPEED,
        "iam": STRICTNESS,
    }
)
def run(
    _c: Any,
    host: str = "127.0.0.1",
    port: int = 4600,
    data: str = "",
    speed: str = "",
    allow_host: str = "",
    iam: str = "",
) -> None:
    """Run the local cloud in the foreground until Ctrl-C, as in a container."""
    from localcloud import daemon, iam_mode
    from localcloud.speed import parse

    names = [name for name in allow_host.split(",") if name]
    kept, mode = Path(data) if data else None, iam_mode.parse(iam)
    daemon.run_in_foreground(host=host, port=port, data=kept, speed=parse(speed), names=names, iam=mode)
