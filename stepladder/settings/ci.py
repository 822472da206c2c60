"""The settings under `ci:`: which repository's jobs may act in AWS, and the subjects that their tokens carry.

Nothing stands here that a token could widen: every name is matched whole, and no value may hold a wildcard.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Any
from urllib.parse import urlsplit

from stepladder.core.records import dataclass
from stepladder.settings.problems import Problems
from stepladder.settings.rules import Choice, Flag, Section
from stepladder.settings.table import OwnRule, setting

GITHUB_ISSUER = "https://token.actions.githubusercontent.com"
GITHUB_AUDIENCE = "sts.amazonaws.com"
GITLAB = "https://gitlab.com"
CREATE, EXISTING = PROVIDERS = ("create", "existing")
APPROVAL = "-approval"
"""What the forge's environment of an approval ends in, behind the environment's name."""

# https://docs.github.com/en/rest/repos/repos: a user of an enterprise has an underscore in the name.
_REPOSITORY = r"(?a)[A-Za-z0-9][A-Za-z0-9_-]{0,38}/(?!\.{1,2}$)[A-Za-z0-9._-]{1,100}"
# https://docs.gitlab.com/user/reserved_names/: groups may be nested.
_PROJECT = r"(?a)[A-Za-z0-9_][A-Za-z0-9_.-]*(?:/[A-Za-z0-9_][A-Za-z0-9_.-]*)+"
_ID = r"(?a)[1-9][0-9]{0,18}"
# https://git-scm.com/docs/git-check-ref-format, and no `:`, which separates the parts of a subject
_BRANCH = r"(?a)(?!refs/)(?!/)(?!.*(?://|\.\.|@\{|/\.|\.lock$|[/.]$))[A-Za-z0-9._/@#+=,-]{1,255}"
_HOST = r"(?a)[a-z0-9-]+(?:\.[a-z0-9-]+)+"
_PATH = r"(?a)(?:/[A-Za-z0-9._~-]+)*"
_BOUNDARY = r"(?a)(?:arn:aws[a-z-]*:iam::(?:[0-9]{12}|aws):policy/)?[\w+=,.@/-]{1,512}"


class RepositoryPath(OwnRule):
    """A path of names on a forge: `owner/name` on GitHub, and perhaps more groups on GitLab. Empty: none."""

    def __init__(self, shape: str, words: str) -> None:
        self._shape, self._words = shape, words

    def read(self, key: str, value: Any, _before: Any, problems: Problems) -> str:
        """See `table.Rule`."""
        if value in ("", None):
            return ""
        if not isinstance(value, str) or value.endswith(".git") or not re.fullmatch(self._shape, value):
            problems.add(key, value, self._words)
            return ""
        return value


class Id(OwnRule):
    """A number that GitHub gave to an owner or a repository; empty for none."""

    def read(self, key: str, value: Any, _before: Any, problems: Problems) -> str:
        """See `table.Rule`."""
        if value in ("", None):
            return ""
        text = str(value) if isinstance(value, (int, str)) and not isinstance(value, bool) else ""
        if not re.fullmatch(_ID, text):
            problems.add(
                key, value, f"the number that `gh api repos/OWNER/NAME --jq {_jq(key)}` prints, without wildcards"
            )
            return ""
        return text


def _jq(key: str) -> str:
    return ".owner.id" if key.endswith("owner_id") else ".id"


class Url(OwnRule):
    """The address of an issuer of tokens, without a slash at the end: IAM compares it by its letters."""

    def read(self, key: str, value: Any, before: Any, problems: Problems) -> str:
        """See `table.Rule`."""
        text = value.rstrip("/") if isinstance(value, str) else ""
        try:
            parts = urlsplit(text)
        except ValueError:
            parts = urlsplit("")
        if (
            parts.scheme != "https"
            or not re.fullmatch(_HOST, parts.netloc)
            or not re.fullmatch(_PATH, parts.path)
            or text != f"https://{parts.netloc}{parts.path}"
        ):
            problems.add(
                key,
                value,
                "an address like https://gitlab.example.com, the host in lower case, without a port or a query",
            )
            return str(before)
        return text


class BranchName(OwnRule):
    """The name of a branch."""

    def read(self, key: str, value: Any, before: Any, problems: Problems) -> str:
        """See `table.Rule`."""
        if not isinstance(value, str) or not re.fullmatch(_BRANCH, value):
            problems.add(key, value, "a branch's name like main, without refs/heads/ and wildcards")
            return str(before)
        return value


class Boundary(OwnRule):
    """The policy that bounds every role: its name, which each account has one of, or its ARN. Empty: none."""

    def read(self, key: str, value: Any, _before: Any, problems: Problems) -> str:
        """See `table.Rule`."""
        if value in ("", None):
            return ""
        if not isinstance(value, str) or not re.fullmatch(_BOUNDARY, value):
            problems.add(key, value, "a managed policy's name, or its ARN")
            return ""
        return value


@dataclass(frozen=True)
class GitHubSettings:
    """A repository on GitHub. With its ids the subject is the immutable one, which survives no transfer to others."""

    repository: str = setting(
        "",
        RepositoryPath(_REPOSITORY, "a repository like acme/orders, in the letters that GitHub shows, without a host"),
        "repository on GitHub whose jobs may act in AWS; empty for none",
    )
    owner_id: str = setting("", Id(), "id of its owner, a part of the subject of its tokens")
    repository_id: str = setting("", Id(), "id of the repository, a part of the subject of its tokens")
    older_subject: bool = setting(
        default=False,
        rule=Flag(),
        purpose="whether the subject without ids is trusted too, which a repository of before 15 July 2026 has",
    )
    issuer: str = setting(GITHUB_ISSUER, Url(), "issuer of its tokens; a server of your own has another")
    provider: str = setting(CREATE, Choice(PROVIDERS), "whether the account has an identity provider for it already")

    @property
    def audience(self) -> str:
        """What a token must be for."""
        return GITHUB_AUDIENCE

    @property
    def url(self) -> str:
        """The issuer."""
        return self.issuer

    @property
    def _repositories(self) -> tuple[str, ...]:
        """The repository as subjects name it, in each form that is trusted."""
        if not self.owner_id:
            return (self.repository,)
        owner, _, name = self.repository.partition("/")
        immutable = f"{owner}@{self.owner_id}/{name}@{self.repository_id}"
        return (immutable, self.repository) if self.older_subject else (immutable,)

    def of_branch(self, branch: str) -> tuple[str, ...]:
        """Return the subjects of a job on a branch, in no environment."""
        return tuple(f"repo:{each}:ref:refs/heads/{branch}" for each in self._repositories)

    def of_environment(self, environment: str, _branch: str) -> tuple[str, ...]:
        """Return the subjects of a job in an environment of the forge's, which replaces the branch."""
        return tuple(f"repo:{each}:environment:{environment}" for each in self._repositories)

    def of_pull_requests(self) -> tuple[str, ...]:
        """Return the subjects of a pull request's job, in no environment."""
        return tuple(f"repo:{each}:pull_request" for each in self._repositories)


@dataclass(frozen=True)
class GitLabSettings:
    """A project on GitLab, or on a GitLab of one's own."""

    project: str = setting(
        "",
        RepositoryPath(
            _PROJECT, "a project like acme/orders or acme/shop/orders, in the letters of its address, without a host"
        ),
        "project on GitLab whose jobs may act in AWS; empty for none",
    )
    url: str = setting(GITLAB, Url(), "address of GitLab, which issues the tokens and is their audience")
    provider: str = setting(CREATE, Choice(PROVIDERS), "whether the account has an identity provider for it already")

    @property
    def audience(self) -> str:
        """What a token must be for."""
        return self.url

    def of_branch(self, branch: str) -> tuple[str, ...]:
        """Return the subjects of a job on a branch."""
        return (f"project_path:{self.project}:ref_type:branch:ref:{branch}",)

    def of_environment(self, _environment: str, branch: str) -> tuple[str, ...]:
        """Return the subjects of a job in an environment: GitLab's subject names none, so it is the branch's."""
        return self.of_branch(branch)

    def of_pull_requests(self) -> tuple[str, ...]:
        """Return the pattern of a merge request's subject: that of its source branch, which nobody knows before."""
        return (f"project_path:{self.project}:ref_type:branch:ref:*",)


Forge = GitHubSettings | GitLabSettings


@dataclass(frozen=True)
class CiSettings:
    """Who may act as the roles of pipelines."""

    branch: str = setting("main", BranchName(), "branch that is deployed")
    permissions_boundary: str = setting(
        "", Boundary(), "managed policy that bounds every role of pipelines, and every role that they make"
    )
    github: GitHubSettings = setting(factory=GitHubSettings, rule=Section(GitHubSettings))
    gitlab: GitLabSettings = setting(factory=GitLabSettings, rule=Section(GitLabSettings))

    @property
    def forges(self) -> dict[str, Forge]:
        """The forges whose jobs are trusted, by name; none without settings."""
        forges: dict[str, Forge] = {}
        if self.github.repository:
            forges["github"] = self.github
        if self.gitlab.project:
            forges["gitlab"] = self.gitlab
        return forges


def check(ci: CiSettings, accounts: Iterable[str], problems: Problems) -> None:
    """Note what doesn't hold between the settings: ids go together, and with a repository."""
    github = ci.github
    ids = {"owner_id": github.owner_id, "repository_id": github.repository_id}
    given = [name for name, value in ids.items() if value]
    if given and not github.repository and not problems.has("ci.github.repository"):
        problems.add(f"ci.github.{given[0]}", ids[given[0]], "an id beside ci.github.repository, which isn't set")
    elif len(given) == 1:
        other = next(name for name in ids if name not in given)
        if not problems.has(f"ci.github.{other}"):
            problems.add(f"ci.github.{other}", "", f"the id that belongs beside ci.github.{given[0]}: both or none")
    if github.older_subject and not given and not any(problems.has(f"ci.github.{name}") for name in ids):
        problems.add("ci.github.older_subject", True, "true beside the ids; without them it is the only subject")
    if len(ci.forges) > 1 and github.issuer == ci.gitlab.url:
        problems.add("ci.gitlab.url", ci.gitlab.url, "another address than ci.github.issuer")
    boundary = ci.permissions_boundary
    owner = boundary.split(":")[4] if boundary.startswith("arn:") else "aws"
    others = sorted(account for account in set(accounts) if owner not in ("aws", account))
    if others:
        problems.add(
            "ci.permissions_boundary",
            boundary,
            f"a policy's name, since no ARN is one in each account ({', '.join(others)})",
        )
