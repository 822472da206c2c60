"""The image's tag: the git commit, and a piece of the input key when the commit alone does not name the image."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import PurePosixPath

from stepladder.core import git
from stepladder.core.ci import in_ci
from stepladder.core.errors import RefusedError
from stepladder.forge import remote
from stepladder.images import shared
from stepladder.images.context.files import collect, rules
from stepladder.settings.load import Settings

_DECISIVE = ("Dockerfile", ".dockerignore")  # they decide what is built, also where they stay out of the image
_SUFFIX = 8
_KEY = 40
_TAG = rf"([0-9a-f]{{40}}|[0-9a-f]{{64}})(-[0-9a-f]{{{_SUFFIX}}})?|key-[0-9a-f]{{{_KEY}}}"


@dataclass(frozen=True)
class SourceRevision:
    """Where the sources stand: the commit (empty without git) and the files of the image that differ from it.

    `is_project_image`: the commit alone is the tag of the project's own image, for as long as no file differs. A
    function's own image has another tag beside it.
    """

    commit: str
    changed: tuple[str, ...]
    is_project_image: bool = True

    def tag(self, key: str) -> str:
        """Return the tag of an image with this input key."""
        if not self.commit:
            return f"key-{key[:_KEY]}"
        return self.commit if self.is_project_image and not self.changed else f"{self.commit}-{key[:_SUFFIX]}"


def is_tag(tag: str) -> bool:
    """Say whether a tag has the form of `SourceRevision.tag`; a git commit has 40 or 64 digits."""
    return bool(re.fullmatch(_TAG, tag))


def read(settings: Settings) -> SourceRevision:
    """Read the commit and what in the build context (or `invoke.yaml`) it does not hold, ignored files included."""
    tree = git.tree(settings.root, (settings.image.context, "invoke.yaml"))
    if tree is None:
        return SourceRevision("", ())
    return SourceRevision(tree.sha, reaching(settings, tree.differences), shared.is_project_image(settings))


def origin(settings: Settings) -> str:
    """Return the page of the repository that the project's git fetches from; empty for a folder and for none."""
    url = git.ask(settings.root, "remote", "get-url", "origin")
    parsed = remote.parse(url) if url else None
    return parsed.address if parsed else ""


def reaching(settings: Settings, differences: Sequence[git.Difference]) -> tuple[str, ...]:
    """Return which of git's differences reach the image; what `.dockerignore` keeps out doesn't."""
    if not differences:
        return ()
    context = PurePosixPath(settings.image.context)
    inside = {str(context / entry.path) for entry in collect(settings.root / context)}
    inside |= {"invoke.yaml", *(str(context / name) for name in _DECISIVE)}
    ignore = rules(settings.root / context)

    def reaches(difference: git.Difference) -> bool:
        path = difference.path
        if difference.absent and PurePosixPath(path).is_relative_to(context):
            below = str(PurePosixPath(path).relative_to(context))
            return below in _DECISIVE or not ignore.excludes(below)
        folder = path if path.endswith("/") else f"{path}/"
        return path in inside or any(name.startswith(folder) for name in inside)

    return tuple(sorted(d.path for d in differences if reaches(d)))


def refuse_dirty_in_ci(revision: SourceRevision) -> None:
    """Raise `RefusedError` when CI is about to release what no commit holds."""
    if revision.changed and in_ci():
        raise RefusedError(
            f"the image would hold what no commit holds: {git.named(revision.changed)}",
            kind="uncommitted-files",
            hint="commit it, or name it in `.dockerignore` (a submodule that isn't here: "
            "`git submodule update --init --recursive`); `--allow-dirty` releases it nevertheless",
        )
