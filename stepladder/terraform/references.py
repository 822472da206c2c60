"""Check references that stand in the settings, before Terraform runs; `reference_errors` explains its own errors."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence

from stepladder.core.errors import BadInputError
from stepladder.core.similar import did_you_mean
from stepladder.settings import references
from stepladder.settings.load import Settings
from stepladder.settings.table import SERVICE
from stepladder.terraform import bucket_notifications, functions, module_call, overrides, roots
from stepladder.terraform.roots import Root

_DECLARED = r'(?m)^[ \t]*(?:(resource|data)\s+"?([\w-]+)"?\s+|(module|variable)\s+)"?([\w-]+)"?\s*\{'
_LOCALS = r"(?m)^[ \t]*locals\s*\{"
_OF_THE_FUNCTION = rf"\bmodule\.{SERVICE}\.(?:alias_arn|alias_name|function_arn|function_name|function_url)\b"
"""The module's outputs that are there after the function only; the others may stand in its variables."""
_OF_THE_FUNCTIONS = f"module.{functions.MODULE}".__eq__


def _referring(at: Root) -> list[tuple[str, str]]:
    """Return each text with a reference, after its setting's key."""
    given = functions.arguments(at.settings, at.environment.name)
    own = list(overrides.keys_of(roots.variables(at)))
    return own + [
        (f"functions.{name}.{key}", text) for name, values in given.items() for key, text in overrides.keys_of(values)
    ]


def check(at: Root) -> None:
    """Refuse references to what the root's own code doesn't declare, or to the function itself, before Terraform runs.

    Raises `BadInputError`. What only Terraform knows, such as an attribute's name, it says itself (`explain`).
    """
    if at.name != SERVICE:
        return
    bucket_notifications.check(at.source_dir, at.settings, at.environment)
    referring = _referring(at)
    _check_circle(referring)
    if any(at.source_dir.glob("*.tf.json")):  # declared elsewhere, maybe
        return
    known = _known(at) if referring else []
    # What functions have from the project is the project's to say.
    firsts = {text: key for key, text in reversed(referring)}
    problems = [
        f"stepladder.{key} is {text!r}: no .tf file of terraform/{at.name} declares {name}; "
        f"{did_you_mean(name, known)}".rstrip("; ")
        for text, key in reversed(firsts.items())
        for name in references.named(text)
        if name not in known
    ]
    if problems:
        raise BadInputError(
            "the settings refer to what terraform/service doesn't have",
            kind="unknown-reference",
            hint=f"declare it in a file beside `terraform/{at.name}/main.tf`; to mean the text itself, write $${{",
            problems=tuple(dict.fromkeys(problems)),
        )


def _check_circle(referring: Sequence[tuple[str, str]]) -> None:
    """Refuse variables of the function that need the function itself, and functions that need each other."""
    itself = [
        f"stepladder.{key} is {text!r}: {output[0]} is there after the function, which needs the variable first"
        for key, text in referring
        if key.startswith("function.environment.")
        for part in references.parts(text)
        if part.reference and (output := re.search(_OF_THE_FUNCTION, part.text))
    ]
    others = [
        f"stepladder.{key} is {text!r}{_origin(key, text, referring)}: Terraform takes `module.{functions.MODULE}` as "
        "one, so none of these functions can need another"
        for key, text in referring
        if key.startswith(f"{functions.MODULE}.") and any(map(_OF_THE_FUNCTIONS, references.named(text)))
    ]
    if itself:
        hint = "the code has the function's name in AWS_LAMBDA_FUNCTION_NAME, and its ARN in the context of each call"
        raise _circle("the function needs a variable that needs the function", hint, (*itself, *others))
    if others:
        hint = "name the other function by `${var.project}-${var.environment}-<name>`, which is known before it is made"
        raise _circle("one of several functions needs another", hint, others)


def _origin(key: str, text: str, referring: Sequence[tuple[str, str]]) -> str:
    """Say that a function has a text from the settings of the project, where a person has to change it."""
    inherited = key.split(".", 2)[2]
    return f", inherited from stepladder.{inherited}" if (inherited, text) in referring else ""


def _circle(what: str, hint: str, problems: Iterable[str]) -> BadInputError:
    return BadInputError(
        f"the settings go round in a circle: {what}",
        kind="reference-cycle",
        hint=f"take it out of `invoke.yaml`: {hint}",
        problems=tuple(problems),
    )


def checked_hash(settings: Settings, env: str, name: str) -> str:
    """Return `roots.inputs_hash`, once it is clear that every setting reaches Terraform.

    Raises `BadInputError` for a reference to nothing, and when the root's code leaves no way to give it a setting.
    """
    at = roots.root(settings, env, name)
    check(at)
    roots.generated(at)
    return roots.hash_of(at)


def generated_of(settings: Settings) -> dict[str, dict[str, str]]:
    """Return the service root's generated files by the name to validate it under, one for all environments alike.

    Raises `BadInputError` for a reference that can't be evaluated in one of them.
    """
    given: dict[str, dict[str, str]] = {}
    for at in (roots.root_of(settings, name, SERVICE) for name in settings.environments):
        made = roots.generated(at)
        if made and made not in given.values():
            check(at)
            given[f"{SERVICE}-{at.environment.name}" if given else SERVICE] = made
    return given


def _known(at: Root) -> list[str]:
    """Return what a reference may name: what the root's code declares, and what stands beside it for functions."""
    left_out = set() if at.settings.main else {f"module.{SERVICE}"}
    called = {f"module.{functions.MODULE}"} if functions.names(at.settings) else set()
    return sorted({*declared(at), *called} - left_out)


def declared(at: Root) -> list[str]:
    """Return what a root's own code declares: `aws_sqs_queue.orders`, `data.aws_region.this`, `local.front`."""
    return sorted(
        name
        for path in (*at.source_dir.glob("*.tf"), *at.source_dir.glob("*.tofu"))
        for name in _declared(path.read_text("utf-8", "replace"))
    )


def _declared(code: str) -> Iterator[str]:
    for kind, of, block, name in re.findall(_DECLARED, code):
        heads = {"data": f"data.{of}", "resource": of, "module": "module", "variable": "var"}
        yield f"{heads[kind or block]}.{name}"
    code = "".join(module_call.without_comments(code))
    for match in re.finditer(_LOCALS, code):
        body = module_call.expression(code[match.end() :], ends=False)
        yield from (f"local.{name}" for name, _ in module_call.arguments(body))
