"""The settings under `previews:`, and the environment that is derived of them for a pull or merge request.

    previews:
      enabled: true
      environment: staging   # the lowest rung's first, without it
      ttl_hours: 72
      function: {memory_mb: 512, environment: {LOG_LEVEL: DEBUG}}

A preview `pr-123` stands in no file and on no rung. It is the environment that it is derived from, with a name of its
own, and without what would reach others: events, records and messages, capacity that is kept, and secrets (docs/
decisions, what a preview gets).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from stepladder.core import names
from stepladder.core.errors import BadInputError, RefusedError
from stepladder.core.records import dataclass
from stepladder.settings import secrets
from stepladder.settings.environments import EnvironmentSettings
from stepladder.settings.function import FunctionSettings
from stepladder.settings.problems import Problems
from stepladder.settings.rules import Flag, Whole
from stepladder.settings.table import OwnRule, read_section, setting
from stepladder.settings.triggers import URL_KINDS, Trigger, Triggers

if TYPE_CHECKING:
    from stepladder.settings.load import Settings

SECRETS = "pr-secrets"
"""What stands for the environment in the path of a secret that all previews share."""
_HTTP_API, _OPEN, _SIGNED = "http-api", *URL_KINDS
_WORDS = "previews are called pr-<number of the pull or merge request>, such as pr-123"


class BaseEnvironment(OwnRule):
    """An environment's name; whether there is one is checked once all are read. Empty: the lowest rung's first."""

    def read(self, _key: str, value: Any, _before: Any, _problems: Problems) -> str:
        """See `table.Rule`."""
        return "" if value is None else str(value)


class PreviewDifferences(OwnRule):
    """What differs from the settings of a function; what it says is checked once the environment is known."""

    def read(self, key: str, value: Any, _before: Any, problems: Problems) -> Mapping[str, Any]:
        """See `table.Rule`."""
        if not isinstance(value, Mapping):
            problems.add(key, value, "a mapping of settings, as under `function`")
            return {}
        return dict(value)


@dataclass(frozen=True)
class PreviewSettings:
    """Whether and how previews are made."""

    enabled: bool = setting(
        default=False,
        rule=Flag(),
        purpose="whether a deploy to the environment `pr-<number>` makes a preview of that change",
    )
    environment: str = setting(
        "",
        BaseEnvironment(),
        "environment whose account, region and settings previews have; empty: the lowest rung's first",
    )
    ttl_hours: int = setting(72, Whole(1, 720), "hours after its last deploy from which a sweep destroys a preview")
    limit: int = setting(10, Whole(1, 100), "how many previews there may be at once")
    url: bool = setting(
        default=True, rule=Flag(), purpose="whether a preview has a function URL, where the environment has one too"
    )
    triggers: tuple[Trigger, ...] | None = setting(
        None, Triggers(), "what calls a preview besides, in place of its URL; without it nothing else does"
    )
    function: Mapping[str, Any] = setting(
        factory=dict, rule=PreviewDifferences(), purpose="what differs from the environment's `function` in a preview"
    )


def base_name(settings: Settings) -> str:
    """Return the environment that previews are derived from."""
    return settings.whole.previews.environment or settings.lowest


def derived(settings: Settings, name: str) -> EnvironmentSettings:
    """Return a preview's environment, of the project's own function or of a view's.

    Raises `BadInputError` where the project makes no previews.
    """
    if not settings.previews.enabled:
        raise BadInputError(
            f"there is no environment {name!r}: this project makes no previews",
            kind="previews-disabled",
            hint="set `stepladder.previews.enabled` to true, then apply the foundation: "
            f"`inv tf.plan --env {base_name(settings)} --root foundation`",
        )
    base = settings.environments[base_name(settings)]
    function = _function(settings, base.function, Problems(settings.root))
    return replace(base, name=name, function=function, triggers=_triggers(settings, base))


def refuse(environment: str, verb: str) -> None:
    """Refuse what belongs to the ladder alone."""
    if names.is_preview(environment):
        raise RefusedError(
            f"{environment} is a preview and on no rung: it can't {verb}",
            kind="preview-off-ladder",
            hint="merge the change: its image is built anew on the lowest rung, and `inv promote` carries that up",
        )


def unknown_hint(name: str) -> str:
    """Return how previews are called, for a name that looks like one and is none; empty for any other."""
    return _WORDS if name.startswith(names.PREVIEWS) else ""


def check(settings: Settings, problems: Problems) -> None:
    """Note what doesn't hold between previews and the environments."""
    own = settings.previews
    base = settings.environments.get(own.environment or next(iter(settings.ladder_environments), ""))
    if own.environment and base is None:
        problems.add("previews.environment", own.environment, f"one of {', '.join(settings.environments)}")
    if base:
        _function(settings, base.function, problems)
    if own.enabled and "pr" in settings.environments:
        problems.messages.append(
            "stepladder.environments has 'pr' beside previews, whose names begin with "
            f"{settings.project}-pr- as those of its functions may; allowed: another name, or previews.enabled: false"
        )


def _function(settings: Settings, base: FunctionSettings, problems: Problems) -> FunctionSettings:
    apart = replace(
        base,
        alarms=replace(base.alarms, topic_arns=()),
        asynchronous=replace(base.asynchronous, on_failure=(), on_success=()),
        provisioned_concurrency=0,
        reserved_concurrency=-1,
        secrets={name: secrets.of_previews(reference, SECRETS) for name, reference in base.secrets.items()},
        secrets_key="",
    )
    return read_section("previews.function", settings.whole.previews.function, apart, problems)


def _triggers(settings: Settings, base: EnvironmentSettings) -> tuple[Trigger, ...]:
    """Return what calls a preview: by itself a URL alone, since events would be handled twice."""
    own = settings.whole.previews
    if own.triggers is not None and not settings.name_of_function:
        return own.triggers
    http = [each for each in settings.triggers_of(base) if each.kind in (*URL_KINDS, _HTTP_API)]
    if not http or not own.url:
        return ()
    from stepladder.settings.trigger_settings import tables

    first = http[0]
    if first.kind != _HTTP_API:
        return (replace(first, name=""),)
    kind = _OPEN if first.settings.authorization == "none" else _SIGNED
    return (Trigger(kind, "", tables()[kind].settings()),)
