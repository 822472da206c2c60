"""Which base the layers builder builds on: the real one, or for a local cloud this machine's own Python."""

from __future__ import annotations

from typing import TYPE_CHECKING

from stepladder.core import container_engine
from stepladder.images.base import usable

if TYPE_CHECKING:
    from stepladder.images.base.registry import Base
    from stepladder.images.builder import BuildJob


def base(job: BuildJob) -> Base:
    """Return the base. Only a local cloud may do without the real one.

    It has to where no engine can run it, since its functions then run as processes of this machine, and where the
    base's registry is out of reach. Raises `NotReadyError` for a base that can't be had.
    """
    bases = job.bases()
    if job.to_run:
        job.note("image to run")("without a container engine to build it, the image runs on this machine's own Python")
        return bases.host()
    if job.local_cloud and not job.settings.image.base:
        reason = usable.why_not(container_engine.find(), job.settings, local_cloud=True)
        if reason:
            job.note("local image")(f"{reason}: in the local cloud the image runs on this machine's own Python")
            return bases.host()
    resolved = bases.real(pull=job.pull, patient=not job.local_cloud)
    if resolved is None and job.local_cloud:
        out_of_reach = f"{bases.reference.host} can't be reached"
        job.note("local image")(f"{out_of_reach}: the image for the local cloud runs on this machine's Python")
        return bases.host()
    if resolved is None:
        raise bases.missing()
    return resolved
