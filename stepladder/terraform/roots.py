"""A root of a project in one environment: its files, its generated inputs, the hash of all that decides its result.

Terraform never runs in the project's own folder but in a snapshot of it under `.stepladder/` (docs/decisions): two
environments can run at once, a plan sees one state of the code, and a kill leaves nothing in the source tree.
"""

from __future__ import annotations

import json
import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from stepladder.core.errors import BadInputError
from stepladder.core.names import Names
from stepladder.core.records import dataclass
from stepladder.core.similar import did_you_mean
from stepladder.settings import previews, rung_gates
from stepladder.settings.environments import EnvironmentSettings
from stepladder.settings.function import FunctionSettings
from stepladder.settings.load import DISTRIBUTIONS, Settings
from stepladder.settings.table import SERVICE
from stepladder.settings.table import variables as variables_of
from stepladder.terraform import (
    ci_variables,
    earlier_roots,
    files,
    functions,
    overrides,
)
from stepladder.terraform.root_variables import (
    NO_IMAGES,
    awaits_release,
    kept_variables,
    later,
    planned_variables,
    variables,
)
from stepladder.terraform.service_variables import NO_DIGEST

__all__ = [
    "NO_DIGEST",
    "NO_IMAGES",
    "ROOTS",
    "Root",
    "awaits_release",
    "later",
    "planned_variables",
    "root",
    "variables",
]
ROOTS = ("foundation", "service", "delivery")
LOCK_FILE = ".terraform.lock.hcl"


@dataclass(frozen=True)
class Root:
    """One root module in one environment, and where its files are."""

    settings: Settings
    environment: EnvironmentSettings
    name: str

    @property
    def names(self) -> Names:
        """The derived AWS names."""
        return self.settings.names(self.environment.name)

    @property
    def label(self) -> str:
        """The root for a person: `staging/service`."""
        return f"{self.environment.name}/{self.name}"

    @property
    def command(self) -> str:
        """The command that brings the root to what its code says, without a plan to review."""
        return "inv promote" if self.name == "delivery" else f"inv deploy --env {self.environment.name}"

    @property
    def again(self) -> str:
        """The command that applies the root's changes to an environment that has been released already."""
        upper = any(self.environment.name in rung for rung in self.settings.rungs[1:])
        return "inv promote --infra" if upper else self.command

    @property
    def terraform_dir(self) -> Path:
        """The project's Terraform code."""
        return self.settings.root / "terraform"

    @property
    def source_dir(self) -> Path:
        """The root's own code."""
        return self.terraform_dir / self.name

    @property
    def build_dir(self) -> Path:
        """The environment's generated files: `.stepladder/<env>`."""
        return self.settings.build_dir / self.environment.name

    @property
    def work_dir(self) -> Path:
        """Snapshot, Terraform's data and our locks."""
        return self.build_dir / self.name

    @property
    def snapshot_dir(self) -> Path:
        """Where Terraform runs."""
        return self.work_dir / "src" / self.name

    @property
    def data_dir(self) -> Path:
        """TF_DATA_DIR."""
        return self.work_dir / "data"

    @property
    def tfvars(self) -> Path:
        """The generated variables."""
        return self.build_dir / f"{self.name}.tfvars.json"

    @property
    def backend(self) -> Path:
        """The generated backend configuration."""
        return self.build_dir / f"{self.name}.s3.tfbackend"

    @property
    def plan_file(self) -> Path:
        """The saved plan (may hold secrets: 0600, never published)."""
        return self.build_dir / f"{self.name}.tfplan"

    @property
    def manifest(self) -> Path:
        """The saved plan's manifest."""
        return self.build_dir / f"{self.name}.plan.json"

    @property
    def local_state(self) -> Path:
        """The state of a foundation that has no bucket yet."""
        return self.build_dir / f"{self.name}.tfstate"

    @property
    def lock_file(self) -> Path:
        """The dependency lock file, which is committed."""
        return self.source_dir / LOCK_FILE

    @property
    def state_key(self) -> str:
        """The state's key in the state bucket."""
        return self.names.state_key(self.name)


def root_of(settings: Settings, env: str, name: str) -> Root:
    """Return a root, whether the project has code for it or not. It is of all functions, so no view has one."""
    return Root(settings.whole, settings.whole.environment(env), name)


def root(settings: Settings, env: str, name: str) -> Root:
    """Return a root. Raises `BadInputError` for an unknown environment or root, or one that the project lacks."""
    chosen = root_of(settings, env, name)
    if name not in ROOTS:
        hint = f"{did_you_mean(name, ROOTS)} roots: {', '.join(ROOTS)}".strip()
        raise BadInputError(f"there is no Terraform root {name!r}", kind="unknown-root", hint=hint)
    if name == "delivery":
        previews.refuse(env, "have a delivery root")
    if not any(chosen.source_dir.glob("*.tf")):
        raise BadInputError(
            f"the project has no Terraform root {name!r}",
            kind="unknown-root",
            hint=f"its code belongs in {chosen.source_dir}; a project that `inv new` makes has it",
        )
    return chosen


def existing(settings: Settings, env: str) -> list[Root]:
    """Return the roots that the project has code for, in one environment."""
    every = [root_of(settings, env, name) for name in ROOTS]
    return [at for at in every if any(at.source_dir.glob("*.tf"))]


def backend_configuration(at: Root) -> dict[str, Any]:
    """Return the S3 backend's configuration: encrypted, with S3's own lock (Terraform >= 1.10)."""
    return {
        "bucket": at.names.state_bucket,
        "encrypt": True,
        "key": at.state_key,
        "region": at.environment.region,
        "use_lockfile": True,
    }


def override(at: Root) -> str:
    """Return the file that gives a root's module what its variables can't hold; an empty text when they hold all.

    Raises `BadInputError` when the root's own code leaves no way to do so.
    """
    if at.name != SERVICE:
        return overrides.later(later(at), at.source_dir, at.name)
    more = {} if at.settings.main else functions.without_own(at.source_dir)
    return overrides.text(variables(at), at.source_dir, lambda: _untouched(at.settings.root), more)


def _untouched(project: Path) -> dict[str, Any]:
    """Return the variables of a service whose settings say nothing."""
    return {
        **variables_of(Settings(project), SERVICE),
        **FunctionSettings().variables,
        **earlier_roots.untouched(),
        **ci_variables.UNTOUCHED,
        **rung_gates.UNTOUCHED,
    }


def generated(at: Root) -> dict[str, str]:
    """Return the files that stand beside a root's own code in its snapshot, by name.

    Raises `BadInputError` when the root's own code leaves no way to give its module what it needs.
    """
    called = functions.file(at.settings, at.environment.name, at.source_dir) if at.name == SERVICE else ""
    made = {overrides.FILE: override(at), functions.FILE: called}
    return {name: text for name, text in made.items() if text}


def write_inputs(at: Root, image_uri: str | None = None, images: Mapping[str, str] = NO_IMAGES) -> None:
    """Write the root's `.tfvars.json` and `.s3.tfbackend`."""
    files.write_json(at.tfvars, overrides.plain(variables(at, image_uri, images)), mode=0o600)
    width = max(map(len, backend_configuration(at)))
    lines = [f"{key:<{width}} = {json.dumps(value)}" for key, value in backend_configuration(at).items()]
    files.write_text(at.backend, "\n".join(lines) + "\n")


def code(at: Root) -> dict[str, Path]:
    """Return the code that a root may read, by path under `terraform/`: itself and all that isn't another root."""
    others = tuple(f"{name}/" for name in ROOTS if name != at.name)
    return {name: path for name, path in files.sources(at.terraform_dir).items() if not name.startswith(others)}


def code_hashes(at: Root) -> tuple[str, str]:
    """Return the hash of the root's own code (without the lock file) and that of the modules."""
    lock = f"{at.name}/{LOCK_FILE}"
    hashes = {name: files.sha256_file(path) for name, path in code(at).items() if name != lock}
    own = {name: value for name, value in hashes.items() if name.startswith(f"{at.name}/")}
    shared = {name: value for name, value in hashes.items() if name not in own}
    return files.sha256_mapping(own), files.sha256_mapping(shared)


def snapshot(at: Root, extra: Mapping[str, str]) -> None:
    """Copy the code to where Terraform runs, and add the files in `extra` (name to text) to the root.

    What holds references is added too. Raises `BadInputError` when the root's own code leaves no way to do so.
    """
    made = generated(at)
    shutil.rmtree(at.snapshot_dir.parent, ignore_errors=True)
    for name, path in code(at).items():
        target = at.snapshot_dir.parent / name
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(path, target)
    for name, text in {**extra, **made}.items():
        files.write_text(at.snapshot_dir / name, text, mode=0o600)  # environment variables, as in the variables' file


def inputs_hash(settings: Settings, env: str, name: str) -> str:
    """Return the hash of all that decides a root's result: code, modules, variables, backend, lock file.

    Offline and without Terraform (a few milliseconds). `deploy` skips Terraform when the ledger recorded this hash for
    the last apply. The image isn't part of it, since a release owns the image.
    """
    return hash_of(root(settings, env, name))


def hash_of(at: Root, *, unfinished: bool = False) -> str:
    """Return `inputs_hash` of a root at hand; one that equals no other when an apply left something `unfinished`."""
    own, shared = code_hashes(at)
    distribution = at.settings.terraform_distribution
    return files.sha256_mapping(
        {
            "schema": 1,
            **({} if distribution == DISTRIBUTIONS[0] else {"distribution": distribution}),
            "backend": backend_configuration(at),
            "code": own,
            "lock": files.sha256_file(at.lock_file),
            "modules": shared,
            "variables": kept_variables(at),
            **({"unfinished": True} if unfinished else {}),
        }
    )


def kept_variables_hash(at: Root) -> str:
    """Return the hash of a root's variables without the image, which a release owns."""
    return files.sha256_mapping(kept_variables(at))
