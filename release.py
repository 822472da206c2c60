"""Prepare, check, build and publish a release of stepladder. Nothing is built unless every place names one version.

A release is a commit whose places agree and a tag `v<version>` on it. docs/reference/public-api.md says which number a
version gets.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path

from stepladder.commands.checks import tool
from stepladder.core import files
from stepladder.core.console import Console
from stepladder.core.errors import BadInputError, NotReadyError, RefusedError, StepladderError

CHANGELOG = "CHANGELOG.md"
NOTES = "template/upgrade.yaml"
UNRELEASED = "Unreleased"
_VERSION = re.compile(r"(\d+)\.(\d+)\.(\d+)")
_SECTION = re.compile(r"^## (?:v(?P<version>\d+\.\d+\.\d+) \((?P<date>\d{4}-\d\d-\d\d)\)|Unreleased)$", re.MULTILINE)
_PLACES = {
    "pyproject.toml": re.compile(r'(\A.*?\[project\]\nname = "stepladder"\nversion = ")([^"]+)(")', re.DOTALL),
    "stepladder/__init__.py": re.compile(r'(^__version__ = ")([^"]+)(")', re.MULTILINE),
    "uv.lock": re.compile(r'(\[\[package\]\]\nname = "stepladder"\nversion = ")([^"]+)(")'),
}
"""Where the version stands, as the middle of three groups."""
_DEADLINE = 600.0


@dataclass(frozen=True)
class Checkout:
    """A checkout of stepladder: where its files are, and how its programs are run."""

    root: Path

    def text(self, name: str) -> str:
        """Return a file's text."""
        return (self.root / name).read_text("utf-8")

    def git(self, *arguments: str) -> str:
        """Return what git prints; empty when it fails."""
        return self.run("git", *arguments, check=False).strip()

    def run(self, *argv: str, check: bool = True) -> str:
        """Run a program in the checkout and return what it prints."""
        done = subprocess.run(argv, cwd=self.root, capture_output=True, text=True, timeout=_DEADLINE, check=False)
        if check and done.returncode:
            lines = tuple((done.stderr or done.stdout).strip().splitlines()[-5:])
            raise StepladderError(f"{argv[0]} {argv[1]} failed", problems=lines, hint=f"`{' '.join(argv)}`")
        return done.stdout if not done.returncode else ""


def check(root: Path, console: Console, tag: str = "") -> None:
    """Show the version in each place, and raise `RefusedError` unless they agree.

    With a tag the commit is a release: nothing is unreleased then, and the tag is on it.
    """
    at = Checkout(root)
    versions = _versions(at)
    for name, version in versions.items():
        console.line(f"{name}: {version}")
    problems = [*_disagreements(at, versions), *(_of_tag(at, versions, tag) if tag else ())]
    if problems:
        raise RefusedError(
            "this is no release", problems=tuple(problems), hint="correct them, or `inv release.prepare`"
        )
    console.line(f"every place agrees{f', and {tag} is on this commit' if tag else ''}")


def prepare(root: Path, console: Console, version: str, today: str, *, dry_run: bool = False) -> None:
    """Write a version into every place, and make what is unreleased its own; commit and tag nothing."""
    at = Checkout(root)
    now = _versions(at)["pyproject.toml"]
    if not _VERSION.fullmatch(version) or _numbers(version) <= max(map(_numbers, _released(at)), default=()):
        raise BadInputError(
            f"{version} is no version after {now}", hint="`docs/reference/public-api.md` says which number is next"
        )
    changed = {name: _with_version(at.text(name), pattern, version) for name, pattern in _PLACES.items()}
    changed[CHANGELOG] = _with_section(at.text(CHANGELOG), version, today)
    changed[NOTES] = re.sub(r"^unreleased:$", f"{version}:", at.text(NOTES), flags=re.MULTILINE)
    for name, text in changed.items():
        console.line(f"{'would change' if dry_run else 'changed'} {name}")
        if not dry_run:
            files.write_text(root / name, text)
    console.hint(
        f"`git commit -am 'Release {version}'`, then `git tag -s v{version} -m {version}` and "
        f"`git push origin v{version}`: the workflow `release` does the rest; tests/support/released.py gets the commit"
    )


def build(root: Path, console: Console, tag: str = "") -> list[Path]:
    """Build the wheel and the source distribution of this commit into dist/, and look into both."""
    check(root, console, tag)
    at = Checkout(root)
    shutil.rmtree(root / "dist", ignore_errors=True)
    epoch = at.git("log", "-1", "--format=%ct") or "0"
    at.run("env", f"SOURCE_DATE_EPOCH={epoch}", tool("uv"), "build", "--quiet", "--out-dir", "dist")
    version = _versions(at)["pyproject.toml"]
    expected = {f"stepladder-{version}-py3-none-any.whl", f"stepladder-{version}.tar.gz"}
    made = sorted(path for path in (root / "dist").iterdir() if path.suffix in {".whl", ".gz"})
    if {path.name for path in made} != expected:
        raise StepladderError(f"dist/ holds {', '.join(path.name for path in made)}", hint="`uv build` says more")
    _try_wheel(at, made)
    for path in made:
        console.data(str(path.relative_to(root)))
    return made


def notes(root: Path, console: Console, version: str = "") -> None:
    """Print what the changelog says of a version, for the release page of a forge."""
    at = Checkout(root)
    wanted = version.removeprefix("v") or _versions(at)["pyproject.toml"]
    sections = _sections(at.text(CHANGELOG))
    if wanted not in sections:
        raise BadInputError(f"{CHANGELOG} has no section of {wanted}", hint=f"`{CHANGELOG}` has {', '.join(sections)}")
    console.data(sections[wanted])


def publish(root: Path, console: Console) -> None:
    """Upload dist/ to the index by trusted publishing, as a CI job that the index knows; there is no token to keep."""
    if not os.environ.get("ACTIONS_ID_TOKEN_REQUEST_URL"):
        raise NotReadyError("only the workflow `release` publishes", hint="push a tag: `git push origin v<version>`")
    Checkout(root).run(
        tool("uv"), "publish", "--trusted-publishing", "always", "--check-url", "https://pypi.org/simple/"
    )
    console.line("published")


def announce(root: Path, console: Console, tag: str) -> None:
    """Make the release of a tag at the forge, with the changelog's section and the files of dist/."""
    at = Checkout(root)
    text = _sections(at.text(CHANGELOG)).get(tag.removeprefix("v"), "")
    page = root / "dist" / "notes.md"
    files.write_text(page, text)
    built = [str(path) for path in sorted((root / "dist").glob("stepladder-*"))]
    at.run("gh", "release", "create", tag, "--verify-tag", "--title", tag, "--notes-file", str(page), *built)
    console.line(f"released {tag}")


def _versions(at: Checkout) -> dict[str, str]:
    found = {name: pattern.search(at.text(name)) for name, pattern in _PLACES.items()}
    return {name: match[2] if match else "none" for name, match in found.items()}


def _disagreements(at: Checkout, versions: dict[str, str]) -> list[str]:
    version = versions["pyproject.toml"]
    problems = [
        f"{name} says {other}, pyproject.toml {version}" for name, other in versions.items() if other != version
    ]
    released = _released(at)
    if version not in released:
        problems.append(f"{CHANGELOG} has no section `## v{version} (<date>)`")
    if released != sorted(released, key=_numbers, reverse=True):
        problems.append(f"{CHANGELOG} isn't sorted: {', '.join(released)}")
    if released and _numbers(version) < _numbers(released[0]):
        problems.append(f"{CHANGELOG} has v{released[0]}, which is newer than {version}")
    known = re.findall(r'"(\d+\.\d+\.\d+)": "[0-9a-f]{40}"', at.text("tests/support/released.py"))
    problems += [f"tests/support/released.py names no commit of {each}" for each in released[1:] if each not in known]
    return problems


def _of_tag(at: Checkout, versions: dict[str, str], tag: str) -> list[str]:
    version = versions["pyproject.toml"]
    problems = [] if tag == f"v{version}" else [f"the tag {tag} isn't v{version}"]
    if at.git("rev-parse", "--verify", "--quiet", f"refs/tags/{tag}^{{commit}}") != at.git("rev-parse", "HEAD"):
        problems.append(f"the tag {tag} isn't on this commit")
    if at.git("status", "--porcelain"):
        problems.append("files differ from the commit")
    if _sections(at.text(CHANGELOG)).get(UNRELEASED, "").strip():
        problems.append(f"{CHANGELOG} has unreleased changes")
    if re.search(r"^unreleased:$", at.text(NOTES), re.MULTILINE):
        problems.append(f"{NOTES} has unreleased notes")
    return problems


def _try_wheel(at: Checkout, made: list[Path]) -> None:
    """Install the wheel into an environment of its own, and read its tasks, its version and its modules there."""
    wheel = next(path for path in made if path.suffix == ".whl")
    folder = at.root / "dist" / "tried"
    at.run(tool("uv"), "venv", "--quiet", str(folder))
    python = folder / "bin" / "python"
    at.run(tool("uv"), "pip", "install", "--quiet", "--python", str(python), str(wheel))
    at.run(str(python), "-I", "-c", _TRIED)
    shutil.rmtree(folder)


_TRIED = """
import stepladder
from stepladder.collections import namespace
from stepladder.core import resources
from stepladder.upgrade import fetch
namespace()
assert fetch.running()[1].version == stepladder.__version__
assert (resources.folder("terraform") / "modules" / "service").is_dir()
"""


def _sections(changelog: str) -> dict[str, str]:
    matches = list(_SECTION.finditer(changelog))
    ends = [match.start() for match in matches[1:]] + [len(changelog)]
    return {
        match["version"] or UNRELEASED: changelog[match.end() : end].strip()
        for match, end in zip(matches, ends, strict=True)
    }


def _released(at: Checkout) -> list[str]:
    return [version for version in _sections(at.text(CHANGELOG)) if version != UNRELEASED]


def _with_version(text: str, pattern: re.Pattern[str], version: str) -> str:
    return pattern.sub(rf"\g<1>{version}\g<3>", text, count=1)


def _with_section(changelog: str, version: str, today: str) -> str:
    """Make what is unreleased the version's; what comes next is unreleased again."""
    if not _sections(changelog).get(UNRELEASED):
        raise BadInputError(f"{CHANGELOG} has nothing unreleased", hint=f"say in `{CHANGELOG}` what changed")
    return changelog.replace("## Unreleased\n", f"## Unreleased\n\n## v{version} ({today})\n", 1)


def _numbers(version: str) -> tuple[int, ...]:
    return tuple(int(number) for number in version.split("."))
