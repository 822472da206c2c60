"""Find out who sent a request: by its signature, and by the key that it was made with."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from localcloud.access import identities, refusals
from localcloud.access.callers import ACCOUNT_KEY, ANONYMOUS, Caller, root_of
from localcloud.access.signatures import (
    SKEW,
    MalformedSignatureError,
    Signature,
    is_valid,
    is_valid_v2,
    moment_of,
    presigned_v2,
    signature_of,
)

if TYPE_CHECKING:
    from localcloud.access.keys import IssuedKeys
    from localcloud.cloud import Environ

_S3_SKEW = 3


class RefusedSignature(Exception):  # noqa: N818 - becomes an error of the request's service
    """A signature isn't accepted."""

    def __init__(self, kind: str, detail: str = "", *, key_id: str = "") -> None:
        super().__init__(kind)
        self.kind, self.detail, self.key_id = kind, detail, key_id


class Authenticator:
    """Leads from requests to callers."""

    def __init__(self, keys: IssuedKeys) -> None:
        self._keys = keys

    def unverified(self, environ: Environ, otherwise: Caller) -> Caller:
        """Take a caller by the key alone."""
        try:
            signature = signature_of(environ)
        except MalformedSignatureError:
            signature = None
        key = self._keys.get(signature.key_id) if signature else None
        if key is not None:
            return identities.session(key) or identities.session_of_missing(key)
        held = identities.holder(signature.key_id) if signature and signature.key_id.startswith("AKIA") else None
        return held[0] if held else otherwise

    def verified(self, environ: Environ, body: bytes, *, optional: bool, scope: str = "") -> Caller:
        """Return who signed a request. Raises `RefusedSignature`, also for none unless that is `optional`.

        `scope` is the service for which it must be signed, where its address says that.
        """
        try:
            signature = signature_of(environ)
        except MalformedSignatureError as error:
            raise RefusedSignature(refusals.MALFORMED, str(error)) from None
        if signature is None:
            if optional:
                return self._presigned_v2(environ) or ANONYMOUS
            raise RefusedSignature(refusals.MISSING)
        if scope and signature.service != scope:
            raise RefusedSignature(refusals.SCOPE, scope, key_id=signature.key_id)
        if ACCOUNT_KEY.fullmatch(signature.key_id):
            return root_of(signature.key_id, signature.region)  # the key is no secret, so its secret needs no test
        caller, secret = self._holder(signature)
        self._check_time(signature)
        if not is_valid(signature, secret, environ, body):
            raise RefusedSignature(refusals.MISMATCH, key_id=signature.key_id)
        return caller

    def _presigned_v2(self, environ: Environ) -> Caller | None:
        signature = presigned_v2(environ)
        if signature is None:
            return None
        if ACCOUNT_KEY.fullmatch(signature.key_id):
            return root_of(signature.key_id, "")
        caller, secret = self._holder(signature)
        if time.time() > signature.expires:
            raise RefusedSignature(refusals.PAST, key_id=signature.key_id)
        if not is_valid_v2(signature, secret, environ):
            raise RefusedSignature(refusals.MISMATCH, key_id=signature.key_id)
        return caller

    def _holder(self, signature: Signature) -> tuple[Caller, str]:
        key_id = signature.key_id
        key = self._keys.get(key_id)
        if key is None:
            held = identities.holder(key_id)
            if held is None or signature.token:
                raise RefusedSignature(refusals.UNKNOWN_KEY, key_id=key_id)
            return held
        if signature.token != key.token:
            raise RefusedSignature(refusals.UNKNOWN_KEY, key_id=key_id)
        if key.expires < time.time():
            raise RefusedSignature(refusals.EXPIRED, key_id=key_id)
        caller = identities.session(key)
        if caller is None:
            raise RefusedSignature(refusals.UNKNOWN_KEY, key_id=key_id)
        return caller, key.secret

    def _check_time(self, signature: Signature) -> None:
        signed, now = moment_of(signature), time.time()
        if signature.presigned:
            if now > signed + signature.expires:
                raise RefusedSignature(refusals.PAST, key_id=signature.key_id)
        elif abs(now - signed) > SKEW * (_S3_SKEW if signature.service == "s3" else 1):
            raise RefusedSignature(refusals.SKEWED, signature.date, key_id=signature.key_id)
