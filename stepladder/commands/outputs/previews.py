"""What `inv preview.*` prints for a program."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal, TypedDict

from stepladder.commands.outputs.infrastructure import PostedComment
from stepladder.ledger.schema import Preview


class PreviewsRecord(TypedDict):
    """The previews that exist, by the name of their environment."""

    previews: Mapping[str, Preview]


class DestroyedPreview(TypedDict):
    """What became of a preview, and of its section in the comment."""

    environment: str
    result: Literal["destroyed", "unchanged"]
    comment: PostedComment


class SweptPreview(TypedDict):
    """What became of one preview in a sweep: kept, destroyed, would be destroyed, left, busy, or failed with why."""

    environment: str
    result: str
    why: str


class SweepRecord(TypedDict):
    """What a sweep did."""

    previews: list[SweptPreview]


class PreviewComments(TypedDict):
    """How previews were shown on their change requests, by the name of each."""

    comments: Mapping[str, PostedComment]
