"""A project with several functions in one environment on fake AWS, and everything a deploy of them needs."""

from __future__ import annotations

import copy
import io
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from fakes.deploy_harness import REPOSITORY, TABLE, DeployHarness, digest
from fakes.lambda_ import FakeLambda
from stepladder.commands.deploy import DeployOptions
from stepladder.commands.deploy_many import DeployMany
from stepladder.commands.many_report import ManyReport
from stepladder.core.step import Step
from stepladder.images.pipeline import Later
from stepladder.releases.interfaces import Applied, ReleaseImage
from stepladder.releases.ladder_guard import Pin
from stepladder.releases.rung import Rung


@dataclass
class FunctionImages:
    """The images of one function. One with a context of its own has a source of its own."""

    harness: ManyHarness
    rung: Rung

    @property
    def source(self) -> str:
        return self.harness.own_source.get(self.rung.settings.image.context, self.harness.source)

    def input_key(self) -> str:
        self.harness.hashed.append(self.rung.settings.image.context)
        return f"key of {self.source}"

    def check(self) -> None:
        self.harness.check()

    def check_handlers(self) -> None:
        self.harness.check_handlers()

    def build(self, step: Step) -> str:
        return self.harness.build(step)

    def begin(self) -> None:
        self.harness.begin()

    def prepare(self, step: Step, later: Later | None = None) -> ReleaseImage:
        if self.harness.in_background and later:
            later(self.harness.in_background)
        self.harness.pushed.append(self.source)
        step.done("pushed")
        made = digest(self.source)
        return ReleaseImage(made, f"{REPOSITORY}@{made}", input_key=f"key of {self.source}")

    def fetch(self, pin: Pin, step: Step) -> ReleaseImage:
        step.done(pin.why)
        source = next(word for word in ("one", "two", "own") if digest(word) == pin.digest)
        return ReleaseImage(pin.digest, f"{REPOSITORY}@{pin.digest}", pin.git_commit, f"key of {source}")


class ManyHarness(DeployHarness):
    """`functions` are settings by name; `own_source` are sources by an image's own context."""

    def __init__(
        self, root: Path, functions: Mapping[str, Any], *, below: ManyHarness | None = None, **settings: Any
    ) -> None:
        self.own_source: dict[str, str] = {}
        self.hashed: list[str] = []
        super().__init__(root, below=below, functions=dict(functions), **settings)
        self.many = {
            name: self.function if not name else FakeLambda(f"hello-{self.name}-{name}")
            for name in self.settings.function_names
        }
        for fake in self.many.values():
            self.aws.clients["lambda"].functions[fake.name] = fake
        self.configured: dict[str, dict[str, Any]] = {}

    @classmethod
    def of(cls, other: ManyHarness) -> ManyHarness:
        """Another run on the same functions, by somebody with sources of their own."""
        made = copy.copy(other)
        made.own_source = dict(other.own_source)
        made.pushed, made.applied, made.hashed, made.err = [], [], [], io.StringIO()
        return made

    @classmethod
    def above(cls, other: ManyHarness) -> ManyHarness:
        """Return the rung above, which was never released."""
        environments = other.settings.environments
        named = {name: {"account": each.account, "region": each.region} for name, each in environments.items()}
        named["production"] = dict(named["staging"])
        functions = {name: {"image": {"context": one.image.context}} for name, one in other.settings.functions.items()}
        return cls(
            other.root,
            functions,
            name="production",
            below=other,
            environments=named,
            rungs=["staging", "production"],
        )

    def images(self, rung: Rung) -> FunctionImages:
        return FunctionImages(self, rung)

    def deploy_many(self, *names: str, **request: Any) -> ManyReport:
        self.begin()
        request.setdefault("no_smoke", not (self.root / "tests" / "smoke").exists())
        return DeployMany(self.rung(), self.images, self, DeployOptions(**request), names).run()

    def begin(self) -> None:
        self.time.seconds += 1
        self.err.truncate(0)
        self.err.seek(0)
        self.pushed.clear()
        self.applied.clear()
        self.hashed.clear()
        for client in (*self.aws.clients.values(), *self.many.values()):
            client.calls.clear()

    def ensure(
        self,
        root: str,
        image_uri: str | None,
        step: Step,
        *,
        live: bool = False,
        images: Mapping[str, str] | None = None,
    ) -> Applied:
        self.applied.append(root)
        if root == "foundation":
            self.table.tables.setdefault(TABLE, {})
            return Applied("plan0", "1 to add")
        for name, fake in self.many.items():
            if fake.latest is None:
                uri = (images or {}).get(name) if name else image_uri
                assert uri, f"{name or 'main'} can't be made without an image"
                fake.create(uri)
            elif fake.alias is None:
                fake.make_alias()
            else:
                fake.configure(**self.terraform, **self.configured.get(name, {}))
        urls = {name: {"function_url": f"https://{name}.lambda-url/"} for name in self.many if name}
        return Applied("plan1", "1 to add", {"function_url": "https://main.lambda-url/", "functions": urls})

    def items_of(self, target: str, prefix: str = "") -> list[dict[str, Any]]:
        """A target's ledger items whose sort key begins so, as plain values, oldest first."""
        rows = sorted(self.table.tables.get(TABLE, {}).items())
        return [
            {name: next(iter(value.values())) for name, value in item.items()}
            for (pk, sk), item in rows
            if pk == f"env#{target}" and sk.startswith(prefix)
        ]

    @property
    def live_versions(self) -> dict[str, str]:
        """The version that each function's traffic gets."""
        return {name: str(fake.alias["FunctionVersion"]) for name, fake in self.many.items() if fake.alias}

    def results(self, name: str) -> list[tuple[str, str, str]]:
        """Kind, version and result of each ledger entry of a function, oldest first."""
        target = f"{self.name}-{name}" if name else self.name
        return [(e["kind"], e.get("version", ""), e["result"]) for e in self.items_of(target, "release#")]
