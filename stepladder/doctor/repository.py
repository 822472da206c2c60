"""The repository of images: there, its tags fixed, and no lifecycle rule that deletes what is live."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

from stepladder.core.aws import error_code
from stepladder.doctor.context import DoctorContext
from stepladder.doctor.finding import ERROR, WARNING, Finding, SafeFix

_MISSING = "RepositoryNotFoundException"
_NO_RULES = "LifecyclePolicyNotFoundException"
_FIXED = ("IMMUTABLE", "IMMUTABLE_WITH_EXCLUSION")


def repository(context: DoctorContext) -> Iterator[Finding]:
    """Yield what is wrong with the repository of the project's images."""
    client, name = context.client("ecr"), context.names.repository
    subject = context.named(f"repository {name}")
    fix = context.restored_by("foundation")
    try:
        described = client.describe_repositories(repositoryNames=[name])["repositories"][0]
    except Exception as error:
        if error_code(error) != _MISSING:
            raise
        if context.has_foundation:
            text = "the repository is gone: functions whose images were there stop once Lambda drops its copy"
            yield Finding(ERROR, subject, text, fix)
        return
    if described.get("imageTagMutability") not in _FIXED:
        act = SafeFix(f"make the tags of {context.named(name)} immutable", lambda: _fix_tags(client, name))
        yield Finding(WARNING, subject, "a tag may be moved to another image", fix, act)
    rules = _rules(client, name)
    expiring = sorted(rule.get("rulePriority", 0) for rule in rules if _expires_tagged(rule))
    where = f"--repository-name {name} --region {context.names.region}"
    only = f"delete it: `aws ecr delete-lifecycle-policy {where}`"
    one_of_many = f"take it out of the policy, which `aws ecr get-lifecycle-policy {where}` prints"
    for rule in expiring:
        text = f"lifecycle rule {rule} deletes images by age or count, which may be live or a rollback's"
        yield Finding(ERROR, subject, text, only if len(expiring) == len(rules) else one_of_many)


def _fix_tags(client: Any, name: str) -> None:
    client.put_image_tag_mutability(repositoryName=name, imageTagMutability=_FIXED[0])


def _rules(client: Any, name: str) -> list[dict[str, Any]]:
    """Return the lifecycle rules."""
    try:
        text = client.get_lifecycle_policy(repositoryName=name)["lifecyclePolicyText"]
    except Exception as error:
        if error_code(error) != _NO_RULES:
            raise
        return []
    return list(json.loads(text).get("rules", []))


def _expires_tagged(rule: dict[str, Any]) -> bool:
    """Say whether a rule expires images with tags: each image of a release has one."""
    untagged = rule.get("selection", {}).get("tagStatus") == "untagged"
    return rule.get("action", {}).get("type") == "expire" and not untagged
