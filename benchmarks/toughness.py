"""What a deployment does when AWS, the registry, a person or another deployment comes in between; ours, then others.

    .venv/bin/python benchmarks/toughness.py

Each fault is put into the local cloud, into the calls that the tool itself makes. Each cell is one run. Tools run in
lanes beside each other, each lane on a cloud of its own: the seconds say who waits, not who is faster.
"""

from __future__ import annotations

import contextlib
import itertools
import sys
import threading
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[1]
sys.path += [str(ROOT / "tests" / "support"), str(ROOT / "tests" / "unit")]

import peers  # noqa: E402
import progress  # noqa: E402
from alone import print_tables  # noqa: E402
from faulted import DEADLINE, GOOD, Outcome, Subject, heal, outcome  # noqa: E402
from injections import INJECTIONS, Injection  # noqa: E402
from measure import Command, environment, without_folders  # noqa: E402
from tables import Goal, Row, Table  # noqa: E402

from localcloud import daemon  # noqa: E402

LANES: tuple[tuple[type[peers.Peer], ...], ...] = (
    (peers.OslsFunction, peers.Chalice),
    (peers.SamSync, peers.AwsCli),
    (peers.SamDeployPolling,),
    (peers.Terraform, peers.CdkHotswap),
)
"""A way of deploying for each tool, and both of SAM's: past CloudFormation and through it."""
_BY_STACK = (peers.SamDeploy, peers.OslsDeploy, peers.CdkDeploy)
_NOTES = (
    "Each cell is one run, beside other tools on the same machine: the seconds say who waits, not who is faster.",
    f"A command that takes longer than {DEADLINE:.0f} s is ended.",
    "Faults hit the calls that the tool itself makes. Those of a stack stand for Lambda's: CloudFormation's meet none.",
    "Signals reach all processes of a command once the update was made; then it runs again, which is what counts.",
    "Two at once are the same command in the same folder.",
    "`$LATEST left changed`: the command failed, and $LATEST has other code than before.",
    "Callers of a tool without an alias call $LATEST, which runs the code before while the last update is Failed.",
    "`inv deploy` runs smoke cases on the new version, which no other does.",
)

_versions: dict[str, str] = {}

Cell = tuple[Injection, Outcome | None]
Found = tuple[Subject | str, list[Cell], str]


def measure(work: Path, rounds: int) -> Iterator[Table]:
    """Yield the table of words, then that of all that was seen. Each fault is tried once, whatever `rounds` says."""
    del rounds
    with peers.running_engine(work) as engine, contextlib.ExitStack() as stack:
        ours = list(_ours(work / "ours", engine, stack))
        sites = []
        for number, lane in enumerate(LANES):
            folder = work / f"lane{number}"
            folder.mkdir()
            sites.append((stack.enter_context(peers.running(folder, engine)), lane))
        shown = threading.Lock()
        with ThreadPoolExecutor(1 + len(LANES)) as lanes:
            started = [lanes.submit(lambda: [_tried(subject, shown) for subject in ours])]
            started += [lanes.submit(_lane, site, lane, shown) for site, lane in sites]
            rows = list(itertools.chain.from_iterable(lane.result() for lane in started))
    yield _words(rows)
    yield _details(rows)


def versions() -> dict[str, str]:
    """Return the versions of the tools that were tried."""
    return _versions


def _ours(work: Path, engine: peers.Engine, stack: contextlib.ExitStack) -> Iterator[Subject]:
    """Yield this tool with each builder; without an engine with the one that needs none."""
    import pytest
    from live_project import LiveProject
    from running_cloud import RunningCloud

    patch = stack.enter_context(pytest.MonkeyPatch.context())
    patch.delenv("CI", raising=False)
    for name, value in engine.variables.items():
        patch.setenv(name, value)
    launcher = {"STEPLADDER_LAUNCHER": "container" if engine.host else "process"}
    cloud = RunningCloud(stack.enter_context(daemon.running(environ={**launcher, **engine.address})))
    builders: Sequence[str] = ("layers", "docker") if engine.host else ("layers",)
    base, architecture = _base(cloud, engine) if engine.host else ("", "arm64")
    for builder in builders:
        progress.show(f"the first deployment by {builder}")
        if engine.host:
            from docker_project import DockerProject

            project: LiveProject = DockerProject(cloud, work / builder, architecture, base, builder)
        else:
            project = LiveProject(cloud, work / builder, architecture)
        project.make()
        yield _of_project(project, builder)


def _base(cloud: Any, engine: peers.Engine) -> tuple[str, str]:
    """Push the base image to the cloud's registry; return its reference there, and the engine's architecture."""
    from container_functions import ContainerFunctions

    from stepladder.core import container_engine

    answer = container_engine.find()
    if answer is None:
        raise RuntimeError("no container engine answers")
    return ContainerFunctions(cloud, engine.base).base, answer.architecture


def _of_project(project: Any, builder: str) -> Subject:
    numbers = itertools.count()
    argv = [str(Path(sys.executable).parent / "inv"), "deploy", "--env", "staging"]
    own = {name: value for name, value in project.env.items() if name != "PYTHONDONTWRITEBYTECODE"}
    return Subject(
        name=f"inv deploy ({builder} builder)",
        cloud=project.cloud.info,
        client=project.cloud.client("lambda"),
        function=project.function,
        change=lambda: project.say(f"change {next(numbers)}"),
        command=lambda: Command(argv, project.root, {**environment(), **own}),
        alias="live",
        ours=True,
    )


def _lane(site: peers.Site, kinds: Sequence[type[peers.Peer]], shown: threading.Lock) -> list[Found]:
    rows: list[Found] = []
    for kind in kinds:
        peer = kind()
        with shown:
            progress.show(f"the first deployment by {peer.name}")
        try:
            version = peer.install(site)
            peer.prepare(site)
        except peers.NotRunnableError as error:
            rows.append((peer.name, [], str(error)))
            continue
        if version:
            _versions[peer.tool.name if peer.tool else kind.__name__.lower()] = version
        subject = Subject(
            name=peer.name,
            cloud=site.cloud,
            client=site.client("lambda"),
            function=peer.function,
            change=peer.change,
            command=peer.command,
            alias="live" if peer.publishes else "",
            by_stack=isinstance(peer, _BY_STACK),
            pushes=not peer.zip,
        )
        try:
            rows.append(_tried(subject, shown))
        except Exception as error:  # noqa: BLE001 - one tool's row says so, the others go on
            rows.append((peer.name, [], f"{type(error).__name__}: {error}"))
    return rows


def _tried(subject: Subject, shown: threading.Lock) -> Found:
    cells: list[Cell] = []
    for injection in INJECTIONS:
        if injection.registry and not subject.pushes:
            cells.append((injection, None))
            continue
        with shown:
            progress.show(f"{subject.name}: {injection.name}")
        result = outcome(subject, injection)
        cells.append((injection, result))
        if result.word not in GOOD:
            heal(subject)
    return subject, cells, ""


def _words(found: Sequence[Found]) -> Table:
    rows, goals, commands = [], [], []
    for subject, cells, why in found:
        if isinstance(subject, str):
            rows.append(
                Row((subject, *[f"can't run here: {' '.join(why.split())[-150:]}", *[""] * (len(INJECTIONS) - 1)]), {})
            )
            continue
        words = tuple(f"{cell.word}, {cell.seconds:.0f} s" if cell else "pushes nothing" for _, cell in cells)
        rows.append(Row((subject.name, *words), {"tool": subject.name}))
        commands.append(f"{subject.name}: `{_typed(subject.command())}`.")
        for injection, cell in cells:
            if subject.ours and cell:
                what = f"{subject.name}, {injection.name},"
                goals.append(Goal(what, "converges or refuses with the cause", cell.word, cell.word in GOOD))
    head = ("tool", *(injection.name for injection in INJECTIONS))
    title = "What a deployment does under a fault"
    return Table("toughness", title, head, tuple(rows), (*_NOTES, *commands), tuple(goals))


def _details(found: Sequence[Found]) -> Table:
    rows = []
    for subject, cells, _ in found:
        for injection, cell in cells:
            if isinstance(subject, str) or cell is None:
                continue
            says = {True: "yes", False: "no"}
            code = "ended" if cell.exit == -1 else str(cell.exit)
            shown = (code, f"{cell.seconds:.1f}", says[cell.is_new], says[cell.is_right], says[cell.left], cell.line)
            values = {"tool": subject.name, "fault": injection.name, "seconds": [round(cell.seconds, 1)]}
            rows.append(Row((subject.name, injection.name, *shown), {**values, "word": cell.word}))
    head = ("tool", "fault", "exit", "seconds", "new code", "callers right", "$LATEST left", "what it says")
    return Table("toughness-details", "Exit codes, states and last words under each fault", head, tuple(rows))


def _typed(command: Command) -> str:
    """Return a command as a person would type it, in one line, without the folders of programs."""
    argv = command.argv[2:] if command.argv[0] == "sh" else command.argv
    lines = [" ".join(line.split()) for line in " ".join(argv).replace("\\\n", " ").splitlines()]
    return without_folders("; ".join(line for line in lines if line))


if __name__ == "__main__":
    print_tables(measure)
