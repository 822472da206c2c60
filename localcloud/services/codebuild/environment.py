"""The environment variables of a build: CodeBuild's own, the project's, the buildspec's, and what leads to this cloud.

https://docs.aws.amazon.com/codebuild/latest/userguide/build-env-ref-env-vars.html
"""

from __future__ import annotations

import json
import os
import shutil
import sys
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any, Protocol

from localcloud.cloud import ServiceError
from localcloud.services.codebuild.buildspec import Buildspec
from localcloud.services.codebuild.model import Build

_PASSED = ("LANG", "TZ", "REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE", "TF_CLI_CONFIG_FILE", "TF_PLUGIN_CACHE_DIR")
_PASSED_PREFIXES = ("GIT_SSL_", "LC_", "NODE_EXTRA_", "PIP_", "SSL_CERT_", "UV_")
_KEPT_PREFIX = "UV_PUBLISH_"  # what publishes packages is a person's own
_PROXIES = ("HTTP_PROXY", "HTTPS_PROXY", "NO_PROXY", "ALL_PROXY")
_PROGRAMS = ("uv", "uvx", "terraform", "tofu")
_SETTINGS = ("opentofu", "pip", "uv")
_PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"


class Reads(Protocol):
    """Calls an action of AWS with the build's role. Raises `ServiceError`."""

    def __call__(self, service: str, action: str, params: Mapping[str, Any]) -> dict[str, Any]:
        """Return the answer."""


def of_machine(home: Path, programs: Path) -> dict[str, str]:
    """Return what a build inherits of this machine: where programs are, and how they reach package registries.

    The home is one of its own, so that no credentials and no settings of AWS, git and forges are read from the real.
    """
    own, passed = Path.home(), {name: os.environ[name] for name in os.environ if _is_passed(name)}
    folders = {"XDG_CACHE_HOME": ".cache", "XDG_DATA_HOME": ".local/share"}
    terraform = own / ".terraformrc"
    return {
        "LANG": "C.UTF-8",
        **({"TF_CLI_CONFIG_FILE": str(terraform)} if terraform.is_file() else {}),
        **{name: os.environ.get(name) or str(own / folder) for name, folder in folders.items()},
        **passed,
        "PATH": f"{_path(os.environ.get('PATH') or _PATH)}{os.pathsep}{programs}",
        "HOME": str(home),
        "XDG_CONFIG_HOME": str(home / ".config"),
    }


def offer_programs(folder: Path) -> None:
    """Link what builds of this project call and only the cloud's own environment has, as their image would have it."""
    known = _path(os.environ.get("PATH") or _PATH)
    for name in _PROGRAMS:
        own = shutil.which(name) or shutil.which(name, path=os.path.join(sys.prefix, "bin"))  # noqa: PTH118
        if own and not shutil.which(name, path=known):
            (folder / name).symlink_to(own)


def offer_settings(home: Path) -> None:
    """Link the settings by which packages and providers are installed, and no others of the real home."""
    own = Path(os.environ.get("XDG_CONFIG_HOME") or Path.home() / ".config")
    (home / ".config").mkdir()
    for name in _SETTINGS:
        if (own / name).is_dir():
            (home / ".config" / name).symlink_to((own / name).absolute())


def _is_passed(name: str) -> bool:
    if name.startswith(_KEPT_PREFIX):
        return False
    return name in _PASSED or name.upper() in _PROXIES or name.startswith(_PASSED_PREFIXES)


def _path(path: str) -> str:
    """Return PATH without the folder of the cloud's own virtual environment, into which a build must not install."""
    own = {os.path.realpath(each) for each in (os.environ.get("VIRTUAL_ENV", ""), sys.prefix) if each}
    venv = {os.path.join(each, "bin") for each in own if os.path.exists(os.path.join(each, "pyvenv.cfg"))}  # noqa: PTH110, PTH118
    return os.pathsep.join(each for each in path.split(os.pathsep) if os.path.realpath(each) not in venv)


def of_codebuild(build: Build, source: Path, secondary: Mapping[str, Path]) -> dict[str, str]:
    """Return CodeBuild's own variables."""
    return {
        "AWS_DEFAULT_REGION": build.region,
        "AWS_REGION": build.region,
        "CODEBUILD_BUILD_ARN": build.arn,
        "CODEBUILD_BUILD_ID": build.id,
        "CODEBUILD_BUILD_IMAGE": str(build.settings["environment"]["image"]),
        "CODEBUILD_BUILD_NUMBER": str(build.number),
        "CODEBUILD_BUILD_SUCCEEDING": "1",
        "CODEBUILD_INITIATOR": build.initiator,
        "CODEBUILD_KMS_KEY_ID": str(build.settings["encryptionKey"]),
        "CODEBUILD_LOG_PATH": build.stream,
        "CODEBUILD_PROJECT_ARN": build.arn.rpartition(":build/")[0] + f":project/{build.project}",
        "CODEBUILD_RESOLVED_SOURCE_VERSION": build.resolved_version,
        "CODEBUILD_SOURCE_REPO_URL": "",
        "CODEBUILD_SOURCE_VERSION": build.source_version,
        "CODEBUILD_SRC_DIR": str(source),
        "CODEBUILD_START_TIME": str(int(build.started.timestamp() * 1000)),
        **{f"CODEBUILD_SRC_DIR_{name}": str(folder) for name, folder in secondary.items()},
    }


def resolved(build: Build, spec: Buildspec, read: Reads) -> tuple[dict[str, str], list[str]]:
    """Return the variables of the buildspec and of the project, which comes first, and what of them is secret.

    Raises `ServiceError` for a parameter or a secret that can't be read.
    """
    given = [{"name": name, "value": value, "type": "PLAINTEXT"} for name, value in spec.variables.items()]
    given += [{"name": name, "value": value, "type": "PARAMETER_STORE"} for name, value in spec.parameters.items()]
    given += [{"name": name, "value": value, "type": "SECRETS_MANAGER"} for name, value in spec.secrets.items()]
    given += build.settings["environment"].get("environmentVariables") or ()
    by_name = {str(each["name"]): each for each in given}
    values, secrets = {}, []
    for name, each in by_name.items():
        value = str(each["value"])
        if each.get("type") == "PARAMETER_STORE":
            answer = read("ssm", "GetParameters", {"Names": [value], "WithDecryption": True})
            if not answer.get("Parameters"):
                raise ServiceError("ParameterNotFound", f"parameter does not exist: {value}")
            value = str(answer["Parameters"][0]["Value"])
            secrets += [value] if answer["Parameters"][0].get("Type") == "SecureString" else []
        elif each.get("type") == "SECRETS_MANAGER":
            value = _secret(value, read)
            secrets.append(value)
        values[name] = value
    return values, secrets


def _secret(reference: str, read: Reads) -> str:
    """Return the value that `<id or ARN>:<key>:<stage>:<version>` names, of which all but the first may be missing."""
    parts = reference.split(":")
    length = 7 if reference.startswith("arn:") else 1
    secret = ":".join(parts[:length])
    key, stage, version = [*parts[length:], "", "", ""][:3]
    params = {"SecretId": secret, "VersionStage": stage, "VersionId": version}
    text = str(read("secretsmanager", "GetSecretValue", {k: v for k, v in params.items() if v}).get("SecretString", ""))
    if not key:
        return text
    try:
        return str(json.loads(text)[key])
    except (ValueError, KeyError, TypeError):
        raise ServiceError("ResourceNotFoundException", f"the secret {secret} has no key {key}") from None


def masked(line: str, secrets: Iterable[str]) -> str:
    """Return a line of the log with its secrets hidden, as CodeBuild hides them."""
    for secret in secrets:
        if secret:
            line = line.replace(secret, "***")
    return line
