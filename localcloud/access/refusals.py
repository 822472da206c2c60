"""The errors of refused calls: each service's and protocol's own code, status and text.

https://docs.aws.amazon.com/IAM/latest/UserGuide/troubleshoot_access-denied.html,
https://docs.aws.amazon.com/AmazonS3/latest/API/ErrorResponses.html#ErrorCodeList,
https://docs.aws.amazon.com/AWSEC2/latest/APIReference/errors-overview.html#CommonErrors,
https://docs.aws.amazon.com/IAM/latest/APIReference/CommonErrors.html
"""

from __future__ import annotations

from localcloud.authorization.model import RESOURCE, AccessRequest, Decision
from localcloud.protocol import codec
from localcloud.protocol.codec import ServiceError

MISSING, UNKNOWN_KEY, MISMATCH, EXPIRED = "missing", "unknown key", "mismatch", "expired"
MALFORMED, SKEWED, PAST, SCOPE = "malformed", "skewed", "past", "scope"
_FORBIDDEN = 403

_INVALID = "The security token included in the request is invalid"
_MISMATCH = (
    "The request signature we calculated does not match the signature you provided. Check your AWS Secret Access Key "
    "and signing method. Consult the service documentation for details."
)
_EXPIRED = "Signature expired: {}"
_JSON = {
    MISSING: ("MissingAuthenticationTokenException", "Missing Authentication Token"),
    UNKNOWN_KEY: ("UnrecognizedClientException", f"{_INVALID}."),
    MISMATCH: ("InvalidSignatureException", _MISMATCH),
    EXPIRED: ("ExpiredTokenException", "The security token included in the request is expired"),
    MALFORMED: ("IncompleteSignatureException", "Authorization header requires '{}' parameter."),
    SKEWED: ("InvalidSignatureException", _EXPIRED),
    PAST: ("InvalidSignatureException", _EXPIRED),
    SCOPE: ("InvalidSignatureException", "Credential should be scoped to correct service: '{}'."),
}
_QUERY = {
    MISSING: ("MissingAuthenticationToken", "Request is missing Authentication Token"),
    UNKNOWN_KEY: ("InvalidClientTokenId", f"{_INVALID}."),
    MISMATCH: ("SignatureDoesNotMatch", _MISMATCH),
    EXPIRED: ("ExpiredToken", "The security token included in the request is expired"),
    MALFORMED: ("IncompleteSignature", "Authorization header requires '{}' parameter."),
    SKEWED: ("SignatureDoesNotMatch", _EXPIRED),
    PAST: ("SignatureDoesNotMatch", _EXPIRED),
}
_S3 = {
    MISSING: ("AccessDenied", "Access Denied"),
    UNKNOWN_KEY: ("InvalidAccessKeyId", "The AWS Access Key Id you provided does not exist in our records."),
    MISMATCH: ("SignatureDoesNotMatch", f"{_MISMATCH.partition('.')[0]}. Check your key and signing method."),
    EXPIRED: ("ExpiredToken", "The provided token has expired."),
    MALFORMED: ("AuthorizationHeaderMalformed", "The authorization header is malformed; it lacks {}."),
    SKEWED: (
        "RequestTimeTooSkewed",
        "The difference between the request time and the current time is too large.",
    ),
    PAST: ("AccessDenied", "Request has expired"),
}
_EC2 = {
    **_QUERY,
    UNKNOWN_KEY: ("AuthFailure", "AWS was not able to validate the provided access credentials"),
}
_STATUS = {("s3", EXPIRED): 400, ("s3", MALFORMED): 400, ("ec2", UNKNOWN_KEY): 401}

_DENIED = {"sns": ("AuthorizationError", _FORBIDDEN)}
_OF_QUERY = ("query", "rest-xml")


def _is_json(service: str, protocol: str) -> bool:
    """Say whether a service names its errors as JSON services do. Some that speak JSON now keep their older names."""
    if protocol in _OF_QUERY or protocol == "ec2":
        return False
    return not (codec.is_known(service) and "awsQueryCompatible" in codec.service_model(service).metadata)


def unauthenticated(kind: str, service: str, protocol: str, detail: str = "") -> ServiceError:
    """Return the error of a request whose signature isn't accepted. `kind` is one of this module's."""
    if service == "s3":
        code, message = _S3[kind]
    elif protocol == "ec2":
        code, message = _EC2[kind]
    else:
        code, message = (_JSON if _is_json(service, protocol) else _QUERY)[kind]
    status = _STATUS.get((service, kind), 400 if protocol == "json" and _is_json(service, protocol) else _FORBIDDEN)
    return ServiceError(code, message.format(detail), status)


def denied(service: str, protocol: str, message: str) -> ServiceError:
    """Return the error of a call that no policy allows."""
    if service in _DENIED:
        code, status = _DENIED[service]
    elif protocol == "ec2":
        code, status = "UnauthorizedOperation", _FORBIDDEN
        message = f"You are not authorized to perform this operation. {message}"
    elif _is_json(service, protocol):
        code, status = "AccessDeniedException", 400 if protocol == "json" else _FORBIDDEN
    else:
        code, status = "AccessDenied", _FORBIDDEN
    return ServiceError(code, message, status)


_SMALL = ("sqs:",)
"""Services that write an action in small letters."""


def sentence(arn: str, access: AccessRequest, decision: Decision) -> str:
    """Word a denial as AWS does."""
    resource = f'"{access.resource}"' if access.action.startswith("s3:") else access.resource
    action = access.action.lower() if access.action.startswith(_SMALL) else access.action
    text = f"User: {arn} is not authorized to perform: {action} on resource: {resource}"
    kind = decision.policy_type
    if kind == RESOURCE and access.action.lower().startswith("sts:"):
        return f"{text} with an explicit deny in the role trust policy" if decision.explicit else text
    if decision.explicit:
        return f"{text} with an explicit deny in {'an' if kind[0] in 'aeiou' else 'a'} {kind}"
    return f"{text} because no {kind} allows the {action} action"
