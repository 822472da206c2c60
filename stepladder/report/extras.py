"""Read what a page shows beside a story's causes: names of the smoke cases, what images hold, the audit, the commit."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import replace
from itertools import islice

from stepladder.core import git
from stepladder.core.errors import StepladderError
from stepladder.images import comparison
from stepladder.images.comparison import ContentsDiff
from stepladder.images.registry import ecr
from stepladder.promotion import audit, evidence
from stepladder.promotion.audit import Judged
from stepladder.promotion.executions import Execution, StateMachine
from stepladder.releases import smoke_case, smoke_outputs
from stepladder.releases.rung import Rung
from stepladder.report import links, rungs
from stepladder.report.of_ledger import attempt
from stepladder.report.story import Story, TargetStory

_READ = 10  # functions of which cases, sizes and packages are read
_RELEASES = 100  # that are read, the newest first, for the version before
_LINKED = 24  # targets whose pages are linked
_DIRTY = "-dirty"
_SHA = r"[0-9a-f]{7,64}"


def with_extras(machine: StateMachine, story: Story, execution: Execution | None) -> Story:
    """Return a story with the names of its smoke cases and what its images hold, of the first functions."""
    unknown = list(story.unknown)
    cases: dict[str, tuple[str, ...]] = {}
    sizes: dict[str, int] = {}
    compared: dict[tuple[str, str], ContentsDiff] = {}
    before: dict[str, str] = {}
    keys = _smoke_keys(execution)
    for target in story.targets:
        bundle, digest = keys.get(target.key, ""), target.digest
        if digest and digest not in sizes and len(sizes) < _READ and rungs.is_known(machine, target.key):
            attempt(unknown, f"the size of image {digest[7:19]}", _size_reader(machine, target.key, digest, sizes))
        if bundle and target.key not in cases and len(cases) < _READ and rungs.is_known(machine, target.key):
            attempt(unknown, f"the smoke cases of {target.key}", _case_reader(machine, target.key, bundle, cases))
    for target in [each for each in story.targets if each.digest and rungs.is_known(machine, each.key)][:_READ]:
        what = f"what image {target.digest[7:19]} of {target.key} changes"
        attempt(unknown, what, _comparison_reader(machine, target, before, compared))
    targets = tuple(
        replace(
            target,
            contents=compared.get((before.get(target.key, ""), target.digest)),
            cases=cases.get(target.key, ()),
            size=sizes.get(target.digest, 0),
            links=_links(machine, target) if number < _LINKED else {},
        )
        for number, target in enumerate(story.targets)
    )
    return replace(story, targets=targets, unknown=tuple(dict.fromkeys(unknown)))


def _links(machine: StateMachine, target: TargetStory) -> dict[str, str]:
    known = rungs.is_known(machine, target.key)
    return links.of_target(rungs.at(machine, target.key).names, target) if known else {}


def _smoke_keys(execution: Execution | None) -> dict[str, str]:
    """Return the bundle of smoke cases of each target of a promotion; none where it was released untested."""
    if execution is None or "rungs" not in execution.input:
        return {}
    whole = str(execution.input.get("smoke_key", ""))
    return {
        target["environment"]: target["release"]["smoke_key"] if "release" in target else whole
        for target in execution.targets
    }


def _size_reader(machine: StateMachine, key: str, digest: str, sizes: dict[str, int]) -> Callable[[], None]:
    def read() -> None:
        rung = rungs.at(machine, key)
        answer = rung.aws.client("ecr").describe_images(
            repositoryName=rung.names.repository, imageIds=[{"imageDigest": digest}]
        )
        sizes[digest] = int(answer["imageDetails"][0].get("imageSizeInBytes", 0))

    return read


def _comparison_reader(
    machine: StateMachine,
    target: TargetStory,
    before: dict[str, str],
    compared: dict[tuple[str, str], ContentsDiff],
) -> Callable[[], None]:
    """Return what compares a target's image with that of the version before, each pair of images once."""

    def read() -> None:
        rung = rungs.at(machine, target.key)
        releases = islice(rung.ledger.succeeded(target.key), _RELEASES if target.previous_version else 0)
        digest = next((each.digest for each in releases if each.version == target.previous_version), "")
        if digest in {"", target.digest}:
            return
        before[target.key] = digest
        if (digest, target.digest) not in compared:
            compared[digest, target.digest] = _compared(rung, digest, target.digest)

    return read


def _compared(rung: Rung, before: str, after: str) -> ContentsDiff:
    try:
        own = ecr.connect(rung.aws, rung.names)
        return comparison.compared(own, before, own, after, rung.settings.build_dir / "cache")
    except StepladderError as error:
        return ContentsDiff(before, after, layers_unknown=error.message, packages_unknown=error.message)


def _case_reader(machine: StateMachine, key: str, bundle: str, cases: dict[str, tuple[str, ...]]) -> Callable[[], None]:
    def read() -> None:
        rung = rungs.at(machine, key)
        answer = rung.aws.client("s3").get_object(Bucket=rung.names.artifacts_bucket, Key=bundle)
        try:
            documents, _ = smoke_outputs.opened(answer["Body"].read(), key)
            cases[key] = tuple(case.name for case in smoke_case.parse(documents))
        except ValueError as error:  # as another version of stepladder wrote them
            raise StepladderError(f"a bundle of smoke cases has an unknown format: {error}") from error

    return read


def promises(machine: StateMachine, execution: Execution | None, story: Story) -> tuple[tuple[Judged, ...], str]:
    """Return how each promise was kept, or why that can't be known."""
    if execution is None or "rungs" not in execution.input:
        return (), "" if not story.arn else "its execution is gone: no promise can be judged"
    judged: list[Judged] = []
    unknown: list[str] = []
    attempt(unknown, "what an audit needs", lambda: judged.extend(audit.judge(evidence.read(machine, execution))))
    return tuple(judged), unknown[0] if unknown else ""


def commit_title(machine: StateMachine, commit: str) -> str:
    """Return the first line of a commit's message where this checkout has the commit; empty without it."""
    sha = commit.removesuffix(_DIRTY)
    if not re.fullmatch(_SHA, sha):
        return ""
    return next(iter(git.titles(machine.settings.root, [sha]).values()), "")
