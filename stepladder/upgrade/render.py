"""The project that one version's template makes of the recorded answers."""

from __future__ import annotations

import json
import os
import re
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import stepladder
from stepladder.core import process
from stepladder.core.errors import BadInputError, StepladderError
from stepladder.upgrade.fetch import VersionFiles
from stepladder.upgrade.pin import VersionSource

_DEADLINE = 120.0
_KEPT = r"(?a)PATH|PYTHONHOME|LANG|LANGUAGE|LC_\w+|TZ|TMPDIR|TEMP|TMP|\w*LD_\w*LIBRARY_PATH"
"""The variables that Python itself needs."""


@dataclass(frozen=True)
class Rendered:
    """A project as its template makes it: `added` are answers that weren't given, `dropped` those it has no use for."""

    project: Path
    added: dict[str, Any]
    dropped: tuple[str, ...]


def render(
    files: VersionFiles,
    answers: Mapping[str, Any],
    into: Path,
    *,
    source: VersionSource,
    requirement: str,
    checkout: str | None,
) -> Rendered:
    """Render a version's template below `into`. The project depends on stepladder as `requirement` says."""
    into.mkdir(parents=True)
    origin = {"requirement": requirement, "template": template_of(source), "commit": files.commit, "checkout": checkout}
    request = into / "request.json"
    values = {"template": str(files.template), "output": str(into), "answers": dict(answers), "source": origin}
    request.write_text(json.dumps(values), "utf-8")
    argv = [sys.executable, "-B", "-m", f"{__package__}.render_worker", str(request)]
    done = process.run(argv, cwd=into, env=_environment(into), timeout=_DEADLINE)
    answer = request.with_suffix(".answer")
    if done.code or not answer.is_file():
        raise StepladderError(
            f"the template of stepladder {files.version} can't be rendered",
            kind="template-fails",
            hint="name another version, tag, commit, git URL, archive or folder with `--to`",
            problems=tuple(done.err.strip().splitlines()[-3:]),
        )
    made = json.loads(answer.read_text("utf-8"))
    if problems := made.get("problems"):
        raise BadInputError(
            f"the template of stepladder {files.version} doesn't take the answers in .cruft.json",
            kind="bad-answers",
            hint="correct the answers in that file; `git log -p -- .cruft.json` shows those before",
            problems=tuple(problems),
        )
    return Rendered(Path(made["project"]), made["added"], tuple(made["dropped"]))


def _environment(folder: Path) -> dict[str, str | None]:
    """Return the environment in which a template's own code runs: nobody's credentials are in it."""
    own = Path(stepladder.__file__).resolve().parent.parent
    removed: dict[str, str | None] = {key: None for key in os.environ if not re.fullmatch(_KEPT, key)}
    return {**removed, "HOME": str(folder), "PYTHONPATH": str(own)}


def template_of(source: VersionSource) -> str:
    """Return how `.cruft.json` names a source."""
    return f"stepladder=={source.ref}" if source.kind == "index" else source.shown
