"""Validate Terraform code: `terraform validate` on a copy of every root, without its backend.

Also a program, for lists of checks: `python -m stepladder.terraform.validate FOLDER...` in a project's or this
repository's root. Modules are checked as the roots' children.
"""

from __future__ import annotations

import shutil
import sys
from collections.abc import Callable, Sequence
from pathlib import Path

from stepladder import process
from stepladder.console import Console
from stepladder.errors import StepladderError
from stepladder.terraform import cli, files, providers

_DEADLINE = 600.0


def validate(
    sources: Sequence[Path], build_dir: Path, *, progress: Callable[[str], None] = lambda _: None
) -> list[str]:
    """Validate every root of `sources`, folders that are laid over each other; return the roots' names.

    An empty list when the code is as it was when it was last found valid: its hash lies in `build_dir`. Raises
    `StepladderError` with Terraform's words, `NotReadyError` without a Terraform.
    """
    terraform = cli.find(build_dir.parent)
    work = build_dir / "check"
    stamp = work / "valid.sha256"
    wanted = " ".join((terraform.version, *(files.sha256_sources(source) for source in sources)))
    if stamp.is_file() and stamp.read_text("utf-8") == wanted:
        return []
    copy = work / "terraform"
    shutil.rmtree(copy, ignore_errors=True)
    for source in sources:
        ignored = shutil.ignore_patterns(".terraform", "*.tfstate*")
        shutil.copytree(source, copy, ignore=ignored, dirs_exist_ok=True)
    roots = sorted(path.parent.name for path in copy.glob("*/versions.tf"))
    for root in roots:
        progress(root)
        _validate(terraform.path, copy / root, build_dir)
    stamp.write_text(wanted, "utf-8")
    return roots


def _validate(terraform: Path, folder: Path, build_dir: Path) -> None:
    env = cli.environment(folder.parent.parent / f"data-{folder.name}", providers.source(build_dir, folder).env)
    for arguments in (("init", "-backend=false"), ("validate",)):
        argv = [str(terraform), *arguments, "-no-color"]
        done = process.run(argv, cwd=folder, env=env, timeout=_DEADLINE)
        if done.code:
            raise StepladderError(
                f"terraform {arguments[0]} failed in {folder.name}", hint=(done.err or done.out).strip()
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
