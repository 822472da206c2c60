"""What calls the function: the list `triggers`, of the project or of one environment.

An entry names its kind, perhaps a name, and the kind's settings. A project that was made before there was a list says
`trigger`, `schedule` and `function.queue`; these are read as the one entry that they mean.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import replace
from fnmatch import fnmatchcase
from itertools import combinations
from typing import TYPE_CHECKING, Any

from stepladder.core import trigger_kinds
from stepladder.core.records import dataclass
from stepladder.core.similar import did_you_mean
from stepladder.settings.problems import Problems
from stepladder.settings.rules import Choice
from stepladder.settings.table import OwnRule, defaults, read_section

if TYPE_CHECKING:
    from stepladder.settings.trigger_settings import TriggerTable

UNNAMED = "this"
"""The key of a trigger without a name in Terraform: that of the one trigger that a project once had."""
NOT_GIVEN = ""
"""What Invoke's defaults say where `invoke.yaml` says nothing. An empty list is something else: no trigger."""
OLD_KINDS = ("url", "url-iam", "sqs", "schedule", "none")
"""What `trigger` may say. Later kinds are for the list."""
URL_KINDS = ("url", "url-iam")
NAME = r"[a-z][a-z0-9]*(-[a-z0-9]+)*"
LONGEST_NAME = 24
NAME_WORDS = f"at most {LONGEST_NAME} lower-case letters, digits and single hyphens, beginning with a letter"
DEAD_LETTERS = "dead-letters"
_SOURCES = {"dynamodb": "stream_arn", "sns": "topic_arn", "sqs": "queue_arn"}


@dataclass(frozen=True)
class Trigger:
    """One trigger: its kind, its name, which may be empty, and the kind's settings."""

    kind: str
    name: str
    settings: Any

    @property
    def key(self) -> str:
        """Its key in Terraform's maps."""
        return self.name or UNNAMED

    @property
    def label(self) -> str:
        """The trigger for a person: `sqs orders`."""
        return f"{self.kind} {self.name}".strip()


class OldTrigger(OwnRule):
    """The one trigger, as projects said it before there was a list."""

    def read(self, key: str, value: Any, _before: Any, problems: Problems) -> str:
        """See `table.Rule`."""
        if value in (None, NOT_GIVEN):
            return NOT_GIVEN
        if isinstance(value, str) and value in _tables() and value not in OLD_KINDS:
            problems.add(key, value, f"{', '.join(OLD_KINDS)}; write `triggers: [{{kind: {value}}}]` for this one")
            return NOT_GIVEN
        return Choice(OLD_KINDS).read(key, value, None, problems)


class Triggers(OwnRule):
    """The list. None where it isn't given."""

    def read(self, key: str, value: Any, before: Any, problems: Problems) -> tuple[Trigger, ...] | None:
        """See `table.Rule`."""
        if isinstance(value, str) and value == NOT_GIVEN:
            return before if isinstance(before, tuple) else None
        if not isinstance(value, (list, tuple)):
            problems.add(key, value, "a list of triggers, such as [url-iam]; [] for none")
            return ()
        if len(value) == 1 and _kind_of(value[0]) == trigger_kinds.NONE:
            return ()
        entries = [_entry(f"{key}[{number}]", each, problems) for number, each in enumerate(value)]
        triggers = tuple(each for each in entries if each)
        _check_together(key, triggers, problems)
        return triggers


def _tables() -> Mapping[str, TriggerTable]:
    """Return the settings of each kind, whose rules a project without triggers doesn't need."""
    from stepladder.settings.trigger_settings import tables

    return tables()


def _kind_of(entry: object) -> object:
    return entry.get("kind") if isinstance(entry, Mapping) and len(entry) == 1 else entry


def _entry(key: str, entry: object, problems: Problems) -> Trigger | None:
    """Read one entry; a text is its kind."""
    if isinstance(entry, str):
        entry = {"kind": entry}
    if not isinstance(entry, Mapping) or "kind" not in entry:
        problems.add(key, entry, f"a kind ({', '.join(_tables())}), or a mapping with `kind` and its settings")
        return None
    given = dict(entry)
    kind, name = given.pop("kind"), given.pop("name", None)
    if not isinstance(kind, str) or kind not in _tables():
        _unknown_kind(f"{key}.kind", kind, problems)
        return None
    table = _tables()[kind]
    settings = read_section(key, given, table.settings(), problems)
    for each in table.between:
        each.read(key, settings, problems)
    return Trigger(kind, "" if name is None else _name(f"{key}.name", name, problems), settings)


def _unknown_kind(key: str, kind: object, problems: Problems) -> None:
    """Say which kinds there are, and what to do about any other."""
    known = tuple(_tables())
    meant = did_you_mean(kind, known)
    allowed = f"{', '.join(known)}; {meant}" if meant else ", ".join(known)
    if kind == trigger_kinds.NONE:
        allowed = f"{', '.join(known)}; `none` stands alone"
    elif not meant:
        allowed += "; for any other, Terraform of your own in terraform/service calls module.service.alias_arn"
    problems.add(key, kind, allowed)


def _name(key: str, name: object, problems: Problems) -> str:
    text = problems.text(key, name, NAME, NAME_WORDS)
    if len(text) > LONGEST_NAME:
        problems.add(key, name, NAME_WORDS)
    if text == UNNAMED or text.endswith(DEAD_LETTERS):
        problems.add(key, name, f"a name other than {UNNAMED}, and none that ends in {DEAD_LETTERS}")
    return text or str(name)


def _check_together(key: str, triggers: tuple[Trigger, ...], problems: Problems) -> None:
    """Check what holds between several triggers."""
    names = [each.name for each in triggers if each.name]
    for name in sorted({each for each in names if names.count(each) > 1}):
        problems.messages.append(
            f"stepladder.{key} has {names.count(name)} triggers of the name {name!r}; allowed: one"
        )
    unnamed = [each.kind for each in triggers if not each.name and each.kind not in URL_KINDS]
    for kind in sorted({each for each in unnamed if unnamed.count(each) > 1}):
        problems.messages.append(
            f"stepladder.{key} has {unnamed.count(kind)} triggers of the kind {kind} without a name; "
            "allowed: one, and any number with a `name` each"
        )
    urls = [each.label for each in triggers if each.kind in URL_KINDS]
    if len(urls) > 1:
        problems.messages.append(
            f"stepladder.{key} has {len(urls)} function URLs ({', '.join(urls)}); allowed: one, as an alias has one; "
            "an `http-api` may stand beside it"
        )
    _check_sources(key, triggers, problems)
    _check_buckets(key, triggers, problems)


def _check_sources(key: str, triggers: tuple[Trigger, ...], problems: Problems) -> None:
    """Refuse two triggers of one queue, stream or topic: AWS connects each with the alias once."""
    for one, other in combinations(triggers, 2):
        name = _SOURCES.get(one.kind, "")
        source = getattr(one.settings, name, ())
        if source and one.kind == other.kind and source == getattr(other.settings, name):
            problems.messages.append(
                f"stepladder.{key} has two triggers of the same {name} ({one.label} and {other.label}); allowed: one, "
                "whose filters stand for both"
            )


def _check_buckets(key: str, triggers: tuple[Trigger, ...], problems: Problems) -> None:
    """Refuse two triggers for the same event of the same object, which S3 refuses."""
    in_buckets = [each for each in triggers if each.kind == "s3"]
    for one, other in combinations(in_buckets, 2):
        if one.settings.bucket.keys() == other.settings.bucket.keys() and _overlap(one.settings, other.settings):
            names, bucket = f"{one.label} and {other.label}", next(iter(one.settings.bucket))
            problems.messages.append(
                f"stepladder.{key} has two triggers for the same events of {bucket} ({names}); allowed: "
                "other events, or a prefix or suffix that no key can have of both"
            )


def _overlap(one: Any, other: Any) -> bool:
    if isinstance(one.events, str) or isinstance(other.events, str):  # a reference: only Terraform knows
        return False
    events = any(fnmatchcase(a, b) or fnmatchcase(b, a) for a in one.events for b in other.events)
    prefixes = one.prefix.startswith(other.prefix) or other.prefix.startswith(one.prefix)
    suffixes = one.suffix.endswith(other.suffix) or other.suffix.endswith(one.suffix)
    return events and prefixes and suffixes


def old_triggers(kind: str, schedule: str, queue: Mapping[str, Any]) -> tuple[Trigger, ...]:
    """Return the one trigger that `trigger`, `schedule` and `function.queue` mean."""
    if kind == trigger_kinds.NONE:
        return ()
    settings = _tables()[kind].settings()
    given = {"schedule": {"expression": schedule}, "sqs": queue}.get(kind, {})
    return (Trigger(kind, "", replace(settings, **given)),)


def variable(triggers: Iterable[Trigger]) -> dict[str, Any]:
    """Return the triggers as the service module's variable: by kind, then by key."""
    by_kind: dict[str, Any] = {}
    for each in triggers:
        by_kind.setdefault(each.kind, {})[each.key] = defaults(each.settings)
    return by_kind
