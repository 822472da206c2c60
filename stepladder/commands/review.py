"""`inv tf.plan --review`: plan every root of an environment, and leave what the reviewer of a change must know."""

from __future__ import annotations

from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from typing import Any, Unpack

from stepladder import images, terraform
from stepladder.commands.infra import PlanOptions
from stepladder.core import git
from stepladder.core.aws import known_error
from stepladder.core.console import Console
from stepladder.forge import registered
from stepladder.releases import review as reviews
from stepladder.releases.review import EnvironmentReview, Forecast, PlanFailure
from stepladder.releases.rung import Rung
from stepladder.settings import locations
from stepladder.settings.load import Settings
from stepladder.terraform import planning, reviewing, roots
from stepladder.terraform import review as terraform_review
from stepladder.terraform.planning import NoStateError
from stepladder.terraform.review import RootReview
from stepladder.terraform.saved_plan import SavedPlan

_AT_ONCE = 8  # aliases that are read


def roots_of(settings: Settings, environment: str) -> tuple[str, ...]:
    """Return the roots that are reviewed with an environment: each of the project's exactly once, with one environment.

    The foundation belongs to the first environment of its account and region, delivery to the last one of the ladder.
    Raises `BadInputError` when the project has none of them: nothing is reviewed then.
    """
    own = locations.of(settings, environment)
    names = [name for name in settings.environments if locations.of(settings, name) == own]
    chosen = ["foundation"] if names[0] == environment else []
    chosen.append("service")
    chosen += ["delivery"] if environment in locations.representatives(settings) else []
    present = tuple(name for name in chosen if any((settings.root / "terraform" / name).glob("*.tf")))
    return present or (roots.root(settings, environment, "service").name,)  # raises: it isn't there


def review(rung: Rung, root: str = "", **wanted: Unpack[PlanOptions]) -> None:
    """Plan, and write the review also when a plan fails; raise that failure.

    `root` is the only root to plan, or empty for those of `roots_of`. Each plan is kept, so that the deployment after
    the merge does what was reviewed. The options are those of `terraform.plan`; the image is the service's.
    """
    settings = rung.settings
    commit = git.commit(settings.root, ("terraform", "invoke.yaml", "policies")).sha
    run = registered.run()
    reviews.path(settings, rung.environment).unlink(missing_ok=True)  # what is cut off leaves no older one
    made: list[RootReview] = []
    early: list[str] = []
    at_work = ""
    try:
        for at_work in (root,) if root else roots_of(settings, rung.environment):
            planned = _planned(rung, at_work, wanted)
            if planned:
                made.append(planned)
            else:
                early.append(at_work)
    except Exception as error:
        explained = known_error(error)
        failure = (
            reviews.failure(explained, at_work) if explained else PlanFailure(type(error).__name__, "bug", at_work)
        )
        file = reviews.write(
            settings, EnvironmentReview(rung.environment, commit, tuple(made), tuple(early), failure=failure, run=run)
        )
        rung.console.line(f"the review says so: {file.relative_to(settings.root)}")
        raise
    following = _forecasts(rung, next((each for each in made if each.root == "service"), None))
    own = following.pop("", None)
    done = EnvironmentReview(rung.environment, commit, tuple(made), tuple(early), own, run=run, functions=following)
    _show(rung.console, settings, done)


def _planned(rung: Rung, root: str, wanted: PlanOptions) -> RootReview | None:
    """Plan one root and review it; None where nothing is deployed yet."""
    settings, environment = rung.settings, rung.environment
    with rung.console.step(f"plan {root}") as step:
        try:
            options: PlanOptions = wanted if root == "service" else {**wanted, "image_uri": None, "images": {}}
            saved, notes = terraform.plan(settings, environment, root, aws=rung.aws, step=step, **options)
        except NoStateError:
            if rung.ledger.snapshot(environment).exists:
                raise
            step.skip("nothing is deployed yet")
            return None
        document = planning.document(saved)
        planned = terraform_review.review(root, saved.id, document, notes)
        step.done(str(planned.counts))
    _keep(rung, saved, document)
    return planned


def _keep(rung: Rung, saved: SavedPlan, document: Mapping[str, Any]) -> None:
    """Keep a plan; one that can't be kept is a warning: the deployment then says that nothing was reviewed."""
    if not saved.changed or saved.backend == "local":  # the first plan has no bucket to be kept in
        return
    try:
        reviewing.keep(saved, document, rung.aws)
    except Exception as error:
        explained = known_error(error)
        if explained is None:
            raise
        rung.console.warn(f"the plan of {saved.at.label} is reviewed, and not kept: {explained.message}")


def _forecasts(rung: Rung, service: RootReview | None) -> dict[str, Forecast]:
    """Say which release of each function would follow; what can't be read makes it unknown and fails nothing."""
    rungs = {name: rung.of_function(name) for name in rung.settings.function_names}
    try:
        keys = images.input_keys({name: each.settings for name, each in rungs.items()})
        ledgers = rung.ledger.snapshots([each.target for each in rungs.values()])
        with ThreadPoolExecutor(_AT_ONCE, thread_name_prefix="review") as pool:
            aliases = dict(zip(rungs, pool.map(Rung.alias, rungs.values()), strict=True))
        return {
            name: reviews.forecast(
                each.settings, rung.environment, aliases[name], ledgers[each.target], keys[name], service
            )
            for name, each in rungs.items()
        }
    except Exception as error:
        explained = known_error(error)
        if explained is None:
            raise
        problem = reviews.failure(explained).message
        changed = {name: bool(service and service.changes_function(name)) for name in rungs}
        return {name: Forecast("unknown", configuration, problem=problem) for name, configuration in changed.items()}


def _show(console: Console, settings: Settings, done: EnvironmentReview) -> None:
    file = reviews.write(settings, done)
    for root, change in done.losses:
        console.warn(
            f"{root.root}: {change.address} would be {'destroyed' if change.action == 'delete' else 'replaced'}"
        )
    if console.as_json:
        from stepladder.core.files import read_json

        console.json(read_json(file))
    console.line(f"the review is in {file.relative_to(settings.root)}; `inv ci.comment` shows it")
