"""What CodeBuild keeps: projects and builds."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from localcloud.cloud import ServiceError
from stepladder.core.names import partition_of

PHASES = ("INSTALL", "PRE_BUILD", "BUILD", "POST_BUILD")
"""The phases that a buildspec has commands for, in order."""
FIELDS = (
    *("description", "source", "secondarySources", "sourceVersion", "secondarySourceVersions", "artifacts"),
    *("secondaryArtifacts", "cache", "environment", "serviceRole", "timeoutInMinutes", "queuedTimeoutInMinutes"),
    *("encryptionKey", "tags", "vpcConfig", "logsConfig", "fileSystemLocations", "buildBatchConfig"),
    *("concurrentBuildLimit", "autoRetryLimit"),
)
TIMEOUT_MINUTES = 60
QUEUED_MINUTES = 480


@dataclass
class Project:
    """A project. `given` has the fields of CreateProject."""

    arn: str
    name: str
    created: datetime
    given: dict[str, Any]
    modified: datetime
    badge: bool = False
    visibility: str = "PRIVATE"
    builds: int = 0

    @property
    def role(self) -> str:
        """The role with which builds call AWS."""
        return str(self.given.get("serviceRole") or "")

    def describe(self) -> dict[str, Any]:
        """Return the project as BatchGetProjects does."""
        _, partition, _, region, account, _ = self.arn.split(":", 5)
        given = {name: value for name, value in self.given.items() if name in FIELDS and value not in (None, "")}
        environment = {"privilegedMode": False, "imagePullCredentialsType": "CODEBUILD", **given["environment"]}
        variables = [{"type": "PLAINTEXT", **each} for each in environment.get("environmentVariables") or ()]
        artifacts = {"encryptionDisabled": False, **given["artifacts"]}
        if artifacts["type"] != "NO_ARTIFACTS":
            artifacts = {"name": self.name, "packaging": "NONE", **artifacts}
        return {
            "cache": {"type": "NO_CACHE"},
            "encryptionKey": f"arn:{partition}:kms:{region}:{account}:alias/aws/s3",
            "timeoutInMinutes": TIMEOUT_MINUTES,
            "queuedTimeoutInMinutes": QUEUED_MINUTES,
            "tags": [],
            **given,
            "name": self.name,
            "arn": self.arn,
            "source": {"insecureSsl": False, **given["source"]},
            "artifacts": artifacts,
            "environment": {**environment, "environmentVariables": variables},
            "created": self.created,
            "lastModified": self.modified,
            "badge": {"badgeEnabled": self.badge},
            "projectVisibility": self.visibility,
        }


@dataclass
class Phase:
    """One phase of a build."""

    type: str
    start: datetime
    status: str = "IN_PROGRESS"
    end: datetime | None = None
    code: str = ""
    message: str = ""

    def describe(self) -> dict[str, Any]:
        """Return the phase as BatchGetBuilds does."""
        shown: dict[str, Any] = {"phaseType": self.type, "startTime": self.start}
        if self.type == "COMPLETED":
            return shown
        shown["phaseStatus"] = self.status
        if self.end is not None:
            shown |= {"endTime": self.end, "durationInSeconds": int((self.end - self.start).total_seconds())}
            shown["contexts"] = [{"statusCode": self.code, "message": self.message}]
        return shown


@dataclass
class Build:
    """One build. `settings` are the project's fields as the build uses them, with what its start overrode."""

    id: str
    arn: str
    project: str
    number: int
    settings: dict[str, Any]
    started: datetime
    initiator: str
    source_version: str = ""
    resolved_version: str = ""
    status: str = "IN_PROGRESS"
    ended: datetime | None = None
    phases: list[Phase] = field(default_factory=list)
    exported: dict[str, str] = field(default_factory=dict)
    group: str = ""
    stream: str = ""
    artifact: dict[str, Any] = field(default_factory=dict)
    stop_requested: bool = False

    @property
    def role(self) -> str:
        """The role with which the build calls AWS."""
        return str(self.settings["serviceRole"])

    @property
    def account(self) -> str:
        """The account that the build runs in."""
        return self.arn.split(":")[4]

    @property
    def region(self) -> str:
        """The region that the build runs in."""
        return self.arn.split(":")[3]

    @property
    def logs_arn(self) -> str:
        """The ARN of the log stream, empty when nothing is logged."""
        if not self.group:
            return ""
        prefix = f"arn:{partition_of(self.region)}:logs:{self.region}:{self.account}"
        return f"{prefix}:log-group:{self.group}:log-stream:{self.stream}"

    def enter(self, kind: str, at: datetime) -> Phase:
        """Begin a phase."""
        phase = Phase(kind, at)
        self.phases.append(phase)
        return phase

    def describe(self) -> dict[str, Any]:
        """Return the build as BatchGetBuilds does."""
        source = {"insecureSsl": False, **self.settings["source"]}
        shown = {
            "id": self.id,
            "arn": self.arn,
            "buildNumber": self.number,
            "startTime": self.started,
            "endTime": self.ended,
            "currentPhase": self.phases[-1].type if self.phases else "QUEUED",
            "buildStatus": self.status,
            "sourceVersion": self.source_version or None,
            "resolvedSourceVersion": self.resolved_version or None,
            "projectName": self.project,
            "phases": [phase.describe() for phase in list(self.phases)],
            "source": {name: value for name, value in source.items() if name != "path"},
            "secondarySources": self.settings.get("secondarySources") or [],
            "artifacts": self.artifact or {"location": ""},
            "secondaryArtifacts": [],
            "cache": self.settings.get("cache") or {"type": "NO_CACHE"},
            "environment": self.settings["environment"],
            "serviceRole": self.role,
            "logs": self._logs(),
            "timeoutInMinutes": self.settings["timeoutInMinutes"],
            "queuedTimeoutInMinutes": self.settings["queuedTimeoutInMinutes"],
            "buildComplete": self.ended is not None,
            "initiator": self.initiator,
            "encryptionKey": self.settings["encryptionKey"],
            "exportedEnvironmentVariables": [{"name": k, "value": v} for k, v in self.exported.items()],
        }
        return {name: value for name, value in shown.items() if value is not None}

    def _logs(self) -> dict[str, Any]:
        if not self.group:
            return {"cloudWatchLogs": {"status": "DISABLED"}}
        link = f"https://console.aws.amazon.com/cloudwatch/home?region={self.region}#logsV2:log-groups/log-group/"
        return {
            "groupName": self.group,
            "streamName": self.stream,
            "deepLink": f"{link}{self.group.replace('/', '$252F')}/log-events/{self.stream.replace('/', '$252F')}",
            "cloudWatchLogsArn": self.logs_arn,
            "cloudWatchLogs": {"status": "ENABLED", "groupName": self.group, "streamName": self.stream},
        }


@dataclass
class BuildRegion:
    """All of CodeBuild in one account and region."""

    account: str
    region: str
    projects: dict[str, Project] = field(default_factory=dict)
    builds: dict[str, Build] = field(default_factory=dict)

    def arn(self, kind: str, name: str) -> str:
        """Return the ARN of a project or a build."""
        return f"arn:{partition_of(self.region)}:codebuild:{self.region}:{self.account}:{kind}/{name}"

    def project(self, name: str) -> Project:
        """Return a project by its name or ARN, or raise the service's error."""
        project = self.projects.get(name.rpartition("/")[2])
        if project is None:
            raise ServiceError("ResourceNotFoundException", f"Project cannot be found: {name}")
        return project

    def build(self, build_id: str) -> Build:
        """Return a build by its id or ARN, or raise the service's error."""
        build = self.builds.get(build_id.rpartition("/")[2])
        if build is None:
            raise ServiceError("ResourceNotFoundException", f"Build {build_id} not found")
        return build
