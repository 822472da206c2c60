"""The provenance of an image: an in-toto statement with SLSA's predicate, of what it was built from and by whom.

https://slsa.dev/spec/v1.0/provenance and https://github.com/in-toto/attestation/blob/main/spec/v1/statement.md. It
holds no time: the same commit, built by the same job, gives the same bytes.
"""

from __future__ import annotations

from typing import Any

from stepladder import __version__
from stepladder.core.image_facts import PROVENANCE
from stepladder.images.attest.inputs import ImageInputs, base_descriptor
from stepladder.images.model import canonical
from stepladder.images.registry.referrers import Artifact

STATEMENT = "https://in-toto.io/Statement/v1"
PREDICATE = "https://slsa.dev/provenance/v1"
BUILD_TYPE = "urn:stepladder:image:v1"
ANNOTATION = "in-toto.io/predicate-type"


def artifact(inputs: ImageInputs, sbom: str = "") -> Artifact:
    """Return the provenance as what is attached to its image; `sbom` is the digest of the SBOM's document, if any."""
    return Artifact(PROVENANCE, canonical(statement(inputs, sbom)), {ANNOTATION: PREDICATE})


def statement(inputs: ImageInputs, sbom: str = "") -> dict[str, Any]:
    """Return the statement. A signature of it covers the SBOM too, which it names as a by-product."""
    details: dict[str, Any] = {
        "builder": {"id": inputs.builder, "version": {"stepladder": __version__}},
        "metadata": {"invocationId": inputs.invocation} if inputs.invocation else {},
    }
    if sbom:
        details["byproducts"] = [{"name": "sbom", "digest": {"sha256": sbom.removeprefix("sha256:")}}]
    return {
        "_type": STATEMENT,
        "subject": [{"name": inputs.repository, "digest": {"sha256": inputs.digest.removeprefix("sha256:")}}],
        "predicateType": PREDICATE,
        "predicate": {
            "buildDefinition": {
                "buildType": BUILD_TYPE,
                "externalParameters": {
                    "source": {"uri": _source(inputs), "digest": {"gitCommit": inputs.commit}} if inputs.commit else {},
                    "architecture": inputs.architecture,
                    "base": inputs.wanted_base,
                    "builder": inputs.image_builder,
                    "context": inputs.context,
                    "python": inputs.python,
                },
                "internalParameters": {
                    "inputKey": inputs.input_key,
                    **({"uncommitted": list(inputs.changed)} if inputs.changed else {}),
                },
                "resolvedDependencies": _dependencies(inputs),
            },
            "runDetails": details,
        },
    }


def _dependencies(inputs: ImageInputs) -> list[dict[str, Any]]:
    dependencies: list[dict[str, Any]] = []
    if inputs.commit:
        dependencies.append({"uri": _source(inputs), "digest": {"gitCommit": inputs.commit}})
    if base := base_descriptor(inputs):
        dependencies.append(base)
    dependencies += [{"name": path, "digest": {"sha256": value}} for path, value in sorted(inputs.files.items())]
    return dependencies


def _source(inputs: ImageInputs) -> str:
    return f"git+{inputs.source}" if inputs.source else "git+file:"
