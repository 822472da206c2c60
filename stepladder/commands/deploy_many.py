"""`inv deploy` of a project with several functions: all that changed are released, or none.

Terraform runs once. Each image is built once. Then every function is prepared (its version published and tested), then
every alias moves, then every release is recorded; in each phase several functions at once. What fails before the first
alias has moved moves nothing. What fails later returns every alias that this run has moved.

The environment's lock is held while Terraform runs, each function's own from its preparation to its record. Locks are
taken in the order of their names, the environment's first.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

from stepladder.aws_lambda.alias import ALIAS_CHANGED
from stepladder.commands import function_failures as failures
from stepladder.commands import many_report as reports
from stepladder.commands.deploy import DeployOptions, checked_commit
from stepladder.commands.function_deploy import FunctionDeploy
from stepladder.commands.many_images import SharedImages
from stepladder.commands.many_report import ManyReport
from stepladder.commands.many_terraform import SharedRoots
from stepladder.core.errors import StepladderError
from stepladder.core.process_identity import release_id
from stepladder.core.several import attempt
from stepladder.ledger.lock import WAIT
from stepladder.ledger.schema import Holder
from stepladder.releases import failed_run, foretold, half_destroyed, secret_check
from stepladder.releases.interfaces import Images, Infrastructure
from stepladder.releases.plan import FOUNDATION, SERVICE
from stepladder.releases.rung import Rung, uninterrupted
from stepladder.releases.smoke_suite import UNTESTED_WARNING

_OVERTAKEN = (ALIAS_CHANGED, "changed-by-hand")
"""The kinds of errors that another run may be the reason of, which ended before our locks."""
AT_ONCE = 8  # functions that are worked on at once


class DeployMany:
    """One deployment of one environment with several functions. `rung` is the environment with the whole project."""

    def __init__(
        self,
        rung: Rung,
        images: Callable[[Rung], Images],
        infra: Infrastructure,
        request: DeployOptions,
        names: Sequence[str] = (),
    ) -> None:
        self.rung, self.infra, self.request = rung, infra, request
        self._images = images
        self.names = tuple(names) or rung.settings.function_names
        self.all = {name: self._function(name) for name in rung.settings.function_names}
        self.images = SharedImages(rung)
        self.pool = ThreadPoolExecutor(AT_ONCE, thread_name_prefix="deploy")
        self.roots = SharedRoots(rung, infra, request, self.pool)
        self._terraform = contextlib.ExitStack()  # the environment's lock
        self._held = contextlib.ExitStack()  # the other functions' locks

    def _function(self, name: str) -> FunctionDeploy:
        view = self.rung.of_function(name)
        view = replace(view, console=self.rung.console.about(view.target))
        if not name:  # the project's own function has the environment's lock
            vars(view)["lock"] = self.rung.lock
        return FunctionDeploy(name, view, self._images(view), self.infra, self.request)

    @property
    def functions(self) -> list[FunctionDeploy]:
        """The functions that are deployed, in the settings' order."""
        return [self.all[name] for name in self.names]

    @property
    def acting(self) -> list[FunctionDeploy]:
        """The functions with something to do."""
        return [each for each in self.functions if each.plan.acts]

    def run(self) -> ManyReport:
        """Deploy and return the report. Errors are those of `Deploy.run`, with a line for each function.

        As there, what another run released in between is read again, once.
        """
        try:
            return self._once()
        except StepladderError as error:
            if error.kind not in _OVERTAKEN or any(each.returned for each in self.all.values()):
                raise
            if not any(each.deploy.overtaken() for each in self.functions):
                raise
        self.rung.console.warn("another run released here meanwhile; it is read again")
        again = DeployMany(replace(self.rung), self._images, self.infra, self.request, self.names)
        return again._once()

    def _once(self) -> ManyReport:
        with self.pool, self._terraform, self._held, foretold.refusals(dry_run=self.request.dry_run):
            for function in self.functions:
                function.load(no_smoke=self.request.no_smoke)
            self._read(self.functions)
            half_destroyed.warn(self.rung, self.roots.ledger)
            self._plan()
            self._add_new()
            if self.request.allow_destroy:
                self.roots.check_allowed()
            if not self.acting:
                return reports.unchanged(self.rung, self.functions, self.roots)
            if self.request.dry_run:
                self._check()
                built = [each for each in self.acting if each.builds]
                self.images.check_files(self.functions if self.roots.service.act else built)
                return reports.previewed(self.rung, self.functions, self.roots, self.request)
            if self.request.no_smoke:
                self.rung.console.warn(UNTESTED_WARNING)
            self._check()
            return self._act()

    # read and plan

    def _read(self, functions: Sequence[FunctionDeploy]) -> None:
        """Read the ledger in few calls, and the aliases at once."""
        targets = [each.rung.target for each in functions]
        ledger = self.rung.ledger.snapshots([self.rung.environment, *targets])
        hashes, keys = self.roots.hashes(), {each.name: self.images.input_key(each) for each in functions}
        self.roots.ledger = ledger[self.rung.environment]

        def read(function: FunctionDeploy) -> None:
            function.read(ledger[function.rung.target], keys[function.name], hashes)

        self._each(functions, read)
        if any(each.is_new for each in functions):  # else each alias's account was compared
            self.rung.check_caller()

    def _plan(self) -> None:
        """Decide what becomes of the roots that all share, then plan each function with that."""
        self.roots.plan(self.functions)
        for function in self.functions:
            function.settle(self.roots.steps)

    def _add_new(self) -> None:
        """Take in functions that were not asked for, where Terraform is about to make them: they need an image."""
        others = [each for name, each in self.all.items() if name not in self.names]
        if not (others and self.roots.service.act):
            return
        for other in others:
            other.load(no_smoke=self.request.no_smoke)
        self._read(others)
        new = [other for other in others if other.is_new]
        for other in new:
            self.rung.console.warn(f"{other.label} is new: this apply makes it, so it is released too")
        self.roots.others = [other for other in others if not other.is_new]
        self.names = tuple(name for name in self.all if name in self.names or self.all[name] in new)
        self._plan()

    def _check(self) -> None:
        """Refuse what may not be released, before any lock is taken."""
        from stepladder.releases import sources

        commit = checked_commit(sources.commit_of([each.rung.settings for each in self.functions]), self.request)
        for function in self.functions:
            function.acts.commit = commit
        for function in self.acting:
            if function.is_releasing:
                function.deploy.check_freeze()
        if not self.request.dry_run:
            secret_check.check([each.rung for each in self.acting])

    # act

    def _act(self) -> ManyReport:
        try:
            self._carry_out()
        except StepladderError as error:
            if any(each.ready for each in self.functions):
                error.record = reports.failed(self.rung, self.functions)
            raise
        return reports.released(self.rung, self.functions)

    def _carry_out(self) -> None:
        live = max((each.live_release for each in self.functions), default="")
        with failed_run.recorded(self.rung, "deploy", after=live, commit=self.functions[0].acts.commit):
            acting = self._made()
        self._hold(acting)
        self._release([each for each in acting if each.plan.acts])

    def _made(self) -> list[FunctionDeploy]:
        """Do what comes before any function has a version, and return the functions with something to do."""
        self._begin()
        acting = self.acting
        lost = [each for each in acting if each.acts.lost_alias]
        if lost:
            self._hold(acting)
            self._each(lost, FunctionDeploy.restore_alias)
        self._each([each for each in acting if each.is_releasing], FunctionDeploy.guard)
        self.images.check_marks(acting, force=self.request.force)
        self._make(acting)
        if all(each.name for each in acting):
            self._terraform.close()  # what other runs apply meanwhile is none of the functions' releases
        return acting

    def _begin(self) -> None:
        """Take the environment's lock where it is needed; before the first foundation there is none."""
        if not self.roots.ledger.exists:
            self.images.check_files(self.acting)
            self.roots.apply(FOUNDATION, self.functions)
            self.roots.ledger = self.rung.ledger.snapshot(self.rung.environment)
            for function in self.functions:
                function.state = replace(function.state, ledger=self.rung.ledger.snapshot(function.rung.target))
        needed = self.roots.acts or any(each.acts.lost_alias or not each.name for each in self.acting)
        if needed and not self._hold_environment():
            self._again(self.functions)
        if needed:
            half_destroyed.end(self.rung, self.roots.ledger)

    def _hold_environment(self) -> bool:
        """Take the environment's lock, unless it is held; say whether nobody was at work in between."""
        if self.rung.lock.held:
            return True
        return self._lock(self.rung, self.roots.ledger.lock, self._terraform)

    def _hold(self, functions: Iterable[FunctionDeploy]) -> None:
        """Take the functions' locks in the order of their names; what somebody was at work on is read again."""
        free = [each for each in functions if not each.rung.lock.held]
        free.sort(key=lambda each: each.rung.target)
        disturbed = [each for each in free if not self._lock(each.rung, each.state.ledger.lock, self._held)]
        if disturbed:
            self._again(disturbed)
            self._images_and_reads([each for each in disturbed if each.is_releasing])

    def _lock(self, rung: Rung, seen: Holder | None, held: contextlib.ExitStack) -> bool:
        wait = WAIT if self.request.wait else 0.0
        return held.enter_context(rung.locked(seen, wait=wait, waiting=self.rung.say_waiting))

    def _again(self, functions: Sequence[FunctionDeploy]) -> None:
        """Read and plan again after another run was at work; its locks may have left a release to write down."""
        dead = self.rung.lock.taken_over if self.rung.lock.held else None
        if dead and all(each.name for each in functions):
            self.rung.report_takeover()
        for line in self.infra.free_lock_of(dead) if dead else ():
            self.rung.console.warn(line)
        for function in functions:
            if function.rung.lock.held:
                function.take_over()
        self._read(functions)
        self._plan()

    def _make(self, acting: Sequence[FunctionDeploy]) -> None:
        """Apply Terraform and prepare the images: the images first where Terraform is to make a function of one."""
        if self.roots.acts and any(each.builds for each in acting):
            self.images.check_files([each for each in acting if each.builds])
        if self.roots.service.act:
            self.images.check_handlers(self.functions)
        self.roots.run(FOUNDATION, self.functions)
        if FOUNDATION in self.roots.applied:
            self.images.rebuild_missing(acting)
        if any(each.is_new for each in acting):
            self._prepare_images(acting)
            self.roots.run(SERVICE, self.functions)
        else:
            self.roots.run(SERVICE, self.functions)
            self._prepare_images(acting)
        releasing = [each for each in acting if each.is_releasing]
        if SERVICE in self.roots.applied:
            self._each(releasing, self._as_applied)
        else:
            self.roots.set_back(releasing, self._hold_environment)

    def _as_applied(self, function: FunctionDeploy) -> None:
        early = function.latest
        function.acts.applied.add(SERVICE)
        function.acts.state = function.state
        function.latest = function.acts.as_applied(early)

    def _prepare_images(self, functions: Sequence[FunctionDeploy]) -> None:
        self.images.prepare([each for each in functions if each.builds], self.pool, self.roots, self._hold_environment)
        self.images.check_marks(functions, force=self.request.force)

    def _images_and_reads(self, functions: Sequence[FunctionDeploy]) -> None:
        """Do for functions that were read again what the others had before their locks."""
        self._each(functions, FunctionDeploy.guard)
        self._prepare_images(functions)
        self.roots.check_unchanged(functions)

    # release

    def _release(self, functions: Sequence[FunctionDeploy]) -> None:
        """Prepare all, move all, record all; raise after everything is back where it was when that fails."""
        shared = release_id(self.rung.clock.now(), max((each.live_release for each in functions), default=""))
        try:
            attempt(functions, lambda function: function.prepare(shared), self.pool, stop=True)
        except BaseException as error:
            failures.give_up(functions, error, self.pool)
            raise
        with uninterrupted():
            try:
                attempt(functions, FunctionDeploy.move, self.pool, stop=True)
            except Exception as error:
                raise failures.put_back(functions, error, self.pool) from error
            attempt(functions, FunctionDeploy.record, self.pool)

    def _each(self, functions: Sequence[FunctionDeploy], act: Callable[[FunctionDeploy], None]) -> None:
        attempt(functions, act, self.pool)
