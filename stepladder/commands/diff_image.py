"""What `inv diff` says of an image: which one is served, which would be, and how the two differ.

Nothing is pushed. Without `--build` nothing is built: an image that isn't in the registry yet is known by its inputs.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import PurePosixPath

from stepladder import images
from stepladder.core import git
from stepladder.core.aws import known_error
from stepladder.core.release_facts import short
from stepladder.core.step import Step
from stepladder.images import comparison, contents
from stepladder.images.comparison import PackageChange, changes, without
from stepladder.images.contents import ImageContents, ImageLayer
from stepladder.images.registry import ecr
from stepladder.releases.rung import Rung

SAME, NEW, UNKNOWN = "same", "new", "unknown"


@dataclass(frozen=True)
class CommitTitle:
    """A commit by its whole hash, and the first line of its message."""

    commit: str
    title: str


@dataclass(frozen=True)
class ImageDiff:
    """The image of a function. `state` is same, new or unknown; `why` says from what that is known.

    `after` is empty where the image isn't built yet. `added` and `removed` are layers; where `layers_unknown` says why,
    they aren't known, and likewise `packages`. `files` differ from the commit of the release that is served. `commits`
    lie between the two, newest first, where git knows both.
    """

    state: str
    before: str = ""
    after: str = ""
    before_commit: str = ""
    why: str = ""
    added: tuple[ImageLayer, ...] = ()
    removed: tuple[ImageLayer, ...] = ()
    layers_unknown: str = ""
    packages: tuple[PackageChange, ...] = ()
    packages_unknown: str = ""
    files: tuple[str, ...] = ()
    after_commit: str = ""
    commits: tuple[CommitTitle, ...] = ()


@dataclass(frozen=True)
class Side:
    """One of two images, and the rung whose repository has it."""

    rung: Rung
    digest: str
    commit: str = ""


def of_files(rung: Rung, served: str, served_key: str, commit: str, *, build: bool, step: Step) -> ImageDiff:
    """Compare the image that the working tree makes with the one that is served; empty texts for what is unknown."""
    images.check_lock(rung.settings)
    key = images.input_key(rung.settings)
    if served and served_key == key:
        return ImageDiff(SAME, served, served, commit, f"unchanged, {short(served)}")
    new = ImageDiff(NEW, served, "", commit, "its inputs differ from those of what is served" if served else "first")
    new = with_commits(replace(new, files=_changed_files(rung, commit)), rung, git.head(rung.settings.root))
    made = _made(rung, key, step, build=build)
    if isinstance(made, str) and made.startswith("sha256:"):
        return _same(new, made) if made == served else compared(replace(new, after=made), rung, Side(rung, made))
    if not served:
        return replace(new, layers_unknown="nothing is served yet", packages_unknown="nothing is served yet")
    return _with_lock(new, rung, made)


def _same(diff: ImageDiff, digest: str) -> ImageDiff:
    why = "other inputs, and the same image comes of them"
    return replace(diff, state=SAME, after=digest, why=why, files=())


def of_promotion(rung: Rung, served: str, commit: str, source: Side) -> ImageDiff:
    """Compare the image that the lowest rung serves with the one that this rung serves."""
    if served == source.digest:
        return ImageDiff(SAME, served, served, commit, f"it serves {short(served)} already")
    new = ImageDiff(NEW, served, source.digest, commit, f"what {source.rung.target} serves")
    new = with_commits(new, rung, source.commit)
    if not served:
        return replace(new, layers_unknown="nothing is served yet", packages_unknown="nothing is served yet")
    return compared(new, rung, source)


def with_commits(diff: ImageDiff, rung: Rung, after: str) -> ImageDiff:
    """Add the commit of the image that would be served, and what lies between the two."""
    between = git.between(rung.settings.root, diff.before_commit, after)
    return replace(diff, after_commit=after, commits=tuple(CommitTitle(*each) for each in between))


def compared(diff: ImageDiff, rung: Rung, other: Side) -> ImageDiff:
    """Add how two images in registries differ: by layers, and by packages."""
    try:
        own, their = ecr.connect(rung.aws, rung.names), ecr.connect(other.rung.aws, other.rung.names)
        contents_diff = comparison.compared(own, diff.before, their, other.digest, rung.settings.build_dir / "cache")
    except Exception as error:
        known = known_error(error)
        if known is None:
            raise
        return _unknown(diff, known.message)
    return replace(
        diff,
        added=contents_diff.added,
        removed=contents_diff.removed,
        layers_unknown=contents_diff.layers_unknown,
        packages=contents_diff.packages,
        packages_unknown=contents_diff.packages_unknown,
    )


def _made(rung: Rung, key: str, step: Step, *, build: bool) -> str | tuple[ImageLayer, ...]:
    """Return the digest of the working tree's image, its layers where it was built now, or why neither is known."""
    from stepladder.images import pipeline
    from stepladder.images.model import LocalImage

    try:
        noted = pipeline.known(rung.settings, rung.aws, rung.names, key)
        if noted:
            return noted.digest
        if not build:
            return "the image isn't built yet; `--build` builds it here, to compare its layers"
        built = pipeline.build_only(rung.settings, step, say=rung.console.warn)
    except Exception as error:
        known = known_error(error)
        if known is None:
            raise
        return known.message
    if not isinstance(built, LocalImage):
        return "a container engine built it, and its layers get their digests by the push"
    return tuple(ImageLayer(layer.digest, layer.size, "built from these files") for layer in built.layers)


def _with_lock(diff: ImageDiff, rung: Rung, made: str | tuple[ImageLayer, ...]) -> ImageDiff:
    """Compare what is served with an image that no registry has: by its layers where it was built, and by the lock."""
    try:
        own = ecr.connect(rung.aws, rung.names)
        served = contents.of(own, diff.before)
        if served is None:
            return _unknown(diff, f"{short(diff.before)} is not in the registry any more")
        if isinstance(made, str):
            diff = replace(diff, layers_unknown=made)
        else:
            diff = replace(diff, added=without(made, served.layers), removed=without(served.layers, made))
        wanted = contents.locked(rung.settings)
        if wanted is None:
            return replace(diff, packages_unknown=f"{rung.settings.image.context} has no requirements.txt")
        installed = _installed(rung, own, served)
    except Exception as error:
        known = known_error(error)
        if known is None:
            raise
        return _unknown(diff, known.message)
    if isinstance(installed, str):
        return replace(diff, packages_unknown=installed)
    return replace(diff, packages=changes(contents.without_tools(installed), contents.without_tools(wanted)))


def _installed(rung: Rung, repository: ecr.Repository, served: ImageContents) -> dict[str, str] | str:
    """Return the packages that the served image has above its base, or why they aren't known."""
    if served.packages is not None:
        return dict(served.packages)
    context = PurePosixPath(rung.settings.image.context).name  # as the layers builder says what made a layer
    ours = [layer for layer in served.layers if layer.made_by.startswith(f"stepladder: {context}/")]
    if not ours:
        return (
            "the image was not made by the layers builder and has no SBOM, so its base's packages can't be told apart"
        )
    return contents.packages_of(repository, ours, rung.settings.build_dir / "cache")


def _changed_files(rung: Rung, commit: str) -> tuple[str, ...]:
    """Return the files of the image's folder that differ from a commit, as far as git knows it."""
    return git.changed_files(rung.settings.root, commit, rung.settings.image.context)


def _unknown(diff: ImageDiff, why: str) -> ImageDiff:
    return replace(
        diff,
        layers_unknown="" if diff.added or diff.removed else why,
        packages_unknown=why,
    )
