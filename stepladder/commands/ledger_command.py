"""`inv ledger.command`: what the release commands of an environment did, and what a person decided about them."""

from __future__ import annotations

from dataclasses import asdict, replace

from stepladder.core.clock import ago
from stepladder.core.errors import BadInputError, RefusedError
from stepladder.core.release_facts import short
from stepladder.core.tables import Cell, Column
from stepladder.ledger import schema
from stepladder.ledger.schema import SentCommand
from stepladder.releases.rung import Rung

MARKS = (schema.DONE, schema.AGAIN)
HEAD = (
    "release",
    "command",
    "outcome",
    "version",
    Column("digest", spare=1),
    "began",
    Column("answer", least=30, prose=True),
)
_WORDS = {schema.BEGUN: "unknown", schema.AGAIN: "to be sent again"}
_COLOURS = {schema.BEGUN: "yellow", schema.AGAIN: "yellow", schema.FAILED: "red", schema.SUCCEEDED: "green"}


def show(rung: Rung) -> list[SentCommand]:
    """Print the last run of each release command and image, newest first."""
    runs = [run for _, run in rung.ledger.command_runs(rung.target)]
    if rung.console.as_json:
        rung.console.json([asdict(run) for run in runs])
    elif runs:
        rung.console.table(HEAD, [_row(run, rung.clock.now()) for run in runs])
    else:
        rung.console.line(f"{rung.target}: no release command was ever sent")
    return runs


def decide(rung: Rung, mark: str, why: str = "") -> SentCommand:
    """Record that a command was done, or may be sent again, and return its run.

    It is the newest one whose answer was lost, or else the newest.

    `again` may be said of one that was done, too. The environment's lock is held, so that none is under way.
    """
    if mark not in MARKS:
        raise BadInputError(
            f"--mark is {mark!r}", kind="bad-arguments", hint="allowed: `--mark done` or `--mark again`"
        )
    with rung.locked(rung.ledger.snapshot(rung.target).lock):
        runs = rung.ledger.command_runs(rung.target)
        if not runs:
            raise RefusedError(
                f"{rung.target} has no run of a release command to decide about",
                kind="no-command-run",
                hint=f"the releases: `inv ledger {rung.flags}`",
            )
        key, was = next((each for each in runs if each[1].outcome == schema.BEGUN), runs[0])
        decided = replace(was, outcome=mark, decided_by=rung.requested_by, why=why)
        if not rung.ledger.write_command_run(rung.target, key, decided, was):
            raise RefusedError(
                f"the run of release command {was.command} has changed meanwhile",
                kind="no-command-run",
                hint=f"read it: `inv ledger.command {rung.flags}`",
            )
    what = "counts as done" if mark == schema.DONE else "will be sent again by the next release of its image"
    rung.console.line(f"{rung.target}: release command {was.command} of image {short(was.digest)} {what}")
    if rung.console.as_json:
        rung.console.json(asdict(decided))
    return decided


def _row(run: SentCommand, now: float) -> tuple[Cell | str, ...]:
    answer = f"{run.answer}; {run.outcome} by {run.decided_by}" if run.decided_by else run.answer
    return (
        run.release_id,
        run.command,
        Cell(_WORDS.get(run.outcome, run.outcome), _COLOURS.get(run.outcome, "")),
        run.version,
        short(run.digest),
        ago(run.began_at, now),
        answer.removeprefix("; ") or "-",
    )
