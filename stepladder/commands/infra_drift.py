"""`inv tf.drift`: what was changed outside Terraform, in every root of one or all environments. Reads only.

The roots are read one after the other: an interrupt reaches Terraform from the main thread, and two providers at once
take twice the memory.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass

from stepladder.commands import drift_report
from stepladder.commands.drift_report import DriftFinding
from stepladder.core.aws import known_error
from stepladder.core.console import Console
from stepladder.core.errors import DriftError, InterruptedRunError, StepladderError
from stepladder.core.step import Step
from stepladder.ledger.schema import InfraRecord
from stepladder.promotion import delivery
from stepladder.releases.rung import Rung
from stepladder.settings import locations
from stepladder.settings.load import Settings
from stepladder.terraform import drift, roots
from stepladder.terraform.drift import ResourceDifference, RootDrift
from stepladder.terraform.planning import NoStateError
from stepladder.terraform.redaction import AttributeChange

_SIGNS = {drift.DELETED: ("-", "red"), drift.CHANGED: ("~", "yellow")}
_PENDING = {"create": "+", "delete": "-", "replace": "-/+", "update": "~", "import": "<", "move": ">", "forget": "."}


@dataclass(frozen=True)
class Checked:
    """What became of one root's check: its drift, or the error that stood in its way."""

    rung: Rung
    root: str
    drift: RootDrift | None = None
    error: StepladderError | None = None

    @property
    def label(self) -> str:
        """The root for a person."""
        return f"{self.rung.environment}/{self.root}"

    @property
    def outside(self) -> tuple[ResourceDifference, ...]:
        """What counts as drift: nothing while somebody is at work on the root."""
        return self.drift.outside if self.drift and not self.drift.busy else ()

    def record(self) -> dict[str, object]:
        """Return it as data."""
        result = self.drift or RootDrift(self.rung.environment, self.root)
        return {**asdict(result), "drifted": bool(self.outside), "problem": self.error.message if self.error else ""}


def wanted(settings: Settings, environment: str = "") -> list[tuple[str, str]]:
    """Return the roots to check as environment and root: all of one environment, or each of the ladder's once.

    Environments of one location share its foundation and its delivery root. Raises `BadInputError` when the project
    has no root at all: nothing was checked then.
    """
    names = [environment] if environment else list(settings.ladder_environments)
    pairs: dict[object, tuple[str, str]] = {}
    for name in names:
        settings.environment(name)  # an unknown one is refused
        for root in roots.ROOTS:
            shared = root != "service"
            if root == delivery.ROOT and name not in settings.ladder_environments:
                continue
            if any((settings.root / "terraform" / root).glob("*.tf")):
                key = (root, locations.of(settings, name) if shared else name)
                pairs.setdefault(key, (name, root))
    if not pairs:
        roots.root(settings, names[0], "service")  # raises: it isn't there
    return list(pairs.values())


def check(rungs: Sequence[Rung], pairs: Sequence[tuple[str, str]]) -> None:
    """Check the roots and print what differs.

    Raises `DriftError` for drift, and the first root's own error when one couldn't be checked: what wasn't read isn't
    clean, and neither is it drift.
    """
    by_name = {rung.environment: rung for rung in rungs}
    checked = [_check(by_name[environment], root) for environment, root in pairs]
    console = rungs[0].console
    for rung in rungs:
        _leave(rung, [each for each in checked if each.rung is rung])
    if not console.as_json:
        for each in checked:
            _print(console, each)
    record: dict[str, object] = {
        "drifted": any(each.outside for each in checked),
        "roots": [each.record() for each in checked],
    }
    drift_report.conclude(console, record, _outcome(checked))


def _check(rung: Rung, root: str) -> Checked:
    label = f"{rung.environment}/{root}"
    with rung.console.step(label) as step:
        try:
            recorded = _recorded(rung, root)
            drifted = _drift(rung, root, recorded, step)
        except (InterruptedRunError, KeyboardInterrupt):
            raise
        except Exception as error:
            known = known_error(error)
            if known is None:
                raise
            step.mark, step.detail = "fail", "not checked"
            return Checked(rung, root, error=known)
        result = Checked(rung, root, drifted)
        _summarise(result, step)
    return result


def _drift(rung: Rung, root: str, recorded: InfraRecord | None, step: Step) -> RootDrift:
    at = roots.root(rung.settings, rung.environment, root)
    try:
        result = drift.find(
            rung.settings,
            rung.environment,
            root,
            aws=rung.aws,
            recorded=recorded.input_hash if recorded else "",
            step=step,
        )
    except NoStateError:
        if recorded is None:
            return RootDrift(rung.environment, root, applied=False)
        gone = ResourceDifference(f"bucket {at.names.state_bucket}", "state", drift.DELETED)
        return RootDrift(rung.environment, root, (gone,), applied=False)
    if result.applied:
        return result
    lost = ResourceDifference(f"state {at.names.state_bucket}/{at.state_key}", "state", drift.DELETED)
    return RootDrift(
        rung.environment, root, (lost,) if recorded else (), applied=False, busy=result.busy, notes=result.notes
    )


def _recorded(rung: Rung, root: str) -> InfraRecord | None:
    """Return what the ledger has of the root's last apply."""
    snapshot = rung.ledger.snapshot(rung.environment)
    if not snapshot.exists:
        return None
    if root == delivery.ROOT:
        return delivery.read(rung)
    return snapshot.infra if root == "service" else snapshot.foundation


def _summarise(checked: Checked, step: Step) -> None:
    result = checked.drift or RootDrift("", "")
    text = "no drift"
    if result.busy:
        text = f"not judged: {result.busy} is at work on it"
    elif checked.outside:
        text = f"drift: {counted(checked.outside)}"
        step.mark = "fail"
    elif not result.applied:
        step.skip("nothing is applied yet")
        return
    pending = f"; {len(result.pending)} not applied yet" if result.pending else ""
    step.done(f"{text}{pending}")


def counted(differences: Sequence[ResourceDifference]) -> str:
    """Return how many were changed, and how many deleted, in words."""
    deleted = sum(each.how == drift.DELETED for each in differences)
    changed = len(differences) - deleted
    return ", ".join([*([f"{changed} changed"] if changed else []), *([f"{deleted} deleted"] if deleted else [])])


def _print(console: Console, checked: Checked) -> None:
    result = checked.drift
    if checked.error:
        console.warn(f"{checked.label} wasn't checked: {checked.error.message}")
    if result is None:
        return
    for note in result.notes:
        console.line(f"  {note}")
    if result.outside:
        console.data(f"changed outside Terraform, in {checked.label}:")
        for each in result.outside:
            sign, colour = _SIGNS.get(each.how, ("~", "yellow"))
            console.data(f"{console.paint_data(f'{sign:>3}', colour)} {each.address}: {each.how}")
            _print_attributes(console, each)
    if result.pending:
        at = roots.root(checked.rung.settings, checked.rung.environment, checked.root)
        console.data(f"changed in the code and not applied, in {checked.label}:")
        for each in result.pending:
            console.data(f"{_PENDING.get(each.how, each.how):>3} {each.address}: {each.how}")
            _print_attributes(console, each)
        console.hint(f"the code's changes are no drift; they are applied by `{at.again}`")


def _print_attributes(console: Console, difference: ResourceDifference) -> None:
    for attribute in difference.attributes:
        console.data(f"      {_line(attribute)}")


def _line(attribute: AttributeChange) -> str:
    return f"{attribute.path}: {attribute.before} -> {attribute.after}"


def _outcome(checked: Sequence[Checked]) -> StepladderError | None:
    """Return the error to end with: that of a root that wasn't checked before that of drift."""
    failed = [each for each in checked if each.error]
    drifted = [each for each in checked if each.outside]
    if failed:
        first = failed[0].error
        assert first is not None  # noqa: S101 - for the type checker: that is what `failed` holds
        if len(checked) == 1:
            return first
        others = f"; drift in {', '.join(each.label for each in drifted)}" if drifted else ""
        error = StepladderError(
            f"{', '.join(each.label for each in failed)} couldn't be checked: {first.message}{others}",
            kind=first.kind,
            hint=first.hint,
        )
        error.exit_code = first.exit_code
        return error
    if not drifted:
        return None
    first_root = drifted[0]
    where = f"--env {first_root.rung.environment} --root {first_root.root}"
    return DriftError(
        "; ".join(f"{each.label} has drifted: {counted(each.outside)} outside Terraform" for each in drifted),
        hint=f"set it back: `inv tf.plan {where}`, then `inv tf.apply {where}`; or have the code say what is there now",
    )


def _leave(rung: Rung, checked: Sequence[Checked]) -> None:
    """Leave the report of an environment for the issue."""
    findings = [_finding(each, difference) for each in checked for difference in each.outside]
    problems = [f"{each.label}: {each.error.message}" for each in checked if each.error]
    busy = [f"{each.label}: {each.drift.busy} was at work on it" for each in checked if each.drift and each.drift.busy]
    unwritten = drift_report.leave(
        rung.settings,
        rung.environment,
        drift_report.TERRAFORM,
        findings=findings,
        problem="; ".join([*problems, *busy]),
    )
    if unwritten:
        rung.console.warn(unwritten)


def _finding(checked: Checked, difference: ResourceDifference) -> DriftFinding:
    return DriftFinding(
        where=checked.label,
        text=f"{difference.address} was {difference.how} outside Terraform",
        details=tuple(map(_line, difference.attributes)),
        command=f"inv tf.plan --env {checked.rung.environment} --root {checked.root}",
        kind=f"resource-{difference.how}",
    )
