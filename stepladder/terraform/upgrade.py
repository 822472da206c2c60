"""Take the newest providers that a project's roots allow, and write their lock files: without a state or AWS.

`init -upgrade` chooses the versions in a copy of each root, so that nothing but the lock file is left. `providers lock`
adds the checksums of other platforms, where a registry or the mirror has those.
"""

from __future__ import annotations

import re
import shutil
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from stepladder.core import process
from stepladder.core.errors import StepladderError
from stepladder.core.step import Step
from stepladder.settings.load import Settings
from stepladder.terraform import cli, distributions, files, providers, roots
from stepladder.terraform.initialised import PLATFORMS
from stepladder.terraform.runner import INIT_DEADLINE

_LOCKED = r'(?m)^provider "([^"]+)" \{\s*version\s*=\s*"([^"]+)"'


@dataclass(frozen=True)
class ProviderUpgrade:
    """One provider of one root, and its versions; `before` is empty for a new one, `after` for one gone."""

    root: str
    provider: str
    before: str
    after: str

    @property
    def is_change(self) -> bool:
        """Whether another version is locked now."""
        return self.before != self.after


def upgrade(settings: Settings, names: Sequence[str], step: Step) -> tuple[ProviderUpgrade, ...]:
    """Upgrade the providers of some roots, or of all; return what each root's lock file says before and after.

    Raises `BadInputError` for a root that isn't there, `StepladderError` with Terraform's words.
    """
    terraform = cli.find(settings.root, distributions.of(settings.terraform_distribution))
    existing = [each for each in roots.ROOTS if (settings.root / "terraform" / each).is_dir()]
    chosen = [roots.root(settings, settings.lowest, name) for name in (names or existing)]
    upgraded: list[ProviderUpgrade] = []
    for at in chosen:
        step.progress(at.name)
        upgraded += _upgrade(at, terraform)
    return tuple(upgraded)


def _upgrade(at: roots.Root, terraform: cli.Terraform) -> list[ProviderUpgrade]:
    work = at.settings.build_dir / "upgrade"
    shutil.rmtree(work, ignore_errors=True)
    for name, path in roots.code(at).items():
        target = work / "src" / name
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(path, target)
    folder = work / "src" / at.name
    source = providers.source(at.settings.build_dir, at.source_dir, registry=terraform.distribution.registry)
    env = cli.environment(work / "data", source.env)

    def run(*arguments: str) -> None:
        argv = [str(terraform.path), *arguments]
        done = process.run(argv, cwd=folder, env=env, timeout=INIT_DEADLINE)
        if done.code:
            raise StepladderError(
                f"{terraform.distribution.executable} {arguments[0]} of {at.name} failed",
                kind="terraform-failed",
                hint=(done.err or done.out).strip(),
            )

    try:
        run("init", "-backend=false", "-upgrade", "-input=false", "-no-color")
        if platforms := _platforms(source):
            mirror = [f"-fs-mirror={source.mirror}"] if source.mirror else []
            run("providers", "lock", "-no-color", *mirror, *(f"-platform={each}" for each in platforms))
        before, after = _locked(at.lock_file), _locked(folder / roots.LOCK_FILE)
        if (folder / roots.LOCK_FILE).is_file():
            files.write_text(at.lock_file, (folder / roots.LOCK_FILE).read_text("utf-8"))
    finally:
        shutil.rmtree(work, ignore_errors=True)
    every = sorted(before.keys() | after.keys())
    return [ProviderUpgrade(at.name, each, before.get(each, ""), after.get(each, "")) for each in every]


def _platforms(source: providers.ProviderSource) -> tuple[str, ...]:
    """Return the platforms that the source of providers has; none where only the user's configuration knows it."""
    if source.kind == "registry":
        return PLATFORMS
    if not source.mirror:
        return ()
    mirrored = [path.name for path in source.mirror.glob("*/*/*/**/*")]
    return tuple(platform for platform in PLATFORMS if any(platform in name for name in mirrored))


def _locked(path: Path) -> dict[str, str]:
    """Return the versions that a lock file names, by provider."""
    return dict(re.findall(_LOCKED, path.read_text("utf-8"))) if path.is_file() else {}
