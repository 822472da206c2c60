"""What the service's module gets of the settings, of the project's own function or of one beside it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from stepladder.settings import rung_gates, secrets
from stepladder.settings.load import Settings
from stepladder.settings.shift import Shift
from stepladder.settings.table import SERVICE
from stepladder.settings.table import variables as variables_of
from stepladder.settings.triggers import variable
from stepladder.terraform import ci_variables, earlier_roots

NO_DIGEST = "sha256:" + "0" * 64
"""Stands for the image where none is known: Terraform ignores the image of a function that exists."""
IMAGE = "image_uri"


def common(settings: Settings, environment: str) -> dict[str, str]:
    """Return what every root gets."""
    at = settings.environment(environment)
    return {"project": settings.project, "region": at.region, "account": at.account}


def of_root(settings: Settings, environment: str, folder: Path, image_uri: str | None) -> dict[str, Any]:
    """Return the variables of a service root, whose code is in `folder`: those of the project's own function."""
    values = {**_all(settings, environment), IMAGE: image_uri or no_image(settings, environment)}
    return earlier_roots.fitting(folder, settings, settings.environment(environment), values)


def of_function(view: Settings, environment: str) -> dict[str, Any]:
    """Return the arguments of one of several functions, all but its image."""
    values = _all(view, environment)
    given = {name: value for name, value in values.items() if name not in earlier_roots.OF_ONE}
    return given | {earlier_roots.LIST: variable(view.triggers_of(view.environment(environment)))}


def no_image(settings: Settings, environment: str) -> str:
    """Return the placeholder for an image that isn't known."""
    names = settings.names(environment)
    return f"{names.registry}/{names.repository}@{NO_DIGEST}"


def _all(settings: Settings, environment: str) -> dict[str, Any]:
    return {
        **common(settings, environment),
        "environment": environment,
        **variables_of(settings, SERVICE),
        **settings.environment(environment).function.variables,
        **secrets.module_variables(settings, environment),
        **_deployment(settings, environment),
        **rung_gates.service(settings, environment),
        **ci_variables.bounds(settings, environment),
    }


def _deployment(settings: Settings, environment: str) -> dict[str, Any]:
    """Return how CodeDeploy shifts traffic of a rung; an environment outside the ladder keeps the module's way.

    The module's way is a canary, which provisioned concurrency excludes.
    """
    rung = settings.promotion.policies.get(environment)
    if rung:
        return {"deployment": rung.shift.variables}
    provisioned = settings.environment(environment).function.provisioned_concurrency
    return {"deployment": Shift().variables} if provisioned else {}
