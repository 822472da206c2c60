"""The gate that calls pass: who calls is found out, and whether IAM lets it.

`mode` is enforce (the call is refused), warn (it passes, and the log has what is missing) or off.
"""

from __future__ import annotations

import os
import time
import traceback
from collections.abc import Mapping
from dataclasses import replace
from typing import TYPE_CHECKING

from localcloud.access import identities, lookups, refusals, unnamed
from localcloud.access.authentication import Authenticator, RefusedSignature
from localcloud.access.callers import Caller, IssuedKey, root_of, service_of
from localcloud.access.denials import Denials
from localcloud.access.keys import IssuedKeys
from localcloud.access.resource_policies import ResourcePolicies
from localcloud.authorization.calls import accesses
from localcloud.authorization.decide import decide
from localcloud.authorization.documents import PolicyDocument
from localcloud.authorization.model import AccessRequest, ApplicablePolicies, Decision
from localcloud.callers import ServiceCaller
from localcloud.protocol import codec

if TYPE_CHECKING:
    from localcloud.cloud import AwsRequest, Cloud, Environ

MODES = ("enforce", "warn", "off")
DEFAULT_MODE = "enforce"
VARIABLE = "STEPLADDER_IAM"
WITH_RESOURCE_POLICIES = frozenset(
    {"dynamodb", "ecr", "events", "kms", "lambda", "s3", "secretsmanager", "sns", "sqs", "sts"}
)
"""Services that a root may be refused by: a resource's policy denies it, or the resource is another account's."""
_WITHOUT_SIGNATURE = frozenset({("sts", "AssumeRoleWithWebIdentity"), ("sts", "AssumeRoleWithSAML")})
_OWN_ACCOUNT = frozenset({"lambda:CreateFunction"})
"""Actions that are refused in another account by their service, as AWS does, whatever policies say."""


def check_mode(mode: str) -> str:
    """Return a mode. ValueError says which there are."""
    if mode not in MODES:
        raise ValueError(f"{mode!r} is no mode of IAM; the modes are {', '.join(MODES)}")
    return mode


class AccessGate:
    """Authenticates and authorizes the calls of one cloud."""

    def __init__(self, cloud: Cloud) -> None:
        self._read = lookups.reader(cloud.call)
        self.keys = IssuedKeys(cloud)
        self._authenticator = Authenticator(self.keys)
        self.resource_policies = ResourcePolicies()
        self.denials = Denials()
        self._set_mode = os.environ.get(VARIABLE, "")
        if self._set_mode:
            check_mode(self._set_mode)
        cloud.on_save("iam-mode", lambda: self._set_mode)
        cloud.on_load("iam-mode", self._restore)

    @property
    def mode(self) -> str:
        """The mode in force."""
        return self._set_mode or DEFAULT_MODE

    def set_mode(self, mode: str) -> None:
        """Change the mode. It is kept with the state."""
        self._set_mode = check_mode(mode)

    def _restore(self, mode: str) -> None:
        if not self._set_mode and mode in MODES:
            self._set_mode = mode

    # -- who calls

    def authenticate(self, request: AwsRequest) -> Caller:
        """Return who sent a request. Raises the error of a request whose signature isn't accepted."""
        environ, service, root = request.environ, request.service, root_of(request.account, request.region)
        public = service == "s3" and (not request.action or request.operation is not None)  # else it names no service
        optional = public or (service, request.action) in _WITHOUT_SIGNATURE
        protocol = request.protocol if public or service != "s3" else "json"
        return self._caller(
            environ, request.body, service if public or service != "s3" else "", protocol, root, optional=optional
        )

    def authenticate_url(
        self, environ: Environ, body: bytes, account: str, region: str, service: str = "lambda"
    ) -> Caller:
        """Return who calls a URL, which need not be signed, or for its service alone. Raises as `authenticate`."""
        otherwise = root_of(account, region)
        return self._caller(environ, body, service, "rest-json", otherwise, optional=True, scope=service)

    def _caller(
        self,
        environ: Environ,
        body: bytes,
        service: str,
        protocol: str,
        otherwise: Caller,
        *,
        optional: bool,
        scope: str = "",
    ) -> Caller:
        """Return who sent a request; `otherwise` stands for one that the mode lets pass."""
        if self.mode == "off":
            return self._authenticator.unverified(environ, otherwise)
        try:
            return self._authenticator.verified(environ, body, optional=optional, scope=scope)
        except RefusedSignature as refused:
            error = refusals.unauthenticated(refused.kind, service, protocol, refused.detail)
            if self.mode == "enforce":
                raise error from None
            self.denials.add("warning", caller=refused.key_id, action=service, resource="", why=error.message)
            return self._authenticator.unverified(environ, otherwise)

    # -- whether it may

    def check(self, request: AwsRequest, caller: Caller | ServiceCaller) -> None:
        """Raise the error of a call that no policy allows."""
        if self.mode == "off":
            return
        if not codec.is_known(request.service) or request.operation is None:
            self._check_unnamed(request, self.named(caller))
            return
        if (request.service, request.action) in _WITHOUT_SIGNATURE:
            return  # the service itself decides about the token
        context = circumstances(request)
        if isinstance(caller, ServiceCaller):
            caller, source = self._of_service(caller)
            context |= source
        if caller.owns and request.service not in WITH_RESOURCE_POLICIES:
            return
        needed = self._needed(request)
        if needed is None:
            if not caller.owns:
                name = f"{request.service}:{request.action}"
                why = f"{caller.arn} calls {name}, which the local cloud doesn't evaluate: allowed"
                self.denials.add("unknown", caller=caller.arn, action=name, resource="", why=why)
            return
        for access in needed:
            if message := self._refusal_of(request, access, caller, context):
                raise refusals.denied(request.service, request.protocol, message)

    def _check_unnamed(self, request: AwsRequest, caller: Caller) -> None:
        """Refuse, or let pass and record, a request whose action nothing names."""
        if caller.owns:
            return
        error = unnamed.refusal(request, caller)
        name = f"{request.service}:{request.action or f'{request.method} {request.path}'}"
        why = f"{caller.arn} calls {name}, " + (
            f"which is no action: {error.message}" if error else "which the local cloud doesn't evaluate: allowed"
        )
        enforced = error is not None and self.mode == "enforce"
        kind = "denied" if enforced else "warning" if error else "unknown"
        self.denials.add(kind, caller=caller.arn, action=name, resource="", why=why)
        if error is not None and enforced:
            raise error

    def _refusal_of(
        self, request: AwsRequest, access: AccessRequest, caller: Caller, context: Mapping[str, tuple[str, ...]]
    ) -> str:
        if access.action in _OWN_ACCOUNT and f":{request.account}:" not in access.resource:
            return ""
        try:
            return self.refusal(access, caller, request.account, context)
        except Exception as error:  # noqa: BLE001 - a fault of the emulator's denies nothing
            traceback.print_exc()
            why = f"{caller.arn} may {access.action} on {access.resource}: the local cloud broke on it ({error!r})"
            self.denials.add("unknown", caller=caller.arn, action=access.action, resource=access.resource, why=why)
            return ""

    def _of_service(self, by: ServiceCaller) -> tuple[Caller, dict[str, tuple[str, ...]]]:
        """Return as whom a service calls: as the role that it assumes, or in its own name, for a source."""
        source = _source(by)
        if not by.role:
            return service_of(by.service), source
        if message := self.trusts(by):
            raise refusals.denied("sts", "query", message)
        return self._assumed(by), {}

    def _needed(self, request: AwsRequest) -> tuple[AccessRequest, ...] | None:
        try:
            return accesses(
                request.service, request.action, request.params, request.region, request.account, self._read
            )
        except Exception:  # noqa: BLE001 - what can't be read is refused by its own service, or is unknown
            traceback.print_exc()
            return None

    def refusal(
        self,
        access: AccessRequest,
        caller: Caller,
        account: str = "",
        context: Mapping[str, tuple[str, ...]] | None = None,
    ) -> str:
        """Return why an access is refused, in AWS's words, or an empty text. In the mode `warn` it is recorded."""
        if self.mode == "off":
            return ""
        decision = self.decide(access, caller, account, context)
        if decision.allowed:
            if decision.unknown and not caller.owns:
                unknown = ", ".join(decision.unknown)
                why = f"{caller.arn} may {access.action} on {access.resource} unless {unknown} says otherwise"
                self._record("unknown", access, caller, why, decision)
            return ""
        message = refusals.sentence(caller.arn, access, decision)
        missing = ":role/" in access.resource and identities.role(access.resource) is None
        why = f"{message} (there is no such role)" if missing else message
        self._record("denied" if self.mode == "enforce" else "warning", access, caller, why, decision)
        return message if self.mode == "enforce" else ""

    def _record(self, kind: str, access: AccessRequest, caller: Caller, why: str, decision: Decision) -> None:
        self.denials.add(
            kind,
            caller=caller.arn,
            action=access.action,
            resource=access.resource,
            why=why,
            statement=decision.missing,
            policy=decision.policy_type,
        )

    def decide(
        self,
        access: AccessRequest,
        caller: Caller,
        account: str = "",
        context: Mapping[str, tuple[str, ...]] | None = None,
    ) -> Decision:
        """Decide about one access, by the policies that apply. `account` has what names no account."""
        session_context = caller.key.context if caller.key else {}
        added = {**(context or {}), **session_context}
        if added:
            access = replace(access, context={**added, **access.context})
        owner = self.resource_policies.account(access.resource, account or caller.principal.account)
        identity = identities.policies_of(caller.principal)
        policies = ApplicablePolicies(
            identity=identity.documents,
            boundary=identity.boundary,
            session=_session_policies(caller.key),
            resource=self.resource_policies.of(access.resource),
        )
        return decide(access, caller.principal, policies, owner)

    # -- calls from inside

    @staticmethod
    def role_session(role_arn: str, session_name: str) -> Caller:
        """Return a service's session of a role."""
        _, partition, _, _, account, _ = role_arn.split(":", 5)
        now = time.time()
        key = IssuedKey("", "", "", account, partition, now, now, role_arn, session_name)
        return identities.session(key) or identities.session_of_missing(key)

    def trusts(self, by: ServiceCaller) -> str:
        """Return why a service may not assume a role, or an empty text."""
        return self.refusal(AccessRequest("sts:AssumeRole", by.role, _source(by)), service_of(by.service))

    def service_refusal(self, by: ServiceCaller, action: str, resource: str) -> str:
        """Return why a service may not do something, or an empty text.

        With a role the role's policies decide, without one the resource's.
        """
        if not by.role:
            return self.refusal(AccessRequest(action, resource, _source(by)), service_of(by.service))
        return self.trusts(by) or self.refusal(AccessRequest(action, resource), self._assumed(by))

    def named(self, caller: Caller | ServiceCaller) -> Caller:
        """Return as whom a call is made."""
        if isinstance(caller, Caller):
            return caller
        return self._assumed(caller) if caller.role else service_of(caller.service)

    def _assumed(self, by: ServiceCaller) -> Caller:
        return self.role_session(by.role, by.service.partition(".")[0])


def _source(by: ServiceCaller) -> dict[str, tuple[str, ...]]:
    values = {"aws:sourcearn": by.source_arn, "aws:sourceaccount": by.source_account}
    return {name: (value,) for name, value in values.items() if value}


def _session_policies(key: IssuedKey | None) -> tuple[PolicyDocument, ...] | None:
    if key is None or (key.policies is None and not key.federated_user):
        return None
    return tuple(identities.parsed(text) for text in key.policies or ())


def circumstances(request: AwsRequest) -> dict[str, tuple[str, ...]]:
    """Return the condition keys that follow from a request's circumstances."""
    from datetime import UTC, datetime

    now = datetime.now(UTC)
    values = {
        "aws:currenttime": now.strftime("%Y-%m-%dT%H:%M:%SZ"),
        "aws:epochtime": str(int(now.timestamp())),
        "aws:requestedregion": request.region,
        "aws:sourceip": str(request.environ.get("REMOTE_ADDR", "")),
        "aws:useragent": str(request.environ.get("HTTP_USER_AGENT", "")),
    }
    return {name: (value,) for name, value in values.items() if value}
