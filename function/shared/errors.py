"""The errors of the pipeline's functions.

Step Functions sees the class's name as the error's name: the definition retries `TransientError`, `ScanPendingError`,
`StillWaitingError` and `StillRollingBackError`, and none of the others. After a `StaleRevisionError` it reads the
revision again, once.
"""


class PipelineError(Exception):
    """Any answer of ours that isn't success. The message is one sentence for a person."""


class RefusedError(PipelineError):
    """A check said no; nothing has moved."""


class LockedError(RefusedError):
    """Somebody else holds the environment's lock; nothing has moved."""


class ScanPendingError(PipelineError):
    """There are no results of the image's scan yet."""


class StillWaitingError(PipelineError):
    """Lambda isn't done yet; send the request again."""


class StaleRevisionError(PipelineError):
    """The function has another revision than the one that was read; reading it again may help."""


class SmokeFailedError(PipelineError):
    """The version failed its smoke cases."""


class ProbeFailedError(PipelineError):
    """The version failed synthetic traffic while it was being shifted onto."""


class AlarmFiredError(PipelineError):
    """An alarm of the environment fired while traffic shifted, or while the new version baked."""


class CanaryFailedError(PipelineError):
    """The version is worse than the old one was in the same minutes."""


class CanaryInconclusiveError(PipelineError):
    """There was no judgement in time; it blames no version, and passes none."""


class NotServedError(PipelineError):
    """The alias doesn't serve what it should."""


class StillRollingBackError(PipelineError):
    """CodeDeploy is still stopping or rolling back; send the request again."""


class RollbackFailedError(PipelineError):
    """The alias can't be put back; a person must look. What is known of the release by then is recorded."""

    version = ""
    deployment_id = ""


class ElsewhereError(PipelineError):
    """A function of the pipeline that was invoked failed in a way of its own: what it had done by then isn't known."""


class TransientError(PipelineError):
    """AWS throttled us or failed; the same call may succeed later."""
