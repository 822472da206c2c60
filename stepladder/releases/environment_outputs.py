"""The outputs of an environment's service root, as its last apply left them in the ledger, for its smoke cases."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from stepladder.core import text
from stepladder.core.errors import BadInputError, RefusedError
from stepladder.core.similar import did_you_mean
from stepladder.releases import smoke_outputs
from stepladder.releases.rung import Rung
from stepladder.releases.smoke_case import Case

_LONGEST = 4096
"""Characters of an output that is recorded: an item of the ledger has room for 400 KB."""
FUNCTIONS = "functions"
"""The root's output that holds those of its named functions, by name."""
_DECLARED = r'(?m)^[ \t]*output\s+"?([\w-]+)'


def recorded(outputs: Mapping[str, Any]) -> str:
    """Return what the ledger keeps of a root's outputs, as JSON; empty for none. Sensitive ones aren't among them.

    Of `functions`, which holds the outputs of each named function, each is kept by the same rule. In a project with one
    function that name may be any output's.
    """
    kept, named = dict(outputs), outputs.get(FUNCTIONS)
    if isinstance(named, Mapping) and named and all(isinstance(own, Mapping) for own in named.values()):
        del kept[FUNCTIONS]
        return json.dumps(
            {**_short(kept), FUNCTIONS: {name: _short(own) for name, own in named.items()}}, sort_keys=True
        )
    kept = _short(kept)
    return json.dumps(kept, sort_keys=True) if kept else ""


def _short(outputs: Mapping[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in outputs.items() if value is not None and len(json.dumps(value)) <= _LONGEST}


def read(rung: Rung, target: str = "") -> dict[str, Any]:
    """Return the outputs of a target, by default the rung's; none before its first apply."""
    infra = rung.ledger.snapshot(target or rung.target).infra
    outputs: dict[str, Any] = json.loads(infra.outputs) if infra and infra.outputs else {}
    return outputs


def filled(rung: Rung, cases: Sequence[Case]) -> Sequence[Case]:
    """Return the cases with the outputs of the rung's environment. Raises `RefusedError` when it lacks one."""
    if not smoke_outputs.used(cases):
        return cases
    try:
        return smoke_outputs.filled(cases, read(rung))
    except smoke_outputs.UnknownOutputsError as error:
        raise missing(rung.target, error.names, f"inv deploy {rung.flags} --infra always") from None


def missing(environment: str, names: Sequence[str], command: str) -> RefusedError:
    """Return the refusal of cases that use outputs which an environment doesn't have."""
    return RefusedError(
        f"the smoke cases use {', '.join(names)}, which {environment} has no output of: its infrastructure is older, "
        "or the output is sensitive",
        kind="unknown-output",
        hint=f"apply it: `{command}`",
    )


def check_declared(cases: Sequence[Case], root: Path) -> None:
    """Refuse cases that use outputs which the project's service root doesn't declare. Raises `BadInputError`."""
    folder = root / "terraform" / "service"
    used = smoke_outputs.used(cases)
    if not used or not folder.is_dir() or any(folder.glob("*.tf.json")):
        return
    declared = {name for path in folder.glob("*.tf") for name in re.findall(_DECLARED, text.read(path))}
    unknown = [name for name in used if name not in declared]
    if unknown:
        raise BadInputError(
            "the smoke cases use outputs that terraform/service doesn't declare",
            kind="unknown-output",
            hint="declare them beside `terraform/service/main.tf`, or correct the cases",
            problems=tuple(f"${{output.{name}}}; {did_you_mean(name, declared)}".rstrip("; ") for name in unknown),
        )


def address(outputs: Mapping[str, Any]) -> str:
    """Return where the function answers requests: its URL, else that of its HTTP API; empty when it has neither."""
    return str(outputs.get("function_url") or outputs.get("http_api_url") or "")
