"""`inv diff` on fake AWS: what a deploy or a promotion would change."""

from __future__ import annotations

import json
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from fakes.deploy_harness import DeployHarness, digest
from test_images_contents import FakeRegistry

from stepladder import images, terraform
from stepladder.commands import diff, diff_print
from stepladder.commands.diff import Diff, DiffOptions, EnvironmentDiff
from stepladder.core.console import Console
from stepladder.core.errors import BadInputError, NotReadyError, RefusedError, StepladderError
from stepladder.images import pipeline
from stepladder.images.registry import ecr
from stepladder.releases.adapters import ProjectInfra
from stepladder.releases.rung import Rung
from stepladder.terraform.events import Counts
from stepladder.terraform.redaction import AttributeChange
from stepladder.terraform.review import ReviewedChange, RootReview

FUNCTION = "module.service.aws_lambda_function.this"


class DiffHarness(DeployHarness):
    """A rung that was deployed, with a registry and plans that a test writes."""

    registry: FakeRegistry
    plans: dict[str, RootReview | StepladderError]

    def look(self, **options: Any) -> EnvironmentDiff:
        self.comparison = Diff(self.rung(), DiffOptions(**options))
        return self.comparison.run()


@pytest.fixture
def bench(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> DiffHarness:
    monkeypatch.delenv("CI", raising=False)
    harness = DiffHarness(tmp_path)
    harness.registry, harness.plans = FakeRegistry(), {}
    patch = monkeypatch.setattr
    patch(images, "check_lock", lambda _settings: None)
    patch(images, "input_key", lambda _settings: harness.input_key())
    patch(pipeline, "known", lambda *_: None)
    patch(ecr, "connect", lambda *_: SimpleNamespace(registry=harness.registry, name="hello"))
    patch(ProjectInfra, "inputs_hash", lambda _infra, root: harness.inputs_hash(root))
    patch(diff, "roots_of", lambda *_: ("foundation", "service"))
    patch(terraform, "reviewed", lambda _settings, _env, root, **_: _planned(harness, root), raising=False)
    harness.case("answers", payload={}, expect={"status": 200})
    (tmp_path / "function").mkdir()
    harness.function.handler = lambda _served, _payload: ({"statusCode": 200}, False)
    harness.deploy()
    return harness


def _planned(harness: DiffHarness, root: str) -> RootReview:
    made = harness.plans.get(root, RootReview(root, "", Counts()))
    if isinstance(made, StepladderError):
        raise made
    return made


def table(harness: DiffHarness, made: EnvironmentDiff) -> str:
    console = Console(err=harness.err, out=harness.out, live=False)
    diff_print.show(console, made)
    return harness.out.getvalue()


def test_nothing_differs_and_no_root_is_planned(bench: DiffHarness) -> None:
    bench.plans = {"service": StepladderError("no plan is wanted"), "foundation": StepladderError("nor here")}
    made = bench.look()
    assert not made.differs
    assert [each.state for each in made.functions] == ["unchanged"]
    assert made.functions[0].image.state == made.functions[0].smoke.state == "same"
    assert not bench.comparison.failures
    assert "no change" in table(bench, made)


def test_other_files_are_another_image_with_the_packages_of_its_lock(bench: DiffHarness) -> None:
    served = bench.registry.layer(
        *(f"var/task/{name}.dist-info/METADATA" for name in ("gone-1.0", "kept-2.0", "new-3.0", "pip-24.0"))
    )
    bench.function.versions["1"]["ImageUri"] = f"hello@{bench.registry.image(served)}"
    (bench.root / "function/requirements.txt").write_text(
        'kept==2.0\nnew==3.1\nadded==1.0\nother==1.0 ; sys_platform == "win32"\n'
    )
    bench.source = "two"
    made = bench.look()
    image = made.functions[0].image
    assert (made.differs, image.state, image.after) == (True, "new", "")
    assert "isn't built yet" in image.layers_unknown
    changed = {(each.name, each.before, each.after) for each in image.packages}
    assert changed == {("added", "", "1.0"), ("gone", "1.0", ""), ("new", "3.0", "3.1")}
    assert "package gone" in table(bench, made)


def test_an_image_that_was_deleted_hides_nothing_else(bench: DiffHarness) -> None:
    bench.source = "two"
    bench.infra_inputs = "two"
    made = bench.look()
    assert made.functions[0].image.layers_unknown == f"{digest('one')[7:19]} is not in the registry any more"
    assert [root.state for root in made.roots] == ["unchanged", "unchanged"], "a plan that changes nothing"
    assert not bench.comparison.failures


def test_what_terraform_changes_of_the_function_is_its_configuration(bench: DiffHarness) -> None:
    bench.infra_inputs = "two"
    attribute = AttributeChange("memory_size", "128", "512")
    change = ReviewedChange(FUNCTION, "update", "aws_lambda_function", attributes=(attribute,))
    bench.plans["service"] = RootReview("service", "", Counts(change=1), (change,))
    made = bench.look()
    (changed,) = made.functions[0].configuration
    assert (changed.attribute, changed.before, changed.after, changed.source) == (
        "memory_size",
        "128",
        "512",
        "settings",
    )
    assert made.functions[0].state == "changed"
    printed = table(bench, made).splitlines()
    assert [line.split()[1:] for line in printed if "memory_size" in line] == [["memory_size", "128", "512"]]


def test_a_configuration_that_was_changed_by_hand_shows_no_value_of_a_variable(bench: DiffHarness) -> None:
    bench.function.configure(MemorySize=1024, Environment={"Variables": {"PASSWORD": "hunter2"}})
    made = bench.look()
    changed = {each.attribute: each for each in made.functions[0].configuration}
    assert {each.source for each in changed.values()} == {"by hand"}
    assert changed["Environment.PASSWORD"].before == "(hidden)"
    assert "hunter2" not in table(bench, made) + json.dumps(made, default=vars)


def test_other_smoke_cases_are_a_difference(bench: DiffHarness) -> None:
    bench.case("another", payload={}, expect={"status": 200})
    made = bench.look()
    assert (made.differs, made.functions[0].smoke.state, made.functions[0].smoke.cases) == (True, "new", 2)
    (bench.root / "tests/smoke/another.json").write_text("{")
    assert bench.look().functions[0].smoke.state == "unknown"


def test_without_terraform_the_rest_is_compared(bench: DiffHarness) -> None:
    bench.infra_inputs = "two"
    made = bench.look(infra=False)
    assert {root.state for root in made.roots} == {"not compared"}
    assert not made.differs


def test_a_root_that_cannot_be_planned_is_the_failure_after_all_is_shown(bench: DiffHarness) -> None:
    bench.infra_inputs = "two"
    bench.plans["service"] = NotReadyError("there is no Terraform", kind="no-terraform")
    made = bench.look()
    assert [root.state for root in made.roots] == ["unchanged", "unknown"]
    with pytest.raises(NotReadyError) as caught:
        diff.conclude(bench.rung(), made, bench.comparison.failures)
    assert caught.value.record["environment"] == "staging"


def test_the_exit_code_says_whether_anything_differs(bench: DiffHarness) -> None:
    diff.conclude(bench.rung(), bench.look(), ())
    bench.source = "two"
    with pytest.raises(StepladderError) as caught:
        diff.conclude(bench.rung(), bench.look(), ())
    assert (int(caught.value.exit_code), caught.value.message) == (2, "")


def test_an_environment_that_was_never_deployed_would_get_everything(bench: DiffHarness) -> None:
    bench.table.tables.clear()
    bench.function.alias = bench.function.latest = None
    made = bench.look()
    assert made.differs
    assert [each.state for each in made.functions] == ["new"]
    assert {root.state for root in made.roots} == {"new"}
    bench.sts.account = "999999999999"
    with pytest.raises(RefusedError, match="999999999999"):
        bench.look()


def test_a_promotion_is_of_a_rung_above_the_lowest(bench: DiffHarness) -> None:
    with pytest.raises(BadInputError, match="--promotion is for a rung above the lowest"):
        bench.look(promotion=True)
    with pytest.raises(BadInputError, match="no function"):
        bench.look(function="nobody")


def test_a_rung_above_takes_what_the_lowest_serves(bench: DiffHarness, monkeypatch: pytest.MonkeyPatch) -> None:
    layers = [bench.registry.layer(f"var/task/a-{number}.dist-info/METADATA") for number in (1, 2)]
    low, high = (bench.registry.image(layer) for layer in layers)
    bench.function.versions["1"]["ImageUri"] = f"hello@{high}"
    monkeypatch.setattr(diff, "lower_rung", lambda *_: ("testing",))
    monkeypatch.setattr(diff, "_lowest", lambda view: diff.Side(view, low))
    made = bench.look(promotion=True)
    image = made.functions[0].image
    assert (made.how, image.before, image.after) == ("promotion", high, low)
    assert [(each.name, each.before, each.after) for each in image.packages] == [("a", "2", "1")]
    assert [len(image.added), len(image.removed)] == [1, 1]
    monkeypatch.setattr(diff, "_lowest", lambda _view: None)
    nothing = bench.look()
    assert (nothing.functions[0].image.state, nothing.differs) == ("unknown", False)
    assert "serves nothing yet" in table(bench, nothing) + bench.printed


def test_json_is_the_whole_comparison(bench: DiffHarness) -> None:
    console = Console(err=bench.err, out=bench.out, live=False, as_json=True)
    rung = bench.rung()
    diff.show(Rung(rung.settings, "staging", rung.aws, console, "inv diff", rung.clock), DiffOptions())
    record = json.loads(bench.out.getvalue())
    assert (record["differs"], record["how"], record["functions"][0]["function"]) == (False, "deploy", "main")
