"""Destroy one environment: read, stop its traffic, destroy what Terraform has, then what it doesn't, read again.

Each step may be repeated, and what it needs to know is read from what is still there. The order is that of the steps:
a run that is cut off anywhere goes on when it is run again. What says that the destroying began goes last.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from functools import cached_property

from stepladder.core.aws import error_code
from stepladder.core.clock import stamp
from stepladder.core.errors import RefusedError, StepladderError
from stepladder.core.names import is_preview
from stepladder.destroy import images, inventory, network, refusals, secrets, traffic
from stepladder.destroy import targets as targets_of
from stepladder.destroy.report import DESTROYED, Asset, DestroyReport
from stepladder.images import prune
from stepladder.ledger import destruction
from stepladder.ledger.destruction import Destruction
from stepladder.ledger.schema import Preview
from stepladder.releases.plan import SERVICE
from stepladder.releases.rung import Rung
from stepladder.terraform import destroying, files, roots, state_file
from stepladder.terraform.destroying import DestroyOutcome
from stepladder.terraform.state_file import StateResource

_GONE = "ResourceNotFoundException"


@dataclass
class EnvironmentDestroyer:
    """One destroy of one environment. `rung` is the environment with the whole project.

    `terraform` destroys a root, as `destroying.destroy`.
    """

    rung: Rung
    terraform: Callable[..., DestroyOutcome] = destroying.destroy
    report: DestroyReport = field(init=False)

    def __post_init__(self) -> None:
        self.report = DestroyReport(self.rung.environment)

    # read

    @property
    def is_preview(self) -> bool:
        """Whether it is a preview: all of them share their images and secrets, and the ledger lists them."""
        return is_preview(self.rung.environment)

    @cached_property
    def targets(self) -> list[Rung]:
        """The functions of the environment."""
        return targets_of.read(self.rung)

    @cached_property
    def state(self) -> tuple[StateResource, ...] | None:
        """What Terraform has of the environment; None without a state."""
        return state_file.read(self.rung.aws, roots.root_of(self.rung.settings, self.rung.environment, SERVICE))

    @cached_property
    def has_ledger(self) -> bool:
        """Whether the location has a ledger."""
        return self.rung.ledger.snapshot(self.rung.environment).exists

    @cached_property
    def inventory(self) -> list[Asset]:
        """What is there and will be lost, for a person."""
        rung = self.rung
        parts = [*inventory.functions(self.targets), *inventory.resources(rung, self.state or ())]
        if not self.is_preview:
            parts += [secrets.part(state) for _, state in secrets.split(self.targets)[0]]
        if self.has_ledger:
            snapshot = rung.ledger.snapshot(rung.environment)
            parts[:0] = inventory.address(snapshot.infra.url if snapshot.infra else "")
            if own := [] if self.is_preview else images.split(rung, self.targets)[0]:
                parts.append(images.part(rung, own))
            parts += inventory.history(rung, self.targets)
        return parts

    @property
    def was_cut_off(self) -> Destruction | None:
        """The destroy that began before and has not ended."""
        return destruction.read(self.rung.ledger, self.rung.environment)

    @property
    def is_present(self) -> bool:
        """Whether anything is left of the environment."""
        if self.inventory or self.state is not None or self.was_cut_off:
            return True
        if not self.has_ledger:
            return False
        listed = self.is_preview and self.rung.environment in self.rung.ledger.previews()
        return listed or any(True for _ in destruction.items(self.rung.ledger, self._keys))

    @property
    def _keys(self) -> list[str]:
        return [target.target for target in self.targets]

    def check_tools(self) -> None:
        """Refuse to begin without the Terraform that is to go on; raises `NotReadyError`, or `BadInputError`."""
        if self.state:
            destroying.check_tools(self.rung.settings, self.rung.environment, SERVICE)

    def check_state(self) -> None:
        """Refuse functions that Terraform knows nothing of, as what else they have can't be known either.

        Refuse too a preview whose state has what is a rung's.
        """
        refusals.check_own(self.rung, self.state or ())
        lost = inventory.functions(self.targets) if self.state is None else []
        if lost:
            raise RefusedError(
                f"{lost[0].name} is there, and Terraform's state of {self.rung.environment} is not",
                kind="no-state",
                hint="import what exists into a new state, then destroy it: "
                f"`inv deploy --env {self.rung.environment} --infra always`",
            )

    # act

    def run(self) -> DestroyReport:
        """Destroy it, and return what went and what stays. Raises as Terraform and AWS do, with what is left there."""
        rung = self.rung
        listed = rung.ledger.previews().get(rung.environment) if self.is_preview else None
        with self._locked():
            self._read_again()
            if self.has_ledger:
                self._begin()
            try:
                self._act(listed)
            except BaseException:
                rung.console.warn(
                    f"{rung.environment} is half destroyed: `inv destroy --env {rung.environment}` goes on from here"
                )
                raise
        destroying.forget_files(rung.settings, rung.environment, SERVICE)
        self.report.result = DESTROYED
        return self.report

    def _act(self, listed: Preview | None) -> None:
        rung = self.rung
        self._traffic()
        self._network()
        self._service()
        self._leftovers()
        self._secrets()
        self._images()
        if self.has_ledger:
            self._ledger()
        self._states()
        self._verify()
        if self.has_ledger:
            destruction.end(rung.ledger, rung.environment)
            if listed:
                rung.ledger.forget_preview(rung.environment, listed)

    @contextlib.contextmanager
    def _locked(self) -> Iterator[None]:
        """Hold the lock of each function, in the order of their names as a deploy takes them."""
        with contextlib.ExitStack() as held:
            if self.has_ledger:
                snapshots = self.rung.ledger.snapshots(self._keys)
                for target in self.targets:
                    held.enter_context(target.locked(snapshots[target.target].lock))
            yield

    def _read_again(self) -> None:
        """Read Terraform's state under the lock: while the name was typed, somebody may have deployed."""
        self.__dict__.pop("state", None)
        self.check_state()

    def _begin(self) -> None:
        rung = self.rung
        holding = rung.lock.holding
        record = Destruction(rung.requested_by, stamp(rung.clock.now()), rung.command)
        if holding is None or not destruction.begin(rung.ledger, rung.environment, record, holding):
            rung.lock.check()
            raise StepladderError(
                f"the ledger took no record of destroying {rung.environment}",
                kind="destroy-incomplete",
                hint="nothing was destroyed; run the same command again",
            )

    def _step_checked(self) -> None:
        """Stop when the lock was lost: somebody may be making again what is being destroyed."""
        if self.rung.lock.held:
            self.rung.lock.check()

    def _traffic(self) -> None:
        with self.rung.console.step("traffic") as step:
            stopped = [text for target in self.targets for text in traffic.stop(target)]
            step.done(f"stopped: {', '.join(stopped)}") if stopped else step.skip("no function takes calls")

    def _network(self) -> None:
        connected = network.functions(self.state or ())
        if not connected:
            return
        self._step_checked()
        with self.rung.console.step("network") as step:
            left = network.remove(self.rung, connected, step)
            step.done(f"{len(connected)} functions out of their VPC, {len(left)} interfaces left")
        self.report.kept += [Asset("network interface", each, "Lambda deletes it later") for each in left]

    def _service(self) -> None:
        self._step_checked()
        rung = self.rung
        before = inventory.functions(self.targets) + inventory.resources(rung, self.state or ())
        with rung.console.step(SERVICE) as step:
            if self.state is None:
                step.skip("Terraform has no state of it")
                return
            outcome = self.terraform(rung.settings, rung.environment, SERVICE, aws=rung.aws, step=step)
            step.done(f"{len(outcome.destroyed)} destroyed")
        for note in outcome.notes:
            rung.console.line(f"  {note}")
        self.report.gone += before

    def _leftovers(self) -> None:
        """Delete what Lambda leaves behind: event sources, and log groups that it wrote after Terraform was done."""
        self._step_checked()
        with self.rung.console.step("leftovers") as step:
            sources = sum(traffic.remove_event_sources(target) for target in self.targets)
            groups = [each.names.log_group for each in self.targets if delete_log_group(each, each.names.log_group)]
            if sources or groups:
                step.done(
                    f"{inventory.counted(sources, 'event source')}, {inventory.counted(len(groups), 'log group')}"
                )
            else:
                step.skip("none")
        self.report.gone += [Asset("log group", name, "written after Terraform") for name in groups]

    def _secrets(self) -> None:
        self._step_checked()
        with self.rung.console.step("secrets") as step:
            if self.is_preview:
                step.skip("all previews share them")
                return
            own, kept = secrets.split(self.targets)
            for stores, state in own:
                stores.store(state.secret.store).delete(state.secret)
                self.report.gone.append(secrets.part(state))
            self.report.kept += kept
            stay = f", {len(kept)} stay" if kept else ""
            step.done(f"{len(own)} deleted{stay}") if own else step.skip(f"none{stay}")

    def _images(self) -> None:
        self._step_checked()
        rung = self.rung
        with rung.console.step("images") as step:
            if self.is_preview:
                step.skip("all previews share them, and they expire")
                return
            own, kept = images.split(rung, self.targets) if self.has_ledger else ([], [])
            prune.delete_whole(rung.aws, rung.names, [image.digest for image in own])
            self.report.gone += [images.part(rung, own)] if own else []
            self.report.kept += kept
            step.done(f"{len(own)} deleted") if own else step.skip("none that only this environment has")

    def _ledger(self) -> None:
        self._step_checked()
        rung = self.rung
        with rung.console.step("ledger") as step:
            items = [] if self.is_preview else list(destruction.items(rung.ledger, self._keys))
            copied = save_items(rung, items)
            deleted = destruction.delete(rung.ledger, self._keys)
            step.done(
                f"{inventory.counted(deleted, 'item')}{copied and f', copied to {copied}'}"
            ) if deleted else step.skip("no items")
        self.report.gone += (
            [Asset("ledger", rung.names.ledger_table, inventory.counted(deleted, "item"))] if deleted else []
        )
        self.report.kept += [Asset("copy of the ledger's items", copied, "on this machine")] if copied else []

    def _states(self) -> None:
        self._step_checked()
        rung = self.rung
        with rung.console.step("state") as step:
            deleted = destroying.delete_states(rung.settings, rung.environment, aws=rung.aws)
            step.done(f"{deleted} versions of states and plans") if deleted else step.skip("none")
        self.report.gone += [Asset("versions of states", rung.names.state_bucket, str(deleted))] if deleted else []

    def _verify(self) -> None:
        """Read again: no function may be left."""
        left = inventory.functions(self.targets)
        if left:
            raise StepladderError(
                f"{left[0].name} is still there: somebody made it again meanwhile, or Terraform doesn't have it",
                kind="destroy-incomplete",
                hint="run the same command again; a function that somebody made by hand is theirs to delete",
            )


def delete_log_group(rung: Rung, name: str) -> bool:
    """Delete a log group; say whether there was one."""
    try:
        rung.aws.client("logs").delete_log_group(logGroupName=name)
    except Exception as error:
        if error_code(error) != _GONE:
            raise
        return False
    return True


def save_items(rung: Rung, items: list[dict[str, dict[str, object]]]) -> str:
    """Write items of the ledger to a file of this machine, and return its path in the project; none without any."""
    if not items:
        return ""
    written = stamp(rung.clock.now()).replace(":", "").replace("-", "")
    where = rung.names
    path = rung.settings.build_dir / "destroyed" / f"{rung.environment}-{where.account}-{where.region}-{written}.json"
    plain = [{name: next(iter(value.values())) for name, value in item.items()} for item in items]
    files.write_json(path, {"items": plain, "table": where.ledger_table}, mode=0o600)
    return str(path.relative_to(rung.settings.root))
