"""A project with one environment on fake AWS, and everything a release of it needs."""

# ruff: noqa: N803 - the parameters have AWS's own names

from __future__ import annotations

import hashlib
import io
import json
from collections.abc import Callable, Sequence
from datetime import datetime
from pathlib import Path
from threading import Event
from typing import Any

from fakes.dynamodb import FakeDynamoDB
from fakes.errors import Scripted, error
from fakes.lambda_ import ACCOUNT, REGION, FakeLambda, FakeLambdas
from stepladder.commands.deploy import Deploy, DeployOptions
from stepladder.core.clock import Clock
from stepladder.core.console import Console
from stepladder.core.step import Step
from stepladder.images.pipeline import Later
from stepladder.images.registry import ecr
from stepladder.ledger.schema import Holder
from stepladder.releases.interfaces import Applied, ReleaseImage
from stepladder.releases.ladder_guard import Pin
from stepladder.releases.report import DeployReport
from stepladder.releases.rung import Rung
from stepladder.settings.load import load

TABLE = "hello-releases"
REPOSITORY = f"{ACCOUNT}.dkr.ecr.{REGION}.amazonaws.com/hello"


def digest(source: str) -> str:
    return f"sha256:{hashlib.sha256(source.encode()).hexdigest()}"


class FakeTime:
    """A clock that a sleep moves on."""

    def __init__(self) -> None:
        self.seconds = 1_800_000_000.0
        self.slept: list[float] = []

    def sleep(self, seconds: float) -> None:
        self.slept.append(seconds)
        self.seconds += max(seconds, 0.001)

    def clock(self) -> Clock:
        return Clock(lambda: self.seconds, self.sleep, lambda: self.seconds, lambda: 0.5)


class FakeCodeDeploy(Scripted):
    """`active` is the deployment under way; stopping it may take a few looks."""

    def __init__(self) -> None:
        super().__init__()
        self.active = ""
        self.exists = True
        self.stopped: list[tuple[str, bool]] = []
        self.ends = ["InProgress", "Stopped"]
        self.on_stop: Any = None

    def list_deployments(self, **_: Any) -> dict[str, Any]:
        self.called("ListDeployments")
        if not self.exists:
            raise error("ApplicationDoesNotExistException")
        return {"deployments": [self.active] if self.active else []}

    def stop_deployment(self, *, deploymentId: str, autoRollbackEnabled: bool) -> dict[str, Any]:
        self.called("StopDeployment")
        self.stopped.append((deploymentId, autoRollbackEnabled))
        return {"status": "Pending"}

    def get_deployment(self, *, deploymentId: str) -> dict[str, Any]:
        self.called("GetDeployment")
        status = self.ends.pop(0) if len(self.ends) > 1 else self.ends[0]
        if status not in ("InProgress", "Created") and self.on_stop:
            self.on_stop()
            self.on_stop = None
        return {"deploymentInfo": {"status": status}}


class FakeSts(Scripted):
    account = ACCOUNT

    def get_caller_identity(self) -> dict[str, str]:
        self.called("GetCallerIdentity")
        return {"Account": self.account}


class FakeEcr(Scripted):
    def __init__(self) -> None:
        super().__init__()
        self.gone: set[str] = set()
        self.details: dict[str, dict[str, Any]] = {}
        self.stuck: set[str] = set()

    def hold(self, digest: str, *tags: str, pushed: datetime, subject: str = "") -> None:
        """Put an image into the repository, or what refers to a `subject`."""
        self.details[digest] = {
            "imageDigest": digest,
            "imageTags": list(tags),
            "imagePushedAt": pushed,
            "imageSizeInBytes": 1_000_000,
            **({"subjectManifestDigest": subject} if subject else {}),
        }

    def describe_images(self, *, nextToken: str = "", **_: Any) -> dict[str, Any]:
        self.called("DescribeImages")
        every, at = list(self.details.values()), int(nextToken or 0)
        more = {"nextToken": str(at + 3)} if len(every) > at + 3 else {}
        return {"imageDetails": every[at : at + 3], **more}

    def batch_delete_image(self, *, imageIds: list[dict[str, str]], **_: Any) -> dict[str, Any]:
        self.called("BatchDeleteImage")
        for wanted in imageIds:
            if wanted["imageDigest"] not in self.stuck:
                self.details.pop(wanted["imageDigest"], None)
        return {"imageIds": imageIds, "failures": []}

    def batch_get_image(self, *, imageIds: list[dict[str, str]], **_: Any) -> dict[str, Any]:
        self.called("BatchGetImage")
        return {"images": [{"imageId": i} for i in imageIds if i["imageDigest"] not in self.gone]}


class FakeCloudWatch(Scripted):
    alarms: tuple[tuple[str, str], ...] = (("errors", "OK"), ("latency", "INSUFFICIENT_DATA"))

    def describe_alarms(self, *, AlarmNames: list[str], MaxRecords: int = 50) -> dict[str, Any]:
        assert len(AlarmNames) <= MaxRecords <= 100
        self.called("DescribeAlarms")
        existing = {f"hello-staging-{name}": state for name, state in self.alarms}
        return {"MetricAlarms": [{"AlarmName": n, "StateValue": existing[n]} for n in AlarmNames if n in existing]}


class FakeAws:
    region = REGION

    def __init__(self, clients: dict[str, Any]) -> None:
        self.clients = clients

    def client(self, service: str, *, lasting: float = 0, slack: float = 0) -> Any:
        return self.clients[service]

    def account(self) -> str:
        return str(self.clients["sts"].get_caller_identity()["Account"])

    @property
    def calls(self) -> list[str]:
        return [f"{name}:{call}" for name, client in self.clients.items() for call in client.calls]


class DeployHarness:
    """Everything at once. `source` is the handler's text: changing it is changing the code."""

    def __init__(
        self,
        root: Path,
        *,
        environment: dict[str, Any] | None = None,
        name: str = "staging",
        below: DeployHarness | None = None,
        **settings: Any,
    ) -> None:
        self.root = root
        self.name = name
        self.broken: Exception | None = None
        self.bad_handler: Exception | None = None
        self.handlers_checked = 0
        self.preview_error: Exception | None = None
        self.allow_error: Exception | None = None
        self.allowed_for: list[tuple[str, ...]] = []
        self.source = "one"
        self.infra_inputs = "one"
        self.foundation_inputs = "one"
        self.time = below.time if below else FakeTime()
        self.function = FakeLambda(f"hello-{name}")
        self.table = below.table if below else FakeDynamoDB()
        self.codedeploy = FakeCodeDeploy()
        self.ecr = FakeEcr()
        self.sts = FakeSts()
        self.terraform: dict[str, Any] = {}
        self.applied: list[str] = []
        self.began: list[str] = []
        self.applied_with: list[tuple[str, str | None, bool]] = []
        self.pushed: list[str] = []
        self.fetched: list[str] = []
        self.has_repository = True
        self.on_apply: Any = None
        self.on_prepare: Any = None
        self.on_begin: Any = None
        self.in_background: Callable[[], None] | None = None
        self.freed: list[Holder] = []
        self.err = io.StringIO()
        self.out = io.StringIO()
        self.settings = load(
            {
                "project": "hello",
                "environments": {"staging": {"account": ACCOUNT, "region": REGION, **(environment or {})}},
                "rungs": ["staging"],
                **settings,
            },
            root,
        )
        lambdas: Any = self.function
        if below or settings:  # a ladder: its functions are in one account
            lambdas = below.aws.clients["lambda"] if below else FakeLambdas()
            lambdas.functions[self.function.name] = self.function
        self.aws = FakeAws(
            {
                "lambda": lambdas,
                "dynamodb": self.table,
                "codedeploy": self.codedeploy,
                "ecr": self.ecr,
                "sts": self.sts,
                "cloudwatch": FakeCloudWatch(),
            }
        )

    def case(self, name: str, *, folder: str = "", **content: Any) -> None:
        cases = self.root / "tests" / "smoke" / folder
        cases.mkdir(parents=True, exist_ok=True)
        (cases / f"{name}.json").write_text(json.dumps({"name": name, **content}))

    def rung(self) -> Rung:
        """A fresh process at work on the rung."""
        console = Console(err=self.err, out=self.out, live=False)
        command = f"inv deploy --env {self.name}"
        return Rung(self.settings, self.name, self.aws, console, command, self.time.clock())  # type: ignore[arg-type]

    def deploy(self, **request: Any) -> DeployReport:
        self.time.seconds += 1
        self.err.truncate(0)
        self.err.seek(0)
        for client in (*self.aws.clients.values(), self.function):
            client.calls.clear()
        request.setdefault("no_smoke", not (self.root / "tests" / "smoke").exists())
        return Deploy(self.rung(), self, self, DeployOptions(**request)).run()

    @property
    def printed(self) -> str:
        return self.err.getvalue()

    def items(self, prefix: str) -> list[dict[str, Any]]:
        """The environment's ledger items whose sort key begins so, as plain values, oldest first."""
        rows = sorted(self.table.tables.get(TABLE, {}).items())
        return [
            {name: next(iter(value.values())) for name, value in item.items()}
            for (pk, sk), item in rows
            if pk == f"env#{self.name}" and sk.startswith(prefix)
        ]

    @property
    def releases(self) -> list[dict[str, Any]]:
        return self.items("release#")

    @property
    def serves(self) -> str:
        """The digest that traffic gets."""
        assert self.function.alias
        assert not self.function.alias.get("RoutingConfig", {}).get("AdditionalVersionWeights")
        version = self.function.versions[self.function.alias["FunctionVersion"]]
        return str(version["ImageUri"].rpartition("@")[2])

    # the two neighbours

    def input_key(self) -> str:
        return f"key of {self.source}"

    def check(self) -> None:
        if self.broken:
            raise self.broken

    def check_handlers(self) -> None:
        self.handlers_checked += 1
        if self.bad_handler:
            raise self.bad_handler

    def build(self, step: Step) -> str:
        self.began.append("build")
        return f"{REPOSITORY}@{digest(self.source)}"

    def begin(self) -> None:
        self.began.append("image")
        if self.on_begin:
            self.on_begin()

    def prepare(self, step: Step, later: Later | None = None) -> ReleaseImage:
        if self.in_background and later:
            later(self.in_background)
        if self.on_prepare:
            self.on_prepare()
        if not self.has_repository:
            raise ecr.missing(self.rung().names)
        self.pushed.append(self.source)
        step.done("pushed")
        return ReleaseImage(digest(self.source), f"{REPOSITORY}@{digest(self.source)}", input_key=self.input_key())

    def fetch(self, pin: Pin, step: Step) -> ReleaseImage:
        self.fetched.append(pin.origin.environment)
        step.done(pin.why)
        source = next(word for word in ("one", "two", "three") if digest(word) == pin.digest)
        return ReleaseImage(pin.digest, f"{REPOSITORY}@{pin.digest}", pin.git_commit, f"key of {source}")

    def inputs_hash(self, root: str) -> str:
        return f"{root} {self.foundation_inputs if root == 'foundation' else self.infra_inputs}"

    def preview(self, root: str, image_uri: str | None, step: Step) -> str:
        if self.preview_error:
            raise self.preview_error
        return "0 to add, 1 to change, 0 to destroy"

    def install(self, root: str, over: Event) -> None:
        self.began.append(f"install {root}")

    def plan_early(self, root: str, image: Callable[[], str]) -> None:
        self.began.append(f"plan {root} with {image().rpartition('@')[2]}")

    def ensure(self, root: str, image_uri: str | None, step: Step, *, live: bool = False) -> Applied:
        self.applied.append(root)
        self.applied_with.append((root, image_uri, live))
        if root == "foundation":
            self.table.tables.setdefault(TABLE, {})
        elif self.function.latest is None:
            assert image_uri, "the function can't be made without an image"
            self.function.create(image_uri)
        elif self.function.alias is None:
            self.function.make_alias()
        else:
            self.function.configure(**self.terraform)
        if self.on_apply:
            self.on_apply(root)
        return Applied("plan1", "1 to add", {"function_url": "https://abc.lambda-url/"})

    def check_allowed(self, roots: Sequence[str], step: Step) -> None:
        self.allowed_for.append(tuple(roots))
        if self.allow_error:
            raise self.allow_error

    def free_lock_of(self, holder: Holder) -> list[str]:
        self.freed.append(holder)
        return ["freed the state lock of staging/service"]
