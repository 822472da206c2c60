"""The settings under `codepipeline:`: whether AWS runs the pipeline, from which repository, and in what builds."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from stepladder.core.records import dataclass
from stepladder.settings import builders
from stepladder.settings.ci import BranchName, RepositoryPath, Url
from stepladder.settings.problems import Problems
from stepladder.settings.rules import Choice, Flag, Text, Texts, Whole
from stepladder.settings.table import setting

if TYPE_CHECKING:
    from stepladder.settings.load import Settings

GITHUB, GITLAB = PROVIDERS = ("github", "gitlab")
ADDRESSES = {GITHUB: "https://github.com", GITLAB: "https://gitlab.com"}
APIS = {"https://github.com": "https://api.github.com"}
"""Where a forge's API isn't below its own address."""
COMPUTE_TYPES = ("BUILD_GENERAL1_SMALL", "BUILD_GENERAL1_MEDIUM", "BUILD_GENERAL1_LARGE")
"""https://docs.aws.amazon.com/codebuild/latest/userguide/build-env-ref-compute-types.html"""
IMAGES = {
    "terraform": "public.ecr.aws/hashicorp/terraform:1.11.4",  # Amazon's public registry: no limit of pulls in AWS
    "opentofu": "ghcr.io/opentofu/opentofu:1.10.6",
}
"""Images with what applies Terraform's roots, git, and Alpine's package manager: those of GitLab's pipeline."""
SETUP = ("command -v uv || (apk add --no-cache py3-pip && pip install --quiet --break-system-packages uv==0.13.9)",)

_PATH = r"(?a)[A-Za-z0-9_][A-Za-z0-9_.-]*(?:/[A-Za-z0-9_][A-Za-z0-9_.-]*)+"
# https://docs.aws.amazon.com/codepipeline/latest/userguide/action-reference-CodestarConnectionSource.html
_CONNECTION = (
    r"(?a)(?:arn:aws[a-z-]*:(?:codeconnections|codestar-connections):[a-z0-9-]+:[0-9]{12}:connection/[0-9a-f-]{36})?"
)
_IMAGE = r"(?a)(?:[A-Za-z0-9][A-Za-z0-9._/:@-]{0,254})?"
_COMMAND = r"\S[^\n]{0,1023}"


class ServerUrl(Url):
    """The address of a server of one's own; empty for the provider's."""

    def read(self, key: str, value: Any, before: Any, problems: Problems) -> str:
        """See `table.Rule`."""
        return "" if value in ("", None) else super().read(key, value, before, problems)


@dataclass(frozen=True)
class CodePipelineSettings:
    """AWS CodePipeline, which may do what a forge's own pipeline does."""

    enabled: bool = setting(default=False, rule=Flag(), purpose="whether a push starts a pipeline of CodePipeline")
    provider: str = setting(GITHUB, Choice(PROVIDERS), "forge that holds the repository")
    url: str = setting("", ServerUrl(), "address of a forge of your own; empty for the provider's")
    repository: str = setting(
        "",
        RepositoryPath(_PATH, "a repository like acme/orders, in the letters that the forge shows, without a host"),
        "repository whose pushes start the pipeline",
    )
    branch: str = setting("main", BranchName(), "branch that is released")
    connection_arn: str = setting(
        "",
        Text(_CONNECTION, "the ARN of a connection, such as arn:aws:codeconnections:REGION:ACCOUNT:connection/ID"),
        "connection of CodeConnections to the forge; empty lets Terraform make one",
    )
    image: str = setting(
        "",
        Text(_IMAGE, "the name of a public image"),
        "public image that builds run in; empty for one with what applies the Terraform roots",
    )
    setup: tuple[str, ...] = setting(
        SETUP,
        Texts(_COMMAND, "commands of one line each", "command"),
        "commands before those of a build, which install uv, and Terraform where the image has none",
    )
    compute_type: str = setting(COMPUTE_TYPES[0], Choice(COMPUTE_TYPES), "size of the machine that builds run on")
    timeout_minutes: int = setting(30, Whole(5, 480), "how long a build may take")

    @property
    def address(self) -> str:
        """The forge's address."""
        return self.url or ADDRESSES[self.provider]

    @property
    def api(self) -> str:
        """The forge's API: https://docs.github.com/en/enterprise-server/rest, https://docs.gitlab.com/api/rest."""
        return APIS.get(self.address, f"{self.address}/api/{'v3' if self.provider == GITHUB else 'v4'}")


def check(settings: Settings, problems: Problems) -> None:
    """Note what doesn't hold between the settings."""
    own = settings.codepipeline
    if not own.enabled:
        return
    if not own.repository and not problems.has("codepipeline.repository"):
        problems.add("codepipeline.repository", "", "a repository like acme/orders, while codepipeline.enabled is true")
    if own.url and not own.connection_arn and not problems.has("codepipeline.connection_arn"):
        problems.add(
            "codepipeline.connection_arn",
            "",
            "the ARN of a connection beside codepipeline.url: one to a server of your own takes a host, which "
            "Terraform doesn't make",
        )
    lowest = settings.environments.get(settings.lowest)
    region = own.connection_arn.split(":")[3] if own.connection_arn else ""
    if lowest and lowest.region.startswith("cn-"):
        problems.add(
            "codepipeline.enabled",
            True,
            "false in the regions of China, where its action for Step Functions is missing",
        )
    elif lowest and region and region != lowest.region:
        problems.add(
            "codepipeline.connection_arn",
            own.connection_arn,
            f"a connection in {lowest.region}, where {settings.lowest} is",
        )


def variable(settings: Settings) -> dict[str, Any]:
    """Return the delivery module's variable `codepipeline`, of a project that enables it."""
    own = settings.codepipeline
    docker = builders.needs_engine(settings.image.builder)
    return {
        "api": own.api,
        "arm": docker and settings.architecture == "arm64",
        "branch": own.branch,
        "compute_type": own.compute_type,
        "connection_arn": own.connection_arn,
        "docker": docker,
        "image": own.image or IMAGES[settings.terraform_distribution],
        "provider": own.provider,
        "python": settings.python,
        "repository": own.repository,
        "setup": list(own.setup),
        "timeout_minutes": own.timeout_minutes,
    }


def foundation(settings: Settings) -> dict[str, Any]:
    """Return the foundation module's variable `codepipeline` in the primary location: what its builds may reach."""
    own, primary = settings.codepipeline, settings.environments[settings.lowest]
    local = [
        each
        for each in map(settings.environments.get, settings.ladder_environments)
        if each and (each.account, each.region) == (primary.account, primary.region)
    ]
    roles = {settings.environments[name].role_arn for name in settings.ladder_environments}
    return {
        "connection_arn": own.connection_arn,
        "deploys": settings.lowest,
        "promotes": local[-1].name,
        "provider": own.provider,
        "repository": own.repository,
        "role_arns": sorted(roles - {""}),
    }
