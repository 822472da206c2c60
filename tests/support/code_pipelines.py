"""A pipeline in the local cloud: a repository, a connection to it, projects, roles, and what they make of a push."""

from __future__ import annotations

import json
import os
import subprocess
from collections.abc import Mapping
from pathlib import Path
from typing import Any
from uuid import uuid4

import roles
from asking import until

SPEC = "version: 0.2\nphases: {build: {commands: ['true']}}\n"
APPROVED = {"summary": "fine", "status": "Approved"}
ENDED = ("Succeeded", "Failed", "Stopped", "Superseded")


class PushedRepository:
    """A bare repository, and a clone to push from."""

    def __init__(self, folder: Path) -> None:
        self.bare, self._clone = folder / "orders.git", folder / "orders"
        _git(folder, "init", "--quiet", "--bare", "--initial-branch=main", str(self.bare))
        _git(folder, "clone", "--quiet", str(self.bare), str(self._clone))
        _git(self._clone, "checkout", "--quiet", "-b", "main")
        for name, value in (("user.name", "Ann"), ("user.email", "ann@example.com"), ("commit.gpgsign", "false")):
            _git(self._clone, "config", name, value)

    def push(self, message: str, files: Mapping[str, str]) -> str:
        """Commit files and push; return the commit."""
        for name, text in files.items():
            path = self._clone / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text)
        _git(self._clone, "add", "--all")
        _git(self._clone, "commit", "--quiet", "--allow-empty", "-m", message)
        _git(self._clone, "push", "--quiet", "origin", "main")
        return _git(self._clone, "rev-parse", "HEAD")


class CodePipelines:
    """Makes pipelines of one repository."""

    def __init__(self, cloud: Any, folder: Path) -> None:
        self.cloud = cloud
        self.client = cloud.client("codepipeline")
        self.unique = uuid4().hex[:8]
        self.repository = PushedRepository(folder)
        self.bucket = f"artifacts-{self.unique}"
        cloud.client("s3").create_bucket(Bucket=self.bucket)
        self.role = roles.make(
            cloud.client("iam"),
            f"pipeline-{self.unique}",
            services=["codepipeline.amazonaws.com", "codebuild.amazonaws.com", "states.amazonaws.com"],
        )
        self.connection = str(
            cloud.client("codeconnections").create_connection(ProviderType="GitHub", ConnectionName=f"c-{self.unique}")[
                "ConnectionArn"
            ]
        )
        self.made: list[str] = []

    def connect(self) -> None:
        """Let the connection reach the repository."""
        order = {"connection": self.connection, "repository": "acme/orders", "path": str(self.repository.bare)}
        self.cloud.info.request("connections", "POST", order)

    def project(self, spec: str = SPEC, **settings: Any) -> str:
        """Make a CodeBuild project of a pipeline; return its name."""
        name = f"project-{uuid4().hex[:8]}"
        self.cloud.client("codebuild").create_project(
            name=name,
            source={"type": "CODEPIPELINE", "buildspec": spec},
            artifacts={"type": "CODEPIPELINE"},
            environment={"type": "LINUX_CONTAINER", "image": "x", "computeType": "BUILD_GENERAL1_SMALL"},
            **{"serviceRole": self.role, **settings},
        )
        return name

    def source(self, **configuration: str) -> dict[str, Any]:
        """Return a stage with the source action."""
        given = {"ConnectionArn": self.connection, "FullRepositoryId": "acme/orders", "BranchName": "main"}
        kind = ("Source", "CodeStarSourceConnection")
        return stage(
            "Source", action("Source", kind, {**given, **configuration}, outputs=["source"], namespace="Source")
        )

    def make(self, *stages: dict[str, Any], **settings: Any) -> str:
        """Make a pipeline; return its name."""
        name = f"pipeline-{uuid4().hex[:8]}"
        pipeline = {
            "name": name,
            "roleArn": self.role,
            "artifactStore": {"type": "S3", "location": self.bucket},
            "pipelineType": "V2",
            "executionMode": "QUEUED",
            "stages": list(stages),
            **settings,
        }
        self.client.create_pipeline(pipeline=pipeline)
        self.made.append(name)
        return name

    def executions(self, name: str) -> list[dict[str, Any]]:
        """Return a pipeline's executions, newest first."""
        summaries: list[dict[str, Any]] = self.client.list_pipeline_executions(pipelineName=name)[
            "pipelineExecutionSummaries"
        ]
        return summaries

    def ended(self, name: str, *, count: int = 1) -> dict[str, Any]:
        """Wait until a pipeline has `count` executions and the newest has ended; return that."""
        shown = until(lambda: self.executions(name), lambda each: len(each) >= count and each[0]["status"] in ENDED)
        return dict(shown[0])

    def actions(self, name: str, execution: str) -> dict[str, dict[str, Any]]:
        """Return the latest execution of each action, by its name."""
        details = self.client.list_action_executions(pipelineName=name, filter={"pipelineExecutionId": execution})
        return {each["actionName"]: each for each in reversed(details["actionExecutionDetails"])}

    def error(self, name: str, execution: str, action_name: str) -> dict[str, str]:
        """Return why an action failed."""
        shown: dict[str, str] = self.actions(name, execution)[action_name]["output"]["executionResult"]["errorDetails"]
        return shown

    def state(self, name: str, stage_name: str) -> dict[str, Any]:
        """Return the state of a stage."""
        states = self.client.get_pipeline_state(name=name)["stageStates"]
        return dict(next(each for each in states if each["stageName"] == stage_name))


def stage(name: str, *actions: dict[str, Any], **settings: Any) -> dict[str, Any]:
    """Return the declaration of a stage."""
    return {"name": name, "actions": list(actions), **settings}


def action(
    name: str,
    kind: tuple[str, str],
    configuration: Mapping[str, Any],
    *,
    inputs: list[str] | None = None,
    outputs: list[str] | None = None,
    **settings: Any,
) -> dict[str, Any]:
    """Return the declaration of an action. Values of the configuration that are no texts become JSON."""
    category, provider = kind
    return {
        "name": name,
        "actionTypeId": {"category": category, "owner": "AWS", "provider": provider, "version": "1"},
        "configuration": {k: v if isinstance(v, str) else json.dumps(v) for k, v in configuration.items()},
        "inputArtifacts": [{"name": each} for each in inputs or ()],
        "outputArtifacts": [{"name": each} for each in outputs or ()],
        **settings,
    }


def build(name: str, project: str, variables: Any = (), **settings: Any) -> dict[str, Any]:
    """Return the declaration of a build."""
    given = {"ProjectName": project, "EnvironmentVariables": list(variables)}
    return action(name, ("Build", "CodeBuild"), given, **{"inputs": ["source"], **settings})


def approval(name: str = "Approve") -> dict[str, Any]:
    """Return the declaration of an approval."""
    return action(name, ("Approval", "Manual"), {})


def _git(folder: Path, *arguments: str) -> str:
    environment = {name: value for name, value in os.environ.items() if not name.startswith("GIT_")}
    done = subprocess.run(["git", "-C", str(folder), *arguments], check=True, capture_output=True, env=environment)
    return done.stdout.decode().strip()
