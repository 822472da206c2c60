"""The image's tag: the git commit, and a piece of the input key when the files differ from the commit."""

from __future__ import annotations

import re
from dataclasses import dataclass

from stepladder import git
from stepladder.ci import in_ci
from stepladder.errors import RefusedError
from stepladder.images.context import collect
from stepladder.settings import Settings

_SUFFIX = 8
_KEY = 40
_TAG = re.compile(rf"([0-9a-f]{{40}}|[0-9a-f]{{64}})(-[0-9a-f]{{{_SUFFIX}}})?|key-[0-9a-f]{{{_KEY}}}")


@dataclass(frozen=True)
class Revision:
    """Where the sources stand: the commit (empty without git) and the files of the image that differ from it."""

    commit: str
    changed: tuple[str, ...]

    def tag(self, key: str) -> str:
        """Return the tag of an image with this input key."""
        if not self.commit:
            return f"key-{key[:_KEY]}"
        return f"{self.commit}-{key[:_SUFFIX]}" if self.changed else self.commit


def is_tag(tag: str) -> bool:
    """Say whether a tag has the form of `Revision.tag`; a git commit has 40 or 64 digits."""
    return bool(_TAG.fullmatch(tag))


def read(settings: Settings) -> Revision:
    """Read the commit and what in the build context (or `invoke.yaml`) it does not hold, ignored files included."""
    root, context = settings.root, settings.image.context
    asked = git.ask(root, "rev-parse", "--show-prefix", "HEAD")
    if asked is None:
        return Revision("", ())
    below, head = asked.splitlines()
    if below and git.ask(root, "check-ignore", "--quiet", ".") is not None:
        return Revision("", ())  # the project merely lies in a repository that ignores it
    argv = ("status", "--porcelain=v1", "-z", "--no-renames", "--ignored=matching", "--untracked-files=all")
    listed = git.ask(root, *argv, "--", context, "invoke.yaml") or ""
    records = [(record[:2], record[3:].removeprefix(below)) for record in listed.split("\0") if record]
    return Revision(head, _decisive(settings, records) if records else ())


def _decisive(settings: Settings, records: list[tuple[str, str]]) -> tuple[str, ...]:
    """Return which of git's differences (status, path) reach the image; what `.dockerignore` keeps out doesn't."""
    context = settings.image.context
    inside = {f"{context}/{entry.path}" for entry in collect(settings.root / context)}
    inside |= {"invoke.yaml", f"{context}/Dockerfile", f"{context}/.dockerignore"}
    return tuple(
        path
        for status, path in records
        if path in inside or "D" in status or (path.endswith("/") and any(i.startswith(path) for i in inside))
    )


def refuse_dirty_in_ci(revision: Revision) -> None:
    """Raise `RefusedError` when CI is about to release what no commit holds."""
    if revision.changed and in_ci():
        raise RefusedError(
            f"the image would hold what no commit holds: {', '.join(revision.changed[:5])}",
            hint="commit it, or name it in .dockerignore; --allow-dirty releases it nevertheless",
        )
