"""The settings under `image:` and `smoke:`, each in one place."""

from __future__ import annotations

from stepladder.core.errors import BadInputError
from stepladder.core.records import dataclass
from stepladder.settings import builders
from stepladder.settings.rules import Choice, Inside, Text, Whole
from stepladder.settings.table import setting

_KEEP = Whole(5, 1000)


@dataclass(frozen=True)
class ImageSettings:
    """How the image is built."""

    builder: str = setting(
        builders.AUTO, Choice(builders.choices), "how the image is built; `auto` is Docker where an engine answers"
    )
    base: str = setting(
        "",
        Text(r"[\w./:@-]*", "an image reference, or empty"),
        "base image instead of AWS's own for the Python version",
    )
    context: str = setting("function", Inside(), "folder of the Dockerfile")
    keep: int = setting(
        50,
        _KEEP,
        "how many releases and versions of each environment keep their image when images are pruned",
    )

    def kept_releases(self, requested: int) -> int:
        """Return how many releases of an environment keep their image: `requested`, or the setting for 0.

        Raises `BadInputError` for a number outside the range of the setting.
        """
        if requested and not _KEEP.low <= requested <= _KEEP.high:
            raise BadInputError(
                f"--keep is {requested}",
                kind="bad-arguments",
                hint=f"`--keep` takes a number from {_KEEP.low} to {_KEEP.high}",
            )
        return requested or self.keep


@dataclass(frozen=True)
class SmokeSettings:
    """Where the smoke cases are."""

    path: str = setting("tests/smoke", Inside(), "folder of the cases that every rung must pass")
