"""The calls that change a function: give it the image, publish a version; give it back the image that serves.

Lambda answers both with the whole configuration, environment variables included. A state's raw answer stands in the
execution's history whatever its ResultSelector keeps, so these calls are made by this function, which returns only what
the next states need.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from shared import aws, serving
from shared.errors import RefusedError, StaleRevisionError, StillWaitingError

from stepladder.core.release_facts import LATEST
from stepladder.promotion.contract import TargetInput
from stepladder.promotion.requests.validate import PublishRequest, PublishResponse, UpdateRequest, UpdateResponse

_FINAL = ("CodeStorageExceededException", "InvalidParameterValueException", "ResourceNotFoundException")


def update(request: UpdateRequest) -> UpdateResponse:
    """Give the function its image; return the hash of it. Safe to run again."""
    target = request["target"]
    answer = _call(
        aws.client("lambda").update_function_code,
        f"{target['function']} does not take the image",
        FunctionName=target["function"],
        ImageUri=target["image_uri"],
        Publish=False,
    )
    return {"sha256": answer["CodeSha256"]}


def publish(request: PublishRequest) -> PublishResponse:
    """Publish what $LATEST is, if it is still the code and the revision that were read; return the version's number.

    Raises `StaleRevisionError` for another revision: so ends a repeated call whose first answer was lost, too.
    """
    answer = _call(
        aws.client("lambda").publish_version,
        f"{request['target']['function']} lets no version be published",
        FunctionName=request["target"]["function"],
        CodeSha256=request["sha256"],
        RevisionId=request["revision"],
        Description=request["description"],
    )
    return {"version": answer["Version"]}


def give_back(target: TargetInput, revision: str) -> str:
    """Give $LATEST the image that the alias serves, after an update that Failed; say how that went.

    Lambda serves what it served, but $LATEST names the image that it could not take: every later change of the
    function, Terraform's too, would meet that image again. `revision` is that of the failed update, so that nobody
    else's update is undone. Raises nothing: what failed first is what matters.
    """
    function = target["function"]
    try:
        alias = serving.alias(function, target["alias"])
        if alias.version == LATEST:
            return "no version was released before, so $LATEST is left as it is"
        uri = serving.image_uri(function, alias.version)
        aws.client("lambda").update_function_code(
            FunctionName=function, ImageUri=uri, RevisionId=revision, Publish=False
        )
    except Exception as error:  # noqa: BLE001 - see the docstring
        return f"$LATEST could not be restored ({aws.code(error) or type(error).__name__}); no traffic goes there"
    return f"$LATEST has the image of version {alias.version} again"


def _call(act: Callable[..., dict[str, Any]], failed: str, **parameters: Any) -> dict[str, Any]:
    try:
        return act(**parameters)
    except Exception as error:
        code = aws.code(error)
        if code == "PreconditionFailedException":
            raise StaleRevisionError(f"{failed}: {error}") from error
        if code == "ResourceConflictException":  # an update is under way: our own, when its first answer was lost
            raise StillWaitingError(f"{failed} yet: {error}") from error
        if code in _FINAL:
            raise RefusedError(f"{failed}: {error}") from error
        raise
