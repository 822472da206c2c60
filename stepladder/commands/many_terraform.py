"""Terraform of a deploy of several functions: their environment's roots are planned and applied once for all."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import Executor
from dataclasses import replace

from stepladder.commands.deploy import DeployOptions
from stepladder.commands.function_deploy import FunctionDeploy
from stepladder.core.names import is_preview
from stepladder.ledger.snapshot import Snapshot
from stepladder.releases import applied_root, drift, left_foundation
from stepladder.releases.interfaces import Infrastructure
from stepladder.releases.plan import FOUNDATION, SERVICE, PlannedStep
from stepladder.releases.release import check_kind
from stepladder.releases.rung import Rung


class SharedRoots:
    """The roots of one environment. `rung` is it with the whole project, `others` are functions left as they are.

    `ledger` is what was read of the environment, `applied` which roots this run has applied.
    """

    ledger: Snapshot
    steps: tuple[PlannedStep, PlannedStep]

    def __init__(self, rung: Rung, infra: Infrastructure, options: DeployOptions, pool: Executor) -> None:
        self.rung, self.infra, self.pool = rung, infra, pool
        self.mode = options.infra or rung.settings.infra
        self.allowed = options.allow_destroy
        self.others: list[FunctionDeploy] = []
        self.applied: set[str] = set()

    def hashes(self) -> tuple[str, str]:
        """Hash everything that decides the foundation and the service, offline."""
        return self.infra.inputs_hash(FOUNDATION), self.infra.inputs_hash(SERVICE)

    def plan(self, functions: Sequence[FunctionDeploy]) -> None:
        """Plan both roots: the service is applied where any function needs it."""
        planned = [(function, *function.roots()) for function in functions]
        services = [service for _, _, service in planned]
        acting = [(function, service) for function, _, service in planned if service.act]
        service = acting[0][1] if acting else services[0]
        if acting and len(acting) < len(planned):
            named = ", ".join(function.label for function, _ in acting[:5])
            more = f" and {len(acting) - 5} more" if len(acting) > 5 else ""  # noqa: PLR2004 - a line is enough
            service = replace(service, why=f"{named}{more}: {service.why}")
        self.steps = planned[0][1], service

    @property
    def foundation(self) -> PlannedStep:
        """What becomes of the foundation."""
        return self.steps[0]

    @property
    def service(self) -> PlannedStep:
        """What becomes of the service."""
        return self.steps[1]

    @property
    def acts(self) -> bool:
        """Whether Terraform is to run."""
        return any(step.act for step in self.steps)

    def may_apply(self, root: str) -> bool:
        """Say whether a root may be applied though its inputs are as they were; a preview leaves the foundation."""
        if root == FOUNDATION and is_preview(self.rung.environment):
            return False
        return self.mode != "never" and root not in self.applied

    def check_allowed(self) -> None:
        """Refuse a name of `--allow-destroy` under which nothing would be destroyed, before anything has changed."""
        with self.rung.console.step("allow") as step:
            self.infra.check_allowed([planned.name for planned in self.steps if planned.act], step)
            step.done(f"{', '.join(self.allowed)} may be destroyed or replaced")

    def run(self, root: str, functions: Sequence[FunctionDeploy]) -> None:
        """Apply a root if it is planned to be, unless this run did already."""
        planned = self.foundation if root == FOUNDATION else self.service
        if root in self.applied:
            return
        if planned.act:
            self.apply(root, functions)
        else:
            left_foundation.skip(self.rung, self.infra, planned)

    def apply(self, root: str, functions: Sequence[FunctionDeploy], expected: Mapping[str, str] | None = None) -> None:
        """Apply a root for all functions, and record it; `expected` as in `applied_root.record`.

        After a service each function's `acts.latest` is $LATEST as the apply left it.
        """
        every = [*functions, *self.others]
        own = next((each for each in every if not each.name), None)
        images = {each.name: _image(each) for each in every if each.name and _image(each)}
        service = root == SERVICE
        done = applied_root.apply(
            self.rung,
            self.infra,
            root,
            (_image(own) or None) if own and service else None,
            live=bool(service and own and own.image is None and _image(own)),
            images=images if service else None,
        )
        self.applied.add(root)
        for function in every:
            before = function.wanted
            hashes = {"service_hash" if service else "foundation_hash": done.inputs_hash}
            function.wanted = replace(before, **hashes) if done.inputs_hash else before
        wanted = every[0].wanted
        done = replace(done, inputs_hash=wanted.service_hash if service else wanted.foundation_hash)
        read = self._read(every) if service else {}
        infra = applied_root.record(self.rung, root, done, {**read, **(expected or {})})
        for function in every if service else ():
            function.acts.plan_id = done.plan_id
            function.acts.url = infra.of_function(function.name).url

    def _read(self, functions: Sequence[FunctionDeploy]) -> dict[str, str]:
        """Read $LATEST of every function, and return the hashes of their configurations by name."""

        def read(function: FunctionDeploy) -> tuple[str, str]:
            function.acts.latest = latest = function.rung.function.read()
            return function.name, latest.config_hash if latest else ""

        return dict(self.pool.map(read, functions))

    def set_back(self, functions: Sequence[FunctionDeploy], lock: Callable[[], object]) -> None:
        """Apply the service again where somebody changed a configuration by hand that would be released now.

        `lock` takes the environment's lock. Raises `RefusedError` with the difference when that can't be set back.
        """
        changed = self._changed(functions)
        if not changed:
            return
        lock()
        for function, lines in changed:
            function.rung.console.warn(f"changed by hand: {'; '.join(lines)}; the service is applied again")
        expected = {each.name: drift.applied_hash(each.state.ledger) for each, _ in changed}
        self.apply(SERVICE, functions, expected)
        for function in functions:
            function.latest = latest = function.acts.latest
            if latest and latest.config_hash != expected.get(function.name, latest.config_hash):
                kept = drift.changes(function.rung, function.state.ledger, latest)
                raise drift.refused(function.rung, kept, "Terraform doesn't set it back")

    def check_unchanged(self, functions: Sequence[FunctionDeploy]) -> None:
        """Refuse a configuration that somebody changed by hand while this run waited for a lock."""
        for function, lines in self._changed(functions):
            raise drift.refused(function.rung, lines, "another run was at work meanwhile")

    def _changed(self, functions: Sequence[FunctionDeploy]) -> list[tuple[FunctionDeploy, list[str]]]:
        changed = []
        for function in functions:
            latest, ledger = function.latest, function.state.ledger
            if latest and drift.has_drifted(ledger, latest):
                check_kind(function.rung, latest)
                lines = drift.to_repair(function.rung, ledger, latest, infra=self.mode)
                changed += [(function, lines)] if lines else []
        return changed


def _image(function: FunctionDeploy | None) -> str:
    """Return the reference of the image that a function is made of: one that was just prepared, else the live one."""
    if function is None:
        return ""
    if function.image:
        return function.image.reference
    current, names = function.state.ledger.current, function.rung.names
    return f"{names.registry}/{names.repository}@{current.digest}" if current and function.state.alias else ""
