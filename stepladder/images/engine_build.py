"""The Docker builder: the project's Dockerfile, built by a Docker engine through the Docker SDK.

The SDK drives the engine's classic builder: one platform, one manifest, no attestations, which is what Lambda takes
(docs/decisions). The context is written here, by the same rules as the layers builder's and with fixed times, so that
what git or an editor does to a file's time doesn't spoil the engine's cache.
"""

from __future__ import annotations

import contextlib
import io
import tarfile
from collections import deque
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from stepladder.errors import BadInputError, NotReadyError, RefusedError, StepladderError
from stepladder.images import engine as engine_module
from stepladder.images.check import LIMIT, check_architecture
from stepladder.images.context import collect
from stepladder.images.dockerfile import TASK_ROOT
from stepladder.images.key import base_reference
from stepladder.images.model import ARCHITECTURE, LABEL_BASE, LABEL_BUILDER, LABEL_KEY, LABEL_REVISION, PLATFORM
from stepladder.settings import Settings

_TIMEOUT = 900
_MTIME = 315532800  # 1980-01-01, as in the layers
_SHOWN = 12  # last lines of a step that failed


@dataclass(frozen=True)
class EngineImage:
    """An image that lies in the engine and not in a registry yet. `size` is that of the unpacked layers, in bytes."""

    id: str
    base: str
    size: int


@contextlib.contextmanager
def client() -> Iterator[Any]:
    """Yield the client of the engine that the environment names; its failures become ours."""
    import docker
    import requests
    from docker.errors import DockerException

    try:
        with contextlib.closing(docker.DockerClient.from_env(timeout=_TIMEOUT)) as opened:
            yield opened
    except (requests.exceptions.RequestException, OSError) as error:
        raise NotReadyError(
            "the container engine stopped answering", hint="see whether it runs (docker info), then run this again"
        ) from error
    except DockerException as error:
        raise _explained(str(getattr(error, "explanation", None) or error)) from error


def has_base(settings: Settings) -> bool:
    """Say whether the engine holds the project's base image already."""
    from docker.errors import ImageNotFound

    with client() as engine:
        try:
            engine.images.get(base_reference(settings))
        except ImageNotFound:
            return False
        return True


def build(
    settings: Settings, *, key: str, commit: str, pull: bool = False, progress: Callable[[str], None] = lambda _: None
) -> EngineImage:
    """Build the image in the engine and check all that can be checked before anything is pushed.

    Raises `StepladderError` with the failing step and its last lines, `BadInputError` for a Dockerfile without a
    handler, `NotReadyError` when the engine goes away or has no room.
    """
    reference = base_reference(settings)
    labels = {
        LABEL_BUILDER: engine_module.NAME,
        LABEL_KEY: key,
        LABEL_BASE: reference,
        **({LABEL_REVISION: commit} if commit else {}),
    }
    with client() as engine, _context(settings) as context:
        events = engine.api.build(
            fileobj=context,
            custom_context=True,
            encoding=None,
            decode=True,
            rm=True,
            forcerm=True,
            pull=pull,
            platform=f"linux/{PLATFORM[settings.architecture]}",
            buildargs={"BASE_IMAGE": reference, "PYTHON_VERSION": settings.python},
            labels=labels,
            network_mode=_network(engine),
        )
        image = engine.images.get(_follow(events, reference, progress))
        made_for = ARCHITECTURE.get(image.attrs["Architecture"], image.attrs["Architecture"])
        check_architecture(made_for, settings.architecture)
        _check_size(image.attrs["Size"])
        _check_handler(engine, image, settings)
        return EngineImage(image.id, reference, image.attrs["Size"])


def _network(engine: Any) -> str | None:
    """Build on the host's network where the engine has no bridge (dockerd --bridge=none)."""
    networks = {network["Driver"] for network in engine.api.networks()}
    return None if "bridge" in networks else "host"


@contextlib.contextmanager
def _context(settings: Settings) -> Iterator[io.BytesIO]:
    """Write the build context as a tar: what `.dockerignore` lets in, sorted, with fixed times and owners."""
    root = settings.root / settings.image.context
    files = {entry.path: entry for entry in collect(root)}
    with io.BytesIO() as buffer:
        with tarfile.open(fileobj=buffer, mode="w") as tar:
            for path, entry in sorted(files.items()):
                info = tarfile.TarInfo(path)
                info.mtime = _MTIME
                info.mode = 0o755 if entry.executable else 0o644
                if entry.link:
                    info.type, info.linkname = tarfile.SYMTYPE, entry.link
                    tar.addfile(info)
                else:
                    data = entry.read()
                    info.size = len(data)
                    tar.addfile(info, io.BytesIO(data))
            if "Dockerfile" not in files:
                _add_dockerfile(tar, root)
        buffer.seek(0)
        yield buffer


def _add_dockerfile(tar: tarfile.TarFile, root: Any) -> None:
    """Send the Dockerfile also when `.dockerignore` leaves it out, as Docker's own client does."""
    path = root / "Dockerfile"
    if not path.is_file():
        raise BadInputError(
            f"there is no {root.name}/Dockerfile", hint='it names the handler: CMD ["app.handler.handler"]'
        )
    data = path.read_bytes()
    info = tarfile.TarInfo("Dockerfile")
    info.mtime, info.size = _MTIME, len(data)
    tar.addfile(info, io.BytesIO(data))


def _follow(events: Iterator[Mapping[str, Any]], base: str, progress: Callable[[str], None]) -> str:
    """Follow the builder's output to its end; return the image's id."""
    built, step = "", "the first step"
    last: deque[str] = deque(maxlen=_SHOWN)
    for event in events:
        if "error" in event:
            raise _explained(str(event["error"]), step=step, lines=tuple(last), base=base)
        built = (event.get("aux") or {}).get("ID", built)
        for line in str(event.get("stream", "")).splitlines():
            if line.startswith("Step "):
                step = line.strip()
                last.clear()
                progress(step)
            elif line.strip():
                last.append(line.rstrip())
    if not built:
        raise NotReadyError("the container engine ended the build without an image", hint="look into the engine's log")
    return built


def _explained(said: str, *, step: str = "", lines: tuple[str, ...] = (), base: str = "") -> StepladderError:
    """Turn what the engine said into what to do about it. It has no codes for these: its text is all there is."""
    low = said.lower()
    if "no space left" in low:
        return NotReadyError("the container engine has no room left on its disk", hint="make some: docker system prune")
    if (
        base
        and base in said
        and any(word in low for word in ("not found", "manifest unknown", "denied", "lookup", "refused"))
    ):
        return NotReadyError(
            f"the base image {base} can't be had: {said}",
            hint="name another under stepladder.image.base, or pull it where the network lets you",
        )
    if "exec format error" in low:
        return RefusedError(
            f"{step} needs another processor than this engine's: {said}",
            hint="install emulation (docker run --privileged --rm tonistiigi/binfmt --install all), "
            "or build on such a machine",
        )
    if step:
        output = "".join(f"\n    {line}" for line in lines)
        return StepladderError(
            f"the image can't be built, {step} failed: {said}{output}", hint="mend function/Dockerfile"
        )
    return StepladderError(f"the container engine refused: {said}")


def _check_size(size: int) -> None:
    if size > LIMIT:
        raise RefusedError(
            f"the image has {size / 1000**3:.1f} GB, and Lambda takes at most 10 GB",
            hint="leave out what the function doesn't import",
        )


def _check_handler(engine: Any, image: Any, settings: Settings) -> None:
    """Find the handler's module in the image, without running it."""
    from docker.errors import NotFound

    command = image.attrs["Config"].get("Cmd") or []
    if len(command) != 1 or "." not in command[0]:
        raise BadInputError(
            f"{settings.image.context}/Dockerfile has no CMD with one handler: {command}",
            hint='end it with CMD ["app.handler.handler"]',
        )
    module = command[0].rpartition(".")[0].replace(".", "/")
    container = engine.api.create_container(image.id)
    try:
        for path in (f"{module}.py", f"{module}/__init__.py", f"{module.split('/')[0]}"):
            with contextlib.suppress(NotFound):
                stream, _ = engine.api.get_archive(container, f"{TASK_ROOT}/{path}", chunk_size=1024)
                stream.close()
                if path.endswith(".py") or "/" not in module:
                    return
        raise BadInputError(
            f"the image doesn't hold the handler {command[0]}: there is no {module}.py in {TASK_ROOT}",
            hint="mend CMD or COPY in the Dockerfile, or see whether .dockerignore leaves the file out",
        )
    finally:
        engine.api.remove_container(container, force=True)
