"""Find the base image: by registry, from the cache, or, for a local cloud only, this machine's own Python."""

from __future__ import annotations

import functools
import json
import re
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from stepladder.core import files
from stepladder.core.errors import BadInputError, NotReadyError
from stepladder.core.image_facts import DOCKER_LAYER, INDEXES, LAYERS, OCI_LAYER, PLATFORM, machine
from stepladder.core.retry import ATTEMPTS, RegistryError
from stepladder.images.key import base_reference
from stepladder.images.model import Blob, digest_of
from stepladder.images.registry.client import RegistryClient
from stepladder.settings.load import Settings

if TYPE_CHECKING:
    from stepladder.images.base import host as hostbase
    from stepladder.images.requirements.dependencies import WheelTarget

_FRESH = 86_400.0  # seconds that a tag's digest is taken from the cache
_REMEMBERED = 600.0  # seconds that an unreachable registry or a missing interpreter is remembered
_REFERENCE = (
    r"(?:(?P<host>[\w.-]+(?:\.[\w-]+|:\d+)(?::\d+)?|localhost)/)?(?P<repository>[a-z0-9._/-]+?)"
    r"(?::(?P<tag>[\w.-]+))?(?:@(?P<digest>sha256:[0-9a-f]{64}))?"
)


@dataclass(frozen=True)
class Base:
    """A base: its name for the label, its config, its layers, and what wheels on top of it must fit."""

    label: str
    config: dict[str, Any]
    layers: tuple[Blob, ...]
    target: WheelTarget


@dataclass(frozen=True)
class Reference:
    """An image reference, taken apart as Docker does."""

    host: str
    repository: str
    reference: str
    pinned: bool

    @classmethod
    def parse(cls, text: str) -> Reference:
        """Read `[host/]repository[:tag][@digest]`; raises `BadInputError`."""
        match = re.fullmatch(_REFERENCE, text)
        if not match:
            raise BadInputError(
                f"{text!r} is not an image reference",
                kind="no-base-image",
                hint="`stepladder.image.base` names the base image",
            )
        host, repository = match["host"] or "docker.io", match["repository"]
        if host == "docker.io":
            host, repository = "registry-1.docker.io", repository if "/" in repository else f"library/{repository}"
        return cls(host, repository, match["digest"] or match["tag"] or "latest", bool(match["digest"]))

    @property
    def origin(self) -> str:
        """The registry's address; plain HTTP on this machine only."""
        local = self.host.split(":")[0] in {"localhost", "127.0.0.1"}
        return f"{'http' if local else 'https'}://{self.host}"


class Bases:
    """The bases of one project: cached below `cache`, fetched through `target` when it is the same registry.

    `own_hosts` are names of the target registry (`<account>.dkr.ecr...` and its proxy endpoint).
    """

    def __init__(
        self,
        settings: Settings,
        *,
        target: RegistryClient | None = None,
        own_hosts: tuple[str, ...] = (),
        say: Callable[[str], None] = lambda _text: None,
    ) -> None:
        self.settings = settings
        self.cache = settings.build_dir / "cache"
        self.reference = Reference.parse(base_reference(settings))
        self._target, self._own = target, own_hosts
        self._say = say

    def real(self, *, pull: bool = False, patient: bool = True) -> Base | None:
        """Return the base image, or None when its registry can't be reached and nothing is cached.

        With `patient` the registry gets all retries; without, one quick try that is remembered for ten minutes.
        """
        document = self._document(pull=pull, patient=patient)
        return self._base(document) if document else None

    def pinned(self, *, pull: bool = False) -> str:
        """Return the base's name pinned by digest, empty when it isn't known after one quick try."""
        document = self._document(pull=pull, patient=False)
        return self._label(document) if document else ""

    def _document(self, *, pull: bool, patient: bool) -> dict[str, Any] | None:
        """Return what is read of the base's registry, from the cache where it is fresh."""
        note = self.cache / "bases" / f"{digest_of(self._identity().encode())[7:39]}.json"
        cached = files.read_json(note)
        fresh = cached and (self.reference.pinned or time.time() - cached["at"] < _FRESH)
        if cached and fresh and not pull:
            return cached
        if not patient and not pull and self._known_unreachable():
            return cached or None
        try:
            document = self._resolve(patient=patient)
        except RegistryError as error:
            if error.status:
                raise
            self._remember_unreachable()
            if cached:
                self._say(f"{self.reference.host} can't be reached; the base image is the cached one")
            return cached or None
        files.write_json(note, document)
        return document

    def host(self) -> Base:
        """Return the base that is this machine's own Python."""
        from stepladder.images.base import host as hostbase
        from stepladder.images.requirements.dependencies import WheelTarget

        host = self._interpreter()
        if not host.wanted:
            self._say(
                f"Python {self.settings.python} is not on this machine: the image for the local cloud runs on "
                f"{host.version}, so it may behave differently from AWS"
            )
        made = hostbase.layer(host, self.cache)
        blobs = tuple(Blob(layer.digest, layer.size, OCI_LAYER, path=layer.path) for layer in made.layers)
        config = {
            "architecture": machine(),
            "os": "linux",
            "config": {
                "Env": list(hostbase.ENVIRONMENT),
                "Entrypoint": ["/lambda-entrypoint.sh"],
                "WorkingDir": "/var/task",
            },
            "rootfs": {"type": "layers", "diff_ids": [layer.diff_id for layer in made.layers]},
            "history": [{"created_by": f"stepladder: {host.label}"}] * len(blobs),
        }
        return Base(host.label, config, blobs, WheelTarget(host.version, interpreter=host.interpreter))

    def _interpreter(self) -> hostbase.HostPython:
        """Search the interpreter once in ten minutes: starting other programs costs half a second."""
        from stepladder.images.base import host as hostbase

        note = self.cache / "interpreter.json"
        known = files.read_json(note)
        if known.get("asked") == self.settings.python and time.time() - known["at"] < _REMEMBERED:
            host = hostbase.HostPython(known["version"], known["interpreter"], wanted=known["wanted"])
            if Path(host.interpreter).exists():
                return host
        host = hostbase.find(self.settings.python)
        files.write_json(note, {**asdict(host), "asked": self.settings.python, "at": time.time()})
        return host

    def missing(self) -> NotReadyError:
        """Return the error for a base that can't be had."""
        return NotReadyError(
            f"the base image {base_reference(self.settings)} can't be reached",
            kind="no-base-image",
            hint="check the network and its proxy, or name a reachable copy in `stepladder.image.base`",
        )

    def _identity(self) -> str:
        return f"{base_reference(self.settings)} {self.settings.architecture}"

    def _registry(self, *, patient: bool) -> RegistryClient:
        if self._target and self.reference.host in self._own:
            return self._target
        if patient:
            return RegistryClient(self.reference.origin, attempts=ATTEMPTS)
        return RegistryClient(self.reference.origin, attempts=1, connect_timeout=2.0, deadline=5.0)

    def _resolve(self, *, patient: bool) -> dict[str, Any]:
        """Read index, manifest and config of the function's platform."""
        ref, registry = self.reference, self._registry(patient=patient)
        name, wanted = base_reference(self.settings), PLATFORM[self.settings.architecture]
        answer = registry.manifest(ref.repository, ref.reference)
        if answer and answer[0] in INDEXES:
            entries = json.loads(answer[1]).get("manifests", [])
            fitting = [e["digest"] for e in entries if _is_platform(e.get("platform", {}), wanted)]
            if not fitting:
                raise BadInputError(f"the base image {name} is not made for linux/{wanted}", kind="wrong-architecture")
            answer = registry.manifest(ref.repository, fitting[0])
        if not answer:
            raise BadInputError(
                f"there is no base image {name}", kind="no-base-image", hint="check `stepladder.image.base` and its tag"
            )
        manifest = json.loads(answer[1])
        odd = {layer["mediaType"] for layer in manifest["layers"]} - set(LAYERS)
        if odd:
            raise BadInputError(
                f"the base image {name} has layers that Lambda doesn't take: {', '.join(sorted(odd))}",
                kind="no-base-image",
                hint="name a base with `stepladder.image.base` whose layers are compressed with gzip",
            )
        config = registry.blob(ref.repository, manifest["config"]["digest"])
        made_for = json.loads(config).get("architecture")
        if made_for != wanted:
            raise BadInputError(
                f"the base image {name} is made for {made_for}, the function's architecture is "
                f"{self.settings.architecture}",
                kind="wrong-architecture",
                hint="change `stepladder.architecture` or `stepladder.image.base`",
            )
        digest = digest_of(answer[1])
        return {"digest": digest, "manifest": manifest, "config": config.decode(), "at": time.time()}

    def _label(self, document: dict[str, Any]) -> str:
        return f"{base_reference(self.settings).split('@')[0]}@{document['digest']}"

    def _base(self, document: dict[str, Any]) -> Base:
        from stepladder.images.requirements.dependencies import WheelTarget

        own = self._target is not None and self.reference.host in self._own
        layers = tuple(
            Blob(
                entry["digest"],
                entry["size"],
                # The bytes are the same; one manifest doesn't mix Docker's media types with OCI's.
                OCI_LAYER if entry["mediaType"] == DOCKER_LAYER else entry["mediaType"],
                fetch=functools.partial(self._download, entry["digest"]),
                mount_from=self.reference.repository if own else "",
            )
            for entry in document["manifest"]["layers"]
        )
        target = WheelTarget.of_lambda(self.settings.python, self.settings.architecture)
        return Base(self._label(document), json.loads(document["config"]), layers, target)

    def _download(self, digest: str) -> Path:
        return self._registry(patient=True).download(self.reference.repository, digest, self.cache / "blobs")

    @property
    def _unreachable_note(self) -> Path:
        return self.cache / "unreachable.json"

    def _known_unreachable(self) -> bool:
        at = files.read_json(self._unreachable_note).get(self.reference.host, 0.0)
        return bool(time.time() - at < _REMEMBERED)

    def _remember_unreachable(self) -> None:
        known = files.read_json(self._unreachable_note)
        files.write_json(self._unreachable_note, {**known, self.reference.host: time.time()})


def _is_platform(platform: dict[str, Any], architecture: str) -> bool:
    return platform.get("os") == "linux" and platform.get("architecture") == architecture
