"""The two neighbours that deploy leans on, as it sees them: the images and Terraform. Tests pass others."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from threading import Event
from typing import TYPE_CHECKING, Any, Protocol

from stepladder.core.step import Step
from stepladder.ledger.schema import Holder

if TYPE_CHECKING:
    from stepladder.images.pipeline import Later
    from stepladder.releases.ladder_guard import Pin


@dataclass(frozen=True)
class ReleaseImage:
    """An image in the registry: its digest and its reference by it.

    `git_commit` is known of one that wasn't built now; empty for what the working tree made. `input_key` is that of
    the files that the image was made from, which may have changed since they were read first.
    """

    digest: str
    reference: str
    git_commit: str = ""
    input_key: str = ""


@dataclass(frozen=True)
class Applied:
    """An applied root. `summary` says what changed; `plan_id` is the saved plan's.

    `inputs_hash` was taken after the apply, whose `init` may have written a lock file; empty for as it was before.
    """

    plan_id: str
    summary: str
    outputs: Mapping[str, Any] = field(default_factory=dict)
    notes: tuple[str, ...] = ()
    inputs_hash: str = ""


class Images(Protocol):
    """What makes and pushes an image."""

    def input_key(self) -> str:
        """Hash everything that decides the image, offline."""
        ...

    def check(self) -> None:
        """Refuse files that no image can be made of, offline; nothing is built."""
        ...

    def check_handlers(self) -> None:
        """Refuse a handler of the settings that the image of the present files lacks; publish nothing."""
        ...

    def build(self, step: Step) -> str:
        """Build on this machine; return the reference that the image will have; empty if a push decides it."""
        ...

    def begin(self) -> None:
        """Begin to build beside other work, where that gains time, for `prepare`; publish nothing, raise nothing."""
        ...

    def prepare(self, step: Step, later: Later | None = None) -> ReleaseImage:
        """Build and push unless the registry has it; say in the step what was done.

        `later` takes what has to be done before the image gets traffic, and may be done while it is released. Without
        it that is done at once.
        """
        ...

    def fetch(self, pin: Pin, step: Step) -> ReleaseImage:
        """Return an image that another rung serves; bring it from there when it is in another place."""
        ...


class Infrastructure(Protocol):
    """What applies a Terraform root."""

    def inputs_hash(self, root: str) -> str:
        """Hash everything that decides a root's result, offline."""
        ...

    def preview(self, root: str, image_uri: str | None, step: Step) -> str:
        """Plan a root, change nothing, and say what an apply would do."""
        ...

    def install(self, root: str, over: Event) -> None:
        """Make a root ready for its plan, beside other work; change nothing in AWS, raise nothing.

        `over` is set when nobody wants that any more.
        """
        ...

    def plan_early(self, root: str, image: Callable[[], str]) -> None:
        """Plan a root that was installed while the foundation is applied, for `ensure`; raise nothing.

        `image` waits for the reference of the function's image; an empty one means that it isn't known yet.
        """
        ...

    def ensure(
        self,
        root: str,
        image_uri: str | None,
        step: Step,
        *,
        live: bool = False,
        images: Mapping[str, str] | None = None,
    ) -> Applied:
        """Plan a root and apply exactly that plan; `live` says that the function is there, and has this image.

        `images` are the references of the named functions' images, by function.
        """
        ...

    def check_allowed(self, roots: Sequence[str], step: Step) -> None:
        """Refuse a name that is allowed to be destroyed, and that no plan of these roots destroys."""
        ...

    def free_lock_of(self, holder: Holder) -> list[str]:
        """Free state locks that a provably dead run of ours left; print each in a line."""
        ...
