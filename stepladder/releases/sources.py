"""The commit of a release: of all files that decide it, and of no other.

These are the files of the image, `invoke.yaml`, the policy files, the smoke cases, and the Terraform code of the
foundation and the service. The promotion's own code decides no release. A lock file of providers that git doesn't know
yet doesn't count: Terraform writes it during the first deployment, which says to commit it.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path, PurePosixPath

from stepladder.core import git
from stepladder.images import revision
from stepladder.settings import permissions
from stepladder.settings.load import Settings
from stepladder.terraform import files

_TERRAFORM, _DELIVERY, _LOCK = "terraform/", "terraform/delivery/", ".terraform.lock.hcl"


def commit(settings: Settings) -> git.Commit:
    """Return the commit and the files that decide a release and differ from it."""
    return commit_of([settings])


def commit_of(functions: Sequence[Settings]) -> git.Commit:
    """Return the commit of a project's functions, and the files that decide a release of any and differ from it."""
    settings = functions[0]
    contexts = {each.image.context: each for each in functions}
    cases = {each.smoke.path for each in functions}
    paths = ("invoke.yaml", "terraform", permissions.FOLDER, *sorted(contexts), *sorted(cases))
    tree = git.tree(settings.root, paths)
    if tree is None:
        return git.Commit("", "everything, since there is no git or no repository")
    changed = {path for each in contexts.values() for path in revision.reaching(each, tree.differences)}
    code = {f"{_TERRAFORM}{name}" for name in files.sources(settings.root / "terraform")} if tree.differences else set()
    folders = (*cases, permissions.FOLDER)
    changed |= {
        d.path
        for d in tree.differences
        if _of_terraform(d, code) or any(_is_document(d, each, settings.root) for each in folders)
    }
    return git.Commit(tree.sha, git.named(sorted(changed)))


def _of_terraform(difference: git.Difference, code: set[str]) -> bool:
    path = difference.path
    if not path.startswith(_TERRAFORM) or path.startswith(_DELIVERY):
        return False
    if not difference.tracked and path.endswith(f"/{_LOCK}"):
        return False
    return difference.absent or difference.submodule or any(_is_below(name, path) for name in code)


def _is_document(difference: git.Difference, folder: str, root: Path) -> bool:
    """Say whether it is a smoke case or the code of its checks, or a policy file, also one in a folder below."""
    path = PurePosixPath(difference.path)
    if folder == permissions.FOLDER:
        return PurePosixPath(folder) in path.parents and path.suffix == ".json"
    if path.parent != PurePosixPath(folder):
        return False
    return path.suffix == ".json" or (path.suffix == ".py" and _is_check(path.name, root / folder))


def _is_check(name: str, folder: Path) -> bool:
    """Say whether a smoke case names a check in a file of Python beside it."""
    return any(f"{name}:" in case.read_text("utf-8", "replace") for case in folder.glob("*.json") if case.is_file())


def _is_below(name: str, path: str) -> bool:
    return name == path or (path.endswith("/") and name.startswith(path))
