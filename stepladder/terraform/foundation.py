"""The foundation's state: it begins on disk, because its bucket is one of the things that it makes, and moves there.

Where a run stands is read from the world, never remembered: a state in the bucket means that all is done; otherwise
the state on disk goes on (or begins, with whatever exists imported by `adopt`), is applied and migrated. Wherever a
run is killed, the next one therefore ends in the same place.

| killed | left | the next run |
|---|---|---|
| before the first resource | nothing, or an empty state on disk | begins |
| in the apply | some resources; the local state, written after each | goes on; what the state lacks is imported |
| there, on a machine that is gone (CI) | some resources | begins, and takes all of them up |
| between apply and migration | everything, the state on disk | plans nothing, migrates |
| in the migration, before the upload | the same, perhaps a state lock | frees our lock, migrates |
| in the migration, after the upload | the state in the bucket and on disk | uses the bucket's, archives it |
"""

from __future__ import annotations

from datetime import UTC, datetime

from stepladder.core.aws import ABSENT_IN_S3, Aws, error_code
from stepladder.core.errors import RefusedError, StepladderError
from stepladder.terraform import files, locks
from stepladder.terraform.roots import Root
from stepladder.terraform.runner import Runner

_DENIED = {"403", "AccessDenied"}


def backend_of(at: Root, aws: Aws) -> str:
    """Say where a root's state is: `s3`, or `local` for a foundation whose state isn't in the bucket yet."""
    if at.name != "foundation" or state_exists(at, aws):
        return "s3"
    return "local"


def state_exists(at: Root, aws: Aws) -> bool:
    """Ask whether the state is in the bucket (one `s3:HeadObject`)."""
    from botocore.exceptions import ClientError

    try:
        aws.client("s3").head_object(
            Bucket=at.names.state_bucket, Key=at.state_key, ExpectedBucketOwner=at.environment.account
        )
    except ClientError as error:
        if error_code(error) in ABSENT_IN_S3:
            return False
        if error_code(error) in _DENIED:
            raise RefusedError(
                f"the bucket {at.names.state_bucket} belongs to another account, or these credentials may not read it",
                kind="foreign-resource",
                hint="bucket names are global: choose another `stepladder.project`, or ask for "
                "`s3:GetObject` and `s3:ListBucket`",
            ) from error
        raise
    return True


def bucket_exists(at: Root, aws: Aws) -> bool:
    """Ask whether the state's bucket is there (one `s3:HeadBucket`); when in doubt, yes."""
    from botocore.exceptions import ClientError

    try:
        aws.client("s3").head_bucket(Bucket=at.names.state_bucket)
    except ClientError as error:
        return error_code(error) not in ABSENT_IN_S3
    return True


def bucket_is_ours(at: Root, aws: Aws) -> bool:
    """Ask whether the state's bucket is there, and the account's own (one `s3:HeadBucket`); when in doubt, no."""
    from botocore.exceptions import ClientError

    try:
        aws.client("s3").head_bucket(Bucket=at.names.state_bucket, ExpectedBucketOwner=at.environment.account)
    except ClientError:
        return False
    return True


def migrate(runner: Runner, aws: Aws) -> None:
    """Move the local state into the bucket, see it there, and archive the file."""
    locks.free_destination(runner, aws)
    runner.migrate()
    if not state_exists(runner.at, aws):
        raise StepladderError(
            f"the state of {runner.at.label} did not arrive in {runner.at.names.state_bucket}",
            kind="state-not-moved",
            hint="run the same command again; nothing is lost, the state is still on this machine",
        )
    archive_leftover(runner)


def archive_leftover(runner: Runner) -> None:
    """Put a local state aside once the bucket holds one: it must never be applied again."""
    state = runner.at.local_state
    if not state.exists():
        return
    if files.read_json(state).get("resources"):
        stamp = datetime.now(UTC).strftime("%Y%m%dT%H%M%S")
        state.chmod(0o600)  # Terraform writes it for everybody to read, and it may hold secrets
        state.rename(state.with_name(f"{state.name}.migrated-{stamp}"))
    else:
        state.unlink()
    state.with_name(f"{state.name}.backup").unlink(missing_ok=True)
