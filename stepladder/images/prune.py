"""`inv image.prune`: delete the images that nothing needs any more. Read, print the plan, act, read again.

What is needed is the caller's to say (`stepladder.releases.retention`). Only images under the tags that stepladder
gives are candidates: an index, a signature, or an image that a person tagged besides stays.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from stepladder.core import accounts
from stepladder.core.aws import Aws, error_code
from stepladder.core.console import Console
from stepladder.core.display import megabytes
from stepladder.core.errors import BadInputError, RefusedError, StepladderError
from stepladder.core.names import Names
from stepladder.images import revision
from stepladder.images.registry import ecr

Needed = Callable[[], Mapping[str, str]]
"""Reads which digests must stay, each with the reason in a word."""

FOREIGN, YOUNG = "foreign", "young"
_BATCH = 100  # https://docs.aws.amazon.com/AmazonECR/latest/APIReference/API_BatchDeleteImage.html


@dataclass(frozen=True)
class PruneOptions:
    """What was asked: how young an image stays whatever else, and whether to act or only to print.

    `keep` is the number that was typed, 0 for none: it is repeated in hints.
    """

    min_age_hours: int = 24
    yes: bool = False
    dry_run: bool = False
    keep: int = 0

    @property
    def flags(self) -> str:
        """The flags that decide what goes, as they were typed: without them, a hint's command would delete more."""
        return flags(self.keep, self.min_age_hours)


def flags(keep: int, min_age_hours: int) -> str:
    """Return the flags of a pruning that differ from their defaults, each behind a space."""
    age = f" --min-age-hours {min_age_hours}" if min_age_hours != PruneOptions.min_age_hours else ""
    return (f" --keep {keep}" if keep else "") + age


@dataclass(frozen=True)
class HeldImage:
    """An image that the repository holds. `size` is in bytes."""

    digest: str
    tags: tuple[str, ...]
    pushed_at: datetime
    size: int
    subject: str = ""
    """The digest of what it refers to, as an SBOM or a signature does; empty for an image."""

    @property
    def is_project_image(self) -> bool:
        """Whether all its tags are stepladder's; an image without any is somebody else's, or a part of an index."""
        return bool(self.tags) and all(map(revision.is_tag, self.tags))


@dataclass(frozen=True)
class PrunePlan:
    """Which images go, oldest first, with what refers to them, and how many stay for which reason."""

    delete: tuple[HeldImage, ...]
    kept: Mapping[str, int]
    referrers: tuple[HeldImage, ...] = ()
    """What goes because its image goes, or has gone already. Deepest first: a signature may refer to an SBOM."""

    @property
    def size(self) -> int:
        """Bytes of the images that go. Layers that others share stay, so less may be freed."""
        return sum(image.size for image in self.delete)

    @property
    def words(self) -> str:
        """What goes, in words."""
        parts = [f"{len(self.delete)} image{'s' * (len(self.delete) != 1)}"] if self.delete else []
        parts += [f"{len(self.referrers)} that refer to images"] if self.referrers else []
        return " and ".join(parts)


class Prune:
    """One pruning of the repository of an environment."""

    def __init__(self, aws: Aws, names: Names, console: Console, needed: Needed, request: PruneOptions) -> None:
        if request.min_age_hours < 0:
            raise BadInputError(
                f"--min-age-hours is {request.min_age_hours}",
                kind="bad-arguments",
                hint="give a number of hours from 0 on, like `--min-age-hours 24`",
            )
        self.aws, self.names, self.console, self.needed, self.request = aws, names, console, needed, request

    def run(self) -> dict[str, Any]:
        """Prune and return the record that `--json` prints.

        Raises `RefusedError` when there is something to delete and neither `yes` nor `dry_run` was said, and
        `StepladderError` when the repository isn't what it should be afterwards.
        """
        with self.console.step("images") as step:
            plan = self._plan()
            kept = ", ".join(f"{count} {why}" for why, count in sorted(plan.kept.items()))
            more = f" and {len(plan.referrers)} that refer to images" if plan.referrers else ""
            size = f", {megabytes(plan.size)}" if plan.delete else ""
            step.done(f"{len(plan.delete)} to delete{size}{more}; to stay: {kept or 'none'}")
        record = {
            "environment": self.names.environment,
            "repository": self.names.repository,
            "result": "unchanged",
            "deleted": [],
            "kept": dict(plan.kept),
            "bytes": 0,
        }
        if not plan.delete and not plan.referrers:
            return record
        self._show(plan)
        if self.request.dry_run:
            doomed = [image.digest for image in plan.delete]
            return record | {"result": "dry_run", "to_delete": doomed, "bytes": plan.size}
        if not self.request.yes and not self.console.ask(f"delete {plan.words}?"):
            raise RefusedError(
                f"{plan.words} would be deleted, and nobody said yes",
                kind="not-confirmed",
                hint=f"delete them: `inv image.prune --env {self.names.environment}{self.request.flags} --yes`",
            )
        with self.console.step("delete") as step:
            deleted = self._act(plan)
            freed = sum(image.size for image in plan.delete if image.digest in deleted)
            step.done(f"{len(deleted)} images, {megabytes(freed)}, verified")
        return record | {"result": "pruned", "deleted": deleted, "bytes": freed}

    def _plan(self) -> PrunePlan:
        accounts.check(self.aws.account(), self.names)
        # The images first: one that is pushed and released in between is then not among them.
        images = listed(self.aws, self.names)
        return plan(images, self.needed(), before=datetime.now(UTC) - timedelta(hours=self.request.min_age_hours))

    def _show(self, plan: PrunePlan) -> None:
        if not self.console.as_json:
            rows = [
                (i.digest[7:19], f"{i.pushed_at:%Y-%m-%d %H:%M}", megabytes(i.size), " ".join(i.tags))
                for i in plan.delete
            ]
            self.console.table(("delete", "pushed (UTC)", "size", "tags"), rows)

    def _act(self, plan: PrunePlan) -> list[str]:
        """Delete what is still unneeded: a rollback to an old release may have come in between."""
        now = self.needed()
        doomed = [image.digest for image in plan.delete if image.digest not in now]
        # Referrers first: an image that lost them is deleted by the next run, while one without an image is nobody's.
        saved = {image.digest for image in plan.delete}.difference(doomed)
        referring = [each.digest for each in plan.referrers if not _refers(each, saved, plan.referrers)]
        delete(self.aws, self.names, referring)
        delete(self.aws, self.names, doomed)
        left = {image.digest for image in listed(self.aws, self.names)}.intersection((*doomed, *referring))
        if left:
            raise StepladderError(
                f"{len(left)} images are still there: {', '.join(sorted(d[7:19] for d in left))}",
                kind="prune-incomplete",
                hint="an index of images may refer to them: delete that in ECR, then "
                "run the same command again; the others are deleted",
            )
        lost = sorted(set(self.needed()).intersection(doomed))
        if lost:
            raise StepladderError(
                f"images were released while they were being deleted: {', '.join(lost)}",
                kind="prune-incomplete",
                hint="release another image where they serve (`inv status`) before Lambda pulls them again: "
                f"for example `inv rollback --env {self.names.environment}`",
            )
        return doomed


def plan(images: list[HeldImage], needed: Mapping[str, str], *, before: datetime) -> PrunePlan:
    """Say which images go: ours, pushed before a time, and not needed; and what refers to them."""
    go, kept = [], Counter[str]()
    for image in sorted(images, key=lambda held: held.pushed_at):
        if image.subject:
            continue
        if image.digest in needed:
            kept[needed[image.digest]] += 1
        elif not image.is_project_image:
            kept[FOREIGN] += 1
        elif image.pushed_at >= before:
            kept[YOUNG] += 1
        else:
            go.append(image)
    return PrunePlan(tuple(go), dict(kept), _referring(images, {image.digest for image in go}, before))


def _referring(images: list[HeldImage], gone: set[str], before: datetime) -> tuple[HeldImage, ...]:
    """Return what refers to images that go, or that aren't there any more, deepest first.

    A referrer may be pushed before its image: a young one without an image stays.
    """
    held = {image.digest for image in images}
    pending = [image for image in images if image.subject]
    layers: list[HeldImage] = []
    going = set(gone)
    while True:
        level = [
            each for each in pending if each.subject in going or (each.subject not in held and each.pushed_at < before)
        ]
        if not level:
            return tuple(reversed(layers))
        layers += level
        going |= {each.digest for each in level}
        pending = [each for each in pending if each.digest not in going]


def _refers(referrer: HeldImage, subjects: set[str], referrers: tuple[HeldImage, ...]) -> bool:
    """Say whether a referrer leads to one of the subjects, directly or through other referrers."""
    by_digest = {each.digest: each for each in referrers}
    current: HeldImage | None = referrer
    while current is not None:
        if current.subject in subjects:
            return True
        current = by_digest.get(current.subject)
    return False


def listed(aws: Aws, names: Names) -> list[HeldImage]:
    """List the repository's images (`ecr:DescribeImages`)."""
    try:
        return [
            HeldImage(
                detail["imageDigest"],
                tuple(sorted(detail.get("imageTags", ()))),
                detail["imagePushedAt"].astimezone(UTC),
                detail.get("imageSizeInBytes", 0),
                detail.get("subjectManifestDigest", ""),
            )
            for detail in _details(aws, names)
        ]
    except Exception as error:
        if error_code(error) == "RepositoryNotFoundException":
            raise ecr.missing(names) from None
        raise


def _details(aws: Aws, names: Names) -> Iterator[dict[str, Any]]:
    more: dict[str, Any] = {"maxResults": 1000}
    while True:
        answer = aws.client("ecr").describe_images(registryId=names.account, repositoryName=names.repository, **more)
        yield from answer["imageDetails"]
        if not answer.get("nextToken"):
            return
        more["nextToken"] = answer["nextToken"]


def delete(aws: Aws, names: Names, digests: list[str]) -> None:
    """Delete images with all their tags; one that is gone already is fine, any other failure shows in what is left."""
    for start in range(0, len(digests), _BATCH):
        aws.client("ecr").batch_delete_image(
            registryId=names.account,
            repositoryName=names.repository,
            imageIds=[{"imageDigest": digest} for digest in digests[start : start + _BATCH]],
        )


def delete_whole(aws: Aws, names: Names, digests: list[str]) -> None:
    """Delete images with all that refers to them, that first: what refers to an image that is gone is nobody's."""
    never = datetime.min.replace(tzinfo=UTC)
    referring = _referring(listed(aws, names), set(digests), never) if digests else ()
    delete(aws, names, [each.digest for each in referring])
    delete(aws, names, digests)
