"""The images of many functions: each distinct one is hashed, asked for, built and pushed once.

Functions that share an image share its input key. `views` is the settings of each function by its name. With one
image the text of the step and the calls are those of `stepladder.images.pipeline.prepare`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

from stepladder.core import aws as aws_module
from stepladder.core.aws import Aws
from stepladder.core.errors import StepladderError
from stepladder.core.step import Step
from stepladder.images import build_cache, check, pipeline, preflight
from stepladder.images.builder import Say, input_key
from stepladder.images.model import BuiltImage
from stepladder.images.registry import ecr
from stepladder.images.requirements import lock
from stepladder.settings.functions import MAIN
from stepladder.settings.load import Settings

T = TypeVar("T")
Views = Mapping[str, Settings]
Group = tuple[list[str], Settings]

AT_ONCE = 4
"""Images that are built at once: a build waits for the network and for other programs most of its time."""


def input_keys(views: Views) -> dict[str, str]:
    """Return the input key of each function's image, offline; refuse a lock that lacks what is asked for."""
    keys: dict[str, str] = {}
    for names, view in distinct(views):
        lock.check(view)
        keys |= dict.fromkeys(names, input_key(view))
    return {name: keys[name] for name in views}


def check_all(views: Views, say: Say, *, take_pointers: bool) -> None:
    """Refuse files that no image can be made of; see `stepladder.images.preflight.check`."""
    _each(distinct(views), lambda view: preflight.check(view, say, take_pointers=take_pointers))


def check_locks(views: Views) -> int:
    """Refuse a lock that lacks what is asked for; return how many there are."""
    groups = distinct(views)
    _each(groups, lock.check)
    return len(groups)


def check_handlers(views: Views, aws: Aws, step: Step, environment: str, *, say: Say) -> None:
    """Refuse a handler that an image lacks; see `stepladder.images.pipeline.check_handlers`."""
    groups = distinct(views)
    _each(groups, lambda view: pipeline.check_handlers(view, aws, _part(step, groups), environment, say=say))


def prepare_all(
    views: Views,
    aws: Aws,
    step: Step,
    environment: str,
    *,
    say: Say,
    pull: bool = False,
    allow_dirty: bool = False,
) -> dict[str, BuiltImage]:
    """Make sure that the registry of `environment` holds every image, and return each function's.

    One call asks for all images that were noted; what is missing is built, several at once. Raises what `prepare`
    raises: of one image as it is, of several together. Those that were built are pushed then, and noted.
    """
    keys = input_keys(views)
    groups = [(names, views[names[0]]) for names in _by_key(keys)]
    known = {} if pull or len(groups) < 2 else _known([view for _, view in groups], aws, environment, keys)  # noqa: PLR2004 - one image is prepare's
    missing = [(names, view) for names, view in groups if keys[names[0]] not in known]

    def one(view: Settings) -> BuiltImage:
        part = _part(step, groups)
        return pipeline.prepare(view, aws, part, environment, say=say, pull=pull, allow_dirty=allow_dirty)

    for names, view in groups:
        if keys[names[0]] in known:
            pipeline.check_handlers(view, aws, step, environment, say=say)
    built = dict(zip((names[0] for names, _ in missing), _each(missing, one), strict=True))
    images = {name: known.get(keys[names[0]]) or built[names[0]] for names, _ in groups for name in names}
    if len(groups) > 1:
        pushed = sum(image.pushed for image in built.values())
        held = len(groups) - pushed
        (step.done if pushed else step.skip)(f"{pushed} of {len(groups)} images pushed; the registry has {held}")
    return {name: images[name] for name in views}


def _known(views: Sequence[Settings], aws: Aws, environment: str, keys: Mapping[str, str]) -> dict[str, BuiltImage]:
    """Return by input key which noted images are of these inputs and still in the registry (one call)."""
    names = views[0].names(environment)
    wanted = set(keys.values())
    noted = [image for view in views if (image := build_cache.load(view, names)) and image.input_key in wanted]
    held = ecr.held(aws, names, sorted({image.digest for image in noted})) if noted else set()
    for image in noted:
        check.check_deployable(image, aws_module.endpoint())
    return {image.input_key: image for image in noted if image.digest in held}


def distinct(views: Views) -> list[Group]:
    """Group functions whose images are defined alike, with the settings of the first: no file is read for that."""
    groups: dict[object, list[str]] = {}
    for name, view in views.items():
        groups.setdefault((view.image, view.python, view.architecture), []).append(name)
    return [(names, views[names[0]]) for names in groups.values()]


def _by_key(keys: Mapping[str, str]) -> list[list[str]]:
    groups: dict[str, list[str]] = {}
    for name, key in keys.items():
        groups.setdefault(key, []).append(name)
    return list(groups.values())


def _each(groups: Sequence[Group], act: Callable[[Settings], T]) -> list[T]:
    """Act on each image, several at once, all to their end; raise what went wrong, named by function."""
    if len(groups) == 1:
        return [act(groups[0][1])]
    results: list[T] = []
    errors: list[tuple[list[str], StepladderError]] = []
    with ThreadPoolExecutor(AT_ONCE, thread_name_prefix="image") as pool:
        futures = [(names, pool.submit(act, view)) for names, view in groups]
        for names, future in futures:
            try:
                results.append(future.result())
            except StepladderError as error:
                errors.append((names, error))
    if errors:
        raise _together(errors)
    return results


def _together(errors: Sequence[tuple[list[str], StepladderError]]) -> StepladderError:
    """Return the first error, which names its function; the others are its problems."""
    (names, first), *others = errors
    more = f"; {len(others)} more failed" if others else ""
    first.message = f"{_label(names)}: {first.message}{more}"
    first.args = (first.message,)
    first.problems = (*first.problems, *(f"{_label(names)}: {error.message}" for names, error in others))
    return first


def _label(names: Sequence[str]) -> str:
    shown = ", ".join(name or MAIN for name in names[:3])
    return f"{shown} and {len(names) - 3} more" if len(names) > 3 else shown  # noqa: PLR2004 - enough to know it by


def _part(step: Step, groups: Sequence[object]) -> Step:
    """Return the step, or a part of it: of one among several images, only how far it is concerns anybody."""
    return step if len(groups) == 1 else _Part(step)


class _Part(Step):
    def __init__(self, whole: Step) -> None:
        super().__init__(whole.name)
        self._whole = whole

    def progress(self, text: str, done: int | None = None, total: int | None = None) -> None:
        """Show it in the step that it is a part of."""
        self._whole.progress(text, done, total)
