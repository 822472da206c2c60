"""Attach to an image what the settings ask for: its SBOM and its provenance. Each is attached once.

A registry that takes none doesn't keep a release back, unless promotions require what is missing.
"""

from __future__ import annotations

from collections.abc import Sequence

from stepladder.core.image_facts import REFERRERS
from stepladder.core.retry import RegistryError
from stepladder.images.attest import inputs, provenance, sbom
from stepladder.images.builder import BuildJob
from stepladder.images.check import RegistryImage
from stepladder.images.model import digest_of
from stepladder.images.registry import referrers
from stepladder.images.registry.referrers import Artifact, ReferrerSubject
from stepladder.settings.load import Settings

_WORDS = {"sbom": "SBOM", "provenance": "provenance"}


def wanted(settings: Settings) -> tuple[str, ...]:
    """Return what the settings want to be attached, by its word in them."""
    section = settings.supply_chain
    return tuple(name for name, on in (("sbom", section.sbom), ("provenance", section.provenance)) if on)


def lacking(job: BuildJob, image: RegistryImage) -> tuple[str, ...]:
    """Return what the settings want and the image in the registry hasn't got; one request, none when nothing is wanted.

    Nothing for a registry that can't say.
    """
    names = wanted(job.settings)
    if not names:
        return ()
    repository = job.target
    try:
        attached = referrers.listed(repository.registry, repository.name, image.digest)
    except RegistryError as error:
        _failed(job, names, error)
        return ()
    types = {each.artifact_type for each in attached}
    return tuple(name for name in names if REFERRERS[name] not in types)


def attach(job: BuildJob, image: RegistryImage, distributions: Sequence[str], names: Sequence[str]) -> None:
    """Attach the named documents to an image that this job built. `distributions` are the packages in it.

    Raises `RegistryError` when the registry doesn't take what promotions require.
    """
    if not names:
        return
    job.step.progress(f"attaching {words(names)}")
    source = inputs.of_job(job, image.digest, image.base, image.builder)
    bom = sbom.artifact(source, distributions)
    documents: dict[str, Artifact] = {
        "sbom": bom,
        "provenance": provenance.artifact(source, bom.blobs[0].digest if "sbom" in wanted(job.settings) else ""),
    }
    subject = ReferrerSubject(image.digest, image.manifest_size, image.media_type)
    try:
        if list(names) == ["provenance"] and "sbom" in wanted(job.settings) and not _has(job, subject, bom):
            names = ("sbom", "provenance")  # the provenance names this one
        referrers.attach(job.target.registry, job.target.name, subject, *(documents[name] for name in names))
    except RegistryError as error:
        _failed(job, names, error)


def _has(job: BuildJob, subject: ReferrerSubject, document: Artifact) -> bool:
    """Say whether the registry has exactly this document: another build's of the same image may differ from it."""
    attached = referrers.listed(job.target.registry, job.target.name, subject.digest, document.artifact_type)
    return digest_of(document.manifest(subject)) in {each.digest for each in attached}


def unattached(job: BuildJob, image: RegistryImage, names: Sequence[str]) -> None:
    """Say that an image lacks documents which only the one who built it could have attached."""
    job.note(f"no documents of {image.digest}")(
        f"the image {image.digest[7:19]} was pushed without {words(names)}; `inv image.push --pull` pushes one with "
        "them, under a tag of its own"
    )


def words(names: Sequence[str]) -> str:
    """Return the documents as a person reads them."""
    return " and ".join(_WORDS[name] for name in names)


def _failed(job: BuildJob, names: Sequence[str], error: RegistryError) -> None:
    if set(names).intersection(job.settings.promotion.require):
        raise error
    job.say(f"the image has no {words(names)} in the registry: {error.message}")
