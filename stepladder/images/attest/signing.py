"""Sign the provenance of an image without a key of one's own: the job's identity is the signer.

Sigstore's Fulcio certifies a key that lives for this one signature, its Rekor logs it. The bundle holds all that a
verifier needs beside the trust root. https://docs.sigstore.dev/about/bundle/
"""

from __future__ import annotations

import threading
from collections.abc import Callable

from stepladder.core.errors import StepladderError
from stepladder.core.image_facts import SIGNATURE
from stepladder.forge import registered
from stepladder.images.attest import signature
from stepladder.images.attest.provenance import PREDICATE
from stepladder.images.attest.signature import InvalidSignatureError, UnverifiableError, one_line
from stepladder.images.registry.referrers import Artifact
from stepladder.settings.load import Settings
from stepladder.settings.supply_chain import AUTO, REQUIRED

_SECONDS = 60.0
_ANNOTATIONS = {"dev.sigstore.bundle.content": "dsse-envelope", "dev.sigstore.bundle.predicateType": PREDICATE}


class SigningError(StepladderError):
    """An image couldn't be signed."""

    kind = "not-signed"


class UncountedError(SigningError):
    """This job's signature would count for nobody: it is on another branch than the one that is deployed."""


def is_wanted(settings: Settings) -> bool:
    """Say whether this process is to sign: always, or in a job that has an identity for it."""
    how = settings.supply_chain.sign
    return how == REQUIRED or (how == AUTO and registered.current().may_sign())


def sign(settings: Settings, statement: bytes) -> Artifact:
    """Return the bundle of a signed statement. Raises `SigningError` when nobody signs it, or not who must.

    The job's identity goes to the Sigstore of the settings and nowhere else.
    """
    token = registered.current().signing_token()
    if token.problem:
        raise SigningError(f"the image can't be signed: {token.problem}", hint=token.hint)
    try:
        config = signature.trust(settings)
    except UnverifiableError as error:
        raise _failed(str(error)) from None

    def bundle() -> bytes:
        from sigstore.dsse import Statement
        from sigstore.oidc import IdentityToken
        from sigstore.sign import SigningContext

        with SigningContext.from_trust_config(config).signer(IdentityToken(token.text)) as signer:
            return signer.sign_dsse(Statement(statement)).to_json().encode()

    data = _within(bundle, token.text)
    try:
        signature.judge(settings)(data)
    except UnverifiableError:
        pass  # nobody says whose it must be
    except InvalidSignatureError as error:
        raise UncountedError(
            f"the signature of this job wouldn't count: it {error}",
            hint="deploy by a job on the branch that `invoke.yaml` names in ci, or name this job as the signer",
        ) from None
    return Artifact(SIGNATURE, data, _ANNOTATIONS)


def _within(call: Callable[[], bytes], secret: str) -> bytes:
    """Return what a call returns in a minute: the library waits for Fulcio and Rekor for ever."""
    values: list[bytes] = []
    errors: list[Exception] = []

    def run() -> None:
        try:
            values.append(call())
        except Exception as error:  # noqa: BLE001 - it is raised below, in the thread that waits
            errors.append(error)

    thread = threading.Thread(target=run, daemon=True)
    thread.start()
    thread.join(_SECONDS)
    if values:
        return values[0]
    raise _failed(
        one_line(errors[0]).replace(secret, "***") if errors else f"Sigstore didn't answer in {_SECONDS:.0f} seconds"
    )


def _failed(why: str) -> SigningError:
    return SigningError(
        f"the image can't be signed: {why}",
        hint="fix what it names; with sign: auto under supply_chain in `invoke.yaml` an image is released unsigned",
    )
