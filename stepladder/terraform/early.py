"""Make a root ready for its apply beside something else: install its providers, and plan it once that is possible.

A first foundation has no state yet: what it is planned from is read beside its `init`, and it is planned right after
that. The state of a first deployment's service lies in a bucket that the foundation makes. The service is planned as
soon as the bucket is there, while the rest of the foundation is made. Both go without the state's lock, since nobody
acts on the plan before its apply takes that, and Terraform refuses to apply a plan whose state has moved on.

Such a plan is applied only if it would be the same in its turn: its inputs are as they were, it has read nothing of
the account, and a first foundation still has no state. Until then it has no manifest, so that no other command applies
what a refused deployment has planned. Whatever fails here is done again in its turn, and fails there.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from threading import Event

from stepladder.core.aws import Aws
from stepladder.terraform import files, foundation, planning, saved_plan
from stepladder.terraform.planning import Draft
from stepladder.terraform.roots import Root
from stepladder.terraform.runner import Runner, opened
from stepladder.terraform.saved_plan import Inputs, SavedPlan

_READ_NOTHING = frozenset({"aws_arn", "aws_caller_identity", "aws_iam_policy_document", "aws_partition", "aws_region"})
"""Data sources that say the same whatever is in the account."""
_POLL = 0.1  # seconds
_LINK_POLL = 0.02  # seconds


@dataclass
class EarlyRoot:
    """A root that is made ready in a thread. `over` is set when nobody wants that any more.

    `bucket` is set when the foundation's apply has made the bucket of the states, or has ended. `notes` are for the
    person, whatever else comes of it; `saved` is a plan, if one was made.
    """

    at: Root
    aws: Aws
    over: Event
    bucket: Event
    notes: list[str] = field(default_factory=list)
    saved: SavedPlan | None = None

    def install(self) -> None:
        """Install providers and modules, and start the provider; plan a first foundation. Raise nothing."""
        with contextlib.suppress(Exception), self._opened() as runner:
            if runner.held.died:  # the plan in its turn finds what that run left
                return
            installed = Event()
            with ThreadPoolExecutor(2, thread_name_prefix="init") as pool:
                inputs = pool.submit(self._first_inputs, runner)
                pool.submit(_begin_provider, runner, installed)
                try:
                    runner.install()
                finally:
                    installed.set()
            made_from = inputs.result()
            if made_from:
                lock = files.sha256_file(self.at.lock_file)  # which `init` has just made
                draft = planning.first(runner, replace(made_from, lock=lock), out=self.at.plan_file)
                self.saved = _unsaved(self.at, draft)
            else:
                runner.start_provider()

    def made(self, resource_id: str) -> None:
        """Take note of a resource that an apply of this root has made."""
        if resource_id == self.at.names.state_bucket:
            self.bucket.set()

    def plan(self, image: Callable[[], str]) -> None:
        """Plan, once the bucket of the state is there; raise nothing.

        `image` waits for the reference of the function's image. Nothing is planned when it returns an empty one, for
        an image that has none before it is pushed.
        """
        with contextlib.suppress(Exception):
            reference = image()
            if reference and self._bucket_comes():
                with self._opened(reference) as runner:
                    self.saved = None if runner.held.died else _planned(runner, self.aws, reference)

    def usable(self, runner: Runner, image_uri: str | None) -> SavedPlan | None:
        """Return the plan, with the root ready for its apply, if it still is what would be planned now."""
        runner.notes += self.notes
        if self.saved is None or runner.held.died:
            return None
        if self.saved.backend == "local" and not self._is_first():  # another run has begun it meanwhile
            return None
        account = saved_plan.check_account(self.aws, self.at)
        planning.ready(runner, self.aws, self.saved.backend, acting=True)
        version = runner.terraform.version
        now = saved_plan.inputs_now(self.at, account=account, image_uri=image_uri, terraform_version=version)
        return None if saved_plan.differences(self.saved, now) else saved_plan.save(self.saved)

    def _first_inputs(self, runner: Runner) -> Inputs | None:
        """Read what a first foundation is planned from; None for any other root, or beside a saved plan."""
        at = self.at
        if at.manifest.exists() or not self._is_first():
            return None
        account = saved_plan.check_account(self.aws, at)
        version = runner.terraform.version
        return saved_plan.inputs_now(at, account=account, image_uri=None, terraform_version=version)

    def _is_first(self) -> bool:
        """Say whether this is a foundation that has no state yet, neither on disk nor in its bucket."""
        return not self.at.local_state.exists() and foundation.backend_of(self.at, self.aws) == "local"

    @contextlib.contextmanager
    def _opened(self, image_uri: str | None = None) -> Iterator[Runner]:
        with opened(self.at, aws=self.aws, image_uri=image_uri, wait=0) as runner:
            runner.cancelled = self.over
            try:
                yield runner
            finally:
                self.notes += runner.notes

    def _bucket_comes(self) -> bool:
        """Wait for the bucket of the state; say whether it is there, and the account's own."""
        while not self.bucket.wait(_POLL):
            if self.over.is_set():
                return False
        return not self.over.is_set() and foundation.bucket_is_ours(self.at, self.aws)


def _begin_provider(runner: Runner, installed: Event) -> None:
    """Start the provider as soon as `init` has linked it, beside the checksums of a new lock file.

    One that was linked before may be replaced by that `init`.
    """
    if runner.is_linked():
        return
    while not installed.wait(_LINK_POLL):
        if runner.is_linked():
            runner.start_provider()
            return


def _planned(runner: Runner, aws: Aws, image_uri: str) -> SavedPlan | None:
    at = runner.at
    at.manifest.unlink(missing_ok=True)
    draft = planning.draft(runner, aws, image_uri, out=at.plan_file, acting=False, import_existing=False, lock=False)
    return _unsaved(at, draft, image_uri)


def _unsaved(at: Root, draft: Draft, image_uri: str | None = None) -> SavedPlan | None:
    """Return a plan that has read nothing of the account; delete any other."""
    if draft.reads - _READ_NOTHING:
        at.plan_file.unlink(missing_ok=True)
        return None
    return draft.made(at, image_uri)
