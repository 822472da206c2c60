"""Read a project's smoke cases, with their problems as bad input."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from stepladder.core import text
from stepladder.core.errors import BadInputError
from stepladder.core.records import dataclass
from stepladder.core.similar import did_you_mean
from stepladder.releases import environment_outputs, smoke_outputs
from stepladder.releases import smoke_case as smoke
from stepladder.releases.rung import Rung
from stepladder.releases.smoke_check import read_sources
from stepladder.settings.functions import key

UNTESTED = "untested: released with --no-smoke"
"""What the ledger says of a release that no smoke case tested."""


UNTESTED_WARNING = "--no-smoke: nothing tests the image before it gets traffic"


@dataclass(frozen=True)
class Suite:
    """The smoke cases of a project as they were read, once.

    `bundle` is what the pipeline's functions read them from, and `key` names it by its content: it is another one as
    soon as a file of a case is. Both are empty without cases.
    """

    cases: tuple[smoke.Case, ...] = ()
    key: str = ""
    bundle: bytes = b""


def load_suite(rung: Rung, *, no_smoke: bool = False) -> Suite:
    """Read the project's smoke cases before anything is done; none only when the caller said so by `no_smoke`.

    `BadInputError` lists every problem, and is raised when there is no case at all: an untested release is somebody's
    decision, never what a missing file leads to.
    """
    if no_smoke:
        return Suite()
    folder = rung.settings.root / rung.settings.smoke.path
    setting = key(rung.settings.name_of_function, "smoke.path")
    try:
        texts = documents(folder)
        cases = smoke.parse(texts, did_you_mean)
    except smoke.SmokeCasesError as error:
        raise BadInputError(
            "the smoke cases are not valid",
            kind="bad-smoke-cases",
            hint=f"fix them in {folder}, or the setting `{setting}`",
            problems=error.problems,
        ) from None
    if not cases:
        raise BadInputError(
            f"there is no smoke case in {rung.settings.smoke.path}: nothing would test what gets traffic",
            kind="bad-smoke-cases",
            hint="write one (a JSON file with a name, a payload and what to expect), or go untested with `--no-smoke`",
        )
    environment_outputs.check_declared(cases, rung.settings.root)
    bundle = smoke_outputs.bundle(_used(texts, cases), {})
    return Suite(tuple(cases), f"smoke/{hashlib.sha256(bundle).hexdigest()}.json", bundle)


def check_promotable(suite: Suite, *, checks: bool) -> None:
    """Refuse cases with checks of the project's own where the pipeline has no function for them.

    Raises `BadInputError`.
    """
    named = sorted({call.check.name for case in suite.cases for call in case.calls if call.check})
    if named and not checks:
        raise BadInputError(
            f"the smoke cases name {', '.join(named)}, and nothing in the pipeline runs checks",
            kind="bad-smoke-cases",
            hint="set `stepladder.promotion.checks` in `invoke.yaml` to true, then run `inv promote` again",
        )


def _used(texts: Mapping[str, str], cases: Sequence[smoke.Case]) -> dict[str, str]:
    """Return the cases' files, and of the files of checks those that a case names."""
    named = {call.check.file for case in cases for call in case.calls if call.check}
    return {file: content for file, content in texts.items() if not file.endswith(".py") or file in named}


def with_outputs(suite: Suite, outputs: Mapping[str, Mapping[str, Any]]) -> Suite:
    """Return a suite whose bundle holds the outputs of environments; its key names both contents."""
    if not outputs:
        return suite
    bundle = smoke_outputs.bundle(json.loads(suite.bundle), outputs)
    key = f"{smoke_outputs.cases_of(suite.key)}-{hashlib.sha256(bundle).hexdigest()[:16]}.json"
    return Suite(suite.cases, key, bundle)


def load(folder: Path) -> list[smoke.Case]:
    """Read every `*.json` of a folder, in the order of their names.

    Raises `SmokeCasesError` with every problem of every file, and when there is no such folder: a path that was
    mistyped must not pass for having no cases.
    """
    return smoke.parse(documents(folder), did_you_mean)


def documents(folder: Path) -> dict[str, str]:
    """Return the text of each smoke case by file name, and of the Python files beside them.

    Raises `SmokeCasesError` with every file of a case that isn't text.
    """
    if not folder.is_dir():
        raise smoke.SmokeCasesError([f"{folder} is no folder"])
    texts: dict[str, str] = {}
    problems: list[str] = []
    for path in sorted(folder.glob("*.json")):
        try:
            text.check_name(path.name)
            texts[path.name] = text.read(path, where=path.name)
        except (BadInputError, FileNotFoundError) as error:
            problems.append(str(error))
    if problems:
        raise smoke.SmokeCasesError(problems)
    return texts | read_sources(folder)
