"""Terraform commands for one root in one environment: argv, deadlines, logs, exit codes, errors explained."""

from __future__ import annotations

import contextlib
import json
import os
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from stepladder.core import process
from stepladder.core.aws import Aws
from stepladder.core.ci import in_ci
from stepladder.core.errors import StepladderError
from stepladder.core.notes import is_new
from stepladder.core.step import Step
from stepladder.terraform import (
    cli,
    distributions,
    file_lock,
    files,
    initialised,
    plugin_cache,
    provider_process,
    providers,
    reference_errors,
    references,
    roots,
)
from stepladder.terraform.events import Watch
from stepladder.terraform.failures import TerraformError, blame_credentials
from stepladder.terraform.roots import Root

INIT_DEADLINE = 900.0
PLAN_DEADLINE = 1800.0
APPLY_DEADLINE = 7200.0
SHORT_DEADLINE = 300.0
APPLY_GRACE = 1800.0  # an interrupted apply finishes what it has begun: a CloudFormation stack may take this long
LOCK_TIMEOUT = 60  # seconds that Terraform waits for somebody else's state lock

LOCAL_BACKEND = "stepladder_override.tf"
IMPORTS = "stepladder_imports.tf"
NO_BACKEND = "none"
_PROVIDED = frozenset({"apply", "plan", "show"})
"""Commands that start providers. An `init` that shares one installs none, and compares no checksums."""
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
    cancelled: threading.Event | None = None
    on_made: Callable[[str], None] = lambda _id: None

    def install(self) -> None:
        """Take the snapshot and install providers and modules: what `init` does before there is a bucket of states.

        A foundation is ready for its first plan then, whose state is on disk. Any other root has no state yet.
        """
        roots.snapshot(self.at, {})
        if not initialised.differs_in_backend(initialised.noted(self.at), self._wanted()):
            self.prepare(backend="local" if self.at.name == "foundation" else NO_BACKEND)

    def start_provider(self) -> None:
        """Start the provider that the next command will share."""
        with self._provider(self._environment(), shared=True):
            pass

    def is_linked(self) -> bool:
        """Say whether `init` has linked the provider, which it does when nothing is left to compare."""
        return provider_process.is_linked(self.at, self.terraform.distribution)

    def prepare(self, *, backend: str = "s3", extra: Mapping[str, str] | None = None) -> None:
        """Take the snapshot, with `extra` files in the root, and run `init` when anything it depends on changed."""
        self.backend = backend
        local_backend = {LOCAL_BACKEND: _local_backend(self.at.local_state)} if backend == "local" else {}
        roots.snapshot(self.at, {**local_backend, **(extra or {})})
        noted, wanted = initialised.noted(self.at), self._wanted()
        if noted == wanted:
            return
        self._say("init")
        args = ["init", "-json", "-input=false", "-reconfigure"]
        args += {"s3": [f"-backend-config={self.at.backend}"], NO_BACKEND: ["-backend=false"]}.get(backend, [])
        if initialised.differs_in_backend(noted, wanted):  # providers and modules are there, and were compared
            with plugin_cache.locked(self.source.cache, self.cancelled):
                self.run(args, timeout=INIT_DEADLINE, shared=True)
            initialised.restore_lock_file(self.at)
            initialised.note(self.at, self._wanted())
            return
        if in_ci() and self.at.lock_file.is_file():
            args.append("-lockfile=readonly")
        with plugin_cache.locked(self.source.cache, self.cancelled):
            self.run(args, timeout=INIT_DEADLINE, hint=self._init_hint())
        self.notes += initialised.keep_lock_file(self.at, self.source)
        initialised.note(self.at, self._wanted())

    def migrate(self) -> None:
        """Move the local state, which `prepare(backend="local")` and an apply made, into the bucket."""
        roots.snapshot(self.at, {})
        initialised.forget(self.at)
        self._say("moving the state into its bucket")
        # -json refuses -migrate-state (hashicorp/terraform#34886)
        args = ["init", "-input=false", "-no-color", "-migrate-state", "-force-copy"]
        self.run([*args, f"-backend-config={self.at.backend}"], timeout=INIT_DEADLINE, shared=True)
        initialised.restore_lock_file(self.at)
        self.backend = "s3"
        initialised.note(self.at, self._wanted())

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
        shared: bool = False,
    ) -> tuple[int, Watch]:
        """Run one command. Raises `TerraformError` with Terraform's own words when its exit code isn't good.

        `shared`: an `init`, after one that installed the providers, uses the run's.
        """
        watch = Watch(self.step, total=total, verb=verb, on_made=self.on_made)
        done = self._execute(args, watch, timeout, grace=grace, shared=shared)
        if done.code in good:
            return done.code, watch
        # After any failure the next run prepares again: a broken init must not be remembered as a good one.
        initialised.forget(self.at)
        raise self._failure(args[0], done, watch, hint)

    def _execute(
        self,
        args: list[str],
        watch: Watch,
        timeout: float,
        *,
        grace: float = process.GRACE,
        spooled: bool = True,
        shared: bool = False,
    ) -> process.Completed:
        """Run a command; `spooled` when it may hold the state lock, and never when it prints values."""
        spool = self.at.work_dir / "terraform" if spooled else None
        env = self._environment()
        try:
            with self._provider(env, shared=shared or args[0] in _PROVIDED) as attached:
                done = process.run(
                    [str(self.terraform.path), *args],
                    cwd=self.at.snapshot_dir,
                    env={**env, **attached.env},
                    timeout=timeout,
                    on_line=watch.line,
                    pass_fds=(self.held.fd, *attached.fds),
                    spool=spool,
                    grace=grace,
                    cancelled=self.cancelled,
                )
                attached.spoiled = done.code not in (0, _PLAN_CHANGES)
                return done
        finally:
            if spooled:
                self._log(args, watch)

    def _environment(self) -> dict[str, str | None]:
        return cli.environment(self.at.data_dir, {**self.source.env, **self._credentials()})

    def _provider(
        self, env: Mapping[str, str | None], *, shared: bool
    ) -> contextlib.AbstractContextManager[provider_process.Attachment]:
        """Return the provider of a command: one of the run's, or what the command starts itself."""
        if not shared:
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
        explained = reference_errors.explain(self.at, errors, hint=log)
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

    def _wanted(self) -> dict[str, str]:
        return initialised.stamp(self.at, self.terraform, self.source, self.backend)

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
    wait: float = LOCK_TIMEOUT,
) -> Iterator[Runner]:
    """Find Terraform, hold the local lock (after `wait` seconds at most), write the root's inputs, give the runner.

    With `aws` a failure of Terraform's says so when the credentials have ended meanwhile.
    """
    terraform = cli.find(at.settings.root, distributions.of(at.settings.terraform_distribution))
    references.check(at)
    with file_lock.hold(at, wait=wait, step=step) as held:
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
