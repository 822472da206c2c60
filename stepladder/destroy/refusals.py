"""What stands in the way of destroying an environment, before anything has changed."""

from __future__ import annotations

import re
from collections.abc import Iterable

from stepladder.core.aws import error_code, known_error
from stepladder.core.errors import RefusedError
from stepladder.core.names import is_preview, split_target
from stepladder.promotion.executions import StateMachine
from stepladder.releases.rung import Rung
from stepladder.settings import ci_roles
from stepladder.settings.load import Settings
from stepladder.terraform.state_file import StateResource

_DENIED = frozenset({"AccessDenied", "AccessDeniedException"})
_SHARED = ("artifacts", "ci", "pipeline", "promotion", "releases", "tfstate")
"""What stands behind the project in names that no environment has."""
_NAMES = ("alarm_name", "bucket", "function_name", "name", "rule")
_BY_OTHERS_NAMES = frozenset({"aws_iam_role_policy_attachment", "aws_sns_topic_subscription"})
"""Types whose id holds the name of something that is only referred to, such as a topic."""
_RUNNING = 20  # promotions that are read: there is one at a time, and those of other functions


def check_caller(rung: Rung, *, preview: bool) -> None:
    """Refuse the roles of the project's CI jobs: only a person destroys. Previews are the jobs' own."""
    arn = str(rung.aws.client("sts").get_caller_identity()["Arn"])
    role = arn.split("/")[1] if ":assumed-role/" in arn else ""
    if role in ci_roles.names_of(rung.settings.whole) and not preview:
        raise RefusedError(
            f"{role} is the role of a CI job, and no job destroys {rung.environment}",
            kind="ci-may-not-destroy",
            hint="use credentials of your own: `AWS_PROFILE=<profile> "
            f"inv destroy --env {rung.environment}`; docs/guides/destroy.md lists what they need",
        )


def check_own(rung: Rung, state: Iterable[StateResource]) -> None:
    """Refuse a preview whose state has what is a rung's or the project's: Terraform would destroy that.

    The job of a pull request writes this state. Its role couldn't destroy such things, and a person's may.
    """
    for resource in state if is_preview(rung.environment) else ():
        if name := _not_of_preview(rung.settings.whole, resource):
            raise RefusedError(
                f"Terraform's state of {rung.environment} has {name} ({resource.address}), which is no preview's",
                kind="foreign-state",
                hint="find out who put it there, and take it out by Terraform's own state command, after "
                f"`inv tf.init --env {rung.environment}`; then: `inv preview.destroy --env {rung.environment}`",
            )


def _not_of_preview(settings: Settings, resource: StateResource) -> str:
    """Return the name of a rung's or the project's own by which AWS knows what would be destroyed; empty for none."""
    known = "|".join(map(re.escape, (*settings.environments, *_SHARED)))
    own = re.compile(rf"(?<![\w.-]){re.escape(settings.project)}[-/](?:{known})(?![A-Za-z0-9])[\w-]*", re.ASCII)
    names = (*_NAMES, *(("arn", "id") if resource.type not in _BY_OTHERS_NAMES else ("role",)))
    matched = next(filter(None, (own.search(resource.text(name)) for name in names)), None)
    if resource.type == "aws_ecr_repository" and settings.project in map(resource.text, ("id", "name")):
        return settings.project
    return matched[0] if matched else ""


def check_upper_rungs(rung: Rung) -> None:
    """Refuse a rung on which a higher one stands: nothing could be promoted to that any more."""
    rungs = rung.settings.whole.rungs
    own = next((number for number, names in enumerate(rungs) if rung.environment in names), None)
    if own is None:
        return
    standing = [name for names in rungs[own + 1 :] for name in names if _may_stand(rung, name)]
    if standing:
        highest = standing[-1]
        raise RefusedError(
            f"{' and '.join(standing)} {'stands' if len(standing) == 1 else 'stand'} on {rung.environment}: "
            "without it nothing can be promoted there",
            kind="others-stand-on",
            hint=f"destroy them first: `inv destroy --env {highest}`; everything: `inv destroy --all`; "
            f"this rung alone: `inv destroy --env {rung.environment} --skip-ladder`",
        )


def _may_stand(rung: Rung, environment: str) -> bool:
    """Say whether an environment is deployed; true also when that can't be read."""
    try:
        snapshot = rung.sibling(environment).ledger.snapshot(environment)
    except Exception as error:
        if known_error(error) is None:
            raise
        return True
    return bool(snapshot.current or snapshot.infra or snapshot.destroying)


def check_idle(rung: Rung, targets: list[Rung]) -> None:
    """Refuse while CodeDeploy moves an alias of the environment, or a promotion is to release there, or from there."""
    for target in targets:
        if deployment := target.active_deployment():
            raise RefusedError(
                f"CodeDeploy deployment {deployment} is under way on {target.names.function}",
                kind="deployment-under-way",
                hint=f"wait for it, or stop it and return: `inv rollback {target.flags}`",
            )
    if rung.environment not in rung.settings.whole.ladder_environments:
        return
    name = _promotion(rung)
    if name:
        raise RefusedError(
            f"the promotion {name} is under way, and {rung.environment} is one of its rungs or what it promotes from",
            kind="promotion-under-way",
            hint=f"wait for it: `inv promote.watch --name {name}`; or stop it: `inv promote.stop --name {name}`",
        )


def _promotion(rung: Rung) -> str:
    """Return the promotion under way that has the environment as a target or a source; empty for none.

    The machine of the primary location runs each, and one that these credentials can't reach is locked out by the lock.
    """
    try:
        machine = StateMachine(rung.sibling(rung.settings.lowest))
        for listed in machine.executions("RUNNING", _RUNNING, may_be_missing=True):
            execution = machine.describe(listed["executionArn"])
            targets = execution.targets if execution else []
            is_target = any(split_target(each["environment"])[0] == rung.environment for each in targets)
            if execution and (is_target or rung.environment == rung.settings.lowest):
                return execution.name
    except Exception as error:
        if error_code(error) not in _DENIED and known_error(error) is None:
            raise
    return ""
