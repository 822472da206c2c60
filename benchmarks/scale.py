"""Measure how time, memory, calls and bytes grow with functions, files, layers, images and releases.

    .venv/bin/python benchmarks/scale.py [rounds] [table ...]

Projects on a local cloud, used through whole processes. What Terraform would make is made by API, so that the time is
that of reading and releasing. Payloads are made here, half of bytes that don't shrink and half of text.
"""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
sys.path += [str(ROOT / "tests/support"), str(ROOT / "tests/unit")]

import progress  # noqa: E402 - from this folder
import scale_projects as projects  # noqa: E402
from alone import print_tables  # noqa: E402
from live_project import LiveProject  # noqa: E402 - from the tests
from many_functions import ManyFunctions  # noqa: E402
from running_cloud import RunningCloud  # noqa: E402
from tables import Goal, Row, Spread, Table, told  # noqa: E402

from localcloud import daemon  # noqa: E402

HEAD = ("size", "command", "seconds", "processor", "peak MB", "calls", "MB sent")
DEPLOY = ("deploy", "--env", "staging")
UNTESTED = (*DEPLOY, "--no-smoke")
FUNCTIONS, FILES, LAYERS = (1, 10, 100), (10, 1_000, 10_000), (25, 250)
IMAGES = (20, 200, 2_000)
RELEASES = (10, 1_000, 10_000)
NOTHING_SECONDS, ONE_SECONDS = 5.0, 8.0  # of a hundred functions
MEMORY = 150.0  # MB
ROUNDS = 3
_DEADLINE = 900.0
_LAUNCHER = """
import json, os, sys, time
begun = time.perf_counter()
child = os.fork()
if not child:
    os.dup2(2, 1)
    os.execv(sys.argv[1], sys.argv[1:])
_, status, used = os.wait4(child, 0)
cost = {"seconds": time.perf_counter() - begun, "processor": used.ru_utime + used.ru_stime, "kilobytes": used.ru_maxrss}
print(json.dumps({**cost, "code": os.waitstatus_to_exitcode(status)}))
"""
"""Starts a command: the kernel counts the memory of who starts it to its peak, and this one has ten megabytes."""


@dataclass(frozen=True)
class Cost:
    """What one command took: seconds, processor seconds and peak MB of it and its children, calls, MB of layers."""

    seconds: float
    processor: float
    megabytes: float
    calls: int
    sent: float


@dataclass(frozen=True)
class Measured:
    """A command at a size, run several times."""

    size: int
    command: str
    costs: tuple[Cost, ...]

    def spread(self, what: str) -> Spread:
        """Return one of the costs' figures."""
        return Spread(tuple(float(getattr(cost, what)) for cost in self.costs))

    def row(self, unit: str) -> Row:
        """Return the line of the table, and its figures for a picture."""
        seconds, processor, peak = (self.spread(what) for what in ("seconds", "processor", "megabytes"))
        calls, sent = self.spread("calls"), self.spread("sent")
        cells = (f"{self.size:,} {unit}", self.command, seconds.text(), f"{processor.median:.2f}")
        return Row(
            (*cells, f"{max(peak.figures):.0f}", f"{calls.median:.0f}", f"{sent.median:.1f}"),
            {
                "tool": self.command,
                "size": self.size,
                "seconds": list(seconds.figures),
                "processor": list(processor.figures),
                "megabytes": max(peak.figures),
                "calls": calls.median,
                "sent_megabytes": sent.median,
            },
        )


Rows = dict[tuple[int, str], Measured]
Change = Callable[[int], None]
"""Changes a project before a run, whose number it gets; untimed."""


def measure(work: Path, rounds: int) -> Iterator[Table]:
    """Measure all tables, each in a folder of its own below `work` that is removed afterwards."""
    yield from chosen(work, rounds, list(TABLES))


def chosen(work: Path, rounds: int, names: Sequence[str]) -> Iterator[Table]:
    """Measure some tables. Bigger sizes run three rounds at most."""
    for name in names:
        folder = work / name
        folder.mkdir(parents=True)
        with daemon.running() as info:
            yield TABLES[name](RunningCloud(info), folder, min(rounds, ROUNDS))
        shutil.rmtree(folder)


def run(project: LiveProject, arguments: Sequence[str]) -> Cost:
    """Run a task to its end and return its cost. Raises `RuntimeError` when it fails."""
    project.cloud.reset_calls()
    env = {name: value for name, value in project.env.items() if name != "PYTHONDONTWRITEBYTECODE"}
    argv = [sys.executable, "-I", "-S", "-c", _LAUNCHER, sys.executable, "-m", "invoke", *arguments]
    done = subprocess.run(
        argv,
        cwd=project.root,
        env=env,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=_DEADLINE,
        check=True,
    )
    result = json.loads(done.stdout)
    if result["code"]:
        raise RuntimeError(f"{' '.join(arguments)} ended with {result['code']}: {done.stderr[-3000:]}")
    traffic = project.cloud.info.request("calls")
    megabytes, calls, sent = result["kilobytes"] / 1024, len(traffic["calls"]), traffic["registry_bytes"] / 1e6
    return Cost(result["seconds"], result["processor"], megabytes, calls, sent)


def repeated(
    project: LiveProject, size: int, command: str, rounds: int, arguments: Sequence[str], before: Change
) -> Measured:
    """Run a task several times, each after a change that isn't timed."""
    costs = []
    for number in progress.counted(rounds, f"{size:,}: {command}"):
        before(number)
        costs.append(run(project, arguments))
    return Measured(size, command, tuple(costs))


def table(name: str, title: str, unit: str, rows: Rows, goals: Sequence[Goal], *notes: str) -> Table:
    """Return the table of some measurements."""
    return Table(name, title, HEAD, tuple(measured.row(unit) for measured in rows.values()), notes, tuple(goals))


def unchanged(_number: int) -> None:
    """Change nothing."""


def functions(cloud: RunningCloud, work: Path, rounds: int) -> Table:
    """Deploy projects of one, ten and a hundred functions with nothing, one and all changed."""
    rows: Rows = {}

    def add(measured: Measured) -> None:
        rows[measured.size, measured.command] = measured

    for size in FUNCTIONS:
        folder = work / str(size)
        folder.mkdir()
        many = ManyFunctions(cloud, folder, size - 1) if size > 1 else None
        project = many or LiveProject(cloud, folder)
        project.make()
        one = many.say_solo if many else project.say
        add(repeated(project, size, "nothing changed", rounds, DEPLOY, unchanged))
        add(repeated(project, size, "one changed", rounds, DEPLOY, _changing(one)))
        if many:
            all_of = min(rounds, 2 if size > FUNCTIONS[1] else rounds)
            add(repeated(many, size, "all changed", all_of, DEPLOY, _saying_all(many)))
        add(repeated(project, size, "rollback", 1, ("rollback", "--env", "staging"), unchanged))
        add(repeated(project, size, "status", rounds, ("status", "--env", "staging"), unchanged))
    largest = FUNCTIONS[-1]
    goals = [
        _at_most("nothing changed, 100 functions", rows[largest, "nothing changed"], "seconds", NOTHING_SECONDS, "s"),
        _at_most("one of 100 functions changed", rows[largest, "one changed"], "seconds", ONE_SECONDS, "s"),
        _at_most("100 functions, all changed: memory", rows[largest, "all changed"], "megabytes", MEMORY, "MB"),
        _ratio("calls, nothing changed, 100 functions / 10", rows, "nothing changed", "calls", (10, largest), 10.0),
    ]
    note = 'All functions but one run one image, each by a handler of its own; "one" is the one with its own image.'
    return table("scale-functions", "Functions", "functions", rows, goals, note)


def _saying(project: LiveProject) -> Change:
    return lambda number: project.say(f"n{number}")


def _changing(say: Callable[[str], None]) -> Change:
    return lambda number: say(f"one {number}")


def _saying_all(project: ManyFunctions) -> Change:
    def change(number: int) -> None:
        project.say(f"all {number}")
        project.say_solo(f"all {number}")

    return change


def _writing(project: projects.Weighted) -> Change:
    return lambda _number: project.write_weights()


def context(cloud: RunningCloud, work: Path, rounds: int) -> Table:
    """Deploy projects whose image has many small files of their own."""
    rows: Rows = {}
    for size in FILES:
        project = projects.with_files(cloud, work / str(size), size)
        nothing = repeated(project, size, "nothing changed", rounds, DEPLOY, unchanged)
        handler = repeated(project, size, "handler changed", rounds, UNTESTED, _saying(project))
        rows |= {(size, each.command): each for each in (nothing, handler)}
        shutil.rmtree(project.root)
    goals = [
        _ratio("nothing changed, 10,000 files / 10", rows, "nothing changed", "processor", (10, FILES[-1]), 2.5),
        _at_most("10,000 files, nothing changed: memory", nothing, "megabytes", MEMORY, "MB"),
        _at_most("10,000 files, handler changed: sent", handler, "sent", 5.0, "MB"),
    ]
    return table("scale-files", "Files of the image", "files", rows, goals, "Files of 3 kB.", projects.UNTESTED_NOTE)


def layer(cloud: RunningCloud, work: Path, rounds: int) -> Table:
    """Deploy projects whose packages have many megabytes."""
    rows: Rows = {}
    for size in LAYERS:
        project = projects.with_packages(cloud, work / str(size), size)
        nothing = repeated(project, size, "nothing changed", rounds, DEPLOY, unchanged)
        handler = repeated(project, size, "handler changed", rounds, UNTESTED, _saying(project))
        package = repeated(project, size, "one package changed", min(rounds, 2), UNTESTED, project.upgrade)
        rows |= {(size, each.command): each for each in (nothing, handler, package)}
        shutil.rmtree(project.root)
    largest = LAYERS[-1]
    goals = [
        _at_most(
            f"{largest} MB of packages, one changed: memory",
            rows[largest, "one package changed"],
            "megabytes",
            MEMORY,
            "MB",
        ),
        _at_most(
            f"{largest} MB of packages, one changed: sent",
            rows[largest, "one package changed"],
            "sent",
            largest / 5,
            "MB",
        ),
        _ratio("handler changed, 250 MB of packages / 25", rows, "handler changed", "seconds", LAYERS, 1.5),
    ]
    note = "Ten packages of one size, half of bytes that don't shrink and half of text."
    return table("scale-packages", "Packages of the image", "MB", rows, goals, note, projects.UNTESTED_NOTE)


def image(cloud: RunningCloud, work: Path, rounds: int) -> Table:
    """Deploy projects with weights of a model beside the handler."""
    rows: Rows = {}
    for size in IMAGES:
        project = projects.with_weights(cloud, work / str(size), size)
        first = repeated(project, size, "all sent", 1, UNTESTED, _writing(project))
        time.sleep(projects.SETTLED)
        run(project, UNTESTED)  # reads what was written just before for the last time
        nothing = repeated(project, size, "nothing changed", rounds, UNTESTED, unchanged)
        handler = repeated(project, size, "handler changed", rounds, UNTESTED, _saying(project))
        rows |= {(size, each.command): each for each in (first, nothing, handler)}
        shutil.rmtree(project.root)
    ends = (IMAGES[0], IMAGES[-1])
    goals = [
        _at_most(f"{IMAGES[-1]:,} MB, all sent: memory", rows[IMAGES[-1], "all sent"], "megabytes", MEMORY, "MB"),
        _at_most(f"{IMAGES[-1]:,} MB, handler changed: sent", rows[IMAGES[-1], "handler changed"], "sent", 1.0, "MB"),
        _ratio(f"handler changed, {IMAGES[-1]:,} MB / {IMAGES[0]}", rows, "handler changed", "processor", ends, 1.5),
        _ratio(f"nothing changed, {IMAGES[-1]:,} MB / {IMAGES[0]}", rows, "nothing changed", "processor", ends, 1.5),
    ]
    note = "Four files of weights, a quarter of them text."
    return table("scale-image", "Size of the image", "MB", rows, goals, note, projects.UNTESTED_NOTE)


def ledger(cloud: RunningCloud, work: Path, rounds: int) -> Table:
    """Run commands on ledgers of many releases."""
    rows: Rows = {}
    for size in RELEASES:
        folder = work / str(size)
        folder.mkdir()
        project = LiveProject(cloud, folder)
        project.make()
        projects.fill_ledger(project, size)
        for words, before in _on_ledger(project):
            command = "deploy, changed" if before is not unchanged and words == DEPLOY else _name(words)
            rows[size, command] = repeated(project, size, command, rounds, words, before)
    ends = (RELEASES[0], RELEASES[-1])
    commands = list(dict.fromkeys(command for _, command in rows))
    goals = [
        _ratio(f"calls of {command}, 10,000 releases / 10", rows, command, "calls", ends, 1.1) for command in commands
    ]
    goals += [_ratio("processor of deploy, 10,000 releases / 10", rows, "deploy", "processor", ends, 1.3)]
    worst = max((rows[RELEASES[-1], command] for command in commands), key=lambda m: m.spread("megabytes").median)
    goals += [_at_most(f"10,000 releases: memory of {worst.command}", worst, "megabytes", MEMORY, "MB")]
    return table("scale-ledger", "Releases in the ledger", "releases", rows, goals, projects.LEDGER_NOTE)


def _on_ledger(project: LiveProject) -> Iterator[tuple[Sequence[str], Change]]:
    yield DEPLOY, unchanged
    yield DEPLOY, lambda number: project.say(f"n{number}")
    yield ("rollback", "--env", "staging"), unchanged
    yield ("status", "--env", "staging"), unchanged
    yield ("history", "--env", "staging"), unchanged
    yield ("diagnose", "--env", "staging"), unchanged


def _name(words: Sequence[str]) -> str:
    return words[0]


def _at_most(what: str, measured: Measured, figure: str, limit: float, unit: str) -> Goal:
    """Return a goal: the least of the runs, as another load on the machine isn't ours; of memory the most."""
    figures = measured.spread(figure).figures
    value = max(figures) if figure == "megabytes" else min(figures)
    return Goal(what, f"<= {limit:g} {unit}", f"{told(value, limit, 1)} {unit}", value <= limit)


def _ratio(what: str, rows: Rows, command: str, figure: str, sizes: tuple[int, int], limit: float) -> Goal:
    """Return a goal: a command's cost at the larger size against that at the smaller."""
    small, large = (min(rows[size, command].spread(figure).figures) for size in sizes)
    ratio = large / small if small else float(large > 0)
    return Goal(what, f"<= {limit:g}x", f"{told(ratio, limit)}x", ratio <= limit)


TABLES: dict[str, Callable[[RunningCloud, Path, int], Table]] = {
    "functions": functions,
    "context": context,
    "layer": layer,
    "image": image,
    "ledger": ledger,
}


if __name__ == "__main__":
    names = sys.argv[2:] or list(TABLES)
    print_tables(lambda work, rounds: chosen(work, rounds, names))
