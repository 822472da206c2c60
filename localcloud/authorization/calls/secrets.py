"""Secrets Manager: a secret's ARN ends in six characters that a call needn't name.

https://docs.aws.amazon.com/service-authorization/latest/reference/list_awssecretsmanager.html
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from localcloud.authorization import calls
from localcloud.authorization.calls.call import AwsCall, UnknownAccessError
from localcloud.authorization.calls.kms import is_own, key_access
from localcloud.authorization.calls.reference import actions
from localcloud.authorization.model import AccessRequest

_PARAMETERS = {
    "secretsmanager:addreplicaregions": "AddReplicaRegions.Region",
    "secretsmanager:blockpublicpolicy": "BlockPublicPolicy",
    "secretsmanager:description": "Description",
    "secretsmanager:forcedeletewithoutrecovery": "ForceDeleteWithoutRecovery",
    "secretsmanager:kmskeyid": "KmsKeyId",
    "secretsmanager:name": "Name",
    "secretsmanager:recoverywindowindays": "RecoveryWindowInDays",
    "secretsmanager:rotationlambdaarn": "RotationLambdaARN",
    "secretsmanager:rotateimmediately": "RotateImmediately",
    "secretsmanager:type": "Type",
    "secretsmanager:versionid": "VersionId",
    "secretsmanager:versionstage": "VersionStage",
}
_READ = frozenset({"GetSecretValue"})
_WRITTEN = frozenset({"CreateSecret", "PutSecretValue", "UpdateSecret"})


def accesses(call: AwsCall) -> Iterable[AccessRequest] | None:
    """Return what a call on secrets needs, with the use of the key that encrypts the value."""
    action = actions("secretsmanager").get(call.action.lower())
    if action is None:
        return None
    if call.action == "BatchGetSecretValue":
        return list(_batch(call))
    if not action.resources:
        return [calls.request(call, f"secretsmanager:{action.name}", "*")]
    secret = _described(call)
    requests = [_access(call, action.name, secret)]
    return [*requests, *_key_uses(call, secret)]


def _access(call: AwsCall, name: str, secret: Mapping[str, Any]) -> AccessRequest:
    more: dict[str, tuple[str, ...] | None] = {key: call.texts(name) for key, name in _PARAMETERS.items()}
    arn = str(secret["ARN"])
    more["secretsmanager:secretid"] = (arn,)
    rotation = secret.get("RotationLambdaARN")
    more["secretsmanager:resource/allowrotationlambdaarn"] = (str(rotation),) if rotation else ()
    for tag in secret.get("Tags") or ():
        more[f"secretsmanager:resourcetag/{tag['Key'].lower()}"] = (str(tag["Value"]),)
        more[f"aws:resourcetag/{tag['Key'].lower()}"] = (str(tag["Value"]),)
    more["secretsmanager:resourcetag/tag-key"] = more["aws:resourcetag/${tagkey}"] = ()
    return calls.request(call, f"secretsmanager:{name}", arn, more)


def _described(call: AwsCall) -> Mapping[str, Any]:
    """Return what is known of the secret. A new one, and one that isn't there, gets an end that stands for any."""
    name = call.text("SecretId")
    if call.action == "CreateSecret":
        return _made_up(call, call.text("Name"))
    if not name:
        raise UnknownAccessError("the secret")
    try:
        return call.read("secretsmanager", "DescribeSecret", of=name if name.startswith("arn:") else "", SecretId=name)
    except UnknownAccessError:
        if call.read_with is None:
            raise
        return {"ARN": name} if name.startswith("arn:") else _made_up(call, name)


def _made_up(call: AwsCall, name: str) -> Mapping[str, Any]:
    return {"ARN": call.arn("secretsmanager", f"secret:{name}-??????"), "KmsKeyId": call.text("KmsKeyId")}


def _key_uses(call: AwsCall, secret: Mapping[str, Any]) -> Iterable[AccessRequest]:
    """Yield the uses of the secret's key, if it is the account's own.

    https://docs.aws.amazon.com/secretsmanager/latest/userguide/security-encryption.html
    """
    key = call.text("KmsKeyId") or str(secret.get("KmsKeyId") or "")
    if not is_own(key):
        return
    has_value = call.params.get("SecretString") or call.params.get("SecretBinary")
    names: tuple[str, ...] = ()
    if call.action in _READ:
        names = ("Decrypt",)
    elif call.action in _WRITTEN and has_value:
        names = ("GenerateDataKey", "Decrypt")
    for name in names:
        yield key_access(call, name, key, via="secretsmanager", context={"SecretARN": str(secret["ARN"])})


def _batch(call: AwsCall) -> Iterable[AccessRequest]:
    yield calls.request(call, "secretsmanager:BatchGetSecretValue", "*")
    for name in call.texts("SecretIdList"):
        each = AwsCall(call.service, "GetSecretValue", {"SecretId": name}, call.region, call.account, call.read_with)
        yield from accesses(each) or ()
