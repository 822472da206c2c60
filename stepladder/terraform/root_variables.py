"""What the roots get: their variables, and what of those decides whether Terraform runs."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

from stepladder.settings import codepipeline, locations, rung_gates
from stepladder.settings.environments import EnvironmentSettings
from stepladder.settings.load import Settings
from stepladder.settings.table import SERVICE
from stepladder.settings.table import variables as variables_of
from stepladder.terraform import ci_variables, functions, service_variables
from stepladder.terraform.service_variables import IMAGE

if TYPE_CHECKING:
    from stepladder.terraform.roots import Root

NO_IMAGES: Mapping[str, str] = MappingProxyType({})
_NOT_HASHED = (IMAGE, functions.IMAGES)  # releases own them: a new image is no reason to run Terraform


def variables(at: Root, image_uri: str | None = None, images: Mapping[str, str] = NO_IMAGES) -> dict[str, Any]:
    """Return a root's variables, as docs/reference/terraform.md lists them.

    `image_uri` (`<repository>@sha256:...`) counts only when the service's function is created, and each of `images`, by
    name, when one of several functions is. Without one a placeholder digest is given, and a plan that would create the
    function from it is never applied.
    """
    settings, env = at.settings, at.environment
    common = service_variables.common(settings, env.name)
    if at.name == "foundation":
        same_location = [
            e.name for e in settings.environments.values() if (e.account, e.region) == (env.account, env.region)
        ]
        return common | {"environments": sorted(same_location)} | later(at)
    if at.name == "service":
        own = service_variables.of_root(settings, env.name, at.source_dir, image_uri)
        return own | functions.images(settings, env.name, images)
    from stepladder.terraform import function_packages

    return common | {
        "packages": {
            p.verb: {"key": p.key, "sha256": p.sha256}
            for p in function_packages.build_all(checks=settings.promotion.checks)
        },
        **locations.variables(settings, env.name),
        **variables_of(settings.promotion, at.name),
        **later(at),
    }


def later(at: Root) -> dict[str, Any]:
    """Return the variables of a foundation or a delivery that only settings give which its root may be older than."""
    settings, env = at.settings, at.environment
    named = functions.names(settings)
    if at.name == "foundation":
        more = {"functions": True} if named else {}
        more |= {"previews": True} if ci_variables.has_previews(settings, env.name) else {}
        return ci_variables.foundation(settings, env.name) | more
    every: dict[str, Any] = {"functions": {"main": settings.main, "names": sorted(named)}} if named else {}
    if any(policy.reads_metrics for policy in settings.promotion.policies.values()):
        every["judges_versions"] = True
    every |= rung_gates.delivery(settings, env.name)
    return {**_codepipeline(settings, env), **ci_variables.bounds(settings, env.name), **every}


def _codepipeline(settings: Settings, env: EnvironmentSettings) -> dict[str, Any]:
    """Return the pipeline that the primary location's delivery root makes; without one nothing is given."""
    return {"codepipeline": codepipeline.variable(settings)} if ci_variables.has_pipeline(settings, env.name) else {}


def awaits_release(at: Root, outputs: Mapping[str, Any]) -> bool:
    """Say whether an apply with these outputs left something to the apply after the first release.

    AWS provisions no concurrency for an alias on $LATEST.
    """
    named = outputs.get(functions.OUTPUT) or {}
    every = [(at.environment, outputs if at.settings.main else {})]
    every += [
        (at.settings.of_function(name).environment(at.environment.name), named.get(name) or {})
        for name in functions.names(at.settings)
    ]
    return any(env.function.provisioned_concurrency and own.get("provisioned_concurrency") == 0 for env, own in every)


def planned_variables(at: Root, image_uri: str | None, images: Mapping[str, str]) -> dict[str, Any]:
    """Return all that a plan is given, images too."""
    return {**variables(at, image_uri, images), **_of_functions(at)}


def kept_variables(at: Root) -> dict[str, Any]:
    """Return all that decides a root's result: without the images, which releases own."""
    return {**{key: value for key, value in variables(at).items() if key not in _NOT_HASHED}, **_of_functions(at)}


def _of_functions(at: Root) -> dict[str, Any]:
    return functions.hashed(at.settings, at.environment.name) if at.name == SERVICE else {}
