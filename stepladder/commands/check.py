"""What a generated project runs on itself: checks, tests against the locked packages, the lock."""

from __future__ import annotations

import hashlib
import os
import shlex
import shutil
import sys
import tomllib
from collections.abc import Sequence
from pathlib import Path

from stepladder.commands.checks import ProjectCheck, run_all, tool
from stepladder.core import process
from stepladder.core.console import Console
from stepladder.core.errors import BadInputError, StepladderError
from stepladder.core.step import Step
from stepladder.images import many
from stepladder.images.requirements import dependencies, lock, read, uv_errors
from stepladder.releases import environment_outputs, variables
from stepladder.settings import functions
from stepladder.settings.load import BUILD, Settings
from stepladder.terraform.distributions import TERRAFORM, Distribution, of

_INSTALL_DEADLINE = 300.0
# These name folders of Lambda's file system
_LAMBDAS_PATHS = ("LD_LIBRARY_PATH", "LD_PRELOAD", "PATH", "PYTHONHOME", "PYTHONPATH")
_TEST_DEADLINE = 3600.0


def check(settings: Settings | StepladderError, console: Console, root: Path | None = None) -> None:
    """Check all that stands in the project, at once. Raises `StepladderError` when a check fails.

    `settings` may be the error that reading them raised: then what needs none of them is checked, in `root`.
    """
    where = root or (settings.root if isinstance(settings, Settings) else Path.cwd())
    build_dir = where / BUILD
    checks = [
        ProjectCheck("validate", act=lambda step: _validate(settings, where, build_dir, step)),
        _settings(settings),
    ]
    if isinstance(settings, Settings):
        known = settings
        checks += [
            ProjectCheck("smoke", act=lambda step: _smoke(known, step)),
            ProjectCheck("lock", act=lambda step: _lock(known, step)),
            ProjectCheck("Dockerfile", act=lambda step: _dockerfile(known, step, console)),
        ]
    checks += [
        ProjectCheck("ruff", ("ruff", "check"), success="no fault in the Python files"),
        ProjectCheck("format", ("ruff", "format", "--check"), success="the Python files are formatted"),
        ProjectCheck(
            "terraform",
            (_distribution(settings).executable, "fmt", "-check", "-diff", "-recursive", "terraform"),
            needs=_distribution(settings).executable,
            success="the Terraform files are formatted",
        ),
    ]
    run_all(checks, where, console)


def _distribution(settings: Settings | StepladderError) -> Distribution:
    return of(settings.terraform_distribution) if isinstance(settings, Settings) else TERRAFORM


def _settings(loaded: Settings | StepladderError) -> ProjectCheck:
    def act(step: Step) -> None:
        if isinstance(loaded, StepladderError):
            raise loaded
        step.done(f"{len(loaded.environments)} environments: {', '.join(loaded.environments)}")

    return ProjectCheck("settings", act=act)


def _smoke(settings: Settings, step: Step) -> None:
    from stepladder.releases import smoke_case as smoke
    from stepladder.releases.smoke_suite import load

    paths = list(dict.fromkeys(view.smoke.path for view in functions.views(settings).values()))
    counts, problems = list[int](), list[str]()
    for path in paths:
        try:
            cases = load(settings.root / path)
        except smoke.SmokeCasesError as error:
            problems += [f"{path}: {each}" if len(paths) > 1 else each for each in error.problems]
        else:
            environment_outputs.check_declared(cases, settings.root)
            counts.append(len(cases))
    if problems:
        raise BadInputError("the smoke cases are not valid", kind="bad-smoke-cases", problems=tuple(problems))
    step.done(f"{sum(counts)} in {paths[0] if len(paths) == 1 else f'{len(paths)} folders'}")


def _lock(settings: Settings, step: Step) -> None:
    views = functions.views(settings)
    count = many.check_locks(views)
    context = next(iter(views.values())).image.context
    alone = f"{context}/requirements.txt locks what requirements.in asks for"
    step.done(alone if count == 1 else f"{count} locks hold what their requirements.in asks for")


def _dockerfile(settings: Settings, step: Step, console: Console) -> None:
    """Read each Dockerfile as a deployment does, with the handlers that it and the settings name."""
    views = functions.views(settings)
    many.check_all(views, console.warn, take_pointers=False)
    groups = many.distinct(views)
    alone = f"{groups[0][1].image.context}/Dockerfile and its handler"
    step.done(alone if len(groups) == 1 else f"{len(groups)} Dockerfiles and their handlers")


def validate(settings: Settings, console: Console) -> None:
    """Run `terraform validate` on a copy of the roots, without backends; not again for code that was valid."""
    with console.step("validate") as step:
        _validate(settings, settings.root, settings.build_dir, step)


def _validate(settings: Settings | StepladderError, root: Path, build_dir: Path, step: Step) -> None:
    from stepladder.terraform import reference_errors, references
    from stepladder.terraform.validate import validate

    given = references.generated_of(settings) if isinstance(settings, Settings) else {}
    chosen = _distribution(settings)
    try:
        roots = validate([root / "terraform"], build_dir, generated=given, distribution=chosen, progress=step.progress)
    except StepladderError as error:
        raise reference_errors.explained(settings, error) if isinstance(settings, Settings) else error from None
    if roots:
        step.done(", ".join(roots))
    else:
        step.skip("the Terraform code is as it was when it was found valid")


def run_tests(project: Settings, console: Console, only: str, environment: str = "", function: str = "") -> None:
    """Run pytest with the packages that the image will hold, and the function's environment variables.

    They are those of `environment` (empty: the lowest rung); one that is set already stays. `function` is what
    `--function` says; without it the project's first. Of a function with a folder of its own, the tests below that are
    run, and import from there. Raises `StepladderError` when a test fails.
    """
    settings = project.of_function(functions.given(project, function) if function else project.function_names[0])
    options, arguments = _own_folder(settings), shlex.split(only)
    _check_has_tests(settings, arguments)
    own = variables.of(settings, environment)
    with console.step("packages") as step:
        count = packages(settings)
        step.done(f"{count} installed") if count else step.skip("as locked")
    argv = [sys.executable, "-m", "pytest", *options, *arguments]
    given = {name: value for name, value in own.values.items() if name not in os.environ and name not in _LAMBDAS_PATHS}
    if process.run(argv, cwd=settings.root, env=given, timeout=_TEST_DEADLINE, attached=True).code:
        raise StepladderError(
            "the tests failed",
            kind="checks-failed",
            hint=own.hint(settings.names(environment or settings.lowest).target),
        )


def _check_has_tests(settings: Settings, arguments: Sequence[str]) -> None:
    """Refuse a function with a folder of its own and no tests there: pytest would run the project's on its code."""
    context = settings.image.context
    if context == settings.whole.image.context or (settings.root / context / "tests").is_dir():
        return
    if not any((settings.root / each.partition("::")[0]).exists() for each in arguments):
        raise BadInputError(
            f"there is no folder {context}/tests",
            kind="bad-arguments",
            hint=f"write a test, in `{context}/tests/test_handler.py`: it imports the code of {context}/",
        )


def _own_folder(settings: Settings) -> list[str]:
    """Return pytest's options for a function whose image has a folder of its own, which stands for the project's."""
    context, project = settings.image.context, settings.whole.image.context
    if context == project:
        return []
    file = settings.root / "pyproject.toml"
    declared = tomllib.loads(file.read_text("utf-8")) if file.is_file() else {}
    options = declared.get("tool", {}).get("pytest", {}).get("ini_options", {})
    paths = options.get("pythonpath", [project, f"{BUILD}/packages"])
    paths = [context if path == project else path for path in (paths if isinstance(paths, list) else paths.split())]
    return ["-o", f"pythonpath={shlex.join(paths)}", "-o", f"testpaths={shlex.quote(f'{context}/tests')}"]


def packages(settings: Settings) -> int:
    """Install what requirements.txt locks into `.stepladder/packages`, where the project's pytest looks.

    Apart from the tools' own packages, so that the function may need other versions than stepladder does. Returns how
    many packages were installed: 0 when they are there already.
    """
    lock.check(settings)
    locked = settings.root / settings.image.context / "requirements.txt"
    folder, stamp = settings.build_dir / "packages", settings.build_dir / "packages.sha256"
    if not locked.is_file() and settings.name_of_function:  # a function need not have packages
        shutil.rmtree(folder, ignore_errors=True)
        stamp.unlink(missing_ok=True)
        return 0
    wanted = hashlib.sha256(f"{sys.version_info[:2]} ".encode() + locked.read_bytes()).hexdigest()
    if stamp.is_file() and stamp.read_text("utf-8") == wanted and folder.is_dir():
        return 0
    pins = read.read(locked, f"{settings.image.context}/requirements.txt")
    dependencies.check_locked(locked, pins)
    fresh = settings.build_dir / f"packages.{os.getpid()}"
    stamp.unlink(missing_ok=True)
    argv = [tool("uv"), "pip", "install", "--quiet", "--require-hashes", "--requirement", str(locked)]
    argv += ["--target", str(fresh), "--python", sys.executable, "--color", "never"]
    done = process.run(argv, cwd=settings.root, timeout=_INSTALL_DEADLINE)
    if done.code:
        target = dependencies.WheelTarget(settings.python)
        raise uv_errors.explained(done.err, pins.requirements, target)
    shutil.rmtree(folder, ignore_errors=True)
    fresh.rename(folder)
    stamp.write_text(wanted, "utf-8")
    return len(list(folder.glob("*.dist-info")))
