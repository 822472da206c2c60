"""KMS: keys are named by an id, an ARN or an alias, and are authorised by their ARN.

https://docs.aws.amazon.com/kms/latest/developerguide/conditions-kms.html
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping

from localcloud.authorization import calls
from localcloud.authorization.calls.call import AwsCall, UnknownAccessError
from localcloud.authorization.calls.reference import actions
from localcloud.authorization.model import AccessRequest

_KEY_ID = re.compile(rb"(?:mrk-)?[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}|mrk-[0-9a-f]{32}")
_OF_AWS = "alias/aws/"


def accesses(call: AwsCall) -> Iterable[AccessRequest] | None:
    """Return what a call on keys needs."""
    if call.action == "ReEncrypt":
        source = key_access(call, "ReEncryptFrom", call.text("SourceKeyId") or _key_of_blob(call))
        return [source, key_access(call, "ReEncryptTo", call.text("DestinationKeyId"))]
    action = actions("kms").get(call.action.lower())
    if action is None:
        return None
    if not action.resources:
        return [calls.request(call, f"kms:{action.name}", "*", _conditions(call, ""))]
    requests = []
    if "alias" in action.resources and (alias := call.text("AliasName")):
        requests.append(calls.request(call, f"kms:{action.name}", call.arn("kms", alias), _conditions(call, "")))
    key = call.text("KeyId", "TargetKeyId") or call.text("AliasName") or _key_of_blob(call)
    return [*requests, key_access(call, action.name, key)]


def key_access(
    call: AwsCall, action: str, key: str, via: str = "", context: Mapping[str, str] | None = None
) -> AccessRequest:
    """Return the use of a key. `via` is the service that uses it for the caller, `context` its encryption context."""
    arn = key_arn(call, key)
    conditions = _conditions(call, key, via, context) | {"kms:resourcealiases": _aliases(call, arn)}
    return calls.request(call, f"kms:{action}", arn, conditions)


def _aliases(call: AwsCall, arn: str) -> tuple[str, ...] | None:
    try:
        answer = call.read("kms", "ListAliases", of=arn, KeyId=arn.rpartition("/")[2])
    except UnknownAccessError:
        return None
    return tuple(str(alias["AliasName"]) for alias in answer.get("Aliases", ()))


def key_arn(call: AwsCall, key: str) -> str:
    """Return the ARN of a key: of an alias, its target's."""
    if key.startswith("arn:") and ":key/" in key:
        return key
    if key.startswith("alias/") or ":alias/" in key:
        return str(
            call.read("kms", "DescribeKey", of=key if key.startswith("arn:") else "", KeyId=key)["KeyMetadata"]["Arn"]
        )
    if not key:
        raise UnknownAccessError("the key")
    return call.arn("kms", f"key/{key}")


def is_own(key: str) -> bool:
    """Say whether a key is the account's own: those that AWS manages let everybody of the account use their service."""
    return bool(key) and _OF_AWS not in key


def _key_of_blob(call: AwsCall) -> str:
    """Return the id of the key that something was encrypted with: it stands in the text."""
    blob = call.params.get("CiphertextBlob") or b""
    match = _KEY_ID.search(blob if isinstance(blob, bytes) else str(blob).encode())
    return match[0].decode() if match else ""


def _conditions(
    call: AwsCall, key: str, via: str = "", context: Mapping[str, str] | None = None
) -> dict[str, tuple[str, ...] | None]:
    encryption = call.params.get("EncryptionContext") if context is None else context
    pairs = {str(name): str(value) for name, value in dict(encryption or {}).items()}
    alias = key[key.index("alias/") :] if "alias/" in key else ""
    return {
        "kms:calleraccount": (call.account,),
        "kms:encryptionalgorithm": (call.text("EncryptionAlgorithm") or "SYMMETRIC_DEFAULT",),
        "kms:encryptioncontextkeys": tuple(pairs),
        "kms:encryptioncontext:${encryptioncontextkey}": (),
        "kms:grantoperations": call.texts("Operations"),
        "kms:granteeprincipal": call.texts("GranteePrincipal"),
        "kms:requestalias": (alias,) if alias else (),
        "kms:schedulekeydeletionpendingwindowindays": (call.text("PendingWindowInDays") or "30",),
        "kms:signingalgorithm": call.texts("SigningAlgorithm"),
        "kms:messagetype": call.texts("MessageType"),
        "kms:viaservice": (f"{via}.{call.region}.amazonaws.com",) if via else (),
        **{f"kms:encryptioncontext:{name.lower()}": (value,) for name, value in pairs.items()},
    }
