"""How a deploy of several functions ended: the table for the person and the record for `--json`."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from stepladder.aws_lambda import function_url
from stepladder.commands.deploy import DeployOptions
from stepladder.commands.function_deploy import FunctionDeploy
from stepladder.commands.many_terraform import SharedRoots
from stepladder.core.console import Console
from stepladder.core.release_facts import short
from stepladder.core.tables import Cell, Column
from stepladder.ledger.words import result_words
from stepladder.releases import left_foundation, preview
from stepladder.releases.plan import IMAGE, RELEASE
from stepladder.releases.report import DeployReport
from stepladder.releases.rung import Rung

HEAD = (Column("function", least=12), "result", "version", "image", Column("url", least=20, spare=1))
_COLOURS = {"released": "green", "failed": "red", "rolled_back": "yellow", "not_released": "yellow"}
_ORDER = ("released", "applied", "tested", "unchanged")


@dataclass(frozen=True)
class ManyReport:
    """How a deploy of several functions ended, each as one function's deploy.

    `result` is the first that any function has of released, applied, tested, unchanged; or dry_run.
    """

    environment: str
    result: str
    release_id: str
    functions: Mapping[str, DeployReport]

    def record(self) -> dict[str, object]:
        """Return the one record that `--json` prints. The project's own function has an empty name."""
        functions = [{"name": name, **report.record()} for name, report in self.functions.items()]
        return {
            "environment": self.environment,
            "result": self.result,
            "release_id": self.release_id,
            "functions": functions,
        }


def released(rung: Rung, functions: Sequence[FunctionDeploy]) -> ManyReport:
    """Report what was done, and how to undo it."""
    report = _report(rung, functions)
    rung.console.line()
    table(rung.console, functions)
    counts = Counter(one.result for one in report.functions.values())
    rung.console.line(f"{rung.environment}: {_counted(counts)}")
    if any(one.result == "released" and one.previous_version for one in report.functions.values()):
        rung.console.line(f"undo: `inv rollback --env {rung.environment}`")
    return report


def unchanged(rung: Rung, functions: Sequence[FunctionDeploy], roots: SharedRoots) -> ManyReport:
    """Report that every alias serves what is wanted and was left alone."""
    for planned in roots.steps:
        left_foundation.skip(rung, roots.infra, planned)
    for name in (IMAGE, RELEASE):
        with rung.console.step(name) as step:
            step.skip(_reason(functions, name))
    rung.console.line()
    rung.console.line(f"{rung.environment}: nothing to do, {several(functions, 'is', 'are')} live")
    return _report(rung, functions)


def several(functions: Sequence[object], one: str, more: str) -> str:
    """Return how many functions there are and a verb: `1 function is`, `3 functions are`."""
    return f"1 function {one}" if len(functions) == 1 else f"{len(functions)} functions {more}"


def _reason(functions: Sequence[FunctionDeploy], name: str) -> str:
    """Say why a step has nothing to do for any function."""
    if name == IMAGE:
        digests = {function.digest for function in functions}
        return f"unchanged, {short(digests.pop())}" if len(digests) == 1 else f"{len(digests)} images, unchanged"
    return f"{several(functions, 'serves', 'serve')} the wanted images"


def previewed(
    rung: Rung, functions: Sequence[FunctionDeploy], roots: SharedRoots, options: DeployOptions
) -> ManyReport:
    """Print what would be done, from real reads and real plans. Raises the first refusal after all is printed."""
    preview.warn_of_lock(rung, roots.ledger.lock)
    described = [
        preview.Description(
            function.rung,
            roots.infra,
            function.state,
            function.plan,
            function.acts.suite,
            image_digest=function.acts.pin.digest if function.acts.pin else "",
            force=options.force,
        )
        for function in functions
        if function.plan.acts
    ]
    shared = preview.Description(rung, roots.infra, functions[0].state, functions[0].plan, functions[0].acts.suite)
    shared.foundation(roots.foundation)
    shared.service(roots.service)
    for description in described:
        if description.rung.target != rung.environment:
            preview.warn_of_lock(description.rung, description.state.ledger.lock)
        description.function()
    shared.check_secrets([description.rung for description in described])
    refused = [error for description in (shared, *described) for error in description.refused]
    if refused:
        raise refused[0]
    idle = len(functions) - len(described)
    rung.console.line()
    rung.console.line(f"{rung.environment}: {several(described, 'would', 'would')} change, {idle} would not")
    report = _report(rung, functions)
    reports = {name: one if one.result == "unchanged" else _dry(one) for name, one in report.functions.items()}
    return ManyReport(rung.environment, "dry_run", "", reports)


def _dry(report: DeployReport) -> DeployReport:
    return DeployReport(
        report.environment, "dry_run", version=report.version, digest=report.digest, url=report.url, plan=report.plan
    )


def table(console: Console, functions: Sequence[FunctionDeploy]) -> None:
    """Print a line for each function that was released, tested, or failed; nothing where JSON is printed."""
    shown = [function for function in functions if function.result not in {"applied", "unchanged"}]
    rows = [_row(function.label, function.report()) for function in shown]
    if rows and not console.as_json:
        console.table(HEAD, rows)


def _row(label: str, report: DeployReport) -> tuple[object, ...]:
    before, after = report.previous_version, report.version
    version = f"{before} -> {after}" if before and before != after else after or "-"
    words = Cell(result_words(report.result), _COLOURS.get(report.result, ""))
    return label, words, version, short(report.digest) or "-", function_url.shown(report.url) if report.url else "-"


def _counted(counts: Mapping[str, int]) -> str:
    words = {"applied": "with nothing to release", "tested": "only tested"}
    return ", ".join(f"{counts[name]} {words.get(name, name)}" for name in _ORDER if counts.get(name))


def _report(rung: Rung, functions: Sequence[FunctionDeploy]) -> ManyReport:
    reports = {function.name: function.report() for function in functions}
    results = {report.result for report in reports.values()}
    result = next((name for name in _ORDER if name in results), "unchanged")
    releases = [report.release_id for report in reports.values() if report.result == "released"]
    return ManyReport(rung.environment, result, max(releases, default=""), reports)


def failed(rung: Rung, functions: Sequence[FunctionDeploy]) -> dict[str, object]:
    """Return the record of a deploy that failed: how each function ended."""
    return {key: value for key, value in _report(rung, functions).record().items() if key != "result"}
