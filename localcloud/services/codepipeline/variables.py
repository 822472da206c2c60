"""Variables in the configuration of actions: `#{namespace.name}`.

https://docs.aws.amazon.com/codepipeline/latest/userguide/reference-variables.html
"""

from __future__ import annotations

import re
from collections.abc import Mapping

_REFERENCE = re.compile(r"#\{([^{}]*)\}")


class VariableError(Exception):
    """A reference to what no earlier action has left, and no pipeline has."""


def resolve(text: str, namespaces: Mapping[str, Mapping[str, str]]) -> str:
    """Return a text with its references replaced. Raises `VariableError`."""

    def value(match: re.Match[str]) -> str:
        namespace, _, name = match[1].strip().partition(".")
        if namespace not in namespaces:
            raise VariableError(f"Valid format for a pipeline execution variable reference: no namespace {namespace!r}")
        if name not in namespaces[namespace]:
            raise VariableError(f"The action configuration references {match[0]}, and there is no such variable")
        return namespaces[namespace][name]

    return _REFERENCE.sub(value, text)


def resolve_all(configuration: Mapping[str, str], namespaces: Mapping[str, Mapping[str, str]]) -> dict[str, str]:
    """Return a configuration with all references replaced. Raises `VariableError`."""
    return {name: resolve(str(value), namespaces) for name, value in configuration.items()}
