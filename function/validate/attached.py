"""What must refer to an image in the registry before it is released: an SBOM, provenance, a signature.

Their presence is checked here. `inv promote` reads them before it starts an execution.
"""

from __future__ import annotations

import os
from typing import Any

from shared import aws
from shared.errors import RefusedError

from stepladder.core.image_facts import REFERRERS


def check(repository: str, digest: str) -> None:
    """Refuse a digest that lacks what the variable REQUIRE names. Without it nothing is asked."""
    required = [name for name in os.environ.get("REQUIRE", "").split(",") if name]
    missing = _missing(repository, digest, required) if required else []
    if missing:
        raise RefusedError(
            f"{digest} has no {', no '.join(missing)} in {repository}, and promotion.require asks for it"
        )


def _missing(repository: str, digest: str, required: list[str]) -> list[str]:
    """Return what no referrer is of the type of. ListImageReferrers takes `ecr:BatchGetImage`."""
    missing = list(required)
    more: dict[str, Any] = {}
    while missing:
        answer = aws.client("ecr").list_image_referrers(
            repositoryName=repository, subjectId={"imageDigest": digest}, maxResults=50, **more
        )
        types = {each.get("artifactType") for each in answer.get("referrers") or ()}
        missing = [name for name in missing if REFERRERS.get(name) not in types]
        if not answer.get("nextToken"):
            break
        more = {"nextToken": answer["nextToken"]}
    return missing
