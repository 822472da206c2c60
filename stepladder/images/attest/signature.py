"""Whose the signature of an image is: a Sigstore bundle, verified against a trust root and an exact signer.

Without the optional library, a trust root or a known signer nothing is verified, and no signature counts.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

from stepladder.settings.ci import GITHUB_ISSUER
from stepladder.settings.load import Settings

if TYPE_CHECKING:
    from cryptography.x509 import Certificate
    from sigstore.models import ClientTrustConfig
    from sigstore.verify.policy import VerificationPolicy

EXTRA = "stepladder[sign]"
_IN_TOTO = "application/vnd.in-toto+json"
_SHOWN = 200


class UnverifiableError(Exception):
    """Nothing can be verified here, whatever the signature is."""


class InvalidSignatureError(Exception):
    """A signature is not what it must be."""


@dataclass(frozen=True)
class ExpectedSigner:
    """Whose signature counts: an issuer of tokens with an exact identity, or a repository's jobs on one branch.

    `source_id` is the number that the forge gave the repository, empty for any of that name.
    """

    issuer: str
    identity: str = ""
    source: str = ""
    source_id: str = ""
    ref: str = ""

    def __str__(self) -> str:
        """Return it for a message."""
        return f"{self.identity or f'{self.source} on {self.ref}'} by {self.issuer}"


def expected(settings: Settings) -> tuple[ExpectedSigner, ...]:
    """Return whose signatures count: the signer of the settings, or else the jobs on the branch that is deployed."""
    signer = settings.supply_chain.signer
    if signer.identity:
        return (ExpectedSigner(signer.issuer, signer.identity),)
    ci, ref = settings.ci, f"refs/heads/{settings.ci.branch}"
    signers = []
    github = ci.github
    if github.repository and f"{github.issuer}/".startswith(f"{GITHUB_ISSUER}/"):
        page = f"https://github.com/{github.repository}"
        signers.append(ExpectedSigner(github.issuer, source=page, source_id=github.repository_id, ref=ref))
    if ci.gitlab.project:
        signers.append(ExpectedSigner(ci.gitlab.url, source=f"{ci.gitlab.url}/{ci.gitlab.project}", ref=ref))
    return tuple(signers)


def trust(settings: Settings) -> ClientTrustConfig:
    """Return the services and keys of the settings' Sigstore, or else of the public one.

    Raises `UnverifiableError` without them.
    """
    try:
        from sigstore.errors import Error
        from sigstore.models import ClientTrustConfig
    except ImportError:
        raise UnverifiableError(f"the optional library is missing: add {EXTRA}") from None
    path = settings.supply_chain.sigstore
    try:
        if path:
            return ClientTrustConfig.from_json((settings.root / path).read_text("utf-8"))
        return ClientTrustConfig.production()
    except (OSError, ValueError, Error) as error:
        what = f"{path} is no trust configuration of Sigstore" if path else "Sigstore's trust root can't be fetched"
        raise UnverifiableError(f"{what}: {one_line(error)}") from None


def judge(settings: Settings) -> Callable[[bytes], bytes]:
    """Return what verifies a bundle and returns the statement in it, or raises `InvalidSignatureError`.

    Raises `UnverifiableError` where nothing can be verified.
    """
    signers = expected(settings)
    if not signers:
        raise UnverifiableError("nobody says whose it must be: set `supply_chain.signer`, or the repository in `ci`")
    config = trust(settings)
    from sigstore.verify import Verifier
    from sigstore.verify.policy import AnyOf

    try:
        verifier = Verifier(trusted_root=config.trusted_root)
    except Exception as error:  # noqa: BLE001 - a file that a person wrote, in whatever way it is wrong
        raise UnverifiableError(f"Sigstore's trust root can't be used: {one_line(error)}") from None
    policy = AnyOf([_policy(signer) for signer in signers])
    return lambda bundle: _statement(verifier.verify_dsse, bundle, policy, signers)


def one_line(error: Exception) -> str:
    """Return an error's message as a short line, or that of its cause; it may quote what a stranger wrote."""
    text = "".join(each if each.isprintable() else " " for each in str(error) or str(error.__cause__ or ""))
    return (" ".join(text.split()) or type(error).__name__)[:_SHOWN]


def _statement(
    verify: Callable[..., tuple[str, bytes]],
    data: bytes,
    policy: VerificationPolicy,
    signers: tuple[ExpectedSigner, ...],
) -> bytes:
    from sigstore.models import Bundle

    checked = _Checked(policy)
    try:
        kind, payload = verify(Bundle.from_json(data), checked)
    except Exception as error:  # noqa: BLE001 - whoever may push wrote it: no way to be wrong may end in a pass
        if checked.refused:
            whose = " or ".join(str(each) for each in signers)
            raise InvalidSignatureError(f"is by {checked.by}, and not by {whose}") from None
        raise InvalidSignatureError(f"doesn't verify: {one_line(error)}") from None
    if kind != _IN_TOTO:
        raise InvalidSignatureError("signs no in-toto statement")
    return payload


class _Checked:
    """A policy that keeps whom it refused."""

    def __init__(self, policy: VerificationPolicy) -> None:
        self._policy, self.refused, self.by = policy, False, ""

    def verify(self, cert: Certificate) -> None:
        """Raise `VerificationError` for a certificate of somebody else."""
        self.refused, self.by = True, _names(cert)
        self._policy.verify(cert)
        self.refused = False


def _names(cert: Certificate) -> str:
    from cryptography.x509 import SubjectAlternativeName

    try:
        names = cert.extensions.get_extension_for_class(SubjectAlternativeName).value
    except Exception:  # noqa: BLE001 - for a message only
        return "nobody"
    return one_line(Exception(", ".join(str(each.value) for each in names)))


def _policy(signer: ExpectedSigner) -> VerificationPolicy:
    from sigstore.verify import policy

    rules: list[VerificationPolicy] = [policy.OIDCIssuerV2(signer.issuer)]
    if signer.identity:
        rules.append(policy.Identity(identity=signer.identity))
    else:
        rules += [policy.OIDCSourceRepositoryURI(signer.source), policy.OIDCSourceRepositoryRef(signer.ref)]
    if signer.source_id:
        rules.append(policy.OIDCSourceRepositoryIdentifier(signer.source_id))
    return policy.AllOf(rules)
