"""Read `invoke.yaml` (and `INVOKE_STEPLADDER_*`) once, into frozen dataclasses.

Every problem is found and listed at once, each with its key and what is allowed; nothing below this module reads
Invoke's config. `DEFAULTS` declares every key with a typed value, because Invoke's environment overrides only work for
keys that exist and cast to the type that is there.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any

from stepladder import __version__
from stepladder.core import names, project_origin, resources, trigger_kinds
from stepladder.core.errors import BadInputError
from stepladder.core.records import dataclass
from stepladder.core.similar import did_you_mean
from stepladder.settings import (
    builders,
    ci,
    codepipeline,
    environment_checks,
    function_names,
    functions,
    invoke_yaml,
    overrides,
    previews,
    references,
    secrets,
    supply_chain,
)
from stepladder.settings.ci import CiSettings
from stepladder.settings.codepipeline import CodePipelineSettings
from stepladder.settings.environments import Environments, EnvironmentSettings, Rungs, check_rungs
from stepladder.settings.function import LONGEST, FunctionSettings
from stepladder.settings.functions import NamedFunction, NamedFunctions
from stepladder.settings.image import ImageSettings, SmokeSettings
from stepladder.settings.previews import PreviewSettings
from stepladder.settings.problems import Problems
from stepladder.settings.promotion import PromotionSettings
from stepladder.settings.release_command import ReleaseCommandSettings
from stepladder.settings.rules import Choice, Flag, Section, Text, listed
from stepladder.settings.supply_chain import SupplyChainSettings
from stepladder.settings.table import SERVICE, defaults, plain, read_section, setting
from stepladder.settings.time_rules import ScheduleExpression
from stepladder.settings.triggers import NOT_GIVEN, OldTrigger, Trigger, Triggers, old_triggers

PYTHONS = ("3.11", "3.12", "3.13", "3.14")
ARCHITECTURES = ("arm64", "x86_64")
TRIGGER_KINDS = trigger_kinds.read(resources.folder("template"))
TRIGGERS = tuple(kind.name for kind in TRIGGER_KINDS)
DEFAULT_TRIGGER = trigger_kinds.default(resources.folder("template"))
BUILDERS = builders.choices()
BUILD = ".stepladder"
"""The folder for everything generated, in a project's root."""
INFRA = ("auto", "always", "never")
DISTRIBUTIONS = ("terraform", "opentofu")


@dataclass(frozen=True)
class Settings:
    """All settings of a project. `root` is the folder that holds `invoke.yaml`.

    `rungs` are the rungs of the ladder, lowest first. Each is the environments that are released together.

    `function`, `image`, `smoke`, `triggers` and `environments` are those of the project's own function. A view
    (`of_function`) has those of another one, and its name in `name_of_function`.
    """

    root: Path
    project: str = setting(
        "",
        Text(
            names.PROJECT_PATTERN,
            "lower-case letters, digits and single hyphens, beginning with a letter",
            names.PROJECT_MAX,
        ),
        "name of the project, from which every AWS name is made",
    )
    python: str = setting("3.13", Choice(PYTHONS), "Python version of the function")
    architecture: str = setting(
        "arm64",
        Choice(ARCHITECTURES),
        "processor architecture of the function",
        description=f"The processor architecture of the image: {listed(ARCHITECTURES)}.",
    )
    triggers: tuple[Trigger, ...] | None = setting(
        None,
        Triggers(),
        f"what calls the function, each a kind with its [settings](#triggers); without it: [{DEFAULT_TRIGGER}]",
    )
    trigger: str = setting(
        NOT_GIVEN,
        OldTrigger(),
        "what calls the function, in projects that have no list `triggers`",
        module=SERVICE,
    )
    schedule: str = setting("rate(1 hour)", ScheduleExpression(), "when, for `trigger: schedule`", module=SERVICE)
    infra: str = setting("auto", Choice(INFRA), "when a deploy applies Terraform; `auto` is when its inputs changed")
    terraform_distribution: str = setting(
        DISTRIBUTIONS[0], Choice(DISTRIBUTIONS), "what applies the Terraform roots: Terraform, or OpenTofu (`tofu`)"
    )
    function: FunctionSettings = setting(factory=FunctionSettings, rule=Section(FunctionSettings))
    image: ImageSettings = setting(factory=ImageSettings, rule=Section(ImageSettings))
    smoke: SmokeSettings = setting(factory=SmokeSettings, rule=Section(SmokeSettings))
    release_command: ReleaseCommandSettings = setting(
        factory=ReleaseCommandSettings, rule=Section(ReleaseCommandSettings)
    )
    environments: Mapping[str, EnvironmentSettings] = setting(
        factory=dict,
        rule=Environments(),
        before=lambda settings: EnvironmentSettings(function=settings.function, triggers=settings.triggers),
    )
    functions: Mapping[str, NamedFunction] = setting(
        factory=dict, rule=NamedFunctions(), before=lambda settings: settings
    )
    main: bool = setting(
        default=True, rule=Flag(), purpose="whether the project has a function besides those under `functions`"
    )
    rungs: tuple[tuple[str, ...], ...] = setting(
        (("staging",), ("production",)),
        Rungs(),
        "the ladder, lowest first; a list inside the list is one rung with several targets",
    )
    promotion: PromotionSettings = setting(
        factory=PromotionSettings,
        rule=Section(PromotionSettings),
        before=lambda settings: PromotionSettings(ladder=settings.ladder_environments),
    )
    previews: PreviewSettings = setting(factory=PreviewSettings, rule=Section(PreviewSettings))
    supply_chain: SupplyChainSettings = setting(factory=SupplyChainSettings, rule=Section(SupplyChainSettings))
    ci: CiSettings = setting(factory=CiSettings, rule=Section(CiSettings))
    codepipeline: CodePipelineSettings = setting(factory=CodePipelineSettings, rule=Section(CodePipelineSettings))
    name_of_function: str = ""
    """The name of a view's function; empty for the project's own one."""
    view_of: Settings | None = None

    @property
    def whole(self) -> Settings:
        """The settings that a view is of; any others are whole themselves."""
        return self.view_of or self

    @property
    def function_names(self) -> tuple[str, ...]:
        """The names of all functions; the project's own one, which has none, is first."""
        return (*(("",) if self.main else ()), *self.functions)

    def of_function(self, name: str) -> Settings:
        """Return a view: the settings with one function's where the project's own one has its.

        The project's own function, whose name is empty, has the settings as they are. Raises `BadInputError`, which
        lists the functions, for a name that none has.
        """
        functions.known(self.whole, name)
        return functions.view(self.whole, name) if name else self.whole

    def triggers_of(self, environment: EnvironmentSettings) -> tuple[Trigger, ...]:
        """Return what calls the function in an environment."""
        if environment.triggers is not None:
            return environment.triggers
        return old_triggers(self.trigger or DEFAULT_TRIGGER, self.schedule, plain(environment.function.queue))

    @property
    def ladder_environments(self) -> tuple[str, ...]:
        """The environments of all rungs, lowest first."""
        return tuple(name for rung in self.rungs for name in rung)

    @property
    def lowest(self) -> str:
        """The first environment of the lowest rung."""
        return self.rungs[0][0]

    def environment(self, name: str) -> EnvironmentSettings:
        """Return one environment, or the derived one of a preview. Raises `BadInputError` that lists the known ones."""
        if names.is_preview(name):
            return previews.derived(self, name)
        try:
            return self.environments[name]
        except KeyError:
            meant = self._target_meant(name) or did_you_mean(name, self.environments)
            known = ", ".join(self.environments) or "none yet"
            hint = f"known environments: {known}; they are declared under `stepladder.environments`"
            hint = previews.unknown_hint(name) or hint
            raise BadInputError(
                f"there is no environment {name!r}", kind="unknown-environment", hint=f"{meant} {hint}".strip()
            ) from None

    def _target_meant(self, key: str) -> str:
        """Say which flags name a target whose key was given for an environment; empty when it is none."""
        environment, name = names.split_target(key)
        is_target = environment in self.environments and name in self.whole.functions
        return f"did you mean `{names.flags(environment, name)}`?" if is_target else ""

    def names(self, environment: str) -> names.Names:
        """Return the AWS names of the project in one environment."""
        env = self.environment(environment)
        return names.Names(self.project, env.name, env.account, env.region, self.name_of_function)

    @property
    def build_dir(self) -> Path:
        """The folder for everything generated; ignored by git."""
        return self.root / BUILD


DEFAULTS: dict[str, Any] = defaults(Settings(Path())) | {
    "previews": defaults(PreviewSettings()) | {"triggers": NOT_GIVEN},
    "rungs": list(Settings(Path()).ladder_environments),
    "triggers": NOT_GIVEN,
}
"""Every key under `stepladder:` with its default."""


def invoke_defaults() -> dict[str, Any]:
    """Return the defaults that Invoke merges `invoke.yaml` into.

    Invoke refuses a mapping where a default is text. So a setting that may be either has no default there, and `load`
    reads the variable that overrides it, of which Invoke takes no notice then.
    """
    promotion = {key: value for key, value in DEFAULTS["promotion"].items() if key != "deployment"}
    return DEFAULTS | {"promotion": promotion}


def load(raw: Mapping[str, Any], root: Path, variables: Iterable[str] = ()) -> Settings:
    """Validate `raw`, the mapping under `stepladder`, and return the settings.

    `variables` are environment variables: one that looks like an override and is none is a problem too.
    Raises `BadInputError` with every problem found.
    """
    try:
        return _load(raw, root, variables)
    except RecursionError:
        raise BadInputError(
            "the settings are nested too deep, or hold an alias of something that it is part of",
            kind="bad-settings",
            hint=f"take the alias out of `{root / 'invoke.yaml'}`",
        ) from None


def _load(raw: Mapping[str, Any], root: Path, variables: Iterable[str]) -> Settings:
    problems = Problems(root)
    merged = overrides.apply(DEFAULTS | dict(raw if isinstance(raw, Mapping) else {}), variables)
    settings = read_section("", merged, Settings(root), problems)
    check_rungs(settings.rungs, merged["rungs"], settings.environments, problems)
    environment_checks.check(settings, problems)
    ci.check(settings.ci, tuple(each.account for each in settings.environments.values()), problems)
    supply_chain.check(settings.supply_chain, problems)
    codepipeline.check(settings, problems)
    previews.check(settings, problems)
    _check_triggers(settings, problems)
    secrets.check(settings, LONGEST, problems)
    functions.check(settings, merged["main"], problems)
    functions.check_each(settings, _check_function, problems)
    function_names.check(settings, problems)
    problems.messages += overrides.problems(merged, variables)
    references.check(merged, problems)
    if problems.messages:
        raise BadInputError(
            "the settings are not valid",
            kind="bad-settings",
            hint=f"fix them in `{root / 'invoke.yaml'}` or in `INVOKE_STEPLADDER_*` variables",
            problems=tuple(problems.messages),
        )
    return settings


def _check_function(settings: Settings, problems: Problems) -> None:
    """Note what is wrong with one of several functions."""
    environment_checks.check(settings, problems)
    secrets.check(settings, LONGEST, problems)


def _check_triggers(settings: Settings, problems: Problems) -> None:
    """Refuse the list beside what stood for it before."""
    lists = [
        f"environments.{each.name}.triggers"
        for each in settings.environments.values()
        if each.triggers != settings.triggers
    ]
    lists = ["triggers"] if settings.triggers is not None else lists
    if not lists:
        return
    blank = FunctionSettings().queue
    queues = [
        ("function.queue", settings.function),
        *((f"environments.{each.name}.function.queue", each.function) for each in settings.environments.values()),
    ]
    given = [("trigger", settings.trigger != NOT_GIVEN), ("schedule", settings.schedule != DEFAULTS["schedule"])]
    given += [(key, function.queue != blank) for key, function in queues]
    for key in [key for key, is_given in given if is_given][:1]:
        problems.messages.append(
            f"stepladder.{key} and stepladder.{lists[0]} are both given; allowed: one of them; "
            f"write what {key} says into the list"
        )


Loader = Callable[[Any], Settings]


def root_of(context: Any) -> Path:
    """Return the project's root: the folder of the collection that Invoke loaded (where `tasks.py` is)."""
    return Path(getattr(context.config, "_project_prefix", None) or Path.cwd()).resolve()


def project_of(context: Any) -> Path:
    """Return the project's root. Raises `BadInputError` when there is no project."""
    root = root_of(context)
    raw = _plain(context.config.get("stepladder", {}))
    has_settings = isinstance(raw, Mapping) and (raw.get("project") or raw.get("environments"))
    if not has_settings and not any(root.glob("invoke.*")):
        hint = "make one: `inv new`, or go to the folder of one"
        raise BadInputError(f"there is no project in {root}: it has no invoke.yaml", kind="no-project", hint=hint)
    return root


def load_or_error(context: Any) -> Settings | BadInputError:
    """Read the settings from an Invoke context, or return the error that says what is wrong with them."""
    try:
        return from_context(context)
    except BadInputError as error:
        return error


def from_context(context: Any) -> Settings:
    """Read the settings from an Invoke context. Raises `BadInputError` when they are not valid or not there."""
    root = project_of(context)
    raw = _plain(context.config.get("stepladder", {}))
    file = root / "invoke.yaml"
    if repeated := invoke_yaml.repeated(file):
        raise BadInputError(
            "the settings are not valid",
            kind="bad-settings",
            hint=f"take one of the two out of `{file}`",
            problems=repeated,
        )
    try:
        return load(raw, root, os.environ)
    except BadInputError as error:
        error.hint = _hint_of_version(root) or error.hint
        raise


def _hint_of_version(root: Path) -> str:
    """Return what to do when a newer stepladder made the project, whose settings this one can't know; else nothing."""
    version = project_origin.version_of(project_origin.read(root / project_origin.FILE))
    is_newer = project_origin.order(version) > project_origin.order(__version__)
    return f"the project is of stepladder {version}, and {__version__} runs: `uv sync`" if is_newer else ""


def _plain(value: Any) -> Any:
    """Turn Invoke's DataProxy objects into plain dicts."""
    if hasattr(value, "_config"):
        value = value._config  # noqa: SLF001 - DataProxy has no public way to its plain mapping
    if isinstance(value, Mapping):
        return {k: _plain(v) for k, v in value.items()}
    return value
