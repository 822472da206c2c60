"""One rung under work: its clients, function, ledger, lock and console, made once and passed to every step."""

from __future__ import annotations

import contextlib
import signal
import threading
from collections.abc import Callable, Iterator
from dataclasses import field, replace
from functools import cached_property
from typing import TYPE_CHECKING, Any

from stepladder.aws_lambda import alias as aliases
from stepladder.aws_lambda import deployments
from stepladder.aws_lambda.alias import Alias
from stepladder.core import accounts, names
from stepladder.core.aws import Aws, error_code
from stepladder.core.clock import Clock, is_throttled, retrying
from stepladder.core.console import Console
from stepladder.core.errors import RefusedError, RepositoryMissingError
from stepladder.core.records import dataclass
from stepladder.core.release_facts import LATEST
from stepladder.forge.registered import this_process
from stepladder.ledger.environment_items import Current, Holder
from stepladder.ledger.table import Ledger
from stepladder.releases import project_version
from stepladder.settings import functions, placeholder
from stepladder.settings.load import Settings, from_context

if TYPE_CHECKING:
    from stepladder.aws_lambda.lambda_function import FunctionState, LambdaFunction
    from stepladder.ledger.lock import EnvironmentLock

RECORDED = "is_recorded"
"""An attribute of an error of which the ledger, or a lock, says what it is about: it needs no entry of its own."""
_THROTTLED = 60.0  # seconds that a read is made again while it is turned away
_NO_DEPLOYMENTS = frozenset({"ApplicationDoesNotExistException", "DeploymentGroupDoesNotExistException"})


@dataclass(frozen=True)
class Rung:
    """One function of a project in one environment, with all that a release of it needs.

    `settings` are the function's: a view of the project's settings where it has several.
    """

    settings: Settings
    environment: str
    aws: Aws
    console: Console
    command: str
    clock: Clock = field(default_factory=Clock)

    @cached_property
    def names(self) -> names.Names:
        """The derived AWS names."""
        return self.settings.names(self.environment)

    @property
    def target(self) -> str:
        """The key of the function in its environment: the ledger's, and what a person reads."""
        return self.names.target

    @property
    def flags(self) -> str:
        """The flags by which a command is about this function in this environment."""
        return names.flags(self.environment, self.settings.name_of_function)

    @cached_property
    def requested_by(self) -> str:
        """Who is at work."""
        return this_process().owner

    @property
    def lambda_client(self) -> Any:
        """Lambda's client."""
        return self.aws.client("lambda")

    def invoker(self) -> Any:
        """Return the client that invokes the function, for as long as it may run; it repeats nothing by itself."""
        return self.aws.client("lambda", lasting=self.settings.environment(self.environment).function.timeout_seconds)

    @cached_property
    def function(self) -> LambdaFunction:
        """The function."""
        from stepladder.aws_lambda.lambda_function import LambdaFunction

        return LambdaFunction(self.lambda_client, self.names.function, clock=self.clock, invoker=self.invoker)

    @cached_property
    def ledger(self) -> Ledger:
        """The project's ledger."""
        return Ledger(self.aws.client("dynamodb"), self.names.ledger_table, clock=self.clock)

    @cached_property
    def lock(self) -> EnvironmentLock:
        """The target's lock; not taken yet."""
        from stepladder.ledger.lock import EnvironmentLock

        return EnvironmentLock(self.ledger, self.target, self.command, clock=self.clock)

    def of_function(self, name: str) -> Rung:
        """Return another function of the project in this environment, with the same clients."""
        return replace(self, settings=self.settings.of_function(name))

    def sibling(self, environment: str) -> Rung:
        """Return the function in another environment, with the clients of its place."""
        own, other = self.settings.environment(self.environment), self.settings.environment(environment)
        same = (other.region, other.role_arn) == (own.region, own.role_arn)
        return replace(self, environment=environment, aws=self.aws if same else clients(self.settings, environment))

    def alias(self) -> Alias | None:
        """Read the alias and refuse one that lives in another account; None when there is none yet."""
        alias = aliases.read(self.lambda_client, self.names.function, clock=self.clock)
        if alias:
            self.check_account(alias.account)
        return alias

    @contextlib.contextmanager
    def locked(
        self, seen: Holder | None, *, wait: float = 0.0, waiting: Callable[[Holder], None] | None = None
    ) -> Iterator[bool]:
        """Hold the environment's lock for a block; see `EnvironmentLock.acquire` for the arguments and what is yielded.

        It is given back however the block ends. Failing at that hides nothing: the lease runs out by itself.
        """
        try:
            yield self.lock.acquire(seen, wait=wait, waiting=waiting, free=self.recover)
        finally:
            try:
                self.lock.release()
            except Exception as error:  # noqa: BLE001 - see the docstring
                self.console.warn(f"the lock could not be given back ({error_code(error) or error}); it runs out")

    def say_waiting(self, holder: Holder) -> None:
        """Print for whom a run with `--wait` waits."""
        from stepladder.ledger.lock import WAIT

        self.console.warn(
            f"waiting up to {WAIT / 60:.0f} minutes for {holder.owner} (process {holder.pid}), at work since "
            f"{holder.since}: {holder.work}"
        )

    def report_takeover(self) -> Holder | None:
        """Print whose lock was taken over, and return who held it; None when nobody did."""
        dead = self.lock.taken_over
        if dead:
            self.console.warn(
                f"took over the lock that {dead.owner} (process {dead.pid}) left on {dead.since}: {dead.command}"
            )
        return dead

    def recover(self, holder: Holder) -> bool:
        """Recover a promotion that holds this environment's lock and has ended; say whether the lock may be free."""
        from stepladder.releases import ended_promotion

        freed = ended_promotion.free(self.aws, self.names.pipeline_function("rollback"), holder, self.clock)
        if freed:
            self.console.line(f"  freed the lock of a promotion that has ended ({holder.command}, {holder.owner})")
        return freed

    def check_account(self, account: str) -> None:
        """Refuse to work in another account than the settings name."""
        accounts.check(account, self.names)

    def check_caller(self) -> None:
        """Refuse credentials of another account, where what isn't there may well be in ours."""
        self.check_account(self.aws.account())

    def active_deployment(self) -> str:
        """Return the id of the CodeDeploy deployment under way, or an empty text."""
        try:
            client = self.aws.client("codedeploy")
            active = retrying(
                lambda: deployments.active(client, self.names.codedeploy_application, names.ALIAS),
                self.clock,
                timeout=_THROTTLED,
                passes=is_throttled,
            )
        except Exception as error:
            if error_code(error) in _NO_DEPLOYMENTS:
                return ""
            raise
        return next(iter(active), "")

    def check_released(self, alias: Alias, current: Current | None) -> None:
        """Refuse a released alias that was put on $LATEST: giving $LATEST a new image would serve it untested.

        Before the first release it is there by Terraform's hand, and again when the function was recreated: then the
        version that the ledger calls current isn't there, or is another image.
        """
        if alias.version != LATEST or current is None:
            return
        if self.released_version(current):
            where = self.flags
            hint = f"return to the release before: `inv rollback {where} --to {current.release_id}`"
            if not self.has_image(current.digest):
                hint = f"its image is gone from ECR; return it to version {current.version}, then release: "
                hint += f"`inv deploy {where} --force`"
            raise RefusedError(
                "the alias was put on $LATEST, where an untested image would get traffic at once",
                kind="alias-missing",
                hint=hint,
            )

    def has_image(self, digest: str) -> bool:
        """Say whether the rung's repository, if there is one, holds an image."""
        from stepladder.images.registry import ecr

        try:
            return ecr.holds(self.aws, self.names, digest)
        except RepositoryMissingError:  # its images are gone with it
            return False

    def released_version(self, current: Current) -> FunctionState | None:
        """Read the version that the ledger calls current; None when it isn't there or is another image now."""
        state = self.function.read(current.version)
        return state if state and state.digest == current.digest else None

    def check_unshifted(self, alias: Alias, deployment: str, current: Current | None) -> None:
        """Refuse while a CodeDeploy deployment is under way, the alias is weighted, or it was put on $LATEST."""
        self.check_released(alias, current)
        name = f"alias {names.ALIAS} of {self.names.function}"
        if deployment:
            raise RefusedError(
                f"CodeDeploy deployment {deployment} is under way on {name}{aliases.weighted(alias)}",
                kind="deployment-under-way",
                hint=f"wait for it, or stop it and return: `inv rollback {self.flags}`",
            )
        if alias.weights:
            raise RefusedError(
                f"{name} serves version {alias.version}{aliases.weighted(alias)}, and no deployment is under way",
                kind="deployment-under-way",
                hint=f"a deployment was stopped without its rollback; clear the weights: `inv rollback {self.flags}`",
            )


_PLANNING = ("inv deploy", "inv promote", "inv tf.plan")
"""Commands that carry out the project's modules."""


def opened(
    context: Any,
    environment: str,
    verb: str,
    *,
    function: str | None = None,
    as_json: bool = False,
    dry_run: bool = False,
    acting: bool = False,
) -> Rung:
    """Return the rung of a task: settings from Invoke's context, clients, and a console that labels dry runs.

    `function` is what `--function` says to a command about one function, which is empty for the project's own; None is
    for commands about an environment. One that is `acting`, not only reading, refuses the template's example account on
    AWS before anything else.
    """
    settings = from_context(context)
    if function is not None:
        settings = one_function(settings, function)
    if acting:
        placeholder.refuse(settings, [environment])
    console = Console(as_json=as_json, label="dry run:" if dry_run else "")
    if verb in _PLANNING:
        project_version.check(settings, console)
    return Rung(
        settings=settings,
        environment=environment,
        aws=clients(settings, environment),
        console=console,
        command=f"{verb} {names.flags(environment, settings.name_of_function)}",
    )


def one_function(settings: Settings, flag: str) -> Settings:
    """Return the settings of the function that `--function` says, or of the project's own one."""
    return settings.of_function(functions.given(settings, flag))


def clients(settings: Settings, environment: str) -> Aws:
    """Return the clients of an environment: its region, and its role if it has one."""
    at = settings.environment(environment)
    return Aws(at.region, at.role_arn)


@contextlib.contextmanager
def uninterrupted() -> Iterator[None]:
    """Put off Ctrl-C, SIGTERM and a closed terminal until the block has ended, for the few calls that belong together.

    Between moving the alias and writing the ledger lie three calls; an interrupt there would leave a true but
    unrecorded release. Off the main thread, where no signal arrives, it does nothing.
    """
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    came: list[int] = []
    before = {
        number: signal.signal(number, lambda number, _frame: came.append(number))
        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
    }
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
    if came:
        interrupt = KeyboardInterrupt()
        vars(interrupt)[RECORDED] = True  # the block has written down what it did
        raise interrupt
