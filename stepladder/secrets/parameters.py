"""Parameter Store: SecureString parameters.

Metadata comes of DescribeParameters, which returns no value. IAM has no resources for it, so it needs `*`; whatever
names one parameter (GetParameter, GetParameterHistory) gives its value too.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from typing import Any

from stepladder.core.aws import error_code
from stepladder.core.clock import Clock, passes, retrying, stamp
from stepladder.core.errors import BadInputError
from stepladder.secrets.store import MISSING, SET, SecretState, SecretWrite, check_owner, refused
from stepladder.settings.secrets import Secret

STANDARD, ADVANCED = "Standard", "Advanced"
STANDARD_LARGEST = 4096
_ALREADY, _BUSY, _GONE = "ParameterAlreadyExists", "TooManyUpdates", "ParameterNotFound"
_NAMES = 50  # of one filter
_SECONDS = 20.0
_NESTED = r"\{\{\s*(ssm(-secure)?:[^{}]*)?\}\}"
_NO_TAGS = frozenset({"InvalidResourceId", "AccessDeniedException"})


class ParameterStore:
    """A `store.SecretStore`."""

    largest = 8192

    def __init__(self, client: Any, clock: Clock) -> None:
        self._client = client
        self._clock = clock

    def read(self, secrets: Sequence[Secret]) -> list[SecretState]:
        """See `SecretStore`."""
        names = sorted({name for secret in secrets for name in _names(secret)})
        described: dict[str, dict[str, Any]] = {}
        for begin in range(0, len(names), _NAMES):
            described |= {each["Name"]: each for each in self._described(names[begin : begin + _NAMES])}
        return [
            _state(secret, next((described[name] for name in _names(secret) if name in described), None))
            for secret in secrets
        ]

    def _described(self, names: Sequence[str]) -> Iterator[dict[str, Any]]:
        """Yield all pages: one may hold less than there is, or nothing (best effort, AWS says)."""
        request: dict[str, Any] = {
            "MaxResults": 50,
            "ParameterFilters": [{"Key": "Name", "Option": "Equals", "Values": list(names)}],
        }
        while True:
            answer = self._client.describe_parameters(**request)
            yield from answer["Parameters"]
            if not answer.get("NextToken"):
                return
            request["NextToken"] = answer["NextToken"]

    def owner(self, state: SecretState) -> str:
        """See `SecretStore`."""
        return self.tags(state).get("project", "")

    def tags(self, state: SecretState) -> dict[str, str]:
        """See `SecretStore`."""
        try:
            answer = self._client.list_tags_for_resource(ResourceType="Parameter", ResourceId=_names(state.secret)[0])
        except Exception as error:
            if error_code(error) not in _NO_TAGS:
                raise
            return {}
        return {tag["Key"]: tag["Value"] for tag in answer.get("TagList", ())}

    def delete(self, secret: Secret) -> bool:
        """See `SecretStore`. Parameter Store keeps nothing of a parameter that is deleted."""
        try:
            self._client.delete_parameter(Name=_names(secret)[0])
        except Exception as error:
            if error_code(error) != _GONE:
                raise
            return False
        return True

    def check(self, write: SecretWrite) -> None:
        """See `SecretStore`."""
        name, text, size = write.secret.name, write.value.text, len(write.value.data)
        hint = f"keep it in Secrets Manager: {name}: secretsmanager under `stepladder.function.secrets`"
        if text is None:
            raise BadInputError(
                f"the value of {name} is no text, and Parameter Store keeps text", kind="secret-value", hint=hint
            )
        if size > self.largest:
            limits = f"{self.largest} bytes, and {STANDARD_LARGEST} without charge"
            raise BadInputError(
                f"the value of {name} is larger than Parameter Store's limit: {limits}",
                kind="secret-value",
                hint=f"{hint}, which takes 65536 bytes",
            )
        if re.search(_NESTED, text):
            raise BadInputError(
                f"the value of {name} holds {{{{}}}}, which Parameter Store refuses", kind="secret-value", hint=hint
            )
        if write.state.is_plain:
            identifier = _names(write.secret)[0]
            raise refused(
                f"{write.secret.reference} is a plain parameter, and AWS turns none into a SecureString",
                f"move its readers first, then delete it: `aws ssm delete-parameter --name {identifier}`",
            )

    def write(self, write: SecretWrite) -> str:
        """See `SecretStore`."""
        tier = ADVANCED if write.state.tier == ADVANCED or len(write.value.data) > STANDARD_LARGEST else STANDARD
        request: dict[str, Any] = {
            "Name": _names(write.secret)[0],
            "Value": write.value.text,
            "Type": "SecureString",
            "Tier": tier,
            **({"KeyId": key} if (key := write.key or write.state.key) else {}),
        }
        if not write.state.exists:
            tags = [{"Key": key, "Value": value} for key, value in write.tags.items()]
            try:
                return self._put({**request, "Overwrite": False, "Tags": tags})
            except Exception as error:
                if error_code(error) != _ALREADY:  # another command was quicker, or an answer of ours was lost
                    raise
            check_owner(write.secret, self.owner(write.state), write.tags["project"])
        return self._put({**request, "Overwrite": True})

    def _put(self, request: dict[str, Any]) -> str:
        """Put a parameter. Parameter Store refuses what comes beside another update of the same one."""
        return retrying(
            lambda: str(self._client.put_parameter(**request)["Version"]),
            self._clock,
            timeout=_SECONDS,
            passes=lambda error: error_code(error) == _BUSY or passes(error),
        )


def _names(secret: Secret) -> tuple[str, ...]:
    """Return the names that a parameter may go by; of an ARN with one word the slash before it isn't known."""
    if not secret.id.startswith("arn:"):
        return (secret.id,)
    path = secret.id.partition(":parameter/")[2]
    return (f"/{path}",) if "/" in path else (path, f"/{path}")


def _state(secret: Secret, described: dict[str, Any] | None) -> SecretState:
    if described is None:
        return SecretState(secret, MISSING)
    return SecretState(
        secret,
        SET,
        version=str(described.get("Version", "")),
        changed=stamp(described["LastModifiedDate"].timestamp()),
        key=described.get("KeyId", ""),
        tier=described.get("Tier", ""),
        is_plain=described.get("Type") != "SecureString",
        exists=True,
    )
