"""The SBOM of an image: CycloneDX 1.6 in JSON, of what really is in it.

Python packages are those whose `.dist-info` the image holds, not those that a file asks for. The base is named by its
digest, and what is in the base is left to its own SBOM and to the registry's scan: reading it would mean fetching a
hundred megabytes on each new machine. The document says so (`compositions`).
https://cyclonedx.org/docs/1.6/json/
"""

from __future__ import annotations

import hashlib
import posixpath
import uuid
from collections.abc import Iterable, Iterator
from typing import Any
from urllib.parse import quote

from stepladder import __version__
from stepladder.core.image_facts import SBOM
from stepladder.images.attest.inputs import ImageInputs, base_parts
from stepladder.images.model import canonical
from stepladder.images.registry.referrers import Artifact
from stepladder.images.requirements.read import normal

SPEC = "1.6"
_PROPERTY = "dev.stepladder"
_ALGORITHMS = {"sha256": "SHA-256", "sha384": "SHA-384", "sha512": "SHA-512"}


def artifact(inputs: ImageInputs, distributions: Iterable[str]) -> Artifact:
    """Return the SBOM as what is attached to its image. `distributions` are the paths of `.dist-info` folders."""
    return Artifact(SBOM, canonical(document(inputs, distributions)))


def document(inputs: ImageInputs, distributions: Iterable[str]) -> dict[str, Any]:
    """Return the SBOM. It holds no time, and a serial number that follows from its content."""
    image = _image(inputs)
    base = _base(inputs)
    packages = sorted(_packages(inputs, distributions), key=lambda each: str(each["bom-ref"]))
    refs = [each["bom-ref"] for each in (base, *packages)]
    content: dict[str, Any] = {
        "bomFormat": "CycloneDX",
        "specVersion": SPEC,
        "version": 1,
        "metadata": {
            "component": image,
            "tools": {"components": [{"type": "application", "name": "stepladder", "version": __version__}]},
            "properties": list(_properties(inputs)),
        },
        "components": [base, *packages],
        "dependencies": [{"ref": image["bom-ref"], "dependsOn": refs}],
        "compositions": [{"aggregate": "incomplete", "assemblies": [base["bom-ref"]]}],
    }
    serial = uuid.UUID(bytes=hashlib.sha256(canonical(content)).digest()[:16], version=5)
    return {**content, "serialNumber": f"urn:uuid:{serial}"}


def _image(inputs: ImageInputs) -> dict[str, Any]:
    digest = inputs.digest.removeprefix("sha256:")
    return {
        "type": "container",
        "bom-ref": f"image:{inputs.digest}",
        "name": inputs.repository,
        "version": inputs.digest,
        "purl": f"pkg:oci/{inputs.repository.rpartition('/')[2]}@{quote(inputs.digest, safe='')}",
        "hashes": [{"alg": "SHA-256", "content": digest}],
    }


def _base(inputs: ImageInputs) -> dict[str, Any]:
    name, digest = base_parts(inputs.base)
    component: dict[str, Any] = {"type": "container", "bom-ref": f"base:{inputs.base}", "name": name}
    if not digest:
        return component
    plain, _, tag = name.partition(":") if "/" not in name.rpartition(":")[2] else (name, "", "")
    known = f"&tag={quote(tag, safe='')}" if tag else ""
    purl = f"pkg:oci/{posixpath.basename(plain)}@sha256%3A{digest}?repository_url={quote(plain, safe='')}{known}"
    hashes = [{"alg": "SHA-256", "content": digest}]
    return {**component, "version": f"sha256:{digest}", "purl": purl, "hashes": hashes}


def _packages(inputs: ImageInputs, distributions: Iterable[str]) -> Iterator[dict[str, Any]]:
    """Yield a component for each package, once for each folder that it lies in.

    A lock has a hash for each file of a version, for every platform; only where there is one it is the package's own.
    """
    for path in sorted(set(distributions)):
        folder, _, info = path.rpartition("/")
        name, _, version = info.removesuffix(".dist-info").rpartition("-")
        if not name or not version:
            continue
        hashes = inputs.locked.get(f"{normal(name)}=={version}", ())
        component: dict[str, Any] = {
            "type": "library",
            "bom-ref": f"pypi:{normal(name)}@{version}:{folder}",
            "name": normal(name),
            "version": version,
            "purl": f"pkg:pypi/{normal(name)}@{quote(version, safe='')}",
            "evidence": {"occurrences": [{"location": f"/{path}"}]},
        }
        if len(hashes) == 1:
            algorithm, _, value = hashes[0].partition(":")
            component["hashes"] = (
                [{"alg": _ALGORITHMS[algorithm], "content": value}] if algorithm in _ALGORITHMS else []
            )
        elif hashes:
            named = [{"name": f"{_PROPERTY}:locked-hash", "value": value} for value in sorted(hashes)]
            component["properties"] = named
        yield component


def _properties(inputs: ImageInputs) -> Iterator[dict[str, str]]:
    values = {
        "architecture": inputs.architecture,
        "builder": inputs.image_builder,
        "commit": inputs.commit,
        "input-key": inputs.input_key,
        "python": inputs.python,
    }
    values |= {f"file:{path}": f"sha256:{digest}" for path, digest in inputs.files.items()}
    yield from ({"name": f"{_PROPERTY}:{name}", "value": value} for name, value in sorted(values.items()) if value)
