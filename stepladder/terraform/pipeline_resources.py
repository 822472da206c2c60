"""Find what a killed run made of AWS's own pipeline: its builds, itself, and the connection to the forge.

AWS takes a second connection of a name, but no second build project or pipeline.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from stepladder.core.aws import Aws

Tagged = tuple[str, list[dict[str, str]]]
"""An import id, and the resource's tags."""
FindTagged = Callable[[Aws, Mapping[str, Any]], Tagged | None]


def build_project(aws: Aws, values: Mapping[str, Any]) -> Tagged | None:
    """Return the build project of this name."""
    projects = aws.client("codebuild").batch_get_projects(names=[values["name"]])["projects"]
    return next(((project["name"], project.get("tags", [])) for project in projects), None)


def pipeline(aws: Aws, values: Mapping[str, Any]) -> Tagged:
    """Return the pipeline of this name."""
    client = aws.client("codepipeline")
    arn = client.get_pipeline(name=values["name"])["metadata"]["pipelineArn"]
    return values["name"], client.list_tags_for_resource(resourceArn=arn)["tags"]


def connection(aws: Aws, values: Mapping[str, Any]) -> Tagged | None:
    """Return the connection of this name that has all the tags which the plan would give it."""
    client, expected = aws.client("codeconnections"), values.get("tags_all") or {}
    more: dict[str, str] = {}
    while expected:
        page = client.list_connections(**more)
        for each in page["Connections"]:
            if each["ConnectionName"] == values["name"]:
                tags = client.list_tags_for_resource(ResourceArn=each["ConnectionArn"])["Tags"]
                if expected.items() <= {tag["Key"]: tag["Value"] for tag in tags}.items():
                    return each["ConnectionArn"], tags
        if not page.get("NextToken"):
            break
        more = {"NextToken": page["NextToken"]}
    return None
