"""`inv diff`: what a deploy of these files, or a promotion, would change in an environment. Reads only, takes no lock.

A Terraform root is planned when its inputs differ from those of its last apply, as a deploy would apply it then.
"""

from __future__ import annotations

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass, field, replace

from stepladder import terraform
from stepladder.aws_lambda.alias import Alias
from stepladder.aws_lambda.lambda_function import FunctionState
from stepladder.commands import diff_configuration, diff_image
from stepladder.commands.diff_configuration import ConfigurationChange
from stepladder.commands.diff_image import SAME, UNKNOWN, ImageDiff, Side
from stepladder.commands.review import roots_of
from stepladder.core.aws import known_error
from stepladder.core.errors import BadInputError, ExitCode, StepladderError
from stepladder.core.names import is_preview
from stepladder.core.release_facts import LATEST
from stepladder.core.step import Step
from stepladder.ledger.schema import InfraRecord
from stepladder.ledger.snapshot import Snapshot
from stepladder.promotion import delivery
from stepladder.releases.adapters import ProjectInfra
from stepladder.releases.ladder_guard import lower_rung
from stepladder.releases.plan import FOUNDATION, SERVICE
from stepladder.releases.rung import Rung
from stepladder.releases.smoke_outputs import cases_of
from stepladder.releases.smoke_suite import load_suite
from stepladder.settings import functions
from stepladder.settings.functions import MAIN
from stepladder.terraform.events import Counts
from stepladder.terraform.review import ReviewedChange, RootReview

DEPLOY, PROMOTION = "deploy", "promotion"
CHANGED, UNCHANGED, FIRST, SKIPPED = "changed", "unchanged", "new", "not compared"
_AT_ONCE = 8


@dataclass(frozen=True)
class SmokeDiff:
    """The smoke cases. `state` is same, new (the live version passed others), or unknown; `cases` counts them."""

    state: str
    cases: int = 0
    why: str = ""


@dataclass(frozen=True)
class FunctionDiff:
    """One function. `state` is unchanged, changed or new, which was never released there."""

    function: str
    state: str
    version: str
    image: ImageDiff
    smoke: SmokeDiff
    configuration: tuple[ConfigurationChange, ...] = ()


@dataclass(frozen=True)
class RootDiff:
    """One Terraform root. `state` is unchanged, changed, new, unknown or not compared; `why` says how that is known."""

    root: str
    state: str
    why: str
    counts: Counts = field(default_factory=Counts)
    changes: tuple[ReviewedChange, ...] = ()
    notes: tuple[str, ...] = ()


@dataclass(frozen=True)
class EnvironmentDiff:
    """What would change. `how` is deploy or promotion; `source` is the environment whose images a promotion takes."""

    environment: str
    how: str
    differs: bool
    source: str
    functions: tuple[FunctionDiff, ...]
    roots: tuple[RootDiff, ...]


@dataclass(frozen=True)
class DiffOptions:
    """What was typed."""

    function: str = ""
    promotion: bool = False
    infra: bool = True
    build: bool = False


@dataclass
class Diff:
    """One comparison. `rung` is the environment with the whole project."""

    rung: Rung
    options: DiffOptions = DiffOptions()
    failures: list[StepladderError] = field(default_factory=list)

    def run(self) -> EnvironmentDiff:
        """Read and compare. What can't be read is in `failures`, and doesn't hide the rest."""
        rung, how = self.rung, self._how()
        views = [rung.of_function(name) for name in functions.views(rung.settings, self.options.function)]
        snapshots = rung.ledger.snapshots([rung.environment, *(view.target for view in views)])
        with ThreadPoolExecutor(_AT_ONCE, thread_name_prefix="aliases") as pool:
            aliases = list(pool.map(Rung.alias, views))
        if not any(aliases):
            rung.check_caller()
        roots = self._roots(how, snapshots[rung.environment])
        states = [(view, alias, snapshots[view.target]) for view, alias in zip(views, aliases, strict=True)]
        with rung.console.step("images") as step, ThreadPoolExecutor(_AT_ONCE, thread_name_prefix="images") as pool:
            compared = tuple(pool.map(lambda state: self._function(how, state[0], state[1], state[2], step), states))
            changed = sum(each.image.state != SAME for each in compared)
            step.done(f"{changed} of {len(compared)} would change" if len(compared) > 1 else compared[0].image.why)
        compared = tuple(_with_settings(each, roots) for each in compared)
        differs = any(each.state != UNCHANGED for each in compared)
        differs = differs or any(each.state not in {UNCHANGED, SKIPPED} for each in roots)
        source = rung.settings.lowest if how == PROMOTION else ""
        return EnvironmentDiff(rung.environment, how, differs, source, compared, tuple(roots))

    def _how(self) -> str:
        settings, environment = self.rung.settings, self.rung.environment
        settings.environment(environment)  # an unknown one is said first
        if lower_rung(settings, environment):
            return PROMOTION
        if self.options.promotion:
            raise BadInputError(
                f"--promotion is for a rung above the lowest, and {environment} is none",
                kind="bad-arguments",
                hint=f"what a deploy would change: `inv diff --env {environment}`",
            )
        return DEPLOY

    # functions

    def _function(self, how: str, view: Rung, alias: Alias | None, ledger: Snapshot, step: Step) -> FunctionDiff:
        live = alias is not None and alias.version != LATEST
        served = view.function.read(alias.version) if alias and live else None
        latest = view.function.read() if alias else None
        image = self._image(how, view, served, ledger, step, live=live)
        smoke = _smoke(view, ledger) if live else SmokeDiff(UNKNOWN, why="nothing is served yet")
        configuration = diff_configuration.unreleased(ledger, served, latest)
        name = view.settings.name_of_function or MAIN
        nothing = how == PROMOTION and image.state == UNKNOWN  # the lowest rung serves nothing that could be promoted
        changed = not (image.state == SAME or nothing) or configuration or smoke.state not in {SAME, UNKNOWN}
        state = FIRST if not live and not nothing else CHANGED if changed else UNCHANGED
        return FunctionDiff(name, state, alias.version if alias and live else "", image, smoke, configuration)

    def _image(
        self, how: str, view: Rung, served: FunctionState | None, ledger: Snapshot, step: Step, *, live: bool
    ) -> ImageDiff:
        current = ledger.current
        digest = served.digest if served else ""
        is_recorded = current is not None and current.digest == digest
        commit = _commit(view, ledger) if is_recorded else ""
        if live and not digest:
            return ImageDiff(UNKNOWN, why="the version that the alias serves is gone, or names no image")
        try:
            if how == PROMOTION:
                source = _lowest(view)
                if source is None:
                    return ImageDiff(UNKNOWN, digest, why=f"{view.settings.lowest} serves nothing yet")
                return diff_image.of_promotion(view, digest, commit, source)
            key = current.input_key if current and is_recorded else ""
            return diff_image.of_files(view, digest, key, commit, build=self.options.build, step=step)
        except Exception as error:
            known = known_error(error)
            if known is None:
                raise
            self.failures.append(known)
            return ImageDiff(UNKNOWN, digest, why=known.message)

    # infrastructure

    def _roots(self, how: str, snapshot: Snapshot) -> list[RootDiff]:
        rung = self.rung
        names = roots_of(rung.settings, rung.environment)
        wanted = names if how == PROMOTION else tuple(name for name in names if name != delivery.ROOT)
        unnamed = FOUNDATION not in names and not is_preview(rung.environment)  # a review names it once for a location
        if unnamed and any((rung.settings.root / "terraform" / FOUNDATION).glob("*.tf")):
            wanted = (FOUNDATION, *wanted)
        return [self._root(name, snapshot) for name in wanted]

    def _root(self, name: str, snapshot: Snapshot) -> RootDiff:
        rung = self.rung
        if not self.options.infra:
            return RootDiff(name, SKIPPED, "--no-infra")
        if not snapshot.exists:
            return RootDiff(name, FIRST, "there is no foundation yet: a deployment makes it")
        try:
            applied = self._applied(name, snapshot)
            if applied and applied.input_hash == ProjectInfra(rung).inputs_hash(name):
                return RootDiff(name, UNCHANGED, f"unchanged since {applied.applied_at}")
            with rung.console.step(f"plan {name}") as step:
                made = terraform.reviewed(rung.settings, rung.environment, name, aws=rung.aws, step=step)
                step.done(str(made.counts))
        except Exception as error:
            known = known_error(error)
            if known is None:
                raise
            self.failures.append(known)
            return RootDiff(name, UNKNOWN, known.message)
        return _planned(made, applied)

    def _applied(self, name: str, snapshot: Snapshot) -> InfraRecord | None:
        if name == delivery.ROOT:
            return delivery.read(self.rung)
        return {FOUNDATION: snapshot.foundation, SERVICE: snapshot.infra}[name]


def _with_settings(each: FunctionDiff, roots: Sequence[RootDiff]) -> FunctionDiff:
    """Add the attributes of the function that a plan of the service would change."""
    name = "" if each.function == MAIN else each.function
    planned = diff_configuration.planned([change for root in roots for change in root.changes], name)
    if not planned:
        return each
    state = CHANGED if each.state == UNCHANGED else each.state
    return replace(each, state=state, configuration=(*planned, *each.configuration))


def _planned(made: RootReview, applied: InfraRecord | None) -> RootDiff:
    why = f"its inputs changed since the apply of {applied.applied_at}" if applied else "the ledger knows of no apply"
    if not made.changes:
        return RootDiff(made.root, UNCHANGED, f"{why}, and a plan changes nothing", notes=made.notes)
    return RootDiff(made.root, CHANGED, why, made.counts, made.changes, made.notes)


def _smoke(view: Rung, ledger: Snapshot) -> SmokeDiff:
    try:
        suite = load_suite(view)
    except StepladderError as error:
        return SmokeDiff(UNKNOWN, why=error.message)
    current = ledger.current
    count = len(suite.cases)
    if current is None:
        return SmokeDiff(UNKNOWN, count, "the ledger knows of no release")
    if cases_of(suite.key) == cases_of(current.smoke_key):
        return SmokeDiff(SAME, count, "the live version passed them")
    why = "the live version passed others" if current.smoke_key else "the live version ran none so far"
    return SmokeDiff("new", count, why)


def _commit(view: Rung, ledger: Snapshot) -> str:
    current = ledger.current
    entry = view.ledger.find(view.target, current.release_id) if current else None
    return entry.git_commit if entry else ""


def _lowest(view: Rung) -> Side | None:
    """Return what a promotion would take: the image that the function serves on the lowest rung."""
    lowest = view.sibling(view.settings.lowest)
    alias = lowest.alias()
    if alias is None or alias.version == LATEST:
        return None
    state = lowest.function.read(alias.version)
    if state is None or not state.digest:
        return None
    ledger = lowest.ledger.snapshot(lowest.target)
    is_recorded = ledger.current is not None and ledger.current.digest == state.digest
    return Side(lowest, state.digest, _commit(lowest, ledger) if is_recorded else "")


def conclude(rung: Rung, diff: EnvironmentDiff, failures: Sequence[StepladderError]) -> None:
    """Print JSON where that is wanted, and end with the exit code: 2 when something differs, or that of a failure."""
    record = asdict(diff)
    if failures:
        failures[0].record |= record
        raise failures[0]
    if rung.console.as_json:
        rung.console.json(record)
    if diff.differs:
        differs = StepladderError("")
        differs.exit_code = ExitCode.DRIFT
        raise differs


def show(rung: Rung, options: DiffOptions) -> None:
    """Compare and print."""
    from stepladder.commands import diff_print

    comparison = Diff(rung, options)
    result = comparison.run()
    if not rung.console.as_json:
        diff_print.show(rung.console, result)
    conclude(rung, result, comparison.failures)
