"""The Docker builder: the project's Dockerfile, built by a Docker engine through the Docker SDK.

The SDK drives the engine's classic builder: one platform, one manifest, no attestations, which is what Lambda takes
(docs/decisions).
"""

from __future__ import annotations

import contextlib
import http.client
import re
from collections import deque
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from typing import Any

from stepladder.core import container_engine as engine_module
from stepladder.core.errors import BadInputError, NotReadyError, RefusedError, StepladderError
from stepladder.core.image_facts import ARCHITECTURE, LABEL_BASE, LABEL_BUILDER, LABEL_KEY, LABEL_REVISION, PLATFORM
from stepladder.images.base import engine as engine_base
from stepladder.images.base.engine import BaseSource, EngineBase
from stepladder.images.docker import context as contexts
from stepladder.images.docker.context import DOCKERFILE
from stepladder.images.model import EngineImage
from stepladder.settings.load import Settings

_TIMEOUT = 900  # seconds without a word from the engine
_SHOWN = 12  # last lines of a step that failed
_MADE = r" ---> ([0-9a-f]{12,64})"
_OUR_STEP = rf"Step (\d+)/\1 : LABEL {re.escape(LABEL_BUILDER)}="
_NOISE = ("Removing intermediate container", " ---> ")
_COLOUR = r"\x1b\[[0-9;]*m"  # the engine paints what a step says on standard error


@contextlib.contextmanager
def client() -> Iterator[Any]:
    """Yield the client of the engine that the environment names; its failures become ours."""
    import docker
    import requests
    import urllib3
    from docker.errors import APIError, DockerException

    try:
        with contextlib.closing(
            docker.DockerClient.from_env(
                environment=engine_module.environment(), version=engine_module.api_version(), timeout=_TIMEOUT
            )
        ) as opened:
            yield opened
    except APIError as error:
        raise _explained(str(error.explanation or error)) from error
    except (
        DockerException,
        requests.exceptions.RequestException,
        urllib3.exceptions.HTTPError,
        http.client.HTTPException,
        ConnectionError,
    ) as error:
        raise NotReadyError(
            "the container engine stopped answering",
            kind="engine-down",
            hint="see whether it runs (`docker info`), then run this again",
        ) from error


def has_base(settings: Settings, reference: str) -> bool:
    """Say whether the engine holds a base image for the function's architecture."""
    with client() as engine:
        return engine_base.holds(engine, reference, settings.architecture)


def build(
    settings: Settings,
    source: BaseSource,
    *,
    key: str,
    commit: str,
    pull: bool = False,
    may_pull: bool = True,
    progress: Callable[[str], None] = lambda _: None,
    sending: Callable[[], None] = lambda: None,
) -> EngineImage:
    """Build the image in the engine and check all that can be checked before anything is pushed.

    `pull` reads the base anew, and without `may_pull` the engine has to hold it. `sending` is called when all is ready
    for the engine, which works alone from then on.
    Raises `StepladderError` with the failing step and its last lines, `BadInputError` for a Dockerfile without a
    handler, `NotReadyError` when the engine goes away, has no room, or can't get the base.
    """
    root = settings.root / settings.image.context
    arguments = {"BASE_IMAGE": source.name, "PYTHON_VERSION": settings.python}
    with client() as engine:
        base = engine_base.ensure(
            engine, source, settings.architecture, pull=pull, may_pull=may_pull, progress=progress
        )
        labels = _labels(base, key, commit)
        with (
            contexts.written(root, settings.build_dir, labels) as (context, dockerfile),
            ThreadPoolExecutor(1, thread_name_prefix="check") as pool,
        ):
            checked: list[Future[None]] = []
            network = _network(engine)
            sending()
            events = engine.api.build(
                fileobj=context,
                dockerfile=dockerfile,
                custom_context=True,
                encoding=None,
                decode=True,
                rm=True,
                forcerm=True,
                buildargs={**arguments, "BASE_IMAGE": base.reference},
                labels=labels if dockerfile == DOCKERFILE else None,
                network_mode=network,
                **_platform(settings.architecture),
            )
            handler = _handler(root, arguments)  # while the engine builds
            built = _follow(
                events,
                progress,
                f"{settings.image.context}/{DOCKERFILE}",
                lambda whole: checked.append(pool.submit(_check_handlers, settings, whole, handler)),
            )
            if not checked:  # by the pool too: a process that ends waits for it, so no container is left
                checked.append(pool.submit(_check_handlers, settings, built, handler))
        from stepladder.images import check

        image = engine.images.get(built)
        named = str(image.attrs["Architecture"])
        check.check_architecture(ARCHITECTURE.get(named, named), settings.architecture)
        _check_size(image.attrs["Size"])
        checked[0].result()
        return _result(settings, image, base.label)


def _handler(root: Path, arguments: Mapping[str, str]) -> str:
    from stepladder.images.dockerfile import read

    return read.outline(root / DOCKERFILE, arguments).handler


def _check_handlers(settings: Settings, image_id: str, handler: str) -> None:
    from stepladder.images import shared
    from stepladder.images.docker import files as engine_files

    with client() as engine:
        root = settings.root / settings.image.context
        image = engine.images.get(image_id)
        engine_files.check_handler(engine, image, handler, settings.python, root, shared.configured(settings))


def kept(settings: Settings, image_id: str) -> EngineImage | None:
    """Return an image that the engine still holds by its id; None when it doesn't."""
    from docker.errors import ImageNotFound

    with client() as engine:
        try:
            image = engine.images.get(image_id)
        except ImageNotFound:
            return None
        return _result(settings, image, str(image.labels.get(LABEL_BASE, "")))


def _result(settings: Settings, image: Any, base: str) -> EngineImage:
    def packages() -> tuple[str, ...]:
        from stepladder.images.docker import files as engine_files

        with client() as engine:
            return engine_files.distributions_of(engine, image, settings.python)

    listing = packages if settings.supply_chain.sbom else None
    return EngineImage(image.id, base, image.attrs["Size"], settings.architecture, listing=listing)


def _labels(base: EngineBase, key: str, commit: str) -> dict[str, str]:
    revision = {LABEL_REVISION: commit} if commit else {}
    return {LABEL_BUILDER: engine_module.NAME, LABEL_KEY: key, LABEL_BASE: base.label, **revision}


def _platform(architecture: str) -> dict[str, str]:
    """Name the platform only to build for another than the engine's own: old engines refuse the flag."""
    native = engine_module.architecture() == architecture
    return {} if native else {"platform": f"linux/{PLATFORM[architecture]}"}


def _network(engine: Any) -> str | None:
    """Build on the host's network where the engine has no default network (dockerd --bridge=none)."""
    names = {network["Name"] for network in engine.api.networks()}
    return None if names & {"bridge", "podman"} else "host"


def _follow(
    events: Iterator[Mapping[str, Any]],
    progress: Callable[[str], None],
    dockerfile: str,
    is_whole: Callable[[str], object],
) -> str:
    """Follow the builder's output to its end; return the image's id.

    `is_whole` gets the id of an image that has every file already, when only our labels are yet to be added. An engine
    that doesn't say so much never calls it.
    """
    built, failed, step, made = "", "", "the first step", ""
    last: deque[str] = deque(maxlen=_SHOWN)
    for event in events:  # to its end, also after an error: so the connection is closed
        failed = failed or str(event.get("error", ""))
        built = (event.get("aux") or {}).get("ID", built)
        for line in re.sub(_COLOUR, "", str(event.get("stream", ""))).splitlines():
            if layer := re.fullmatch(_MADE, line):
                made = layer[1]
            if line.startswith("Step "):
                step = line.strip()
                if made and re.match(_OUR_STEP, step):
                    is_whole(made)
                last.clear()
                progress(step)
            elif line.strip() and not line.startswith(_NOISE):
                last.append(line.rstrip())
                progress(f"{step.partition(' :')[0]}: {line.strip()}")
                if line.startswith("Successfully built "):  # engines that send no id of their own
                    built = built or line.split()[-1]
    if failed:
        raise _explained(failed, step=step, lines=tuple(last), dockerfile=dockerfile)
    if not built:
        raise NotReadyError(
            "the container engine ended the build without an image",
            kind="engine-down",
            hint="`docker info` says whether it runs; read its log",
        )
    return built


def _explained(message: str, *, step: str = "", lines: tuple[str, ...] = (), dockerfile: str = "") -> StepladderError:
    """Turn what the engine said into what to do about it. It has no codes for these: its text is all there is."""
    low = message.lower()
    if "no space left" in low or any("no space left" in line.lower() for line in lines[-3:]):
        return engine_base.no_room()
    if "requires buildkit" in low:
        return BadInputError(
            f"{step} needs BuildKit, and the image is built by the classic builder: {message}",
            kind="needs-engine",
            hint="write the step without `--mount`, `--chmod`, `--link` and here-documents",
        )
    if step and "FROM" in step and "returned a non-zero code" not in low:
        return engine_base.missing(step.partition("FROM ")[2].split()[0], message)
    if "exec format error" in low or any("exec format error" in line.lower() for line in lines):
        return RefusedError(
            f"{step} is made for another processor than this engine's: {message}",
            kind="wrong-architecture",
            hint="to cross-build, set `stepladder.image.builder` to layers, or install emulation (`docker run "
            "--privileged --rm tonistiigi/binfmt --install all`), or build on such a machine",
        )
    if step:
        output = "".join(f"\n    {line}" for line in lines)
        return StepladderError(
            f"the image can't be built, {step} failed: {message}{output}",
            kind="build-failed",
            hint=f"fix `{dockerfile}`",
        )
    return StepladderError(f"the container engine refused: {message}", kind="build-failed")


def _check_size(size: int) -> None:
    from stepladder.images import check

    if size > check.LIMIT:
        raise RefusedError(
            f"the image has {size / 1000**3:.1f} GB, and Lambda takes at most 10 GB",
            kind="image-not-taken",
            hint="leave out what the function doesn't import: `.dockerignore`, `requirements.in`",
        )
