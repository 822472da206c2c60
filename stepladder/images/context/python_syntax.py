"""Find a syntax error before the image is pushed, not when the first invocation imports the file.

What the handler imports when it is loaded must compile: the handler's module, its packages, and every module of the
context that these import unconditionally. Another file of the context that doesn't compile may be there on purpose (a
template, an old Python's half of a vendored package): it is warned of.
"""

from __future__ import annotations

import ast
import json
import posixpath
import tempfile
import warnings
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path

from stepladder.core import interpreters, process, python_tree
from stepladder.core.errors import BadInputError, StepladderError
from stepladder.images.context.files import Entry

Problems = dict[str, tuple[int, str]]
"""By path: the line and what is wrong there."""

_UNREACHED = 300  # files that are compiled only to warn of them
_TIMEOUT = 60.0
_COMPILE = """
import json, sys, warnings
warnings.simplefilter("ignore")
found = {}
for name, source in json.load(open(sys.argv[1])).items():
    try:
        compile(open(source, "rb").read(), name, "exec", dont_inherit=True)
    except SyntaxError as error:
        found[name] = (error.lineno or 1, error.msg or "invalid syntax")
    except (ValueError, RecursionError, MemoryError) as error:
        found[name] = (1, str(error) or type(error).__name__)
print(json.dumps(found))
"""


def check(
    entries: Iterable[Entry],
    handler: str,
    python: str,
    folder: str,
    say: Callable[[str], None],
    configured: Sequence[str] = (),
) -> None:
    """Compile the Python files of a context for `python`, of which `handler` is a function.

    `configured` are further handlers, which settings name.

    `folder` is the context's name for people. Raises `BadInputError` with each error's file and line; `say` hears of
    files that the handler doesn't need to be loaded.
    """
    files = {entry.path: entry.source for entry in entries if entry.path.endswith(".py")}
    by_handler = {name: _reached(module_of(name), files) for name in (handler, *configured)}
    reached = list(dict.fromkeys(path for paths in by_handler.values() for path in paths))
    rest = [path for path in files if path not in reached][:_UNREACHED]
    invalid, sure = _problems({path: files[path] for path in (*reached, *rest)}, python)
    lines = {path: f"{folder}/{path}:{line}: {what}" for path, (line, what) in sorted(invalid.items())}
    if wrong := [lines[path] for path in lines if path in reached and sure]:
        broken = next(name for name, paths in by_handler.items() if wrong[0] in {lines.get(path) for path in paths})
        raise BadInputError(
            f"the handler {broken} can't be loaded: its code has a syntax error",
            kind="bad-handler",
            hint=f"fix it for Python {python}; `inv image` looks again without pushing anything",
            problems=tuple(wrong),
        )
    for line in list(lines.values())[:5]:
        say(f"{line}; " + ("the handler doesn't import it to be loaded" if sure else f"no Python {python} is here"))


def _problems(files: Mapping[str, Path], python: str) -> tuple[Problems, bool]:
    """Return what doesn't compile, and whether it was `python` that said so.

    A Python older than the function's knows less: what it refuses is asked again of the right one, when it is here.
    """
    running, wanted = (tuple(map(int, version.split("."))) for version in (interpreters.running(), python))
    if running <= wanted:
        problems = _by_this_machine(files, None)
        if not problems or running == wanted:
            return problems, True
        files = {path: files[path] for path in problems}
    else:
        problems = _by_this_machine(files, wanted)
    other = _by_another(files, python)
    return (problems, running > wanted) if other is None else (other, True)


def _by_this_machine(files: Mapping[str, Path], version: tuple[int, ...] | None) -> Problems:
    problems: Problems = {}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        for path, source in files.items():
            try:
                if version:
                    python_tree.parse(source.read_bytes(), path, (version[0], version[1]))
                compile(source.read_bytes(), path, "exec", dont_inherit=True)
            except SyntaxError as error:
                problems[path] = (error.lineno or 1, error.msg or "invalid syntax")
            except (ValueError, RecursionError, MemoryError) as error:  # NUL bytes; nested too deep
                problems[path] = (1, str(error) or type(error).__name__)
    return problems


def _by_another(files: Mapping[str, Path], python: str) -> Problems | None:
    """Let an interpreter of another version compile; None when there is none."""
    interpreter = interpreters.find(python)
    if interpreter is None:
        return None
    with tempfile.NamedTemporaryFile("w", suffix=".json") as listed:
        json.dump({path: str(source) for path, source in files.items()}, listed)
        listed.flush()
        try:
            done = process.run([str(interpreter), "-I", "-c", _COMPILE, listed.name], timeout=_TIMEOUT)
            output = json.loads(done.out)
        except (OSError, ValueError, StepladderError):
            return None
    return {path: (int(line), str(what)) for path, (line, what) in output.items()}


def _reached(module: str, files: Mapping[str, Path]) -> list[str]:
    """Return the files that are imported when the handler's module is, as far as they can be read without running it.

    The module may lie in any folder of the context that the Dockerfile copies from; the shallowest one is taken.
    """
    ends = _ends(module)
    base = _home(ends, files)
    if base is None:
        return []
    paths: list[str] = []
    waiting = [module]
    seen: set[str] = set()
    while waiting:
        name = waiting.pop()
        if name in seen:
            continue
        seen.add(name)
        for path in _files_of(name, base, files):
            if path not in paths:
                paths.append(path)
                waiting += imports(files[path].read_bytes(), path[len(base) :])
    return paths


def module_of(handler: str) -> str:
    """Return the dotted name of a handler's module."""
    return handler.rpartition(".")[0].replace("/", ".")


def home(handler: str, files: Mapping[str, Path]) -> str:
    """Return the folder of the context that a handler is imported from: empty, or with a slash at its end."""
    return _home(_ends(module_of(handler)), files) or ""


def files_of(handler: str, files: Mapping[str, Path]) -> list[str]:
    """Return the files that may be a handler's module, the likeliest first: the Dockerfile may copy from any folder."""
    ends = tuple(f"/{end}" for end in _ends(module_of(handler)))
    return sorted((path for path in files if f"/{path}".endswith(ends)), key=lambda path: (path.count("/"), path))


def _ends(module: str) -> list[str]:
    return [module.replace(".", "/") + end for end in (".py", "/__init__.py")]


def _home(ends: Sequence[str], files: Mapping[str, Path]) -> str | None:
    homes = [path[: -len(end)] for path in files for end in ends if f"/{path}".endswith(f"/{end}")]
    return min(homes, key=lambda prefix: (prefix.count("/"), prefix)) if homes else None


def _files_of(name: str, base: str, files: Mapping[str, Path]) -> list[str]:
    """Return the files that importing a dotted name loads: its packages', and its own."""
    parts = name.split(".")
    stems = [base + "/".join(parts[: end + 1]) for end in range(len(parts))]
    return [path for stem in stems for path in (f"{stem}/__init__.py", f"{stem}.py") if path in files]


def imports(source: bytes, path: str) -> list[str]:
    """Return the names that a file imports whatever happens: those at its top, not in `if`, `try` or a function."""
    try:
        body = python_tree.parse(source).body
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return []
    package = posixpath.dirname(path).split("/") if "/" in path else []
    names: list[str] = []
    for statement in body:
        if isinstance(statement, ast.Import):
            names += [alias.name for alias in statement.names]
        elif isinstance(statement, ast.ImportFrom):
            above = package[: len(package) - statement.level + 1] if statement.level else []
            base = ".".join([*above, *([statement.module] if statement.module else [])])
            names += [base, *(f"{base}.{alias.name}" if base else alias.name for alias in statement.names)]
    return [name for name in names if name]
