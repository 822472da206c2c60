"""Validate Terraform code: `terraform validate` on a copy of the roots, without their backends.

The roots are validated together, as modules of one that only calls them: Terraform and the AWS provider, which take
nearly all of the time, then start once. What is not valid together is validated root by root, so that what counts, and
what a person reads, is what Terraform says of a root by itself.

Also a program, for lists of checks: `python -m stepladder.terraform.validate FOLDER...` in a project's or this
repository's root. Modules are checked as the roots' children.
"""

from __future__ import annotations

import os
import re
import shutil
import sys
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from stepladder.core import process, text
from stepladder.core.console import Console
from stepladder.core.errors import StepladderError
from stepladder.settings.table import SERVICE
from stepladder.terraform import cli, files, providers
from stepladder.terraform.distributions import TERRAFORM, Distribution
from stepladder.terraform.functions import FILE as FUNCTIONS
from stepladder.terraform.functions import IMAGES
from stepladder.terraform.overrides import FILE as OVERRIDE
from stepladder.terraform.roots import LOCK_FILE

_DEADLINE = 600.0
_GENERATED = frozenset({OVERRIDE, FUNCTIONS})
_TOGETHER = "stepladder-together"
_VARIABLE = r'(?m)^variable\s+"([\w-]+)"'
_ROOT_ONLY = r"(?m)^\s*(?:import|removed|cloud)\s*(?:\"[^\"]*\"\s*)?\{"  # a module may not hold them
_LOCKED = r'(?m)^provider "([^"]+)" \{\s*version\s*=\s*"([^"]+)"'


def validate(
    sources: Sequence[Path],
    build_dir: Path,
    *,
    generated: Mapping[str, Mapping[str, str]] | None = None,
    distribution: Distribution = TERRAFORM,
    progress: Callable[[str], None] = lambda _: None,
) -> list[str]:
    """Validate every root of `sources`, folders that are laid over each other; return the roots' names.

    `generated` are the files that the service root has beside its own, by the name under which it is validated so:
    `service`, and others where environments differ.
    An empty list when the code is as it was when it was last found valid: its hash lies in `build_dir`. Raises
    `StepladderError` with Terraform's words, `NotReadyError` without a Terraform.
    """
    terraform = cli.find(build_dir.parent, distribution)
    work = build_dir / "check"
    stamp = work / "valid.sha256"
    given = generated or {}
    wanted = " ".join((terraform.version, *(files.sha256_sources(source) for source in sources)))
    wanted += f" {files.sha256_mapping(given)}" if given else ""
    if stamp.is_file() and stamp.read_text("utf-8") == wanted:
        return []
    copy = work / "terraform"
    shutil.rmtree(copy, ignore_errors=True)
    for folder in sources:
        ignored = shutil.ignore_patterns(".terraform", "*.tfstate*")
        shutil.copytree(folder, copy, ignore=ignored, dirs_exist_ok=True)
    for name in sorted(given, key=lambda name: name == SERVICE):
        if name != SERVICE:
            shutil.copytree(copy / SERVICE, copy / name)
        for file, content in given[name].items():
            files.write_text(copy / name / file, content)
    roots = sorted(path.parent.name for path in copy.glob("*/versions.tf"))
    progress(f"{len(roots)} roots")
    if not _valid_together(terraform, copy, roots, build_dir):
        source = providers.source(build_dir, copy, registry=distribution.registry)
        shared = source.cache  # by which no two `init` may run at once
        with ThreadPoolExecutor(1 if shared else os.cpu_count()) as pool:
            checks = [pool.submit(_validate, terraform, copy / root, build_dir) for root in roots]
        for check in checks:
            check.result()
    stamp.write_text(wanted, "utf-8")
    return roots


def _valid_together(terraform: cli.Terraform, copy: Path, roots: Sequence[str], build_dir: Path) -> bool:
    """Validate the roots as modules of one; False when that says nothing about each by itself."""
    code = {root: "\n".join(_text(path) for path in sorted((copy / root).glob("*.tf"))) for root in roots}
    locks = {_locked(copy / root / LOCK_FILE) for root in roots} - {frozenset[tuple[str, str]]()}
    if len(roots) < 2 or len(locks) > 1 or any(re.search(_ROOT_ONLY, each) for each in code.values()):  # noqa: PLR2004
        return False
    if any(path.name not in _GENERATED for root in roots for path in (copy / root).glob("*.tf.json")):
        return False
    folder = copy / _TOGETHER
    folder.mkdir()
    (folder / "main.tf").write_text("".join(_call(copy / root, each) for root, each in code.items()), "utf-8")
    locked = next((copy / root / LOCK_FILE for root in roots if (copy / root / LOCK_FILE).is_file()), None)
    if locked:
        shutil.copyfile(locked, folder / LOCK_FILE)
    try:
        _validate(terraform, folder, build_dir)
    except StepladderError:
        return False
    return True


def _text(path: Path) -> str:
    return text.read(path, where=f"terraform/{path.parent.name}/{path.name}")


def _call(folder: Path, code: str) -> str:
    """Return a call of a root as a module; each of its variables is one whose value nobody knows."""
    root, names = folder.name, re.findall(_VARIABLE, code)
    names += [IMAGES] if (folder / FUNCTIONS).is_file() else []
    arguments = "".join(f"  {name} = var.{root}_{name}\n" for name in names)
    declared = "".join(f'variable "{root}_{name}" {{}}\n' for name in names)
    return f'module "{root}" {{\n  source = "../{root}"\n{arguments}}}\n{declared}'


def _locked(path: Path) -> frozenset[tuple[str, str]]:
    """Return the providers and versions that a lock file names."""
    return frozenset(re.findall(_LOCKED, _text(path) if path.is_file() else ""))


def _validate(terraform: cli.Terraform, folder: Path, build_dir: Path) -> None:
    source = providers.source(build_dir, folder, registry=terraform.distribution.registry)
    env = cli.environment(folder.parent.parent / f"data-{folder.name}", source.env)
    for arguments in (("init", "-backend=false"), ("validate",)):
        argv = [str(terraform.path), *arguments, "-no-color"]
        done = process.run(argv, cwd=folder, env=env, timeout=_DEADLINE)
        if done.code:
            raise StepladderError(
                f"terraform {arguments[0]} failed in {folder.name}",
                kind="terraform-failed",
                hint=(done.err or done.out).strip(),
            )


def main() -> int:
    """Validate the folders that the arguments name, from the working directory; return the exit code."""
    console = Console()
    try:
        roots = validate([Path(name) for name in sys.argv[1:]], Path.cwd() / ".stepladder")
    except StepladderError as error:
        console.error(error)
        return int(error.exit_code)
    console.line(f"valid: {', '.join(roots)}" if roots else "the Terraform code is as it was when it was found valid")
    return 0


if __name__ == "__main__":
    sys.exit(main())
