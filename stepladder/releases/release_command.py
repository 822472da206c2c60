"""The release command of a deploy: sent to the new version's own ARN before its smoke cases and before traffic."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from stepladder.aws_lambda.lambda_function import LambdaFunction
from stepladder.core.aws import error_code, is_unreachable
from stepladder.core.clock import THROTTLES, stamp
from stepladder.core.errors import RefusedError
from stepladder.core.names import is_preview
from stepladder.ledger import schema
from stepladder.ledger.schema import SentCommand
from stepladder.releases import command_run
from stepladder.releases.command_run import (
    CommandFailedError,
    CommandUnknownError,
    NotSentError,
    Occasion,
    ReleaseCommand,
)
from stepladder.releases.rung import Rung
from stepladder.settings.load import Settings
from stepladder.settings.release_command import LONGEST

STEP = "command"
_GRACE = 60  # seconds that a new version may take to start, before the function's own timeout begins


def of(settings: Settings, environment: str) -> ReleaseCommand | None:
    """Return the release command of an environment, with how long its answer is waited for; None without one.

    A preview has none: nobody reviewed it, and what it would migrate may be another environment's.
    """
    given, policy = settings.release_command, settings.promotion.policies.get(environment)
    if not given.name or is_preview(environment) or (policy and not policy.release_command):
        return None
    limit = settings.environment(environment).function.timeout_seconds
    wait = min(LONGEST, given.timeout_seconds if given.timeout_seconds < limit else limit + _GRACE)
    return ReleaseCommand(given.name, given.event, wait)


def limits(settings: Settings, environment: str) -> str:
    """Say for how long the command may run, and who ends it."""
    given, limit = settings.release_command.timeout_seconds, settings.environment(environment).function.timeout_seconds
    if given > limit:
        return f"at most {limit} s, the function's own timeout"
    return f"at most {given} s"


def run(rung: Rung, entry: schema.ReleaseEntry, version: str, *, live: bool) -> None:
    """Run the release command on a version, unless it was done for its image; without one nothing is done or printed.

    `live` says that the image serves the environment already. Raises `RefusedError` when it failed, now or before for
    this release, and when an answer was lost, now or by a run before.
    """
    command = of(rung.settings, rung.environment)
    if command is None:
        return
    occasion = Occasion(
        target=rung.target,
        digest=entry.digest,
        version=version,
        release_id=entry.release_id,
        requested_by=rung.requested_by,
        now=lambda: stamp(rung.clock.now()),
        live=live,
    )
    with rung.console.step(STEP) as step:
        rung.lock.check()
        step.progress(f"{command.name} on version {version}, {limits(rung.settings, rung.environment)}")
        journal = _LedgerJournal(rung, entry.digest, command.key)
        try:
            done, ran = command_run.carry_out(command, occasion, journal, _Invocation(rung, version, command))
        except CommandFailedError as error:
            raise RefusedError(
                str(error),
                kind="release-command-failed",
                hint=f"the alias has not moved; its log: `inv logs {rung.flags}`; a next deploy runs it again",
            ) from error
        except CommandUnknownError as error:
            raise RefusedError(
                str(error), kind="release-command-unknown", hint=command_run.ways_on(rung.target)
            ) from error
        if done and ran:
            step.done(f"{command.name} on version {version}: ok")
        else:
            step.skip(skipped(command.name, done))


def skipped(name: str, done: SentCommand | None) -> str:
    """Say why a command isn't sent."""
    if done is None:
        return f"{name} is not sent: the image serves already"
    if done.outcome == schema.DONE:
        return f"{name} was done, as {done.decided_by} said"
    return f"{name} was done for this image at {done.ended_at}, by release {done.release_id}"


@dataclass(frozen=True)
class _LedgerJournal:
    """A `command_run.CommandJournal` in the rung's ledger."""

    rung: Rung
    digest: str
    key: str

    def read(self) -> SentCommand | None:
        return self.rung.ledger.command_run(self.rung.target, self.digest, self.key)

    def write(self, run: SentCommand, was: SentCommand | None) -> bool:
        return self.rung.ledger.write_command_run(self.rung.target, self.key, run, was)


@dataclass(frozen=True)
class _Invocation:
    """Sends the event once, and never again."""

    rung: Rung
    version: str
    command: ReleaseCommand

    def __call__(self, event: Mapping[str, Any]) -> tuple[Any, str | None]:
        client = self.rung.aws.client("lambda", lasting=self.command.wait_seconds, slack=0)
        function = LambdaFunction(client, self.rung.names.function, clock=self.rung.clock)
        try:
            answer = function.invoke_once(event, self.version)
        except Exception as error:
            if is_unreachable(error, unsent=True) or _refused(error):
                raise NotSentError(error_code(error) or str(error)) from error
            raise
        return answer.result, answer.error


def _refused(error: Exception) -> bool:
    """Say whether AWS refused the request as such. A throttle may come of a second sending on the way."""
    response = getattr(error, "response", None) or {}  # that of a lost answer is None
    status = response.get("ResponseMetadata", {}).get("HTTPStatusCode", 0)
    return bool(error_code(error)) and 400 <= status < 500 and error_code(error) not in THROTTLES  # noqa: PLR2004


def left(rung: Rung, digest: str) -> tuple[str, ...]:
    """Say of each run of a release command for an image that it isn't undone when the image is left.

    Nothing is read where the settings have no release command.
    """
    if of(rung.settings, rung.environment) is None:
        return ()
    return tuple(
        f"release command {run.command} of release {run.release_id} {_how(run)} on version {run.version}; "
        "the rollback does not undo it"
        for _, run in rung.ledger.command_runs(rung.target, digest)
    )


def done_by(rung: Rung, digest: str, release_id: str) -> tuple[str, ...]:
    """Say of each release command that a release ran with success that it isn't undone, though the release was refused.

    Nothing is read where the settings have no release command.
    """
    if of(rung.settings, rung.environment) is None:
        return ()
    return tuple(
        f"release command {run.command} {_how(run)} on version {run.version}, which gets no traffic; it is not undone"
        for _, run in rung.ledger.command_runs(rung.target, digest)
        if run.release_id == release_id and run.outcome == schema.SUCCEEDED
    )


def _how(run: SentCommand) -> str:
    if run.outcome == schema.BEGUN:
        return f"began at {run.began_at}, and whether it was done is unknown,"
    return f"failed at {run.ended_at}" if run.outcome == schema.FAILED else f"ran at {run.began_at}"
