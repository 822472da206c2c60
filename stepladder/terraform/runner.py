"""Terraform commands for one root in one environment: argv, deadlines, logs, exit codes, errors explained."""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
import shutil
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from stepladder.core import process
from stepladder.core.aws import Aws
from stepladder.core.ci import in_ci
from stepladder.core.errors import StepladderError
from stepladder.core.lazy_dataclass import dataclass
from stepladder.core.notes import is_new
from stepladder.core.step import Step
from stepladder.terraform import cli, distributions, file_lock, files, provider_process, providers, references, roots
from stepladder.terraform.events import Watch
from stepladder.terraform.failures import TerraformError, blame_credentials
from stepladder.terraform.roots import Root

INIT_DEADLINE = 900.0
PLAN_DEADLINE = 1800.0
APPLY_DEADLINE = 7200.0
SHORT_DEADLINE = 300.0
APPLY_GRACE = 1800.0  # an interrupted apply finishes what it has begun: a CloudFormation stack may take this long
LOCK_TIMEOUT = 60  # seconds that Terraform waits for somebody else's state lock

PLATFORMS = ("linux_amd64", "linux_arm64", "darwin_amd64", "darwin_arm64")

LOCAL_BACKEND = "stepladder_override.tf"
IMPORTS = "stepladder_imports.tf"
_MIGRATE = "-migrate-state"
_PROVIDED = frozenset({"apply", "plan", "show", _MIGRATE})
"""Commands that start providers, and an `init` that has installed them before. Another `init` would install none."""
_PLAN_CHANGES = 2  # of -detailed-exitcode: 0 no changes, 1 failed, 2 changes


@dataclass
class Runner:
    """Run Terraform in a root's snapshot while the local lock is held. Made by `opened`."""

    at: Root
    terraform: cli.Terraform
    source: providers.ProviderSource
    held: file_lock.HeldFileLock
    step: Step | None = None
    backend: str = "s3"  # or "local": a foundation without its bucket
    notes: list[str] = field(default_factory=list)

    def prepare(self, *, backend: str = "s3", extra: Mapping[str, str] | None = None) -> None:
        """Take the snapshot, with `extra` files in the root, and run `init` when anything it depends on changed."""
        self.backend = backend
        local_backend = {LOCAL_BACKEND: _local_backend(self.at.local_state)} if backend == "local" else {}
        roots.snapshot(self.at, {**local_backend, **(extra or {})})
        if self._stamp_holds():
            return
        self._say("init")
        args = ["init", "-json", "-input=false", "-reconfigure"]
        if in_ci() and self.at.lock_file.is_file():
            args.append("-lockfile=readonly")
        if backend == "s3":
            args.append(f"-backend-config={self.at.backend}")
        with self._cache_locked():
            self.run(args, timeout=INIT_DEADLINE, hint=self._init_hint())
        self._keep_lock_file()
        self._write_stamp()

    def migrate(self) -> None:
        """Move the local state, which `prepare(backend="local")` and an apply made, into the bucket."""
        roots.snapshot(self.at, {})
        self._stamp_file.unlink(missing_ok=True)
        self._say("moving the state into its bucket")
        # -json refuses -migrate-state (hashicorp/terraform#34886)
        args = ["init", "-input=false", "-no-color", _MIGRATE, "-force-copy"]
        self.run([*args, f"-backend-config={self.at.backend}"], timeout=INIT_DEADLINE)
        if self.at.lock_file.is_file():  # an attached `init` takes the provider out of it
            shutil.copyfile(self.at.lock_file, self.at.snapshot_dir / roots.LOCK_FILE)
        self.backend = "s3"
        self._write_stamp()

    def plan(
        self, out: Path, *, lock: bool = True, lock_timeout: int = LOCK_TIMEOUT, destroy: bool = False
    ) -> tuple[bool, Watch]:
        """Plan into `out` (0600); return whether anything would change, and what was seen.

        With `destroy` it is the plan that destroys all that the state has.
        """
        out.unlink(missing_ok=True)
        out.parent.mkdir(parents=True, exist_ok=True)
        out.touch(mode=0o600)  # Terraform keeps the mode of a file that exists
        args = ["plan", "-json", "-input=false", "-detailed-exitcode", f"-out={out}", f"-var-file={self.at.tfvars}"]
        args += [f"-lock-timeout={lock_timeout}s"] if lock else ["-lock=false"]
        args += ["-destroy"] if destroy else []
        self._say("planning")
        code, watch = self.run(args, timeout=PLAN_DEADLINE, good=(0, _PLAN_CHANGES), verb="planning")
        return code == _PLAN_CHANGES, watch

    def apply(self, plan: Path, *, total: int, lock_timeout: int = LOCK_TIMEOUT) -> Watch:
        """Apply a saved plan and nothing else."""
        args = ["apply", "-json", "-input=false", f"-lock-timeout={lock_timeout}s", str(plan)]
        self._say(f"applying {total} changes")
        return self.run(args, timeout=APPLY_DEADLINE, grace=APPLY_GRACE, total=total, verb="applying")[1]

    def forget(self, addresses: Sequence[str], *, lock_timeout: int = LOCK_TIMEOUT) -> None:
        """Take objects out of the state; they stay in AWS."""
        self.run(["state", "rm", f"-lock-timeout={lock_timeout}s", *addresses], timeout=SHORT_DEADLINE)

    def document(self, args: list[str]) -> dict[str, Any]:
        """Run a command that prints one JSON object, maybe secret, and return it; an empty one when it prints nothing.

        Terraform 1.15 prints warnings beside it, on the same stream (hashicorp/terraform#38512).
        """
        text = self._stdout(args)
        try:
            parsed = json.JSONDecoder().raw_decode(text[text.index("{") :])[0] if text.strip() else {}
        except ValueError as error:
            raise StepladderError(
                f"terraform {args[0]} of {self.at.label} answered no JSON", kind="terraform-failed"
            ) from error
        return dict(parsed)

    def _stdout(self, args: list[str]) -> str:
        watch = Watch()
        done = self._execute(args, watch, SHORT_DEADLINE, spooled=False)
        if done.code:
            raise self._failure(args[0], done, watch, "")
        return done.out

    def run(
        self,
        args: list[str],
        *,
        timeout: float,
        grace: float = process.GRACE,
        good: tuple[int, ...] = (0,),
        total: int = 0,
        verb: str = "",
        hint: str = "",
    ) -> tuple[int, Watch]:
        """Run one command. Raises `TerraformError` with Terraform's own words when its exit code isn't good."""
        watch = Watch(self.step, total=total, verb=verb)
        done = self._execute(args, watch, timeout, grace=grace)
        if done.code in good:
            return done.code, watch
        # After any failure the next run prepares again: a broken init must not be remembered as a good one.
        self._stamp_file.unlink(missing_ok=True)
        raise self._failure(args[0], done, watch, hint)

    def _execute(
        self, args: list[str], watch: Watch, timeout: float, *, grace: float = process.GRACE, spooled: bool = True
    ) -> process.Completed:
        """Run a command; `spooled` when it may hold the state lock, and never when it prints values."""
        spool = self.at.work_dir / "terraform" if spooled else None
        env = cli.environment(self.at.data_dir, {**self.source.env, **self._credentials()})
        try:
            with self._provider(args, env) as attached:
                done = process.run(
                    [str(self.terraform.path), *args],
                    cwd=self.at.snapshot_dir,
                    env={**env, **attached.env},
                    timeout=timeout,
                    on_line=watch.line,
                    pass_fds=(self.held.fd, *attached.fds),
                    spool=spool,
                    grace=grace,
                )
                attached.spoiled = done.code not in (0, _PLAN_CHANGES)
                return done
        finally:
            if spooled:
                self._log(args, watch)

    def _provider(
        self, args: list[str], env: Mapping[str, str | None]
    ) -> contextlib.AbstractContextManager[provider_process.Attachment]:
        """Return the provider of a command: the run's, for those that start one."""
        if _PROVIDED.isdisjoint(args):
            return contextlib.nullcontext(provider_process.Attachment({}))
        return provider_process.attached(self.at, self.terraform.distribution, env)

    def _credentials(self) -> dict[str, str | None]:
        """Return what lets Terraform act as the environment's role, where it has one; never in argv or a file."""
        at = self.at.environment
        return Aws(at.region, at.role_arn).variables()

    def _failure(self, verb: str, done: process.Completed, watch: Watch, hint: str) -> TerraformError:
        errors = watch.errors
        words = errors[0].brief if errors else _last_line(done)
        more = f", and {len(errors) - 1} more" if len(errors) > 1 else ""
        log = f"everything that Terraform said is in {self._log_file(verb)}"
        explained = references.explain(self.at, errors, hint=log)
        if explained:
            return explained
        return TerraformError(
            f"terraform {verb} of {self.at.label} failed: {words}{more}",
            hint=f"{hint}; {log}" if hint else log,
            diagnostics=tuple(errors),
            failed=frozenset(watch.failed),
        )

    def _say(self, text: str) -> None:
        if self.step:
            self.step.progress(text)

    # init

    @property
    def _stamp_file(self) -> Path:
        return self.at.work_dir / "init.json"

    def _stamp(self) -> dict[str, str]:
        own, shared = roots.code_hashes(self.at)
        return {
            "backend": self.backend,
            "backend_configuration": files.sha256_file(self.at.backend),
            "code": own,
            "lock": files.sha256_file(self.at.lock_file),
            "modules": shared,
            "providers": files.sha256_mapping({**self.source.env, "mirror": str(self.source.mirror)}),
            "provider": provider_process.identity(self.at, self.terraform.distribution),
            "terraform": self.terraform.version,
        }

    def _stamp_holds(self) -> bool:
        # A mirror's providers are links: one that leads nowhere means that the mirror has moved.
        installed = [path.exists() for path in (self.at.data_dir / "providers").glob("*/*/*/*/*")]
        lock = self.at.lock_file.read_text(encoding="utf-8") if self.at.lock_file.is_file() else ""
        complete = all(installed) and len(installed) >= lock.count('\nprovider "')
        return complete and files.read_json(self._stamp_file) == self._stamp()

    def _write_stamp(self) -> None:
        files.write_json(self._stamp_file, self._stamp())

    def _keep_lock_file(self) -> None:
        """Carry a lock file that init made or extended back to the project, where it is committed."""
        made = self.at.snapshot_dir / roots.LOCK_FILE
        if not made.is_file() or files.sha256_file(made) == files.sha256_file(self.at.lock_file):
            return
        files.write_text(self.at.lock_file, made.read_text(encoding="utf-8"))
        name = self.at.lock_file.relative_to(self.at.settings.root)
        self.notes.append(f"{name} was written: commit it, so that every machine takes the same providers")
        # A registry signs checksums for every platform; a mirror has its files only. That holds for every root's file.
        platforms = " ".join(f"-platform={platform}" for platform in PLATFORMS)
        build_dir = self.at.settings.build_dir
        if self.source.kind != "registry" and is_new(build_dir, "lock files' platforms", platforms):
            self.notes.append(
                "a mirror gave the providers, so the lock files may name no other platform than this one; "
                f"to add the others, for each root: `terraform -chdir={name.parent} providers lock {platforms}`"
            )

    @contextlib.contextmanager
    def _cache_locked(self) -> Iterator[None]:
        """Let one `init` at a time use a plugin cache (hashicorp/terraform#31964: concurrent ones corrupt it)."""
        if not self.source.cache:
            yield
            return
        with (self.source.cache / ".stepladder.lock").open("a") as file:
            fcntl.flock(file, fcntl.LOCK_EX)
            yield

    def _init_hint(self) -> str:
        where = {
            "configured": f"providers come as {self.source.env.get('TF_CLI_CONFIG_FILE')} says",
            "mirror": f"providers come from the mirror {self.source.mirror}",
            "registry": f"providers come from {self.terraform.distribution.registry}; with no way there, name a "
            f"mirror in {providers.VARIABLE}",
        }
        return where[self.source.kind]

    # logs

    def _log_file(self, verb: str) -> Path:
        return self.at.settings.build_dir / "logs" / f"{self.at.environment.name}-{self.at.name}-{verb}.log"

    def _log(self, args: list[str], watch: Watch) -> None:
        """Keep the last run of each command, for a person to read."""
        head = f"# {datetime.now(UTC).isoformat()} terraform {' '.join(args)}\n"
        with contextlib.suppress(OSError):
            files.write_text(self._log_file(args[0]), head + "\n".join(watch.messages) + "\n", mode=0o600)


@contextlib.contextmanager
def opened(
    at: Root,
    *,
    aws: Aws | None = None,
    step: Step | None = None,
    image_uri: str | None = None,
    images: Mapping[str, str] = roots.NO_IMAGES,
) -> Iterator[Runner]:
    """Find Terraform, hold the local lock, write the root's inputs, and give the runner.

    With `aws` a failure of Terraform's says so when the credentials have ended meanwhile.
    """
    terraform = cli.find(at.settings.root, distributions.of(at.settings.terraform_distribution))
    references.check(at)
    with file_lock.hold(at, wait=LOCK_TIMEOUT, step=step) as held:
        roots.write_inputs(at, image_uri, images)
        source = providers.source(at.settings.build_dir, at.source_dir, registry=terraform.distribution.registry)
        runner = Runner(at, terraform, source, held, step)
        left_out = ", ".join(name for name in cli.meddling() if os.environ[name])
        if left_out and is_new(at.settings.build_dir, "kept from Terraform", left_out):
            runner.notes.append(f"kept from Terraform: {left_out}; only code and settings decide what it does")
        try:
            yield runner
        except TerraformError as error:
            blame_credentials(error, aws)
            raise


def _local_backend(state: Path) -> str:
    path = str(state).replace("\\", "\\\\").replace('"', '\\"').replace("${", "$${").replace("%{", "%%{")
    return f'terraform {{\n  backend "local" {{\n    path = "{path}"\n  }}\n}}\n'


def _last_line(done: process.Completed) -> str:
    lines = [line.strip() for line in (done.err + done.out).splitlines() if line.strip()]
    return lines[-1][:300] if lines else f"exit code {done.code}"
