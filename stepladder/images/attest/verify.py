"""Read what refers to an image, and say of each document whether it is there and about this image.

Anybody who may push can attach an SBOM and a provenance. They prove what they say only by a signature of the
provenance, which names the SBOM by its digest.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from stepladder.core.image_facts import PROVENANCE, SBOM, SIGNATURE
from stepladder.core.retry import RegistryError
from stepladder.images.attest import provenance, signature
from stepladder.images.attest.signature import InvalidSignatureError, UnverifiableError
from stepladder.images.model import digest_of
from stepladder.images.registry import referrers
from stepladder.images.registry.client import RegistryClient
from stepladder.images.registry.referrers import Referrer
from stepladder.settings.load import Settings

OK, MISSING, INVALID, UNREAD = "ok", "missing", "invalid", "unread"
_OF_THE_DOCUMENT = (0, 400, 404)
"""Answers that are about one document, such as a blob that isn't there. By others the registry can't be asked."""


@dataclass(frozen=True)
class AttachedDocument:
    """A document of an image. `state` is ok, missing, invalid, or unread: nobody could verify it. `detail` says why."""

    kind: str
    state: str
    detail: str = ""
    digest: str = ""


def verify(registry: RegistryClient, repository: str, digest: str, settings: Settings) -> tuple[AttachedDocument, ...]:
    """Return what is known of each document that an image should have, of each kind the best one.

    Raises `RegistryError` when the registry can't be asked.
    """
    attached = referrers.listed(registry, repository, digest)
    boms = _read(registry, repository, digest, [each for each in attached if each.artifact_type == SBOM])
    statements = _read(registry, repository, digest, [each for each in attached if each.artifact_type == PROVENANCE])
    valid = {digest_of(data) for _, data, problem in boms if not problem and not _sbom_problem(data, digest)}
    bundles = _read(registry, repository, digest, [each for each in attached if each.artifact_type == SIGNATURE])
    return (
        _best("sbom", boms, lambda data: _sbom_problem(data, digest)),
        _best("provenance", statements, lambda data: _provenance_problem(data, digest, valid)),
        _signature(bundles, settings, lambda data: _provenance_problem(data, digest, valid)),
    )


def lacking(documents: Sequence[AttachedDocument], required: Sequence[str]) -> list[str]:
    """Return which of the required documents are not as they should be, each with why."""
    states = {each.kind: each for each in documents}
    lines = []
    for kind in required:
        document = states[kind]
        if document.state == MISSING:
            lines.append(f"no {kind}")
        elif document.state != OK:
            lines.append(f"a {kind} that {document.detail}")
    return lines


def unverified(documents: Sequence[AttachedDocument], required: Sequence[str]) -> bool:
    """Whether a required document is there that nobody could verify: another image would fare no better."""
    return any(each.state == UNREAD and each.kind in required for each in documents)


def pushing(environment: str) -> str:
    """Return how an image comes to have all documents, as the end of a hint."""
    return (
        f"; push one that has all: `inv image.push --env {environment} --pull`, then `inv deploy --env {environment}`"
    )


_Read = tuple[Referrer, bytes, str]


def _read(registry: RegistryClient, repository: str, digest: str, attached: Sequence[Referrer]) -> list[_Read]:
    documents: list[_Read] = []
    for each in attached:
        try:
            documents.append((each, referrers.read(registry, repository, each, digest), ""))
        except RegistryError as error:
            if error.status not in _OF_THE_DOCUMENT:
                raise
            documents.append((each, b"", f"can't be read: {error.message}"))
    return documents


def _best(kind: str, documents: Sequence[_Read], judge: Callable[[bytes], str]) -> AttachedDocument:
    """Return the first document that is as it should be, else the first one with what is wrong with it."""
    judged = [(referrer, unreadable or judge(data)) for referrer, data, unreadable in documents]
    for referrer, problem in judged:
        if not problem:
            return AttachedDocument(kind, OK, digest=referrer.digest)
    for referrer, problem in judged:
        return AttachedDocument(kind, INVALID, problem, referrer.digest)
    return AttachedDocument(kind, MISSING)


def _signature(bundles: Sequence[_Read], settings: Settings, judge: Callable[[bytes], str]) -> AttachedDocument:
    """Return the first signature by whom the settings name of a statement that is about this image."""
    if not bundles:
        return AttachedDocument("signature", MISSING)
    try:
        statement = signature.judge(settings)
    except UnverifiableError as error:
        return AttachedDocument("signature", UNREAD, f"can't be verified: {error}", bundles[0][0].digest)

    def problem(data: bytes) -> str:
        try:
            payload = statement(data)
        except InvalidSignatureError as error:
            return str(error)
        wrong = judge(payload)
        return f"signs a statement that {wrong}" if wrong else ""

    return _best("signature", bundles, problem)


def _sbom_problem(data: bytes, digest: str) -> str:
    document = _object(data)
    component = _inside(_inside(document, "metadata"), "component")
    hashes = component.get("hashes")
    if document.get("bomFormat") != "CycloneDX":
        return "is no CycloneDX document"
    named = (
        {str(each.get("content")) for each in hashes if isinstance(each, dict)} if isinstance(hashes, list) else set()
    )
    return "" if digest.removeprefix("sha256:") in named else "is of another image"


def _provenance_problem(data: bytes, digest: str, boms: set[str]) -> str:
    document = _object(data)
    if document.get("_type") != provenance.STATEMENT or document.get("predicateType") != provenance.PREDICATE:
        return "is no provenance of SLSA"
    subjects = document.get("subject")
    named = (
        [_inside(each, "digest").get("sha256") for each in subjects if isinstance(each, dict)]
        if isinstance(subjects, list)
        else []
    )
    if named != [digest.removeprefix("sha256:")]:
        return "is of another image"
    products = _inside(_inside(document, "predicate"), "runDetails").get("byproducts")
    for each in products if isinstance(products, list) else ():
        if isinstance(each, dict) and each.get("name") == "sbom":
            wanted = f"sha256:{_inside(each, 'digest').get('sha256')}"
            if wanted not in boms:
                return "names an SBOM that isn't the one in the registry"
    return ""


def _object(data: bytes) -> dict[str, Any]:
    try:
        value = json.loads(data)
    except (ValueError, RecursionError):
        return {}
    return value if isinstance(value, dict) else {}


def _inside(document: Mapping[str, Any], key: str) -> dict[str, Any]:
    value = document.get(key)
    return value if isinstance(value, dict) else {}
