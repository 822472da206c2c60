"""The images of a deploy of several functions: each is hashed, built and pushed once, whoever shares it."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import Executor

from stepladder.commands.function_deploy import FunctionDeploy
from stepladder.commands.many_terraform import SharedRoots
from stepladder.core.errors import RepositoryMissingError
from stepladder.releases import marks
from stepladder.releases.background import BackgroundWork
from stepladder.releases.plan import FOUNDATION, IMAGE
from stepladder.releases.rung import Rung


class SharedImages:
    """What was found out about images, once for all functions. `rung` is the environment with the whole project."""

    def __init__(self, rung: Rung) -> None:
        self.rung = rung
        self._keys: dict[str, str] = {}
        self._checked: set[str] = set()

    def input_key(self, function: FunctionDeploy) -> str:
        """Hash everything that decides a function's image; functions with the same image settings share the hash."""
        same = repr(function.rung.settings.image)
        if same not in self._keys:
            self._keys[same] = function.images.input_key()
        return self._keys[same]

    def check_files(self, functions: Iterable[FunctionDeploy]) -> None:
        """Refuse files that no image can be made of, before anything is applied."""
        for function in {repr(each.rung.settings.image): each for each in functions if not each.acts.pin}.values():
            function.images.check()

    def check_handlers(self, functions: Iterable[FunctionDeploy]) -> None:
        """Refuse a handler that its image lacks, before Terraform configures it."""
        for function in {repr(each.rung.settings.image): each for each in functions if not each.acts.pin}.values():
            function.images.check_handlers()

    def check_marks(self, functions: Iterable[FunctionDeploy], *, force: bool) -> None:
        """Refuse an image that is marked bad, as far as the images are known."""
        known = {each.digest for each in functions if each.is_releasing and not each.builds}
        for digest in sorted(known - self._checked - {""}):
            marks.check_deploy(self.rung, digest, force=force)
        self._checked |= known

    def rebuild_missing(self, functions: Iterable[FunctionDeploy]) -> None:
        """Have images built again that the repository, which the foundation has just applied, lacks."""
        kept = [each for each in functions if each.is_releasing and not each.builds and not each.acts.pin]
        lacking = {digest for digest in {each.digest for each in kept} if digest and not self.rung.has_image(digest)}
        for function in kept:
            function.must_build = function.digest in lacking

    def prepare(
        self, functions: Sequence[FunctionDeploy], pool: Executor, roots: SharedRoots, lock: Callable[[], object]
    ) -> None:
        """Build and push, or fetch, the images of these functions, those that differ at once.

        `lock` takes the environment's lock, under which a repository that is gone is made again.
        """
        try:
            self._prepare(functions, pool)
        except RepositoryMissingError as missing:
            if not roots.may_apply(FOUNDATION):
                raise
            lock()
            self.rung.console.warn(f"{missing.message}; the foundation is applied again")
            roots.apply(FOUNDATION, functions)
            self._prepare(functions, pool)

    def _prepare(self, functions: Sequence[FunctionDeploy], pool: Executor) -> None:
        groups: dict[tuple[str, str], list[FunctionDeploy]] = {}
        for function in functions:
            pin = function.acts.pin
            groups.setdefault(("pin", pin.digest) if pin else ("key", function.wanted.input_key), []).append(function)
        for future in [pool.submit(self._one, group, pool) for group in groups.values()]:
            future.result()

    def _one(self, group: Sequence[FunctionDeploy], pool: Executor) -> None:
        """Prepare the image that a group of functions shares."""
        first, pin = group[0], group[0].acts.pin
        others = f" and {len(group) - 1} more" if len(group) > 1 else ""
        console = self.rung.console.about(f"{first.label}{others}")
        background = BackgroundWork(pool, console)
        with console.step(IMAGE) as step:
            step.progress(first.plan.step(IMAGE).why)
            image = first.images.fetch(pin, step) if pin else first.images.prepare(step, background.begin)
        if pin:
            first.acts.say_left_out(image.input_key, first.wanted)
        for function in group:
            function.image, function.acts.background = image, background
