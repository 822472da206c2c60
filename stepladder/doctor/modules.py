"""The project's Terraform modules beside those that it was made with, and those of the stepladder that runs."""

from __future__ import annotations

from collections.abc import Iterator

from stepladder import __version__
from stepladder.core import git, project_origin, resources
from stepladder.doctor.context import DoctorContext
from stepladder.doctor.finding import ERROR, NOTE, WARNING, Finding

_SUBJECT = project_origin.MODULES.as_posix()


def edited_or_outdated(context: DoctorContext) -> Iterator[Finding]:
    """Yield that the modules were edited, or that another version made them than the one that runs."""
    if not (context.root / project_origin.MODULES).is_dir():
        return
    if project_origin.is_half_upgraded(context.root):
        text = "an upgrade was cut off: some files are the new version's, some are not"
        yield Finding(ERROR, _SUBJECT, text, "finish it: `inv project.upgrade`")
    if conflicts := project_origin.unresolved(context.root):
        text = f"in conflict with an upgrade: {git.named(conflicts)}"
        yield Finding(ERROR, project_origin.FILE, text, "`inv project.upgrade` shows each, and a proposal")
    modules = project_origin.modules(context.root, resources.folder("terraform") / "modules")
    if modules.missing:
        text = f"nothing says which version of stepladder these are of: {project_origin.MODULES_FILE} is missing"
        yield Finding(NOTE, _SUBJECT, text, "restore it: `git log --oneline -- terraform/modules/.origin.json`")
    elif project_origin.order(modules.version) > project_origin.order(__version__):
        text = f"they are of stepladder {modules.version}, and {__version__} runs, which is older"
        yield Finding(WARNING, _SUBJECT, text, "install what the project pins: `uv sync`")
    elif modules.outdated:
        text = f"they are of {project_origin.another(modules.version, __version__)}"
        yield Finding(WARNING, _SUBJECT, text, "`inv project.upgrade`")
    if modules.edited:
        names = "files of them" if modules.edited == ("*",) else git.named(modules.edited)
        text = f"edited since stepladder {modules.version} made them: {names}"
        yield Finding(NOTE, _SUBJECT, text, "nothing is wrong: `inv project.upgrade` keeps and merges what you changed")
