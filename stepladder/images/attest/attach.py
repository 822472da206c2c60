"""Attach to an image what the settings ask for: SBOM, provenance and a signature. Each is attached once.

A registry that takes none doesn't keep a release back, unless promotions require what is missing.
"""

from __future__ import annotations

from collections.abc import Sequence

from stepladder.core.image_facts import REFERRERS
from stepladder.core.retry import RegistryError
from stepladder.images.attest import inputs, provenance, sbom, signing, verify
from stepladder.images.builder import BuildJob
from stepladder.images.check import RegistryImage
from stepladder.images.model import digest_of
from stepladder.images.registry import referrers
from stepladder.images.registry.referrers import Artifact, ReferrerSubject
from stepladder.settings.load import Settings
from stepladder.settings.supply_chain import REQUIRED

_WORDS = {"sbom": "SBOM", "provenance": "provenance", "signature": "signature"}
_SIGNATURE = "signature"


def wanted(settings: Settings) -> tuple[str, ...]:
    """Return what the settings want each image to have, by its word in them."""
    section = settings.supply_chain
    choices = (("sbom", section.sbom), ("provenance", section.provenance), (_SIGNATURE, section.sign == REQUIRED))
    return tuple(name for name, on in choices if on)


def attachable(settings: Settings) -> tuple[str, ...]:
    """Return what this process is to attach: what the settings want, and a signature where it may sign."""
    names = wanted(settings)
    return (*names, _SIGNATURE) if _SIGNATURE not in names and signing.is_wanted(settings) else names


def is_required(settings: Settings, names: Sequence[str]) -> bool:
    """Say whether a release fails without one of these documents: a promotion asks for it, or it must be signed."""
    required = {*settings.promotion.require, *((_SIGNATURE,) if settings.supply_chain.sign == REQUIRED else ())}
    return bool(required.intersection(names))


def lacking(job: BuildJob, image: RegistryImage) -> tuple[str, ...]:
    """Return what the settings want and the image in the registry hasn't got; one request, none when nothing is wanted.

    Nothing for a registry that can't say.
    """
    names = attachable(job.settings)
    if not names:
        return ()
    repository = job.target
    try:
        attached = referrers.listed(repository.registry, repository.name, image.digest)
        types = {each.artifact_type for each in attached}
        missing = tuple(name for name in names if REFERRERS[name] not in types)
        if _SIGNATURE in names and _SIGNATURE not in missing:
            documents = verify.verify(repository.registry, repository.name, image.digest, job.settings)
            if any(each.kind == _SIGNATURE and each.state == verify.INVALID for each in documents):
                missing = (*missing, _SIGNATURE)  # somebody else's
    except RegistryError as error:
        _failed(job, names, error)
        return ()
    return missing


def attach(job: BuildJob, image: RegistryImage, distributions: Sequence[str], names: Sequence[str]) -> None:
    """Attach the named documents to an image that this job built. `distributions` are the packages in it.

    Raises `RegistryError` when the registry doesn't take what promotions require.
    """
    if not names:
        return
    job.step.progress(f"attaching {words(names)}")
    source = inputs.of_job(job, image.digest, image.base, image.builder)
    bom = sbom.artifact(source, distributions)
    statement = provenance.artifact(source, bom.blobs[0].digest if "sbom" in wanted(job.settings) else "")
    documents: dict[str, Artifact] = {"sbom": bom, "provenance": statement}
    if _SIGNATURE in names:
        documents |= _signed(job, statement.data)
        names = [name for name in names if name in documents]
    subject = ReferrerSubject(image.digest, image.manifest_size, image.media_type)
    try:
        if names and "sbom" not in names and "sbom" in wanted(job.settings) and not _has(job, subject, bom):
            names = ("sbom", *names)  # the provenance and what is signed name this one
        referrers.attach(job.target.registry, job.target.name, subject, *(documents[name] for name in names))
    except RegistryError as error:
        _failed(job, names, error)


def _has(job: BuildJob, subject: ReferrerSubject, document: Artifact) -> bool:
    """Say whether the registry has exactly this document: another build's of the same image may differ from it."""
    attached = referrers.listed(job.target.registry, job.target.name, subject.digest, document.artifact_type)
    return digest_of(document.manifest(subject)) in {each.digest for each in attached}


def _signed(job: BuildJob, statement: bytes) -> dict[str, Artifact]:
    """Return the signature of a statement; nothing where it can't be made and isn't required."""
    try:
        return {_SIGNATURE: signing.sign(job.settings, statement)}
    except signing.SigningError as error:
        uncounted = isinstance(error, signing.UncountedError)  # a preview's job: nobody promotes its image
        if _SIGNATURE in wanted(job.settings) or (_SIGNATURE in job.settings.promotion.require and not uncounted):
            raise
        job.say(f"the image has no signature: {error.message}")
        return {}


def unattached(job: BuildJob, image: RegistryImage, names: Sequence[str]) -> None:
    """Say that an image lacks documents which only the one who built it could have attached.

    Raises `SigningError` when that is a signature, and the settings require one.
    """
    if _SIGNATURE in names and _SIGNATURE in wanted(job.settings):
        raise signing.SigningError(
            f"the image {image.digest[7:19]} was pushed without a signature, and supply_chain.sign requires one",
            hint="push one that has it, under a tag of its own, by the job that deploys: `inv image.push --pull`",
        )
    job.note(f"no documents of {image.digest}")(
        f"the image {image.digest[7:19]} was pushed without {words(names)}; `inv image.push --pull` pushes one with "
        "them, under a tag of its own"
    )


def words(names: Sequence[str]) -> str:
    """Return the documents as a person reads them."""
    return " and ".join(_WORDS[name] for name in names)


def _failed(job: BuildJob, names: Sequence[str], error: RegistryError) -> None:
    if is_required(job.settings, names):
        raise error
    job.say(f"the image has no {words(names)} in the registry: {error.message}")
