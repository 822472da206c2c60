"""What a page says of images: which were released, and what each changes in those that were served before."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

from stepladder.core.display import megabytes
from stepladder.core.release_facts import short
from stepladder.report.story import Story, TargetStory

_IMAGES, _PACKAGES = 120, 100  # those that are shown


def released(story: Story) -> list[tuple[str, str, str]]:
    """Return digest, size and functions of each image."""
    by_digest: dict[str, list[TargetStory]] = {}
    for target in story.targets:
        if target.digest:
            by_digest.setdefault(target.digest, []).append(target)
    return [
        (digest, megabytes(targets[0].size) if targets[0].size else "-", _listed(target.function for target in targets))
        for digest, targets in by_digest.items()
    ][:_IMAGES]


def changes(story: Story) -> list[dict[str, Any]]:
    """Return each pair of images that was compared: their sizes, and the packages that differ."""
    compared = dict.fromkeys(target.contents for target in story.targets if target.contents)
    return [
        {
            "between": f"{short(each.before)} → {short(each.after)}",
            "sizes": f"{megabytes(each.size_before)} → {megabytes(each.size_after)}" if each.size_after else "",
            "layers": f"{len(each.added)} new, {len(each.removed)} gone" if not each.layers_unknown else "",
            "packages": [(one.name, one.before or "-", one.after or "-") for one in each.packages[:_PACKAGES]],
            "left_out": max(0, len(each.packages) - _PACKAGES),
            "unknown": each.packages_unknown,
        }
        for each in compared
    ]


def _listed(names: Iterable[str], most: int = 4) -> str:
    every: Sequence[str] = list(dict.fromkeys(names))
    return ", ".join(every[:most]) + (f" and {len(every) - most} more" if len(every) > most else "")
