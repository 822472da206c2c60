"""Propose the settings `ci` from the git remote, write them when that is wanted, and say what the forge needs."""

from __future__ import annotations

import json
import re
import shlex
import shutil
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from stepladder.core import process, text
from stepladder.core.errors import BadInputError, StepladderError
from stepladder.core.files import write_text
from stepladder.forge import github_api
from stepladder.forge.remote import GITHUB, GITLAB, Remote
from stepladder.settings import previews
from stepladder.settings.ci import APPROVAL, GITHUB_ISSUER
from stepladder.settings.ci import GITLAB as GITLAB_URL
from stepladder.settings.load import Settings

_GITHUB_HOST = "github.com"
_DEADLINE = 20.0
_INDENTED = r"(?m)^([ ]+)[^\s#]"
_BEGINNING = r"(?m)^\ufeff?stepladder:[ \t]*(?:#[^\r\n]*)?(?=\r?$)"


@dataclass(frozen=True)
class Proposal:
    """The settings to add under `ci`, by key; `missing` is the command that shows what they still lack."""

    forge: str
    values: Mapping[str, str]
    missing: str = ""

    def lines(self, indent: str = "  ") -> tuple[str, ...]:
        """Return the settings as YAML, as they stand under `stepladder:`."""
        values = ", ".join(f"{key}: {json.dumps(value)}" for key, value in self.values.items())
        return (f"{indent}ci:", f"{indent * 2}{self.forge}: {{{values}}}")


@dataclass(frozen=True)
class ForgeVariable:
    """One variable of the forge's: of the whole repository, or of an environment. `command` sets it."""

    name: str
    environment: str
    value: str
    command: str


def propose(remote: Remote) -> Proposal:
    """Return the settings for a repository. On GitHub its ids are read by `gh`, or else by the API."""
    if remote.forge == GITLAB:
        url = f"https://{remote.host}"
        return Proposal(GITLAB, {"project": remote.path, **({} if url == GITLAB_URL else {"url": url})})
    if remote.host != _GITHUB_HOST:  # a server of one's own has no ids in its subjects
        return Proposal(GITHUB, {"repository": remote.path, "issuer": f"https://{remote.host}/_services/token"})
    raw = _of_gh(remote) or _of_api(remote)
    try:
        ids = {"owner_id": str(int(raw["owner"]["id"])), "repository_id": str(int(raw["id"]))}
        name = str(raw.get("full_name") or remote.path)
    except (KeyError, TypeError, ValueError):
        return Proposal(
            GITHUB, {"repository": remote.path}, missing=f"gh api repos/{remote.path} --jq '.owner.id, .id'"
        )
    return Proposal(GITHUB, {"repository": name, **ids})


def _of_gh(remote: Remote) -> dict[str, Any]:
    program = shutil.which("gh")
    if not program:
        return {}
    try:
        done = process.run([program, "api", f"repos/{remote.path}"], timeout=_DEADLINE)
        return _mapping(done.out) if done.code == 0 else {}
    except (OSError, StepladderError):
        return {}


def _of_api(remote: Remote) -> dict[str, Any]:
    return github_api.repository(remote.path)


def _mapping(content: str) -> dict[str, Any]:
    try:
        value = json.loads(content)
    except ValueError:
        return {}
    return value if isinstance(value, dict) else {}


def write(root: Path, proposal: Proposal) -> Path:
    """Add the settings to `invoke.yaml` and leave the rest of it as it is.

    Raises `BadInputError` when the file has a form in which that can't be done, and writes nothing then.
    """
    from invoke.util import yaml

    path = root / "invoke.yaml"
    text.read(path, where=str(path))  # refuses what isn't UTF-8
    content = path.read_bytes().decode("utf-8", "replace")  # with the ends of its lines as they are
    newline = "\r\n" if "\r\n" in content else "\n"
    beginning = re.search(_BEGINNING, content)
    first = re.compile(_INDENTED).search(content, beginning.end()) if beginning else None
    added = newline.join(proposal.lines(first[1] if first else "  "))
    try:
        before = yaml.safe_load(content)
        new = content[: beginning.end()] + f"{newline}{added}" + content[beginning.end() :] if beginning else ""
        after = yaml.safe_load(new) if new else None
        wanted = {**before, "stepladder": {"ci": {proposal.forge: dict(proposal.values)}, **before["stepladder"]}}
    except (KeyError, TypeError, yaml.YAMLError):
        after, wanted = None, {}
    if after is None or after != wanted or "ci" in before["stepladder"]:
        raise BadInputError(
            f"{path} has a form that the settings can't be added to",
            kind="unreadable-file",
            hint=f"add them yourself to `{path}`, under the key stepladder",
            problems=proposal.lines(),
        )
    return write_text(path, new, mode=path.stat().st_mode & 0o777)


def with_ci(settings: Settings, proposal: Proposal) -> Settings:
    """Return the settings with those of the proposal, as the next run reads them from the file."""
    from dataclasses import replace

    from stepladder.settings.ci import CiSettings
    from stepladder.settings.problems import Problems
    from stepladder.settings.table import read_section

    problems = Problems(settings.root)
    ci = read_section("ci", {proposal.forge: dict(proposal.values)}, CiSettings(), problems)
    if problems.messages:
        raise BadInputError(
            "the git remote names a repository that the settings don't take",
            kind="bad-settings",
            hint=f"write `stepladder.ci` into `{settings.root / 'invoke.yaml'}` yourself",
            problems=tuple(problems.messages),
        )
    return replace(settings, ci=ci)


def environments(settings: Settings) -> tuple[str, ...]:
    """Return the environments that the forge needs: one a rung, and one more for each approval."""
    names: list[str] = []
    for name in settings.ladder_environments:
        names += [name, *([f"{name}{APPROVAL}"] if settings.promotion.policies[name].approval else [])]
    return tuple(names)


def environment_commands(settings: Settings, forge: str) -> tuple[str, ...]:
    """Return the commands that make the environments, each for the branch alone. GitLab makes them with the first job.

    A job of any branch may name an environment, and its subject then says nothing of the branch.
    https://docs.github.com/en/rest/deployments/branch-policies
    """
    if forge != GITHUB:
        return ()
    path, host = settings.ci.github.repository, _host(settings)
    where = "" if host == _GITHUB_HOST else f"--hostname {host} "
    custom = " ".join(
        f"-F 'deployment_branch_policy[{key}]={value}'"
        for key, value in (("protected_branches", "false"), ("custom_branch_policies", "true"))
    )
    branch = shlex.quote(f"name={settings.ci.branch}")
    return tuple(
        command
        for name in environments(settings)
        for command in (
            f"gh api {where}--method PUT repos/{path}/environments/{name} {custom}",
            f"gh api {where}--method POST repos/{path}/environments/{name}/deployment-branch-policies -f {branch}",
        )
    )


def variables(settings: Settings, forge: str) -> list[ForgeVariable]:
    """Return the variables that the forge's jobs read: each role's ARN, where it is read."""
    made: list[ForgeVariable] = []
    for name in settings.ladder_environments:
        names = settings.names(name)
        plan, deploy, release = (names.role_arn(names.ci_role(each)) for each in ("plan", "deploy", "release"))
        made += [
            _variable(settings, forge, f"AWS_PLAN_ROLE_ARN_{name.upper()}", "", plan),
            _variable(settings, forge, "AWS_DEPLOY_ROLE_ARN", name, deploy),
        ]
        if settings.promotion.policies[name].approval:
            made.append(_variable(settings, forge, "AWS_RELEASE_ROLE_ARN", f"{name}{APPROVAL}", release))
    if settings.previews.enabled:
        names = settings.names(previews.base_name(settings))
        made.append(_variable(settings, forge, "AWS_PREVIEW_ROLE_ARN", "", names.role_arn(names.preview_role)))
    return made


def _variable(settings: Settings, forge: str, name: str, environment: str, value: str) -> ForgeVariable:
    if forge == GITHUB:
        host, path = _host(settings), settings.ci.github.repository
        repository = path if host == _GITHUB_HOST else f"{host}/{path}"
        scope = f" --env {environment}" if environment else ""
        return ForgeVariable(
            name, environment, value, f"gh variable set {name} --repo {repository}{scope} --body {value}"
        )
    gitlab = settings.ci.gitlab
    repository = gitlab.project if gitlab.url == GITLAB_URL else f"{gitlab.url}/{gitlab.project}"
    scope = f" --scope {environment} --protected" if environment else ""
    return ForgeVariable(name, environment, value, f"glab variable set {name} {value} --repo {repository}{scope}")


def _host(settings: Settings) -> str:
    issuer = settings.ci.github.issuer
    return _GITHUB_HOST if issuer == GITHUB_ISSUER else issuer.removeprefix("https://").partition("/")[0]
