"""Read `invoke.yaml` (and `INVOKE_STEPLADDER_*`) once, into frozen dataclasses.

Every problem is found and listed at once, each with its key and what is allowed; nothing below this module reads
Invoke's config. `DEFAULTS` declares every key with a typed value, because Invoke's environment overrides only work for
keys that exist and cast to the type that is there.
"""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from stepladder.core import names, resources, schedules, trigger_kinds
from stepladder.core.errors import BadInputError
from stepladder.core.similar import did_you_mean
from stepladder.settings import builders, overrides, promotion
from stepladder.settings import function as function_settings
from stepladder.settings.function import FunctionSettings
from stepladder.settings.problems import Problems

PYTHONS = ("3.11", "3.12", "3.13", "3.14")
ARCHITECTURES = ("arm64", "x86_64")
TRIGGERS = trigger_kinds.names(resources.folder("template"))
BUILDERS = builders.choices()
KEEP = (5, 1000)
BUILD = ".stepladder"
"""The folder for everything generated, in a project's root."""
INFRA = ("auto", "always", "never")

DEFAULTS: dict[str, Any] = {
    "project": "",
    "python": "3.13",
    "architecture": "arm64",
    "trigger": trigger_kinds.default(resources.folder("template")),
    "schedule": "rate(1 hour)",
    "infra": "auto",
    "rungs": ["staging", "production"],
    "function": function_settings.DEFAULTS,
    "image": {"builder": "auto", "base": "", "context": "function", "keep": 50},
    "smoke": {"path": "tests/smoke"},
    "promotion": promotion.DEFAULTS,
    "environments": {},
}
"""Every key under `stepladder:` with its default; the reference page is generated from it."""


@dataclass(frozen=True)
class ImageSettings:
    """How the image is built."""

    builder: str = "auto"
    base: str = ""
    context: str = "function"
    keep: int = 50

    def kept_releases(self, requested: int) -> int:
        """Return how many releases of an environment keep their image: `requested`, or the setting for 0.

        Raises `BadInputError` for a number outside the range of the setting.
        """
        if requested and not KEEP[0] <= requested <= KEEP[1]:
            raise BadInputError(
                f"--keep is {requested}", kind="bad-arguments", hint=f"give a number from {KEEP[0]} to {KEEP[1]}"
            )
        return requested or self.keep


@dataclass(frozen=True)
class EnvironmentSettings:
    """One environment: its account and region, and the function's settings there.

    Everything that works on this environment assumes `role_arn`. Empty: the credentials are used as they are.
    """

    name: str
    account: str
    region: str
    function: FunctionSettings
    role_arn: str = ""


@dataclass(frozen=True)
class Settings:
    """All settings of a project. `root` is the folder that holds `invoke.yaml`.

    `rungs` are the rungs of the ladder, lowest first. Each is the environments that are released together.
    """

    root: Path
    project: str
    python: str
    architecture: str
    trigger: str
    schedule: str
    infra: str
    rungs: tuple[tuple[str, ...], ...]
    function: FunctionSettings
    image: ImageSettings
    smoke_path: str
    promotion: promotion.PromotionSettings
    environments: Mapping[str, EnvironmentSettings]

    @property
    def ladder_environments(self) -> tuple[str, ...]:
        """The environments of all rungs, lowest first."""
        return tuple(name for rung in self.rungs for name in rung)

    @property
    def lowest(self) -> str:
        """The first environment of the lowest rung."""
        return self.rungs[0][0]

    def environment(self, name: str) -> EnvironmentSettings:
        """Return one environment. Raises `BadInputError` that lists the known ones."""
        try:
            return self.environments[name]
        except KeyError:
            meant = did_you_mean(name, self.environments)
            known = ", ".join(self.environments) or "none yet"
            hint = f"known environments: {known}; they are declared under stepladder.environments"
            raise BadInputError(
                f"there is no environment {name!r}", kind="unknown-environment", hint=f"{meant} {hint}".strip()
            ) from None

    def names(self, environment: str) -> names.Names:
        """Return the AWS names of the project in one environment."""
        env = self.environment(environment)
        return names.Names(self.project, env.name, env.account, env.region)

    @property
    def build_dir(self) -> Path:
        """The folder for everything generated; ignored by git."""
        return self.root / BUILD


def load(raw: Mapping[str, Any], root: Path, variables: Iterable[str] = ()) -> Settings:
    """Validate `raw`, the mapping under `stepladder`, and return the settings.

    `variables` are the names of environment variables: one that looks like an override and is none is a problem too.
    Raises `BadInputError` with every problem found.
    """
    problems = Problems()
    merged = DEFAULTS | (problems.mapping("", raw, tuple(DEFAULTS)) if isinstance(raw, Mapping) else {})
    smoke = DEFAULTS["smoke"] | problems.mapping("smoke", merged["smoke"], tuple(DEFAULTS["smoke"]))
    project = problems.text(
        "project",
        merged["project"],
        names.PROJECT_PATTERN,
        "lower-case letters, digits and single hyphens, beginning with a letter",
    )
    if len(project) > names.PROJECT_MAX:
        problems.add("project", project, f"at most {names.PROJECT_MAX} characters")
    function = function_settings.read("function", merged["function"], FunctionSettings(), problems)
    environments = _environments(merged["environments"], function, problems)
    rungs = _rungs(merged["rungs"], environments, problems)
    promotions = promotion.read(merged["promotion"], [name for rung in rungs for name in rung], problems)
    _check_error_rates(environments, promotions, problems)
    settings = Settings(
        root=root,
        project=project,
        python=problems.choice("python", merged["python"], PYTHONS),
        architecture=problems.choice("architecture", merged["architecture"], ARCHITECTURES),
        trigger=problems.choice("trigger", merged["trigger"], TRIGGERS),
        schedule=_schedule(merged["schedule"], problems),
        infra=problems.choice("infra", merged["infra"], INFRA),
        rungs=rungs,
        function=function,
        image=_image(merged["image"], problems),
        smoke_path=problems.inside("smoke.path", smoke["path"]),
        promotion=promotions,
        environments=environments,
    )
    problems.messages += overrides.unknown(merged, variables)
    if problems.messages:
        raise BadInputError(
            "the settings are not valid",
            kind="bad-settings",
            hint=f"fix them in {root / 'invoke.yaml'} or in INVOKE_STEPLADDER_* variables",
            problems=tuple(problems.messages),
        )
    return settings


def _schedule(raw: object, problems: Problems) -> str:
    try:
        schedules.check(str(raw))
    except schedules.ScheduleError as error:
        problems.messages.append(f"stepladder.schedule is {raw!r}: {error}; allowed: rate(...), cron(...) or at(...)")
    return str(raw)


def _image(raw: object, problems: Problems) -> ImageSettings:
    values = {**DEFAULTS["image"], **problems.mapping("image", raw, tuple(DEFAULTS["image"]))}
    return ImageSettings(
        builder=problems.choice("image.builder", values["builder"], builders.choices()),
        base=problems.text("image.base", values["base"], re.compile(r"[\w./:@-]*"), "an image reference, or empty"),
        context=problems.inside("image.context", values["context"]),
        keep=problems.number("image.keep", values["keep"], *KEEP),
    )


def _environments(raw: object, function: FunctionSettings, problems: Problems) -> dict[str, EnvironmentSettings]:
    if not isinstance(raw, Mapping) or not raw:
        problems.add("environments", raw, "at least one environment with its account and region")
        return {}
    environments: dict[str, EnvironmentSettings] = {}
    for name, body in raw.items():
        key = f"environments.{name}"
        problems.text(
            "environments",
            name,
            names.ENVIRONMENT_PATTERN,
            "names of 2 to 12 lower-case letters and digits, beginning with a letter",
        )
        values = problems.mapping(key, body, ("account", "region", "role_arn", "function"))
        account = values.get("account")
        environments[str(name)] = EnvironmentSettings(
            name=str(name),
            account=problems.text(
                f"{key}.account",
                account,
                names.ACCOUNT_PATTERN,
                "12 digits in quotes (YAML reads a bare number with a leading zero as octal)",
            ),
            region=problems.text(
                f"{key}.region",
                values.get("region"),
                names.REGION_PATTERN,
                "a region like eu-west-1",
            ),
            function=function_settings.read(f"{key}.function", values.get("function", {}), function, problems),
            role_arn=_role(f"{key}.role_arn", values.get("role_arn", ""), account, problems),
        )
    return environments


def _role(key: str, value: object, account: object, problems: Problems) -> str:
    """Read the role of an environment. It must be in the environment's account: no other check would see that."""
    if value in ("", None):
        return ""
    arn = names.ROLE_PATTERN.fullmatch(value) if isinstance(value, str) else None
    if arn is None or arn["account"] != account:
        problems.add(key, value, f"the ARN of a role in account {account}, such as arn:aws:iam::{account}:role/deploy")
    return str(value)


def _rungs(
    raw: object, environments: Mapping[str, EnvironmentSettings], problems: Problems
) -> tuple[tuple[str, ...], ...]:
    """Read the rungs, lowest first. A list inside the list is one rung of several environments."""
    if not isinstance(raw, (list, tuple)) or not raw:
        problems.add("rungs", raw, "a list of environments, lowest first")
        return ()
    rungs = tuple(tuple(str(n) for n in rung) if isinstance(rung, (list, tuple)) else (str(rung),) for rung in raw)
    flat = [name for rung in rungs for name in rung]
    for name in flat:
        if name not in environments:
            meant = did_you_mean(name, environments)
            allowed = f"one of {', '.join(environments) or 'the environments'}"
            problems.add("rungs", name, f"{allowed}; {meant}" if meant else allowed)
    if len(set(flat)) != len(flat) or not all(rungs):
        problems.add("rungs", raw, "each environment once")
    return rungs


def _check_error_rates(
    environments: Mapping[str, EnvironmentSettings], promotions: promotion.PromotionSettings, problems: Problems
) -> None:
    """Refuse an error rate that a canary whose every call fails wouldn't reach: the alarms see the whole alias."""
    for name, policy in promotions.policies.items():
        rate = environments[name].function.alarms.error_rate_percent if name in environments else 0
        if rate >= policy.shift.percent:
            key = f"environments.{name}.function.alarms.error_rate_percent"
            problems.add(
                key, rate, f"less than the {policy.shift.percent} percent that {policy.shift.name} begins with"
            )


Loader = Callable[[Any], Settings]


def root_of(context: Any) -> Path:
    """Return the project's root: the folder of the collection that Invoke loaded (where `tasks.py` is)."""
    return Path(getattr(context.config, "_project_prefix", None) or Path.cwd()).resolve()


def load_or_error(context: Any) -> Settings | BadInputError:
    """Read the settings from an Invoke context, or return the error that says what is wrong with them."""
    try:
        return from_context(context)
    except BadInputError as error:
        return error


def from_context(context: Any) -> Settings:
    """Read the settings from an Invoke context. Raises `BadInputError` when they are not valid or not there."""
    root = root_of(context)
    raw = _plain(context.config.get("stepladder", {}))
    has_settings = isinstance(raw, Mapping) and (raw.get("project") or raw.get("environments"))
    if not has_settings and not any(root.glob("invoke.*")):
        hint = "make one: `inv new`, or go to the folder of one"
        raise BadInputError(f"there is no project in {root}: it has no invoke.yaml", kind="no-project", hint=hint)
    return load(raw, root, os.environ)


def _plain(value: Any) -> Any:
    """Turn Invoke's DataProxy objects into plain dicts."""
    if hasattr(value, "_config"):
        value = value._config  # noqa: SLF001 - DataProxy has no public way to its plain mapping
    if isinstance(value, Mapping):
        return {k: _plain(v) for k, v in value.items()}
    return value
