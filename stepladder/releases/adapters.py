"""Join deploy with the images and Terraform of a project."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import field, replace
from datetime import UTC, datetime
from threading import Event
from typing import TYPE_CHECKING

from stepladder import images
from stepladder.core.clock import seconds_of
from stepladder.core.names import is_preview
from stepladder.core.records import dataclass
from stepladder.core.release_facts import short
from stepladder.core.step import Step
from stepladder.releases.plan import FOUNDATION, SERVICE
from stepladder.terraform.allowed import AUTO, NEW

if TYPE_CHECKING:
    from stepladder.images.builder import BuildJob
    from stepladder.images.pipeline import Later
    from stepladder.ledger.schema import Holder
    from stepladder.releases.interfaces import Applied, ReleaseImage
    from stepladder.releases.ladder_guard import Pin
    from stepladder.releases.rung import Rung
    from stepladder.terraform.early import EarlyRoot
    from stepladder.terraform.events import ResourceChange
    from stepladder.terraform.reviewing import Review


@dataclass(frozen=True)
class ProjectImages:
    """The images of a project."""

    rung: Rung
    allow_dirty: bool = False
    _warned: set[str] = field(default_factory=set, compare=False, repr=False)
    _begun: list[BuildJob | None] = field(default_factory=list, compare=False, repr=False)

    def input_key(self) -> str:
        """Hash everything that decides the image, offline; refuse a lock that lacks what is asked for."""
        images.check_lock(self.rung.settings)
        return images.input_key(self.rung.settings)

    def check(self) -> None:
        """Refuse a handler that can't be loaded and pointers of Git LFS; a build prints the warnings."""
        images.check_files(self.rung.settings, take_pointers=self.allow_dirty)

    def check_handlers(self) -> None:
        """Refuse a handler that the image lacks: what Terraform is about to configure could not run."""
        rung = self.rung
        views = {rung.settings.name_of_function: rung.settings}
        images.check_handlers(views, rung.aws, Step("image"), rung.environment, say=rung.console.warn)

    def build(self, step: Step) -> str:
        """Build on this machine; see `Images.build`."""
        rung = self.rung
        digest = images.build(rung.settings, step, rung.environment, say=self._warn)
        return f"{rung.names.registry}/{rung.names.repository}@{digest}" if digest else ""

    def begin(self) -> None:
        """Begin to build; see `Images.begin`."""
        self._begun.append(images.begin(self.rung.settings, self.rung.environment, say=self._warn))

    def prepare(self, step: Step, later: Later | None = None) -> ReleaseImage:
        """Build and push unless the registry has it; see `Images.prepare`."""
        from stepladder.images.pipeline import Background
        from stepladder.releases.interfaces import ReleaseImage

        rung = self.rung
        background = Background(later, self._begun.pop() if self._begun else None)
        built = images.prepare(
            rung.settings,
            rung.aws,
            step,
            rung.environment,
            say=self._warn,
            allow_dirty=self.allow_dirty,
            background=background,
        )
        return ReleaseImage(built.digest, built.reference, input_key=built.input_key)

    def _warn(self, text: str) -> None:
        """Warn of something once, though an image may be built twice."""
        if text not in self._warned:
            self._warned.add(text)
            self.rung.console.warn(text)

    def fetch(self, pin: Pin, step: Step) -> ReleaseImage:
        """Return an image that another rung serves; bring it from there when it is in another place."""
        from stepladder.releases import registered

        image = registered.read(self.rung, pin.digest, pin.origin)
        step.done(f"{short(pin.digest)}: {pin.why}")
        return replace(image, git_commit=pin.git_commit or image.git_commit)


@dataclass(frozen=True)
class ProjectInfra:
    """The Terraform roots of a project. Terraform's modules are imported only when one is to run.

    `allow_destroy` are the addresses of what a plan may destroy or replace though it holds data or has callers. `plan`
    says which plan is applied: `reviewed`, `new`, or `auto`, which is `reviewed` in CI if there is a reviewed one.
    """

    rung: Rung
    allow_destroy: tuple[str, ...] = ()
    plan: str = AUTO
    _early: dict[str, EarlyRoot] = field(default_factory=dict, compare=False, repr=False)
    _bucket: Event = field(default_factory=Event, compare=False, repr=False)

    def inputs_hash(self, root: str) -> str:
        """Hash everything that decides a root's result, offline; refuse settings that can't reach Terraform."""
        from stepladder.terraform.references import checked_hash

        return checked_hash(self.rung.settings, self.rung.environment, root)

    def preview(self, root: str, image_uri: str | None, step: Step) -> str:
        """Plan a root, change nothing, and say what an apply would do."""
        from stepladder import terraform

        rung = self.rung
        counts, notes = terraform.preview(
            rung.settings,
            rung.environment,
            root,
            aws=rung.aws,
            step=step,
            image_uri=image_uri,
            allow_destroy=self.allow_destroy,
        )
        for note in notes:
            rung.console.line(f"  {note}")
        return str(counts)

    def install(self, root: str, over: Event) -> None:
        """Install a root's providers beside other work; see `Infrastructure.install`."""
        from stepladder.terraform import roots
        from stepladder.terraform.early import EarlyRoot

        rung = self.rung
        at = roots.root(rung.settings, rung.environment, root)
        self._early[root] = early = EarlyRoot(at, rung.aws, over, self._bucket)
        early.install()

    def plan_early(self, root: str, image: Callable[[], str]) -> None:
        """Plan a root while the foundation is applied; see `Infrastructure.plan_early`."""
        self._early[root].plan(image)

    def ensure(
        self,
        root: str,
        image_uri: str | None,
        step: Step,
        *,
        live: bool = False,
        images: Mapping[str, str] | None = None,
    ) -> Applied:
        """Plan a root and apply exactly that plan; see `Infrastructure.ensure`."""
        from stepladder import terraform
        from stepladder.releases.interfaces import Applied

        rung = self.rung
        try:
            done = terraform.ensure(
                rung.settings,
                rung.environment,
                root,
                aws=rung.aws,
                step=step,
                image_uri=image_uri,
                live=live,
                images=images or {},
                allow_destroy=self.allow_destroy,
                review=self.review(root),
                early=self._early.pop(root, None),
            )
        finally:
            if root == FOUNDATION:
                self._bucket.set()
        summary = str(done.counts) if done.applied else "no changes"
        return Applied(done.plan_id, summary, done.outputs, done.notes, done.inputs_hash)

    def review(self, root: str) -> Review:
        """Return what may be applied to a root. What was applied already, as these files have it, is only repaired.

        What a preview applies is the change itself, which nobody has reviewed yet.
        """
        from stepladder.terraform.reviewing import Review

        rung = self.rung
        review = Review(self.plan, f"inv deploy --env {rung.environment} --plan new")
        if review.wanted != AUTO or review.is_needless:
            return review
        if is_preview(rung.environment):
            return replace(review, wanted=NEW)
        snapshot = rung.ledger.snapshot(rung.environment)
        applied = {FOUNDATION: snapshot.foundation, SERVICE: snapshot.infra}.get(root)
        return replace(review, wanted=NEW) if applied and applied.input_hash == self.inputs_hash(root) else review

    def check_allowed(self, roots: Sequence[str], step: Step) -> None:
        """Refuse a name in `allow_destroy` that no plan of these roots destroys anything under."""
        from stepladder import terraform
        from stepladder.terraform import losses
        from stepladder.terraform.planning import NoStateError

        rung = self.rung
        planned: list[ResourceChange] = []
        for root in roots:
            with contextlib.suppress(NoStateError):  # it has nothing yet that could be destroyed
                planned += terraform.changes(rung.settings, rung.environment, root, aws=rung.aws, step=step)[0]
        what = f"the plan of {' and '.join(f'{rung.environment}/{root}' for root in roots)}" if roots else ""
        losses.check_names(planned, self.allow_destroy, what or "a deployment that applies no Terraform")

    def free_lock_of(self, holder: Holder) -> list[str]:
        """Free state locks that a provably dead run of ours left; print each in a line."""
        from stepladder.ledger.lock import process_of
        from stepladder.terraform import RunRecord, locks, roots
        from stepladder.terraform.runner import opened

        rung = self.rung
        record = RunRecord(process_of(holder), datetime.fromtimestamp(seconds_of(holder.since), UTC))
        notes: list[str] = []
        for name in (FOUNDATION, SERVICE):
            at = roots.root(rung.settings, rung.environment, name)
            if locks.read(rung.aws, at):
                with opened(at) as runner:
                    runner.prepare()
                    locks.take_over(runner, rung.aws, record)
                    notes += runner.notes
        return notes
