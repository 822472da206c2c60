"""What a forge's job shows of a command: its summary, its outputs, and messages at lines. Elsewhere nothing happens."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from stepladder.core.console import Console
from stepladder.core.display import cut
from stepladder.core.errors import StepladderError
from stepladder.core.markdown import block, code
from stepladder.core.release_facts import short
from stepladder.forge import registered

if TYPE_CHECKING:
    from stepladder.forge.interface import Annotation
    from stepladder.promotion.executions import StateMachine

OUTPUTS = ("environment", "result", "outcome", "version", "previous_version", "digest", "release_id", "url", "name")
_PROBLEMS = 20
_LONGEST = 2000
_ENDS = {
    "applied": "infrastructure applied",
    "climbing": "under way",
    "dry_run": "dry run",
    "rolled_back": "rolled back",
    "unchanged": "nothing to do",
}


def deployed(record: Mapping[str, object]) -> None:
    """Show how a deploy ended, from the record that `--json` prints."""
    if not registered.is_detected():
        return
    _outputs(record)
    result = str(record["result"])
    functions = record.get("functions")
    rows = [_function(one) for one in (functions if isinstance(functions, Sequence) else ())]
    rows += [
        ("version", _change(_shown(record, "previous_version"), _shown(record, "version"))),
        ("image", _change(_digest(record, "previous_digest"), _digest(record, "digest"))),
        ("release", _shown(record, "release_id")),
        ("url", _shown(record, "url")),
    ]
    _summary(f"{record['environment']}: {_ENDS.get(result, result)}", rows)


def promoted(record: Mapping[str, object], machine: StateMachine | None = None) -> None:
    """Show how a promotion ended, from the record that `--json` prints, and what the top of the ladder serves then."""
    if not registered.is_detected() or "how" not in record:
        return
    if machine and record.get("outcome") in {"promoted", "unchanged"}:
        record = {**record, **_live(machine)}
    _outputs(record)
    rows = [("image", _digest(record, "digest")), ("promotion", _shown(record, "name")), ("url", _shown(record, "url"))]
    targets = record.get("targets")
    rows += [
        (str(target.get("environment", "")), code(str(target.get("outcome", ""))))
        for target in (targets if isinstance(targets, Sequence) else ())
    ]
    outcome = str(record["outcome"])
    _summary(f"promotion: {_ENDS.get(outcome, outcome)}", rows)


def _function(record: Mapping[str, object]) -> tuple[str, str]:
    """Return a line for one of several functions; an empty one where nothing was done."""
    result = str(record["result"])
    change = _change(_shown(record, "previous_version"), _shown(record, "version"))
    words = "" if result == "unchanged" else f"{_ENDS.get(result, result)}, version {change}"
    return str(record["name"] or record["environment"]), words


def _live(machine: StateMachine) -> dict[str, str]:
    """Return version and address of the highest environment; nothing where its ledger can't be read."""
    environment = machine.rung.settings.rungs[-1][-1]
    try:
        snapshot = machine.at(environment).ledger.snapshot(environment)
    except Exception:  # noqa: BLE001 - an extra: the promotion has ended well
        return {}
    current, infra = snapshot.current, snapshot.infra
    values = {"environment": environment, "version": current.version if current else ""}
    return values | {"url": infra.url if infra else ""}


def failed(console: Console, command: str, error: StepladderError) -> None:
    """Show why a command failed, on the job's page and as a message of the job."""
    forge = registered.current()
    if not registered.is_detected():
        return
    lines = [f"{error.message} [{error.kind}]", *(f"- {problem}" for problem in error.problems[:_PROBLEMS])]
    lines += ["", f"hint: {error.hint}"] if error.hint else []
    forge.summary(f"### {code(command)} failed\n\n{block([cut(line, _LONGEST) for line in lines], 'text')}")
    _outputs(error.record)
    line = forge.annotation(error.message)
    if line != error.message:
        console.line(line)


def annotate(console: Console, annotations: Sequence[Annotation]) -> None:
    """Show messages at their lines, also none: a forge that keeps a report then knows that all is well."""
    for line in registered.current().annotate(annotations):
        console.line(line)


def _outputs(record: Mapping[str, object]) -> None:
    if "dry_run" in {record.get("result"), record.get("outcome")}:
        return
    values = {name: str(record[name]) for name in OUTPUTS if record.get(name)}
    if values:
        registered.current().outputs(values)


def _summary(title: str, rows: Sequence[tuple[str, str]]) -> None:
    table = "\n".join(f"* {name}: {value}" for name, value in rows if value)
    registered.current().summary(f"### {title}\n\n{table}\n")


def _shown(record: Mapping[str, object], name: str) -> str:
    value = record.get(name)
    return code(str(value)) if value else ""


def _change(before: str, after: str) -> str:
    return after if before == after else f"{before or 'none'} -> {after}"


def _digest(record: Mapping[str, object], name: str) -> str:
    value = record.get(name)
    return code(short(str(value))) if value else ""
