"""The settings under `functions:`, each in one place: functions beside the project's own one.

    functions:
      mailer:
        function: {memory_mb: 512, handler: app.mailer.handler}
        triggers: [{kind: sqs}]
        environments: {production: {function: {memory_mb: 1024}}}
    main: false  # without the project's own function

A function says what differs from `function`, `image` and `environments.<name>.function`; what it says itself holds in
every environment, but for what it says of one. A view of the settings (`Settings.of_function`) has all of it where one
function's settings always are. So whatever works on the one function of a project works on each of several.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import PurePosixPath
from typing import TYPE_CHECKING, Any

from stepladder.core.errors import BadInputError
from stepladder.core.records import dataclass
from stepladder.core.similar import did_you_mean
from stepladder.settings.environments import EnvironmentSettings
from stepladder.settings.function import FunctionSettings, Queue
from stepladder.settings.image import ImageSettings, SmokeSettings
from stepladder.settings.problems import Problems
from stepladder.settings.release_command import ReleaseCommandSettings
from stepladder.settings.rules import Section
from stepladder.settings.table import OwnRule, read_section, setting
from stepladder.settings.triggers import NOT_GIVEN, Trigger, Triggers

if TYPE_CHECKING:
    from stepladder.settings.load import Settings

EXAMPLE = "mailer"
"""The name that stands for any function in the reference."""
MAIN = "main"
"""What `--function` says for the project's own function, which has no name."""
NAME = r"[a-z][a-z0-9]*(-[a-z0-9]+)*"
_NAME_WORDS = "names of lower-case letters, digits and single hyphens, beginning with a letter, each once"
_LONGEST_ROLE = 64  # IAM's limit, and Lambda's, and EventBridge's for its rules and schedules
_ROLE = "codedeploy"  # the longest end of a role's name (terraform/modules/service)


@dataclass(frozen=True)
class EnvironmentFunction:
    """What differs of a function in one environment."""

    function: FunctionSettings = setting(
        factory=FunctionSettings,
        rule=Section(FunctionSettings),
        purpose="what differs from the function's own `function` there",
    )
    triggers: tuple[Trigger, ...] = setting((), Triggers(), "what calls it there, in place of its own `triggers`")


class FunctionEnvironments(OwnRule):
    """What differs by environment; read, every environment of the project with the function's settings."""

    def read(
        self, key: str, value: Any, before: Mapping[str, EnvironmentSettings], problems: Problems
    ) -> dict[str, EnvironmentSettings]:
        """See `table.Rule`."""
        given = problems.mapping(key, value, tuple(before))
        return {
            name: _in_environment(f"{key}.{name}", given.get(name, {}), at, problems) for name, at in before.items()
        }


def _in_environment(key: str, raw: object, at: EnvironmentSettings, problems: Problems) -> EnvironmentSettings:
    own = read_section(key, raw, EnvironmentFunction(at.function, at.triggers or ()), problems)
    _refuse_queue(key, raw, problems)
    return replace(at, function=own.function, triggers=own.triggers)


@dataclass(frozen=True)
class NamedFunction:
    """One function beside the project's own. Its `environments` are all of the project's."""

    function: FunctionSettings = setting(
        factory=FunctionSettings,
        rule=Section(FunctionSettings),
        purpose=f"what differs from `function` for a function (here `{EXAMPLE}`)",
    )
    triggers: tuple[Trigger, ...] = setting((), Triggers(), "what calls it; without it nothing of stepladder's making")
    image: ImageSettings = setting(
        factory=ImageSettings,
        rule=Section(ImageSettings),
        purpose="what differs from `image`; one with a `context` of its own has an image of its own",
    )
    smoke: SmokeSettings = setting(
        factory=SmokeSettings, rule=Section(SmokeSettings), purpose="its smoke cases; `<smoke.path>/<name>` without it"
    )
    release_command: ReleaseCommandSettings = setting(
        factory=ReleaseCommandSettings,
        rule=Section(ReleaseCommandSettings),
        purpose="its release command, as under `release_command`; without it none",
    )
    environments: Mapping[str, EnvironmentSettings] = setting(
        factory=dict,
        rule=FunctionEnvironments(),
        purpose="what differs in one environment: its `function` and its `triggers`",
    )


class NamedFunctions(OwnRule):
    """The functions by name. `before` are the project's settings."""

    def read(self, key: str, value: Any, before: Settings, problems: Problems) -> dict[str, NamedFunction]:
        """See `table.Rule`."""
        if not isinstance(value, Mapping):
            problems.add(key, value, "a mapping of names to the settings of each function")
            return {}
        read = {str(name): _one(f"{key}.{name}", str(name), body, before, problems) for name, body in value.items()}
        for name in value:
            _check_name(key, name, before, problems)
        return read


def _one(key: str, name: str, raw: object, project: Settings, problems: Problems) -> NamedFunction:
    """Read one function: first its image, which says whether the project's handler is in it."""
    given = raw if isinstance(raw, Mapping) else {}
    image = _image(
        read_section(f"{key}.image", given.get("image", {}), project.image, Problems(problems.root)), project
    )
    same_image = image.context == project.image.context

    def inherited(function: FunctionSettings) -> FunctionSettings:
        return replace(function, queue=Queue(), handler=function.handler if same_image else "")

    begun = NamedFunction(
        function=inherited(project.function),
        image=project.image,
        smoke=SmokeSettings(f"{project.smoke.path}/{name}"),
    )
    _refuse_queue(key, raw, problems)
    read = read_section(key, {k: v for k, v in given.items() if k != "environments"}, begun, problems)
    if not isinstance(raw, Mapping):
        problems.add(key, raw, "a mapping")
    environments = {
        environment: replace(
            at,
            function=_again(f"{key}.function", given.get("function", {}), inherited(at.function), problems),
            triggers=read.triggers,
        )
        for environment, at in project.environments.items()
    }
    differ = given.get("environments", {})
    return replace(
        read,
        image=_image(read.image, project),
        environments=FunctionEnvironments().read(f"{key}.environments", differ, environments, problems),
    )


def _image(image: ImageSettings, project: Settings) -> ImageSettings:
    """Return a function's image with its folder spelled as the project's, or as any other function's, would be.

    `function/` and `./function` are the folder `function`: it has one image.
    """
    own, context = project.image.context, PurePosixPath(image.context)
    return replace(image, context=own if context == PurePosixPath(own) else str(context))


def _again(key: str, raw: object, before: FunctionSettings, problems: Problems) -> FunctionSettings:
    """Read what holds in an environment as well, on top of what that has; a problem is noted once."""
    own = Problems(problems.root)
    read = read_section(key, raw, before, own)
    problems.messages += [message for message in own.messages if message not in problems.messages]
    return read


def _refuse_queue(key: str, raw: object, problems: Problems) -> None:
    """Refuse what stood for the list of triggers before there was one."""
    function = raw.get("function") if isinstance(raw, Mapping) else None
    if isinstance(function, Mapping) and "queue" in function:
        problems.add(
            f"{key}.function.queue", function["queue"], f"an entry of the kind sqs in {key}.triggers in its place"
        )


def _check_name(key: str, name: object, project: Settings, problems: Problems) -> None:
    if not problems.text(key, name, NAME, _NAME_WORDS):
        return
    if name == MAIN:
        problems.add(
            key, name, f"a name other than {MAIN}, which is what `--function` calls the project's own function"
        )
    environment = max(project.environments, key=len, default="")
    pattern = f"{project.project}-{environment}-<name>-{_ROLE}"
    left = _LONGEST_ROLE - len(pattern) + len("<name>")
    if len(str(name)) > left:
        problems.add(key, name, f"at most {left} characters: {pattern} is an IAM role, whose name may have 64")


def check_new(settings: Settings, name: str) -> None:
    """Raise `BadInputError` for a name that no new function can have."""
    problems = Problems(settings.root)
    _check_name("functions", name, settings.whole, problems)
    if name and name in settings.function_names:
        problems.messages.append(f"there is a function {name} already")
    if problems.messages:
        names = (EXAMPLE, *(f"{EXAMPLE}{number}" for number in range(2, len(settings.function_names) + 3)))
        free = next(each for each in names if each not in settings.function_names)
        raise BadInputError(
            f"no function can be called {name!r}",
            kind="bad-arguments",
            hint=f"give another name: `inv function.new --name {free}`",
            problems=tuple(problems.messages),
        )


def check(settings: Settings, is_main: object, problems: Problems) -> None:
    """Check what hangs on several settings: that there is a function, and what the names of triggers leave."""
    if not settings.main and not settings.functions:
        problems.add("main", is_main, "true, unless `functions` has one: a project has at least one function")
    for name, function in settings.functions.items():
        keys = [(f"functions.{name}.triggers", "", function.triggers)]
        keys += [
            (f"functions.{name}.environments.{environment}.triggers", environment, at.triggers or ())
            for environment, at in function.environments.items()
            if at.triggers != function.triggers
        ]
        longest = max(function.environments, key=len, default="")
        for key, environment, triggers in keys:
            pattern = f"{settings.project}-{environment or longest}-{name}-<name>"
            left = _LONGEST_ROLE - len(pattern) + len("<name>")
            for trigger in triggers:
                if len(trigger.name) > left:
                    allowed = f"at most {left} characters: {pattern} is the name of a rule or a schedule, "
                    problems.add(f"{key} ({trigger.label}).name", trigger.name, f"{allowed}which may have 64")


def check_each(settings: Settings, check_one: Callable[[Settings, Problems], None], problems: Problems) -> None:
    """Check each function as the project's own one is, which was. What it has from there is no problem of its own."""
    known = frozenset(problems.messages)
    for name in settings.functions:
        prefix = f"functions.{name}."
        own = Problems(problems.root, prefix)
        check_one(settings.of_function(name), own)
        for message in own.messages:
            inherited = message.replace(prefix, "").replace(f" --function {name}", "")
            if inherited not in known:
                problems.messages.append(message)


def known(settings: Settings, name: str) -> None:
    """Raise `BadInputError`, which lists the functions, for a name that none of a project has."""
    if name in settings.function_names:
        return
    flags = [each or MAIN for each in settings.function_names]
    meant = did_you_mean(name, flags)
    hint = f"functions: {', '.join(flags)}; they are declared under `stepladder.functions`"
    raise BadInputError(
        f"there is no function {name or MAIN!r}", kind="unknown-function", hint=f"{meant} {hint}".strip()
    )


def given(settings: Settings, flag: str) -> str:
    """Return the name of the function that `--function` says, or of the one that a command without it is about.

    That is the project's own function, or its only one. Raises `BadInputError`, which lists the functions, where it is
    neither, or for a name that none has.
    """
    names = settings.function_names
    if not flag and len(names) > 1 and "" not in names:
        hint = f"say which: `--function {names[0]}`; functions: {', '.join(names)}"
        raise BadInputError(
            "the project has several functions, and none of them is its own", kind="no-function", hint=hint
        )
    name = flag or ("" if "" in names else names[0])
    name = "" if name == MAIN else name
    known(settings, name)
    return name


def views(settings: Settings, flag: str = "") -> dict[str, Settings]:
    """Return the settings of each function by its name, or of the one that `--function` says."""
    names = (given(settings, flag),) if flag else settings.whole.function_names
    return {name: settings.of_function(name) for name in names}


def key(name: str, setting_key: str) -> str:
    """Return where a function's setting stands in `invoke.yaml`; an empty name is the project's own function."""
    return f"stepladder.functions.{name}.{setting_key}" if name else f"stepladder.{setting_key}"


def view(settings: Settings, name: str) -> Settings:
    """Return the settings of one named function, where the settings of a project's own one are."""
    function = settings.functions[name]
    return replace(
        settings,
        trigger=NOT_GIVEN,
        triggers=function.triggers,
        function=function.function,
        image=function.image,
        smoke=function.smoke,
        release_command=function.release_command,
        environments=function.environments,
        name_of_function=name,
        view_of=settings,
    )
