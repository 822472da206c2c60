"""What an image was built from, as its SBOM and its provenance say it. Nothing of this machine is in it.

The same inputs give the same documents, so that attaching again changes nothing.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from stepladder.core.errors import StepladderError
from stepladder.forge import registered
from stepladder.images import revision
from stepladder.images.builder import BuildJob
from stepladder.images.key import base_reference
from stepladder.images.requirements import read

WORKSTATION = "urn:stepladder:workstation"
"""Who built an image outside of any forge: nobody vouches for it."""
_FILES = ("requirements.txt", "requirements.in", "Dockerfile")
_SHOWN = 50


@dataclass(frozen=True)
class ImageInputs:
    """One image's inputs.

    `files` are digests by the path in the project, `locked` the hashes of packages by `name==version`. `source`
    is the repository's page, `builder` who ran the build, and `invocation` the page of the job.
    """

    repository: str
    digest: str
    architecture: str
    python: str
    base: str
    input_key: str
    image_builder: str
    commit: str = ""
    changed: tuple[str, ...] = ()
    source: str = ""
    builder: str = WORKSTATION
    invocation: str = ""
    context: str = ""
    wanted_base: str = ""
    files: Mapping[str, str] = field(default_factory=dict)
    locked: Mapping[str, tuple[str, ...]] = field(default_factory=dict)


def of_job(job: BuildJob, digest: str, base: str, image_builder: str) -> ImageInputs:
    """Read the inputs of a job whose image has been pushed. `base` is the label that names the base by its digest."""
    settings, forge = job.settings, registered.current()
    folder = settings.root / settings.image.context
    return ImageInputs(
        repository=job.names.repository,
        digest=digest,
        architecture=settings.architecture,
        python=settings.python,
        base=base,
        input_key=job.key,
        image_builder=image_builder,
        commit=job.revision.commit,
        changed=job.revision.changed[:_SHOWN],
        source=forge.source() or (revision.origin(settings) if job.revision.commit else ""),
        builder=forge.builder() or WORKSTATION,
        invocation=forge.job_url(),
        context=settings.image.context,
        wanted_base=base_reference(settings),
        files=_digests(folder, settings.image.context),
        locked=locked(folder / "requirements.txt"),
    )


def locked(path: Path) -> dict[str, tuple[str, ...]]:
    """Return the hashes of each package in a lock by `name==version`; nothing for one that can't be read."""
    try:
        requirements = read.read(path).requirements
    except (OSError, StepladderError):
        return {}
    return {f"{each.key}=={each.version}": each.hashes for each in requirements if each.key and each.version}


def _digests(folder: Path, context: str) -> dict[str, str]:
    return {
        f"{context}/{name}": hashlib.sha256((folder / name).read_bytes()).hexdigest()
        for name in _FILES
        if (folder / name).is_file()
    }


def base_parts(base: str) -> tuple[str, str]:
    """Return the name and the hexadecimal digest of a base's label; an empty digest for one without."""
    name, _, digest = base.partition("@sha256:")
    return name, digest


def base_descriptor(inputs: ImageInputs) -> dict[str, Any] | None:
    """Return the base as provenance names it; None for one that has no digest."""
    name, digest = base_parts(inputs.base)
    return {"uri": f"docker://{name}", "digest": {"sha256": digest}} if digest else None
