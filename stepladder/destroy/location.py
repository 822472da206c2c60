"""Destroy what the environments of an account and region share: the delivery, and at the very end the foundation.

The foundation's state lies in a bucket that is the foundation's own. So that bucket is taken out of the state, the rest
is destroyed, and the bucket goes last, emptied of every version. Cut off in between, the next run sees how far it came:
a state with less in it, a bucket without a state, or nothing.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator
from dataclasses import dataclass, field
from typing import Any

from stepladder.core.aws import ABSENT_IN_S3, error_code
from stepladder.core.clock import passes, retrying
from stepladder.core.errors import RefusedError
from stepladder.destroy import inventory, states
from stepladder.destroy.environment import delete_log_group, save_items
from stepladder.destroy.report import DESTROYED, Asset, DestroyReport
from stepladder.promotion.delivery import ROOT as DELIVERY
from stepladder.releases.plan import FOUNDATION
from stepladder.releases.rung import Rung
from stepladder.settings import ci_roles
from stepladder.terraform import destroying, emptying, function_packages, roots, state_file
from stepladder.terraform.destroying import DestroyOutcome
from stepladder.terraform.state_file import StateResource

_PROVIDER = "aws_iam_openid_connect_provider"
_STATE_BUCKET = frozenset(
    {
        "aws_s3_bucket",
        "aws_s3_bucket_lifecycle_configuration",
        "aws_s3_bucket_ownership_controls",
        "aws_s3_bucket_policy",
        "aws_s3_bucket_public_access_block",
        "aws_s3_bucket_server_side_encryption_configuration",
        "aws_s3_bucket_versioning",
    }
)
_VERBS = (*function_packages.VERBS, "smoke-check")
_BUILDS = ("check", "deploy", "promote")
_DENIED = frozenset({"AccessDenied", "AccessDeniedException"})
_GONE = frozenset({"ResourceNotFoundException"})
_SECONDS = 60.0


@dataclass
class LocationDestroyer:
    """What is left of a project in an account and region once its environments are gone. `rung` is one of them.

    `terraform` destroys a root, as `destroying.destroy`.
    """

    rung: Rung
    terraform: Callable[..., DestroyOutcome] = destroying.destroy
    report: DestroyReport = field(init=False)

    def __post_init__(self) -> None:
        names = self.rung.names
        self.report = DestroyReport(f"{names.account} {names.region}")

    def state(self, root: str) -> tuple[StateResource, ...] | None:
        """Return what Terraform has of a root."""
        return state_file.read(self.rung.aws, roots.root_of(self.rung.settings, self.rung.environment, root))

    @property
    def is_present(self) -> bool:
        """Whether anything is left, also where Terraform's state is not."""
        return bool(self.inventory()) or self.rung.ledger.snapshot(self.rung.environment).exists

    @property
    def makes_provider(self) -> bool:
        """Whether its foundation made the identity provider of a forge, which those of other regions read."""
        return any(each.type == _PROVIDER for each in self.state(FOUNDATION) or ())

    @property
    def has_bucket(self) -> bool:
        """Whether the states' bucket is there, and the account's own."""
        try:
            self.rung.aws.client("s3").head_bucket(
                Bucket=self.rung.names.state_bucket, ExpectedBucketOwner=self.rung.names.account
            )
        except Exception as error:
            if error_code(error) in ABSENT_IN_S3:
                return False
            raise
        return True

    def inventory(self) -> list[Asset]:
        """Return what is there and will be lost."""
        rung, names = self.rung, self.rung.names
        parts: list[Asset] = []
        for root in (DELIVERY, FOUNDATION):
            parts += inventory.resources(rung, self.state(root) or ())
        if self.has_bucket:
            count, more = emptying.count(rung.aws, names.state_bucket, names.account)
            size = f"{'more than ' if more else ''}{count} versions of states"
            if not any(part.name == names.state_bucket for part in parts):
                parts.append(Asset("bucket", names.state_bucket, size))
        return parts

    def check_state(self, environments: Collection[str] = ()) -> None:
        """Refuse a foundation of which Terraform knows nothing, while its ledger is there; and states of others.

        `environments` are those that are destroyed before.
        """
        states.check(self.rung, environments)
        if self.state(FOUNDATION) is None and self.rung.ledger.snapshot(self.rung.environment).exists:
            where = f"--env {self.rung.environment}"
            raise RefusedError(
                f"the ledger {self.rung.names.ledger_table} is there, and the foundation's state is not",
                kind="no-state",
                hint=f"import what exists into a new state, then destroy it: `inv deploy {where} --infra always`",
            )
        if self.state(FOUNDATION):
            destroying.check_tools(self.rung.settings, self.rung.environment, FOUNDATION)

    def run(self) -> DestroyReport:
        """Destroy it, and return what went and what stays. Raises `RefusedError` for an environment that came back."""
        states.check(self.rung, ())
        self._delivery()
        self._log_groups()
        self._foundation()
        self._bucket()
        for root in (DELIVERY, FOUNDATION):
            destroying.forget_files(self.rung.settings, self.rung.environment, root)
        if self.report.gone:
            self.report.result = DESTROYED
        return self.report

    def _delivery(self) -> None:
        rung, before = self.rung, self.state(DELIVERY)
        gone = inventory.resources(rung, before or ())
        with rung.console.step(DELIVERY) as step:
            if not before:
                step.skip("Terraform has no state of it")
                return
            outcome = self.terraform(rung.settings, rung.environment, DELIVERY, aws=rung.aws, step=step)
            step.done(f"{len(outcome.destroyed)} destroyed")
        self.report.gone += gone

    def _log_groups(self) -> None:
        """Delete the log groups of the pipeline that were written after Terraform had deleted them.

        By whole names: what begins alike may be another project's.
        """
        rung = self.rung
        project = rung.names.project
        groups = [f"/aws/lambda/{rung.names.pipeline_function(verb)}" for verb in _VERBS]
        groups += [f"/aws/codebuild/{project}-pipeline-{build}" for build in _BUILDS]
        groups.append(f"/aws/vendedlogs/states/{rung.names.state_machine}")
        with rung.console.step("log groups") as step:
            deleted = [name for name in groups if delete_log_group(rung, name)]
            step.done(f"{len(deleted)} that no Terraform had") if deleted else step.skip("none left")
        self.report.gone += [Asset("log group", name, "written after Terraform") for name in deleted]

    def _foundation(self) -> None:
        rung, before = self.rung, self.state(FOUNDATION)
        with rung.console.step(FOUNDATION) as step:
            if not before:
                step.skip("Terraform has no state of it")
                return
            self._copy_ledger()
            shared = self._shared_providers(before)
            stays = {each.address for each in before if each.address in shared or self._is_of_state_bucket(each)}
            gone = inventory.resources(rung, [each for each in before if each.address not in stays])
            outcome = self.terraform(
                rung.settings,
                rung.environment,
                FOUNDATION,
                aws=rung.aws,
                step=step,
                leave=lambda each: each.address in stays,
            )
            step.done(f"{len(outcome.destroyed)} destroyed")
        for note in outcome.notes:
            rung.console.line(f"  {note}")
        self.report.gone += gone
        self.report.kept += [Asset("identity provider", each, why) for each, why in shared.items()]

    def _is_of_state_bucket(self, resource: StateResource) -> bool:
        return resource.type in _STATE_BUCKET and resource.text("bucket") == self.rung.names.state_bucket

    def _copy_ledger(self) -> None:
        """Keep the ledger's items on this machine: nobody else has the history."""
        rung = self.rung
        copied = save_items(rung, list(_items(rung)))
        self.report.kept += [Asset("copy of the ledger's items", copied, "on this machine")] if copied else []

    def _shared_providers(self, state: tuple[StateResource, ...]) -> dict[str, str]:
        """Return the identity providers that roles of others trust, by address, each with the reason why it stays."""
        own = {each.address: each.text("arn") for each in state if each.type == _PROVIDER}
        if not own:
            return {}
        try:
            trusted = list(_trusts(self.rung))
        except Exception as error:
            if error_code(error) not in _DENIED:
                raise
            return dict.fromkeys(own, "whether roles of others trust it can't be read")
        shared = {}
        for address, arn in own.items():
            others = [role for role, document in trusted if arn in document]
            if others:
                shared[address] = f"{', '.join(others[:3])} trust it"
        return shared

    def _bucket(self) -> None:
        rung, names = self.rung, self.rung.names
        with rung.console.step("state bucket") as step:
            if not self.has_bucket:
                step.skip("there is none")
                return
            deleted = emptying.bucket(
                rung.aws, names.state_bucket, names.account, progress=lambda count: step.progress(f"{count} versions")
            )
            try:
                retrying(
                    lambda: rung.aws.client("s3").delete_bucket(
                        Bucket=names.state_bucket, ExpectedBucketOwner=names.account
                    ),
                    rung.clock,
                    timeout=_SECONDS,
                    passes=lambda error: error_code(error) in {"BucketNotEmpty", "OperationAborted"} or passes(error),
                )
            except Exception as error:
                if error_code(error) not in ABSENT_IN_S3:
                    raise
            step.done(f"{deleted} versions of states")
        self.report.gone.append(Asset("bucket", names.state_bucket, f"{deleted} versions of states"))


def _items(rung: Rung) -> Iterator[Any]:
    """Yield every item of the ledger; none without a table."""
    try:
        for answer in rung.ledger.pages("scan"):
            yield from answer["Items"]
    except Exception as error:
        if error_code(error) not in _GONE:
            raise


def _trusts(rung: Rung) -> Iterator[tuple[str, str]]:
    """Yield the roles of the account that aren't the project's CI's own, each with its trust policy as text."""
    import json

    own = ci_roles.names_of(rung.settings.whole)
    request: dict[str, Any] = {}
    while True:
        answer = rung.aws.client("iam").list_roles(**request)
        for role in answer["Roles"]:
            if role["RoleName"] not in own:
                yield role["RoleName"], json.dumps(role["AssumeRolePolicyDocument"])
        if not answer.get("IsTruncated"):
            return
        request["Marker"] = answer["Marker"]
