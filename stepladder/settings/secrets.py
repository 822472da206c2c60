"""The settings `function.secrets`, `function.secrets_key` and `function.not_secret`: where secrets are, never what.

    secrets:
      DATABASE_URL: ssm                          # /<project>/<environment>/DATABASE_URL
      STRIPE_KEY: ssm:/payments/{env}/stripe
      GITHUB_TOKEN: secretsmanager:shared/github

The function gets each as an environment variable that holds the reference, `ssm:/payments/staging/stripe`, and may read
exactly that. docs/decisions has why it is the reference.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any, NamedTuple

from stepladder.core.records import dataclass
from stepladder.core.similar import did_you_mean
from stepladder.settings import references, secret_values
from stepladder.settings.problems import Problems, kind
from stepladder.settings.rules import VARIABLE, as_json
from stepladder.settings.table import Check, OwnRule

if TYPE_CHECKING:
    from stepladder.settings.function import FunctionSettings
    from stepladder.settings.load import Settings

SSM, SECRETS_MANAGER = "ssm", "secretsmanager"
STORES = (SSM, SECRETS_MANAGER)
TITLES = {SSM: "Parameter Store", SECRETS_MANAGER: "Secrets Manager"}
DEFAULT_IDS = {SSM: "/{project}/{env}/{name}", SECRETS_MANAGER: "{project}/{env}/{name}"}
"""Where a secret is whose setting says the store alone."""
PLACEHOLDERS = ("project", "env", "region", "account", "name")
KEY_PATTERN = r"arn:aws(-[a-z-]+)?:kms:[a-z0-9-]+:[0-9]{12}:key/[A-Za-z0-9-]+"
_KEY_WORDS = "the ARN of a KMS key (arn:aws:kms:<region>:<account>:key/<id>), not an alias: IAM can't name one"
_PLACEHOLDER = r"(?<!\$)\{([^{}]*)\}"
# https://docs.aws.amazon.com/systems-manager/latest/userguide/sysman-paramstore-su-create.html
_PARAMETER = r"[A-Za-z0-9_.-]+|(/[A-Za-z0-9_.-]+){1,15}"
_RESERVED_PARAMETER = r"(?i)/?(aws|ssm)"
_PARAMETER_LONGEST = 1011
# https://docs.aws.amazon.com/secretsmanager/latest/apireference/API_CreateSecret.html; `!` is in AWS's own names
_SECRET = r"[A-Za-z0-9/_+=.@!-]{1,512}"  # noqa: S105 - a pattern
_ARNS = {
    SSM: r"arn:aws[a-z-]*:ssm:[a-z0-9-]+:[0-9]{12}:parameter/[A-Za-z0-9_./-]+",
    SECRETS_MANAGER: (r"arn:aws[a-z-]*:secretsmanager:[a-z0-9-]+:[0-9]{12}:secret:[A-Za-z0-9/_+=.@!-]+-[A-Za-z0-9]{6}"),
}


@dataclass(frozen=True)
class Secret:
    """One secret of an environment. `id` is a path, a name, an ARN, or holds a reference to the project's Terraform."""

    name: str
    store: str
    id: str

    @property
    def reference(self) -> str:
        """What the function's environment holds, and what messages name."""
        return f"{self.store}:{self.id}"

    @property
    def of_terraform(self) -> bool:
        """Whether only Terraform knows which one it is: its value is its maker's."""
        return references.has(self.id)

    def is_remote(self, account: str, region: str) -> bool:
        """Say whether it is another account's or region's, named by its ARN."""
        return self.id.startswith("arn:") and self.id.split(":")[3:5] != [region, account]


def of(settings: Settings, environment: str) -> tuple[Secret, ...]:
    """Return the secrets of an environment, by name. Raises `BadInputError` for an unknown environment."""
    given = _values(settings, environment)
    texts = settings.environment(environment).function.secrets
    return tuple(_secret(name, text, given) for name, text in sorted(texts.items()))


def variables(settings: Settings, environment: str) -> dict[str, str]:
    """Return what the function's environment holds of its secrets: a reference by name."""
    return {secret.name: secret.reference for secret in of(settings, environment)}


def module_variables(settings: Settings, environment: str) -> dict[str, Any]:
    """Return the service module's variables of secrets, with what stands for the placeholders."""
    return {"secrets": variables(settings, environment), "secrets_key": key_of(settings, environment)}


def of_previews(reference: str, folder: str) -> str:
    """Return the reference that a preview has in place of another environment's: the same name, in a place of its own.

    What the project's own Terraform makes is the preview's own already.
    """
    store, _, identifier = reference.partition(":")
    if references.has(identifier):
        return reference
    return f"{store}:{DEFAULT_IDS.get(store, '').replace('{env}', folder)}"


def key_of(settings: Settings, environment: str) -> str:
    """Return the ARN of the KMS key that an environment's secrets are encrypted with; empty for AWS's own key."""
    return _filled(settings.environment(environment).function.secrets_key, _values(settings, environment))


def _values(settings: Settings, environment: str) -> dict[str, str]:
    """Return what stands for the placeholders, but for the secret's own name."""
    at = settings.environment(environment)
    return {"project": settings.project, "env": at.name, "region": at.region, "account": at.account}


def _filled(text: str, values: Mapping[str, str]) -> str:
    return re.sub(_PLACEHOLDER, lambda match: values.get(match[1], match[0]), text)


def _secret(name: str, text: str, given: Mapping[str, str]) -> Secret:
    store, _, identifier = text.partition(":")
    return Secret(name, store, _filled(identifier or DEFAULT_IDS.get(store, ""), {**given, "name": name}))


@dataclass(frozen=True)
class SecretReferences:
    """References to secrets by the name of the variable. Those of an environment add to those of the project."""

    reserved: frozenset[str]
    longest: int
    """Bytes of all environment variables together, as JSON."""
    terraform_type = "map(string)"

    def read(self, key: str, value: Any, before: Mapping[str, str], problems: Problems) -> dict[str, str]:
        """See `table.Rule`. Shapes are checked by `check`, which knows what stands for the placeholders."""
        if not isinstance(value, Mapping):
            problems.add(key, kind(value), "a mapping of names to where the secrets are, such as API_KEY: ssm")
            return {}
        read = dict(before)
        for name, text in value.items():
            if not re.fullmatch(VARIABLE, str(name)) or name in self.reserved:
                problems.add(
                    key, name, "names of at least two letters, digits and underscores, which Lambda doesn't reserve"
                )
            elif self._is_reference(f"{key}.{name}", text, problems):
                read[str(name)] = text
        return read

    def _is_reference(self, key: str, text: object, problems: Problems) -> bool:
        store, colon, identifier = text.partition(":") if isinstance(text, str) else ("", "", "")
        if what := secret_values.shape_of(identifier):
            problems.messages.append(
                f"stepladder.{key} holds {what}; allowed: ssm, ssm:/path, secretsmanager or secretsmanager:name. "
                "It is where the value is, never the value"
            )
            return False
        if store not in STORES or (colon and not identifier):
            # What stands there may be the secret itself.
            problems.messages.append(
                f"stepladder.{key} says no store; allowed: ssm, ssm:/path, secretsmanager or secretsmanager:name. "
                "It is where the value is, never the value"
            )
            return False
        for unknown in (each for each in re.findall(_PLACEHOLDER, identifier) if each not in PLACEHOLDERS):
            meant = did_you_mean(unknown, PLACEHOLDERS)
            allowed = ", ".join(f"{{{each}}}" for each in PLACEHOLDERS)
            problems.add(key, text, f"{allowed} in braces{f'; {meant}' if meant else ''}")
            return False
        return True

    def checks(self, variable: str) -> tuple[Check, ...]:
        """See `table.Rule`."""
        both = f"merge(var.environment_variables, var.{variable})"
        shape = 'can(regex("^(ssm|secretsmanager):[^[:space:]]+$", each))'
        return (
            Check(
                f'alltrue([for name in keys(var.{variable}) : can(regex("^{VARIABLE}$", name))])',
                f"{variable} must have names of at least two letters, digits and underscores, beginning with a letter.",
            ),
            Check(
                f"alltrue([for each in values(var.{variable}) : {shape}])",
                f"{variable} must be references: ssm:<path> or secretsmanager:<name>, or the same with an ARN.",
            ),
            Check(
                f"length(setintersection(keys(var.{variable}), keys(var.environment_variables))) == 0",
                f"{variable} must not have a name that environment_variables has.",
            ),
            Check(
                f"length(jsonencode({both})) <= {self.longest}",
                f"{variable} and environment_variables must not be longer than {self.longest // 1024} KB together.",
            ),
        )


class Key:
    """The ARN of a KMS key, with placeholders or without; nothing for AWS's own."""

    terraform_type = "string"

    def read(self, key: str, value: Any, _before: Any, problems: Problems) -> str:
        """See `table.Rule`."""
        if value is None or value == "":
            return ""
        if references.has(value):
            # `inv secrets.set` comes before the first apply, and has to know the key.
            problems.add(key, value, f"{_KEY_WORDS}; a key that this Terraform makes isn't there when a value is set")
            return ""
        sample = _filled(str(value), {"region": "eu-west-1", "account": "1" * 12, "project": "x", "env": "x"})
        if not isinstance(value, str) or not re.fullmatch(KEY_PATTERN, sample):
            problems.add(key, value, _KEY_WORDS)
            return ""
        return value

    def checks(self, variable: str) -> tuple[Check, ...]:
        """See `table.Rule`."""
        shape = json.dumps(f"^{KEY_PATTERN}$")
        condition = f'var.{variable} == "" || can(regex({shape}, var.{variable}))'
        return (Check(condition, f"{variable} must be the ARN of a KMS key, or empty."),)


class Reasons(OwnRule):
    """Names of environment variables, each with the reason why its value is no secret."""

    def read(self, key: str, value: Any, before: Mapping[str, str], problems: Problems) -> dict[str, str]:
        """See `table.Rule`."""
        if not isinstance(value, Mapping):
            problems.add(key, value, "a mapping of variables to the reason why each is no secret")
            return {}
        for name, reason in value.items():
            if not isinstance(reason, str) or not reason.strip():
                problems.add(f"{key}.{name}", reason, "the reason why the variable's value is no secret, in words")
        return {**before, **{str(name): str(reason) for name, reason in value.items()}}


def check(settings: Settings, longest: int, problems: Problems) -> None:
    """Check what hangs on several settings: shapes of references, names set twice, values that are secrets.

    What an environment has from the project is a problem of the project's setting, and listed once.
    """
    whose = f" --function {settings.name_of_function}" if settings.name_of_function else ""
    lowest = next(iter(settings.environments), "staging")
    own = SectionAt(problems.prefix, problems.prefix, f"--env {lowest}{whose}")
    messages = dict.fromkeys(_in_section(own, settings.function, None))
    for name, at in settings.environments.items():
        prefix = f"{problems.prefix}environments.{name}."
        section = SectionAt(prefix, problems.prefix, f"--env {name}{whose}")
        messages |= dict.fromkeys(_in_section(section, at.function, settings.function))
        secrets = of(settings, name)
        for secret in secrets:
            differs = at.function.secrets[secret.name] != settings.function.secrets.get(secret.name)
            if allowed := _wrong_shape(secret):
                key = f"{prefix if differs else problems.prefix}function.secrets.{secret.name}"
                messages[f"stepladder.{key} is {secret.reference!r} in {name}; allowed: {allowed}"] = None
        key = key_of(settings, name)
        if key and key.split(":")[3] != at.region:
            where = problems.prefix if at.function.secrets_key == settings.function.secrets_key else prefix
            messages[
                f"stepladder.{where}function.secrets_key is {key!r} in {name}; allowed: a key of its region, "
                f"{at.region}; {{region}} in it stands for each environment's own"
            ] = None
        together = {**at.function.environment, **{secret.name: secret.reference for secret in secrets}}
        if secrets and (size := len(as_json(together).encode())) > longest:
            key = f"{prefix}function.environment"
            messages[f"stepladder.{key} and the references to secrets are {size} bytes; allowed: {longest}"] = None
    problems.messages += messages


class SectionAt(NamedTuple):
    """Where a section stands: what its keys begin with, the keys of its function, and the flags of commands for it."""

    prefix: str
    whole: str
    flags: str


def _in_section(at: SectionAt, section: FunctionSettings, before: FunctionSettings | None) -> Iterator[str]:
    """Yield the problems of a section that isn't those of the section before it."""
    prefix = at.prefix
    for name, text in section.environment.items():
        inherited = before is not None and before.environment.get(name) == text
        if name in section.secrets and not (inherited and name in (before.secrets if before else ())):
            yield (
                f"stepladder.{prefix}function.secrets.{name} is an environment variable too; "
                f"take it out of `{prefix}function.environment`"
            )
        may_be = not (name in section.not_secret or name in section.secrets or inherited or references.is_one(text))
        why = secret_values.why(name, text) if may_be else ""
        if why:
            key = f"stepladder.{prefix}function.environment.{name}"
            yield (
                f"{key} looks like a secret: {why}. Every reader of the function, its plans and its state would see "
                f"it. Put `{name}: ssm` under `{at.whole}function.secrets` in its place, and give the value by "
                f"`inv secrets.set {name} {at.flags}`. If anybody may read it, say why under "
                f"`{at.whole}function.not_secret`: `{name}: <reason>`"
            )


def _wrong_shape(secret: Secret) -> str:
    """Return what a reference may be, when it isn't that; empty when it is."""
    if secret.of_terraform:
        return ""
    if secret.id.startswith("arn:"):
        ends = ", whole with the six characters at its end" if secret.store == SECRETS_MANAGER else ""
        return "" if re.fullmatch(_ARNS[secret.store], secret.id) else f"an ARN of {TITLES[secret.store]}{ends}"
    if secret.store == SECRETS_MANAGER:
        return "" if re.fullmatch(_SECRET, secret.id) else "a name of at most 512 letters, digits and /_+=.@-"
    if re.match(_RESERVED_PARAMETER, secret.id):
        return "a path that doesn't begin with aws or ssm, which AWS reserves, such as ssm:/my/{env}/{name}"
    is_path = re.fullmatch(_PARAMETER, secret.id) and len(secret.id) <= _PARAMETER_LONGEST
    allowed = "a path like /payments/{env}/stripe: letters, digits and .-_ between at most 15 slashes"
    return "" if is_path else f"{allowed}, {_PARAMETER_LONGEST} characters"
