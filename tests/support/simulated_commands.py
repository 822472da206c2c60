"""The commands of a simulated project: real ones, in this process, each by an operator of its own."""

from __future__ import annotations

import io
import threading
import time
from abc import ABC, abstractmethod
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

from cloud_project import CloudProject
from in_process import PushedImage
from operators import INTERRUPTED, KILLED, Cut, Identities, Killed, OperatorAws, Turns

from localcloud import daemon
from stepladder.commands import promote, redrive, stop
from stepladder.commands.deploy import Deploy, DeployOptions
from stepladder.commands.rollback import Rollback
from stepladder.core.aws import explain
from stepladder.core.clock import Clock
from stepladder.core.console import Console
from stepladder.core.errors import StepladderError
from stepladder.images.prune import Prune, PruneOptions
from stepladder.promotion import approval
from stepladder.promotion.executions import StateMachine
from stepladder.promotion.observation import CommandRun
from stepladder.promotion.subject import PromotionOptions
from stepladder.promotion.watch import watch
from stepladder.releases import marks, retention
from stepladder.releases.interfaces import Applied
from stepladder.releases.rung import Rung

ENVIRONMENTS = ("staging", "production")
PATIENCE = 30.0  # seconds that an operator waits for a command
LAST = 600.0  # seconds that the last commands are waited for, which must end by themselves


@dataclass
class Ended:
    """How a command ended."""

    code: int
    message: str = ""
    hint: str = ""


@dataclass
class Infrastructure:
    """What Terraform would do: a service has one environment variable."""

    rung: Rung
    setting: str

    def inputs_hash(self, root: str) -> str:
        return f"{root} {self.setting if root == 'service' else ''}"

    def preview(self, root: str, image_uri: str | None, step: Any) -> str:
        return ""

    def ensure(self, root: str, image_uri: str | None, step: Any, *, live: bool = False) -> Applied:
        if root == "service":
            variables = {"Variables": {"SETTING": self.setting}}
            self.rung.lambda_client.update_function_configuration(
                FunctionName=self.rung.names.function, Environment=variables
            )
            self.rung.function.wait_settled()
        step.done("applied")
        return Applied("plan", "applied", inputs_hash=self.inputs_hash(root))

    def free_lock_of(self, holder: Any) -> list[str]:
        return []


@dataclass
class SimulatedCommands(ABC):
    """What operators type. `skew` is by how much their clock is wrong."""

    cloud: Any
    ends: Counter[str] = field(default_factory=Counter)
    identities: Identities = field(default_factory=Identities)
    skew: float = 0.0
    patience: float = PATIENCE
    project: CloudProject = field(init=False)
    ways: dict[str, Any] = field(init=False)
    images: dict[str, str] = field(default_factory=dict)
    settings: dict[str, str] = field(default_factory=dict)
    forced: set[str] = field(default_factory=set)
    runs: list[CommandRun] = field(default_factory=list)
    _own: OperatorAws = field(default_factory=lambda: OperatorAws(daemon.REGION))
    _clients: list[OperatorAws] = field(default_factory=list)

    @abstractmethod
    def image(self, name: str) -> str:
        """Return the reference of an image, which is pushed at its first use."""

    @abstractmethod
    def digest(self, name: str) -> str:
        """Return an image's digest."""

    @abstractmethod
    def running(self) -> list[str]:
        """Return the promotions that run."""

    @contextmanager
    def healthy(self) -> Iterator[None]:
        """Let AWS work for a while for whoever plays; what was to break breaks afterwards."""
        rules = self.cloud.info.request("faults")["faults"]
        self.cloud.faults()
        try:
            yield
        finally:
            self.cloud.faults(*filter(None, map(_remaining, rules)))

    def clock(self, leave: Callable[[], None] = lambda: None) -> Clock:
        """Return an operator's clock, which may be wrong by `skew`. One who waits for long presses Ctrl-C."""
        deadline = time.monotonic() + self.patience

        def sleep(seconds: float) -> None:
            leave()
            if time.monotonic() > deadline:
                raise KeyboardInterrupt
            time.sleep(seconds)

        return Clock(sleep=sleep, now=lambda: time.time() + self.skew)

    def rung(self, environment: str, aws: OperatorAws | None = None, way: str = "at once") -> Rung:
        """Return an environment as a command has it."""
        clients = aws or self._own
        clock = self.clock(clients.leave)
        return Rung(
            self.ways[way],
            environment,
            clients,
            Console(err=io.StringIO(), out=io.StringIO(), live=False),
            "test",
            clock,
        )

    def command(
        self, text: str, act: Callable[[OperatorAws], Any], cut: str = "", turns: Any = None, *, remote: bool = False
    ) -> Ended:
        """Run a command, which may be cut off, and return how it ended."""
        aws = self._clients.pop() if self._clients else OperatorAws(daemon.REGION)
        aws.begin(Cut.parse(cut), *(turns or ()))
        pid = self.identities.begin(remote=remote)
        try:
            act(aws)
            ended = Ended(0)
        except Killed:
            ended = Ended(KILLED)
        except KeyboardInterrupt:
            ended = Ended(INTERRUPTED)
        except StepladderError as error:
            ended = Ended(int(error.exit_code), error.message, error.hint or "")
        except Exception as error:  # as the program's own edge does
            explained = explain(error)
            ended = Ended(int(explained.exit_code), explained.message) if explained else Ended(1, repr(error))
            if explained is None:
                raise
        finally:
            self.identities.end(pid)
        if not aws.is_cut:
            self._clients.append(aws)
        self.runs.append(CommandRun(text, ended.code, ended.message))
        self.ends["cut off" if aws.is_cut else f"exit {ended.code}"] += 1
        return ended

    def deploy(
        self, environment: str, image: str, cut: str = "", *, force: bool = False, skip: bool = False, **how: Any
    ) -> Ended:
        """`inv deploy`."""

        def act(aws: OperatorAws) -> None:
            rung = self.rung(environment, aws)
            options = DeployOptions(force=force, skip_ladder=skip, why="simulated" if skip else "")
            setting = self.settings.get(environment, "one")
            pushed = PushedImage(image, lambda: self.image(image))
            report = Deploy(rung, pushed, Infrastructure(rung, setting), options).run()
            if force:
                self.forced.add(report.release_id)

        return self.command(f"inv deploy --env {environment}", act, cut, **how)

    def promote(
        self, way: str = "at once", cut: str = "", *, force: bool = False, detach: bool = False, **how: Any
    ) -> Ended:
        """`inv promote`, which returns at once where another one may wait for a person."""
        detach = detach or way == "with approval" or bool(self.running())

        def act(aws: OperatorAws) -> None:
            promote.promote(StateMachine(self.rung("staging", aws, way)), PromotionOptions(force=force), detach=detach)

        return self.command("inv promote", act, cut, **how)

    def rollback(self, environment: str, cut: str = "", *, bad: bool | None = None, **how: Any) -> Ended:
        """`inv rollback`."""
        return self.command(
            f"inv rollback --env {environment}",
            lambda aws: Rollback(self.rung(environment, aws), bad=bad).run(),
            cut,
            **how,
        )

    def stop(self, cut: str = "", **how: Any) -> Ended:
        """`inv promote.stop`."""

        def act(aws: OperatorAws) -> None:
            machine = StateMachine(self.rung("staging", aws))
            stop.stopped(machine, machine.pick(running=True), "simulated")

        return self.command("inv promote.stop", act, cut, **how)

    def watch(self, **how: Any) -> Ended:
        """`inv promote.watch`."""

        def act(aws: OperatorAws) -> None:
            machine = StateMachine(self.rung("staging", aws))
            promote.conclude(machine, *watch(machine, machine.pick()))

        return self.command("inv promote.watch", act, **how)

    def redrive(self, cut: str = "", **how: Any) -> Ended:
        """`inv promote.redrive`."""

        def act(aws: OperatorAws) -> None:
            machine = StateMachine(self.rung("staging", aws))
            redrive.redriven(machine, machine.pick(), detach=True)

        return self.command("inv promote.redrive", act, cut, **how)

    def decide(self, cut: str = "", *, approve: bool, **how: Any) -> Ended:
        """`inv promote.approve` or `inv promote.reject`."""

        def act(aws: OperatorAws) -> None:
            machine = StateMachine(self.rung("staging", aws))
            approval.decide(machine, machine.pick(running=True), "", "simulated", approve=approve)

        return self.command(f"inv promote.{'approve' if approve else 'reject'}", act, cut, **how)

    def prune(self, **how: Any) -> Ended:
        """`inv image.prune`."""

        def act(aws: OperatorAws) -> None:
            rung = self.rung("staging", aws)
            request = PruneOptions(min_age_hours=0, yes=True)
            Prune(aws, rung.names, rung.console, lambda: retention.images(rung, 2), request).run()

        ended = self.command("inv image.prune", act, **how)
        with self.healthy():
            held = self.project.client("ecr").list_images(repositoryName=self.project.name)["imageIds"]
            kept = {image["imageDigest"] for image in held}
            self.images = {name: uri for name, uri in self.images.items() if uri.rpartition("@")[2] in kept}
            for environment in ENVIRONMENTS:
                assert self.project.digest(environment) in kept, f"the image that {environment} serves was pruned"
        return ended

    def unmark(self, image: str, **how: Any) -> Ended:
        """`inv ledger.unmark`."""

        def act(aws: OperatorAws) -> None:
            marks.unmark(self.rung("staging", aws), marks.ImageQuery(digest=self.digest(image)))

        return self.command("inv ledger.unmark", act, **how)

    def both(self, turns: Sequence[int], *commands: Callable[..., Ended]) -> list[Ended]:
        """Run two commands at once, whose AWS calls take turns."""
        order = Turns(turns)
        ended: dict[int, Ended] = {}
        errors: list[BaseException] = []

        def run(number: int) -> None:
            try:
                ended[number] = commands[number](turns=(lambda: order.take(number), lambda: order.leave(number)))
            except BaseException as error:  # noqa: BLE001 - the thread that waits raises it
                errors.append(error)
            finally:
                order.leave(number)

        threads = [threading.Thread(target=run, args=(number,), daemon=True) for number in range(len(commands))]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(LAST)
            assert not thread.is_alive(), "a command does not end"
        if errors:
            raise errors[0]
        return [ended[number] for number in range(len(commands))]


def _remaining(rule: dict[str, Any]) -> dict[str, Any] | None:
    """Return what is left of a fault's rule."""
    counted = {key: value for key, value in rule.items() if key not in ("seen", "hits")}
    left = rule["count"] - rule["hits"]
    return counted | {"skip": max(0, rule["skip"] - rule["seen"]), "count": left} if left > 0 else None
