"""Begin to build an image before its turn, beside the lock of a deployment and the reads that guard it.

Nothing is published, and nothing of it is seen: what can't be built, `stepladder.images.pipeline` refuses in its turn.
It imports little: until another program is at work, each import delays it.
"""

from __future__ import annotations

import contextlib
from concurrent.futures import ThreadPoolExecutor

from stepladder.core.step import Step
from stepladder.images import build_cache, choose, revision
from stepladder.images.builder import BuildJob, Say, input_key, named
from stepladder.images.revision import SourceRevision
from stepladder.settings import builders
from stepladder.settings.load import Settings

_UNREAD = SourceRevision("", ())


def begin(settings: Settings, environment: str, *, say: Say) -> BuildJob | None:
    """Begin to build the image that `prepare` will want; None where nothing is gained by it.

    That is so of a builder that is this process's own work, and of an image that was pushed and noted. The job has no
    repository, and `prepare` adds it.
    """
    chosen, names, key = settings.image.builder, settings.names(environment), input_key(settings)
    if chosen == builders.AUTO or not named(chosen).builds_apart:
        return None
    noted = build_cache.load(settings, names)
    if noted and noted.input_key == key:
        return None
    with contextlib.suppress(Exception), ThreadPoolExecutor(1, thread_name_prefix="git") as pool:
        reading = pool.submit(revision.read, settings)  # while the engine is asked
        job = BuildJob(settings, names, key, _UNREAD, Step("image"), say)
        builder = choose.builder(job)
        job.revision = reading.result()
        job.begun = builder.begin(job)
        return job
    return None
