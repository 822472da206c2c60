"""What a root's last `init` depended on, so that it runs again only for a reason, and the lock file that it wrote."""

from __future__ import annotations

import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from stepladder.core.notes import is_new
from stepladder.terraform import files, provider_process, roots
from stepladder.terraform.cli import Terraform
from stepladder.terraform.providers import ProviderSource
from stepladder.terraform.roots import Root

PLATFORMS = ("linux_amd64", "linux_arm64", "darwin_amd64", "darwin_arm64")
_BACKEND = "backend"


def stamp(at: Root, terraform: Terraform, source: ProviderSource, backend: str) -> dict[str, str]:
    """Return all that an `init` made now would depend on, by name."""
    own, shared = roots.code_hashes(at)
    return {
        _BACKEND: backend,
        "backend_configuration": files.sha256_file(at.backend),
        "code": own,
        "lock": files.sha256_file(at.lock_file),
        "modules": shared,
        "providers": files.sha256_mapping({**source.env, "mirror": str(source.mirror)}),
        "provider": provider_process.identity(at, terraform.distribution),
        "terraform": terraform.version,
    }


def noted(at: Root) -> dict[str, Any]:
    """Return what the last `init` depended on; nothing when what it installed isn't there any more."""
    # A mirror's providers are links: one that leads nowhere means that the mirror has moved.
    installed = [path.exists() for path in (at.data_dir / "providers").glob("*/*/*/*/*")]
    lock = at.lock_file.read_text(encoding="utf-8") if at.lock_file.is_file() else ""
    complete = all(installed) and len(installed) >= lock.count('\nprovider "')
    return files.read_json(_file(at)) if complete else {}


def differs_in_backend(noted: Mapping[str, Any], wanted: Mapping[str, Any]) -> bool:
    """Say whether two stamps are the same but for where the state is, if at all."""
    return {**noted, _BACKEND: ""} == {**wanted, _BACKEND: ""}


def note(at: Root, stamp: Mapping[str, Any]) -> None:
    """Note what the `init` that has just ended depended on."""
    files.write_json(_file(at), dict(stamp))


def forget(at: Root) -> None:
    """Let the next run begin with an `init`."""
    _file(at).unlink(missing_ok=True)


def restore_lock_file(at: Root) -> None:
    """Put back what an `init` that shared a provider took out of the snapshot's lock file."""
    if at.lock_file.is_file():
        shutil.copyfile(at.lock_file, at.snapshot_dir / roots.LOCK_FILE)


def keep_lock_file(at: Root, source: ProviderSource) -> list[str]:
    """Carry a lock file that init made or extended back to the project, where it is committed; return notes."""
    made = at.snapshot_dir / roots.LOCK_FILE
    if not made.is_file() or files.sha256_file(made) == files.sha256_file(at.lock_file):
        return []
    files.write_text(at.lock_file, made.read_text(encoding="utf-8"))
    name = at.lock_file.relative_to(at.settings.root)
    notes = [f"{name} was written: commit it, so that every machine takes the same providers"]
    # A registry signs checksums for every platform; a mirror has its files only. That holds for every root's file.
    platforms = " ".join(f"-platform={platform}" for platform in PLATFORMS)
    if source.kind != "registry" and is_new(at.settings.build_dir, "lock files' platforms", platforms):
        notes.append(
            "a mirror gave the providers, so the lock files may name no other platform than this one; "
            f"to add the others, for each root: `terraform -chdir={name.parent} providers lock {platforms}`"
        )
    return notes


def _file(at: Root) -> Path:
    return at.work_dir / "init.json"
