"""Whether Lambda may pull a function's image.

The repository's policy must let Lambda do so. Lambda adds that by itself for a caller who may change the policy:
https://docs.aws.amazon.com/lambda/latest/dg/images-create.html#configuration-images-permissions. Here such a caller is
let pass, and the policy stays as it is.
"""

from __future__ import annotations

from localcloud.authorization.model import AccessRequest
from localcloud.callers import ServiceCaller
from localcloud.cloud import AwsRequest
from localcloud.protocol.codec import ServiceError
from localcloud.services.lambda_.model import Code, FunctionKey
from stepladder.core.names import partition_of

_PULLS = ("ecr:BatchGetImage", "ecr:GetDownloadUrlForLayer")
_CHANGES = ("ecr:GetRepositoryPolicy", "ecr:SetRepositoryPolicy")


def check(request: AwsRequest, key: FunctionKey, code: Code) -> None:
    """Raise what Lambda answers when it may not pull an image."""
    access = request.cloud.access
    if not code.digest or request.caller is None or access.mode == "off":
        return
    registry = code.resolved_uri.partition("/")[0]
    account = registry.partition(".")[0] if ".dkr.ecr." in registry else key.account
    arn = f"arn:{partition_of(key.region)}:ecr:{key.region}:{account}:repository/{code.repository}"
    caller = access.named(request.caller)
    if account == key.account and all(access.decide(AccessRequest(name, arn), caller).allowed for name in _CHANGES):
        return
    lambda_itself = ServiceCaller("lambda.amazonaws.com", key.arn, key.account)
    for action in _PULLS:
        if access.service_refusal(lambda_itself, action, arn):
            raise ServiceError(
                "AccessDeniedException",
                "Lambda does not have permission to access the ECR image. Check the ECR permissions.",
                403,
            )
