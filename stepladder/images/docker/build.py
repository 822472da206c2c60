"""The Docker builder: the project's Dockerfile, built by a Docker engine through the Docker SDK.

The SDK drives the engine's classic builder: one platform, one manifest, no attestations, which is what Lambda takes
(docs/decisions). The context is written here, by the same rules as the layers builder's and with fixed times, so that
what git or an editor does to a file's time doesn't spoil the engine's cache.
"""

from __future__ import annotations

import codecs
import contextlib
import http.client
import io
import json
import re
import tarfile
import tempfile
from collections import deque
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import IO, Any

from stepladder.core import container_engine as engine_module
from stepladder.core import text
from stepladder.core.errors import BadInputError, NotReadyError, RefusedError, StepladderError
from stepladder.core.image_facts import ARCHITECTURE, LABEL_BASE, LABEL_BUILDER, LABEL_KEY, LABEL_REVISION, PLATFORM
from stepladder.images import check, shared
from stepladder.images.base import engine as engine_base
from stepladder.images.base.engine import BaseSource, EngineBase
from stepladder.images.context.archive import add_file
from stepladder.images.context.files import Entry, collect
from stepladder.images.docker import files as engine_files
from stepladder.images.dockerfile import read
from stepladder.images.model import EngineImage
from stepladder.settings.load import Settings

_TIMEOUT = 900  # seconds without a word from the engine
_MTIME = 315532800  # 1980-01-01, as in the layers
_SHOWN = 12  # last lines of a step that failed
_NOISE = ("Removing intermediate container", " ---> ")
DOCKERFILE = "Dockerfile"
_LABELLED = ".stepladder.Dockerfile"
_ESCAPE = rb"(?im)^#\s*escape\s*="
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
    progress: Callable[[str], None] = lambda _: None,
) -> EngineImage:
    """Build the image in the engine and check all that can be checked before anything is pushed.

    Raises `StepladderError` with the failing step and its last lines, `BadInputError` for a Dockerfile without a
    handler, `NotReadyError` when the engine goes away, has no room, or can't get the base.
    """
    root = settings.root / settings.image.context
    arguments = {"BASE_IMAGE": source.name, "PYTHON_VERSION": settings.python}
    handler = read.outline(root / "Dockerfile", arguments).handler
    with client() as engine:
        base = engine_base.ensure(engine, source, settings.architecture, pull=pull, progress=progress)
        labels = _labels(base, key, commit)
        with _context(root, settings.build_dir, labels) as (context, dockerfile):
            built = _follow(
                engine.api.build(
                    fileobj=context,
                    dockerfile=dockerfile,
                    custom_context=True,
                    encoding=None,
                    decode=True,
                    rm=True,
                    forcerm=True,
                    buildargs={**arguments, "BASE_IMAGE": base.reference},
                    labels=labels if dockerfile == DOCKERFILE else None,
                    network_mode=_network(engine),
                    **_platform(settings.architecture),
                ),
                progress,
                f"{settings.image.context}/{DOCKERFILE}",
            )
        image = engine.images.get(built)
        named = str(image.attrs["Architecture"])
        check.check_architecture(ARCHITECTURE.get(named, named), settings.architecture)
        _check_size(image.attrs["Size"])
        engine_files.check_handler(engine, image, handler, settings.python, root, shared.configured(settings))
        return _result(settings, image, base.label)


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


@contextlib.contextmanager
def _context(root: Path, scratch: Path, labels: Mapping[str, str]) -> Iterator[tuple[IO[bytes], str]]:
    """Write the build context as a tar: what `.dockerignore` lets in, sorted, with fixed times, owners and modes.

    Yields it with the name of the Dockerfile in it. One of our name ends with the labels: given to the engine apart,
    each would be a step of the build, which makes a container and commits it.

    Folders are written too: an engine that has to invent them uses its own umask, and Lambda runs the code as a user
    that owns nothing. The tar lies in a file below `scratch`, since it may be larger than memory.
    """
    files = {entry.path: entry for entry in collect(root)}
    folders = {str(parent) for path in files for parent in Path(path).parents} - {"."}
    scratch.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryFile(dir=scratch) as buffer:
        with tarfile.open(fileobj=buffer, mode="w") as tar:
            for path in sorted(folders):
                _add(tar, path, tarfile.DIRTYPE, 0o755)
            recoded = _recoded(root / DOCKERFILE)
            for path, entry in sorted(files.items()):
                if path != DOCKERFILE or not recoded:
                    _add_entry(tar, path, entry)
            data = recoded or (root / DOCKERFILE).read_bytes()
            is_ours = ".dockerignore" not in files and _LABELLED not in files and _takes_a_line(data)
            hidden = [name for name in (DOCKERFILE, ".dockerignore") if name not in files]
            if (recoded and DOCKERFILE in files) or (DOCKERFILE in hidden and not is_ours):
                _add(tar, DOCKERFILE, tarfile.REGTYPE, 0o644, data)
            if is_ours:
                _add(tar, _LABELLED, tarfile.REGTYPE, 0o644, data + _label_line(labels))
                hidden.append(_LABELLED)
            if ".dockerignore" in hidden:  # makes the engine keep to itself what it gets for the build only
                _add(tar, ".dockerignore", tarfile.REGTYPE, 0o644, "\n".join(hidden).encode())
        buffer.seek(0)
        yield buffer, _LABELLED if is_ours else DOCKERFILE


def _takes_a_line(dockerfile: bytes) -> bool:
    """Say whether a line behind a Dockerfile is an instruction of its own, with backslashes that escape."""
    return not dockerfile.rstrip().endswith(b"\\") and not re.search(_ESCAPE, dockerfile)


def _label_line(labels: Mapping[str, str]) -> bytes:
    """Return the instruction that gives an image its labels."""
    pairs = [f"{name}={json.dumps(value, ensure_ascii=False)}".replace("$", "\\$") for name, value in labels.items()]
    return f"\nLABEL {' '.join(pairs)}\n".encode()


def _recoded(path: Path) -> bytes:
    """Return a Dockerfile in UTF-8 that is written in UTF-16, which the engine doesn't read; empty for any other."""
    data = path.read_bytes()
    return text.read(path).encode() if data.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)) else b""


def _add_entry(tar: tarfile.TarFile, path: str, entry: Entry) -> None:
    if entry.link:
        _add(tar, path, tarfile.SYMTYPE, 0o777, link=entry.link)
        return
    info = tarfile.TarInfo(path)
    info.type, info.mode, info.mtime = tarfile.REGTYPE, 0o755 if entry.executable else 0o644, _MTIME
    add_file(tar, info, entry)


def _add(tar: tarfile.TarFile, path: str, kind: bytes, mode: int, data: bytes = b"", *, link: str = "") -> None:
    info = tarfile.TarInfo(path)
    info.type, info.mode, info.mtime, info.size, info.linkname = kind, mode, _MTIME, len(data), link
    tar.addfile(info, io.BytesIO(data) if data else None)


def _follow(events: Iterator[Mapping[str, Any]], progress: Callable[[str], None], dockerfile: str) -> str:
    """Follow the builder's output to its end; return the image's id."""
    built, failed, step = "", "", "the first step"
    last: deque[str] = deque(maxlen=_SHOWN)
    for event in events:  # to its end, also after an error: so the connection is closed
        failed = failed or str(event.get("error", ""))
        built = (event.get("aux") or {}).get("ID", built)
        for line in re.sub(_COLOUR, "", str(event.get("stream", ""))).splitlines():
            if line.startswith("Step "):
                step = line.strip()
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
    if size > check.LIMIT:
        raise RefusedError(
            f"the image has {size / 1000**3:.1f} GB, and Lambda takes at most 10 GB",
            kind="image-not-taken",
            hint="leave out what the function doesn't import: `.dockerignore`, `requirements.in`",
        )
