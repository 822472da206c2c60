"""The file that a deploy or a destroy of a preview leaves: `.stepladder/preview/<environment>.json`.

It is for the job that comments. The job that deploys has an identity at AWS, and may write nothing at the forge.
"""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass, fields, replace
from pathlib import Path

from stepladder.core.display import cut, one_line
from stepladder.core.files import write_text
from stepladder.core.markdown import code, plain
from stepladder.core.names import is_preview
from stepladder.settings.load import Settings

FOLDER = "preview"
SECTION = "preview"
DESTROYED = "destroyed"
_LONGEST = 500
_LARGEST = 64 * 1024  # bytes of a file: the code of a pull request may have written it


@dataclass(frozen=True)
class PreviewResult:
    """How the last deploy of a preview ended, or that it was destroyed; `result` is empty where nobody knows.

    `problem` says why a deploy failed, or a preview was destroyed.
    """

    environment: str
    result: str = ""
    url: str = ""
    version: str = ""
    commit: str = ""
    until: str = ""
    signed: bool = False
    problem: str = ""


def write(settings: Settings, result: PreviewResult) -> None:
    """Write the file; a disk that takes none stops no deploy."""
    try:
        write_text(_path(settings, result.environment), json.dumps(asdict(result), indent=2, sort_keys=True) + "\n")
    except OSError:
        return


def names(settings: Settings) -> list[str]:
    """Return the previews that there are files of."""
    return sorted(path.stem for path in (settings.build_dir / FOLDER).glob("*.json") if is_preview(path.stem))


def read(settings: Settings, environment: str) -> PreviewResult:
    """Read the file, of each text what a comment has room for; without one, or with a strange one, nothing is known."""
    try:
        with _path(settings, environment).open("rb") as file:
            data = file.read(_LARGEST + 1)
        raw = json.loads(data if len(data) <= _LARGEST else b"null")
        names = [each.name for each in fields(PreviewResult) if each.name != "signed"]
        texts = {name: str(raw.get(name, ""))[:_LONGEST] for name in names}
        return replace(PreviewResult(**texts, signed=raw.get("signed") is True), environment=environment)
    except (AttributeError, OSError, RecursionError, ValueError):
        return PreviewResult(environment)


def rendered(result: PreviewResult, job_url: str) -> str:
    """Return the section of the comment."""
    name = f"**preview** {code(result.environment)}"
    job = f"[job]({job_url})" if job_url else "job"
    if not result.result:
        return f"{name}: it was not deployed, see the {job}."
    if result.result == DESTROYED:
        before = f" {_shown(result.url)}" if result.url else ""
        return f"~~{name}{before}~~ destroyed: {plain(result.problem)}."
    if result.problem:
        return f"{name}: the deploy failed, see the {job}. {code(cut(one_line(result.problem), _LONGEST))}"
    where = _shown(result.url) if result.url else f"no URL: `inv function.invoke --env {result.environment}` calls it"
    signed = f" (signed requests only: `inv function.invoke --env {result.environment}`)" if result.signed else ""
    commit = f" of {code(result.commit[:12])}" if result.commit else ""
    version = f"version {plain(result.version)}{commit}" if result.version else "deployed"
    until = f", or on {plain(result.until[:10])} without another deploy" if result.until else ""
    return f"{name}: {where}{signed}\n\n{version}; it is destroyed when this is closed{until}."


def _shown(url: str) -> str:
    return f"<{url}>" if url.startswith("https://") and url.isascii() and not set(url) & set('<> \n"`|') else code(url)


def _path(settings: Settings, environment: str) -> Path:
    return settings.build_dir / FOLDER / f"{environment}.json"
