"""What `uv export` and `uv pip install` do in a `RUN` line, and where its uv comes from.

`uv export --frozen` reads uv.lock and asks nobody, so this environment's own uv does it on the files of the image.
`uv pip install` installs the same wheels as pip does, and takes other options.
https://docs.astral.sh/uv/guides/integration/aws-lambda/
"""

from __future__ import annotations

import os
import re
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from stepladder.core import process
from stepladder.images.parsers.run_command import Indexes, NeedsEngineError, PipInstall
from stepladder.images.requirements import dependencies

NAMES = ("/uv", "/uvx")
"""The files that uv's own images hold."""

NOT_COPIED = (
    "only the engine knows its bytes: write RUN --mount=from=ghcr.io/astral-sh/uv:<version>,source=/uv,target=/bin/uv, "
    "or install in an earlier stage"
)
"""Why an image can't hold uv, and what to write."""
_IMAGE = r"(?:ghcr\.io/astral-sh|(?:docker\.io/)?astral)/uv(?::(?:latest|\d+(?:\.\d+){0,2}))?(?:@sha256:[0-9a-f]{64})?"
_FOLDERS = frozenset({"/bin", "/usr/bin", "/usr/local/bin", "/opt/bin", "/var/lang/bin"})
_TIMEOUT = 60.0
_OUTPUT = r"[\w./-]+"
_ANYWHERE = frozenset({"--quiet", "--verbose", "--no-progress", "--no-cache", "--native-tls", "--offline"})
_EXPORT_FLAGS = _ANYWHERE | frozenset(
    (
        *("--frozen", "--no-dev", "--no-editable", "--no-emit-workspace", "--no-emit-project", "--no-emit-local"),
        *("--no-header", "--no-annotate", "--all-extras", "--all-groups", "--no-default-groups", "--only-dev"),
    )
)
_EXPORT_VALUED = frozenset(
    ("--format", "--extra", "--no-extra", "--group", "--no-group", "--only-group", "--no-emit-package", "--package")
)
_EXPORT_VALUED |= {"--prune", "--output-file", "--cache-dir"}
_PIP_FLAGS = _ANYWHERE | frozenset(
    (
        *("--no-installer-metadata", "--compile-bytecode", "--no-compile-bytecode", "--require-hashes", "--no-build"),
        *("--system", "--break-system-packages", "--no-deps", "--no-index", "--upgrade", "--reinstall", "--strict"),
    )
)
_PIP_VALUED = frozenset(("--requirements", "--requirement", "--target", "--link-mode", "--cache-dir", "--only-binary"))
_PIP_VALUED |= {"--find-links", "--index-url", "--default-index"}
_SHORT = {
    "-r": "--requirements",
    "-t": "--target",
    "-o": "--output-file",
    "-q": "--quiet",
    "-v": "--verbose",
    "-n": "--no-cache",
    "-U": "--upgrade",
    "-f": "--find-links",
    "-i": "--index-url",
    "--compile": "--compile-bytecode",
    "--no-compile": "--no-compile-bytecode",
    "--no-cache-dir": "--no-cache",
}
VARIABLES = frozenset(
    (
        *("UV_CACHE_DIR", "UV_COMPILE_BYTECODE", "UV_CONCURRENT_BUILDS", "UV_CONCURRENT_DOWNLOADS", "UV_FROZEN"),
        *("UV_CONCURRENT_INSTALLS", "UV_HTTP_TIMEOUT", "UV_LINK_MODE", "UV_NO_CACHE", "UV_NO_INSTALLER_METADATA"),
        *("UV_NO_PROGRESS", "UV_PYTHON_DOWNLOADS", "UV_SYSTEM_PYTHON"),
    )
)
"""Variables that change nothing of what is installed, but for byte code, and those that are read here."""


@dataclass(frozen=True)
class Export:
    """A `uv export`: its words as they were written, and the file that it writes."""

    words: tuple[str, ...]
    output: str


def is_image(reference: str) -> bool:
    """Say whether an image is one of uv's own that holds nothing but uv."""
    return bool(re.fullmatch(_IMAGE, reference))


def is_on_path(path: str) -> bool:
    """Say whether a file would be what a shell in the base calls `uv`."""
    folder, _, name = path.rpartition("/")
    return name == "uv" and folder in _FOLDERS


def is_program(path: str) -> bool:
    """Say whether a path ends with the name of one of uv's programs, so that it is not a folder."""
    return path.endswith(NAMES)


def export(words: list[str], environment: Mapping[str, str]) -> Export:
    """Read the words of a `uv export`. Raises `NeedsEngineError` with what can't be honoured."""
    options, rest = _options(words[2:], "uv export", _EXPORT_FLAGS, _EXPORT_VALUED)
    if rest:
        raise NeedsEngineError(f"uv export takes no {rest[0]}")
    if "--frozen" not in options and environment.get("UV_FROZEN", "").lower() not in {"1", "true"}:
        raise NeedsEngineError("uv export without --frozen may lock anew: add --frozen")
    if options.get("--format", ["requirements.txt"])[-1] not in {"requirements.txt", "requirements-txt"}:
        raise NeedsEngineError(f"uv export's --format {options['--format'][-1]} is not known to the layers builder")
    output = options.get("--output-file", [""])
    if len(output) != 1 or not re.fullmatch(_OUTPUT, output[0]) or not output[0].endswith(".txt"):
        raise NeedsEngineError("uv export has no -o with one file that ends with .txt")
    return Export(tuple(words), output[0])


def pip_install(words: list[str], environment: Mapping[str, str]) -> PipInstall:
    """Read the words of a `uv pip install`. Raises `NeedsEngineError` with what can't be honoured."""
    options, packages = _options(words[3:], "uv pip install", _PIP_FLAGS, _PIP_VALUED)
    files = [*options.get("--requirements", ()), *options.get("--requirement", ())]
    if packages:
        raise NeedsEngineError(f"uv is to install {', '.join(packages[:3])} besides a requirements file")
    if not files or any(not name.endswith(".txt") for name in files):
        raise NeedsEngineError("uv pip install has no -r with a requirements file that ends with .txt")
    if set(options.get("--only-binary", [":all:"])) != {":all:"}:
        raise NeedsEngineError(f"uv's --only-binary {options['--only-binary'][0]} is not known to the layers builder")
    target = options.get("--target", [None])[-1]
    of_system = "--system" in options or environment.get("UV_SYSTEM_PYTHON", "").lower() in {"1", "true"}
    if target is None and not of_system:
        raise NeedsEngineError("uv pip install needs --target, or --system")
    index = [*options.get("--index-url", ()), *options.get("--default-index", ())]
    links = tuple(value for value in options.get("--find-links", ()) if value)
    where = Indexes((index[-1] if index else "") or "", (), links, "--no-index" in options)
    return PipInstall(tuple(name for name in files if name), target, "--no-deps" in options, where)


def run(wanted: Export, project: Mapping[str, Path]) -> str:
    """Return what a `uv export` writes, of the files of a project by their names there; offline.

    Raises `NeedsEngineError` with uv's reason when it can't.
    """
    with tempfile.TemporaryDirectory(prefix="stepladder-") as scratch:
        folder = Path(scratch) / "project"
        folder.mkdir()
        for name, source in project.items():
            (folder / name).write_bytes(source.read_bytes())
        output = "requirements.txt"
        words = [word.replace(wanted.output, output) if word.endswith(wanted.output) else word for word in wanted.words]
        own = {name: None for name in os.environ if name.startswith("UV_")}
        env = {**own, "UV_FROZEN": "1", "UV_OFFLINE": "1", "XDG_CONFIG_HOME": scratch, "XDG_CONFIG_DIRS": scratch}
        env |= {"UV_CACHE_DIR": f"{scratch}/cache"}
        done = process.run([dependencies.uv(), *words[1:]], cwd=folder, env=env, timeout=_TIMEOUT)
        if done.code:
            message = " ".join(line.strip() for line in done.err.splitlines() if line.strip())
            raise NeedsEngineError(f"uv can't export uv.lock: {message.replace(f'{folder}/', '')[:300]}")
        content = (folder / output).read_text(encoding="utf-8")
    lines = content.split("\n")
    if len(lines) > 1 and lines[1].startswith("#    uv export"):  # the command, as it was written
        lines[1] = re.sub(rf"(-o |-o|--output-file[ =]){re.escape(output)}(?= |$)", rf"\g<1>{wanted.output}", lines[1])
    return "\n".join(lines)


def _options(
    words: list[str], command: str, bare: frozenset[str], valued: frozenset[str]
) -> tuple[dict[str, list[str]], list[str]]:
    """Return the options by their long names, each with its values, and the other words."""
    values, others, rest = dict[str, list[str]](), list[str](), list(words)
    while rest:
        word = rest.pop(0)
        if not word.startswith("-"):
            others.append(word)
            continue
        name, sign, value = word.partition("=")
        if not word.startswith("--") and len(word) > 2:  # noqa: PLR2004 - a letter and its value
            name, value, sign = word[:2], word[2:].removeprefix("="), "="
        name = _SHORT.get(name, name)
        if name in valued:
            if not sign and not rest:
                raise NeedsEngineError(f"{command}'s {name} has no value")
            values.setdefault(name, []).append(value if sign else rest.pop(0))
        elif name in bare and not sign:
            values.setdefault(name, [])
        else:
            raise NeedsEngineError(f"{command}'s {word} is not known to the layers builder")
    return values, others
