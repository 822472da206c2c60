"""Whether the project and the stepladder that runs belong together."""

from __future__ import annotations

from stepladder import __version__
from stepladder.core import notes, project_origin, resources
from stepladder.core.console import Console
from stepladder.core.errors import RefusedError
from stepladder.settings.load import Settings

_TERRAFORM = "terraform/"


def check(settings: Settings, console: Console) -> None:
    """Say once in a checkout that the project's modules are another version's than the one that runs.

    Raises `RefusedError` when they are a newer version's, since an older one doesn't know what they need, and in the
    middle of an upgrade: what moved from a file in conflict to another one would be destroyed.
    """
    if project_origin.is_half_upgraded(settings.root):
        raise RefusedError(
            "an upgrade of this project was cut off: some of its files are the new version's, some are not",
            kind="upgrade-cut-off",
            hint="finish it first: `inv project.upgrade`",
        )
    conflicts = [path for path in project_origin.unresolved(settings.root) if path.startswith(_TERRAFORM)]
    if conflicts:
        from stepladder.core import git

        flags = " ".join(f"--resolved {path}" for path in conflicts)
        raise RefusedError(
            f"Terraform files are in conflict with an upgrade, so the others may not fit them: {git.named(conflicts)}",
            kind="upgrade-conflicts",
            hint=f"edit them, then `inv project.upgrade {flags}`",
        )
    modules = project_origin.modules(settings.root, resources.folder("terraform") / "modules")
    if modules.missing:
        return
    if project_origin.order(modules.version) > project_origin.order(__version__):
        raise RefusedError(
            f"this project is of stepladder {modules.version}, and {__version__} runs, which is older",
            kind="older-library",
            hint="install what the project pins: `uv sync`",
        )
    if modules.outdated:
        text = f"this project's Terraform modules are of {project_origin.another(modules.version, __version__)}"
        notes.once(settings.build_dir, "version", console.warn)(f"{text}; `inv project.upgrade` merges the new ones")
