"""`inv tf.plan --review`: which roots, which release would follow, and that a failed plan leaves its cause."""

from __future__ import annotations

import io
import shutil
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import reviews as samples

from stepladder.aws_lambda.alias import Alias
from stepladder.commands import review as command
from stepladder.core.console import Console
from stepladder.core.errors import BadInputError, RefusedError, StepladderError
from stepladder.ledger.snapshot import Snapshot
from stepladder.releases import review as reviews
from stepladder.releases.rung import Rung
from stepladder.settings.environments import EnvironmentSettings
from stepladder.settings.functions import NamedFunction
from stepladder.settings.load import Settings
from stepladder.terraform.planning import NoStateError

AT = {"staging": "us-east-1", "production": "us-east-1", "tokyo": "ap-northeast-1", "sandbox": "us-east-1"}


class _Ledger:
    """A ledger that isn't there yet."""

    def snapshot(self, _target: str) -> Snapshot:
        return Snapshot(exists=False)

    def snapshots(self, targets: Sequence[str]) -> dict[str, Snapshot]:
        return dict.fromkeys(targets, Snapshot(exists=False))


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    for root in ("foundation", "service", "delivery"):
        (tmp_path / "terraform" / root).mkdir(parents=True)
        (tmp_path / "terraform" / root / "main.tf").write_text("", "utf-8")
    made = {name: EnvironmentSettings(name, "111122223333", region) for name, region in AT.items()}
    return Settings(tmp_path, "orders", rungs=(("staging",), ("production", "tokyo")), environments=made)


@pytest.fixture
def planned(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> dict[str, Any]:
    """What Terraform answers, by root: a review, or an error; and what was kept."""
    answers: dict[str, Any] = {name: samples.root(name) for name in ("foundation", "service", "delivery")}

    def plan(_settings: Settings, environment: str, root: str, **_options: Any) -> Any:
        answers.setdefault("planned", []).append(root)
        if isinstance(answers[root], Exception):
            raise answers[root]
        at = SimpleNamespace(label=f"{environment}/{root}", name=root)
        return SimpleNamespace(at=at, changed=True, backend="s3", id="plan"), ()

    def document(saved: Any) -> dict[str, Any]:
        answers.setdefault("read", []).append(saved.at.name)
        return {"root": saved.at.name}

    def keep(saved: Any, document: dict[str, Any], _aws: Any) -> None:
        if error := answers.get("keep"):
            raise error
        assert document == {"root": saved.at.name}
        answers.setdefault("kept", []).append(saved.at.name)

    monkeypatch.setattr(command.terraform, "plan", plan)
    monkeypatch.setattr(command.planning, "document", document)
    monkeypatch.setattr(command.terraform_review, "review", lambda _root, _id, document, _: answers[document["root"]])
    monkeypatch.setattr(command.reviewing, "keep", keep)
    monkeypatch.setattr(command.images, "input_keys", lambda views: dict.fromkeys(views, "key"))
    monkeypatch.setattr(Rung, "alias", lambda _rung: None)
    monkeypatch.setattr(Rung, "ledger", _Ledger())
    return answers


def rung(settings: Settings, environment: str = "staging") -> tuple[Rung, Callable[[], str]]:
    err = io.StringIO()
    console = Console(err=err, out=io.StringIO(), live=False)
    return Rung(settings, environment, None, console, "inv tf.plan"), err.getvalue  # type: ignore[arg-type]


def test_every_root_is_reviewed_with_exactly_one_environment(settings: Settings) -> None:
    assert {name: command.roots_of(settings, name) for name in AT} == {
        "staging": ("foundation", "service"),
        "production": ("service", "delivery"),
        "tokyo": ("foundation", "service", "delivery"),
        "sandbox": ("service",),
    }


def test_a_project_without_any_root_is_bad_input_and_no_plan_without_changes(settings: Settings) -> None:
    shutil.rmtree(settings.root / "terraform")
    with pytest.raises(BadInputError, match="the project has no Terraform root 'service'"):
        command.roots_of(settings, "staging")


def test_every_plan_is_read_once_reviewed_and_kept(settings: Settings, planned: dict[str, Any]) -> None:
    at, _ = rung(settings)
    command.review(at)
    made = reviews.read(settings, "staging")
    assert [root.root for root in made.roots] == planned["kept"] == planned["read"] == ["foundation", "service"]
    assert made.forecast == reviews.Forecast("new", configuration=False)
    command.review(at, "delivery")
    assert [root.root for root in reviews.read(settings, "staging").roots] == ["delivery"]


def test_a_plan_that_fails_leaves_its_cause_in_place_of_an_older_review(
    settings: Settings, planned: dict[str, Any]
) -> None:
    at, _ = rung(settings)
    command.review(at)
    planned["service"] = StepladderError("terraform plan failed: no such\nvariable", kind="terraform-failed")
    with pytest.raises(StepladderError, match="no such"):
        command.review(at)
    made = reviews.read(settings, "staging")
    assert made.failure == reviews.PlanFailure("terraform plan failed: no such variable", "terraform-failed", "service")
    assert [root.root for root in made.roots] == ["foundation"]


def test_a_cause_with_a_secret_in_it_is_not_shown(settings: Settings, planned: dict[str, Any]) -> None:
    planned["foundation"] = StepladderError("bad url postgres://jo:hunter22@db.example/x")
    at, _ = rung(settings)
    with pytest.raises(StepladderError):
        command.review(at)
    assert "hunter22" not in reviews.path(settings, "staging").read_text("utf-8")


def test_before_the_first_deployment_a_root_without_a_state_is_no_failure(
    settings: Settings, planned: dict[str, Any]
) -> None:
    planned["service"] = NoStateError("no state yet")
    at, _ = rung(settings)
    command.review(at)
    made = reviews.read(settings, "staging")
    assert (made.early, made.failure) == (("service",), None)


def test_a_plan_that_cannot_be_kept_is_a_warning(settings: Settings, planned: dict[str, Any]) -> None:
    planned["keep"] = RefusedError("these credentials may not call PutObject")
    at, shown = rung(settings)
    command.review(at)
    assert "is reviewed, and not kept: these credentials may not call PutObject" in shown()
    assert len(reviews.read(settings, "staging").roots) == 2


def test_a_release_that_cannot_be_foreseen_is_unknown(
    settings: Settings, planned: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    def denied(_rung: Rung) -> None:
        raise RefusedError("these credentials may not call GetAlias")

    monkeypatch.setattr(Rung, "alias", denied)
    at, _ = rung(settings)
    command.review(at)
    following = reviews.read(settings, "staging").forecast
    assert (following.image, following.problem) == ("unknown", "these credentials may not call GetAlias")


def test_what_each_of_several_functions_would_release_is_in_the_review(
    settings: Settings, planned: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    function = NamedFunction(environments=settings.environments)
    several = replace(settings, functions={"mailer": function, "poller": function})
    mailer = samples.resource('module.functions["mailer"].aws_lambda_function.this', "update", before={}, after={})
    planned["service"] = samples.root("service", mailer)
    monkeypatch.setattr(Rung, "alias", lambda each: LIVE if each.settings.name_of_function else None)
    at, _ = rung(several)
    command.review(at)
    made = reviews.read(several, "staging")
    assert made.forecast == reviews.Forecast("new", configuration=False)
    assert made.functions == {
        "mailer": reviews.Forecast("new", configuration=True, version="7"),
        "poller": reviews.Forecast("new", configuration=False, version="7"),
    }


CURRENT = SimpleNamespace(input_key="key", digest="sha256:abc")
LIVE = Alias("7", "revision", "arn")
CHANGED = samples.root("service", samples.FUNCTION)
OTHER = samples.root("service", samples.ALARM)


@pytest.mark.parametrize(
    ("environment", "alias", "current", "service", "expected"),
    [
        ("staging", LIVE, CURRENT, OTHER, ("same", False, "7", ())),
        ("staging", LIVE, CURRENT, CHANGED, ("same", True, "7", ())),
        (
            "staging",
            LIVE,
            replace_key := SimpleNamespace(input_key="other", digest="sha256:abc"),
            None,
            ("new", False, "7", ()),
        ),
        ("staging", replace(LIVE, version="$LATEST"), None, None, ("new", False, "", ())),
        ("staging", None, None, None, ("new", False, "", ())),
        ("production", LIVE, replace_key, CHANGED, ("new", True, "7", ("staging",))),
        ("staging", LIVE, SimpleNamespace(input_key="", digest="sha256:abc"), None, ("new", False, "7", ())),
    ],
    ids=[
        "an alarm changes: nothing is released",
        "the function's configuration changes",
        "the files make another image",
        "an alias that was never released",
        "no service yet",
        "a rung above the lowest",
        "a release whose record has no key",
    ],
)
def test_the_release_that_would_follow(
    settings: Settings, environment: str, alias: Any, current: Any, service: Any, expected: tuple[object, ...]
) -> None:
    ledger = SimpleNamespace(current=current)
    made = reviews.forecast(settings, environment, alias, ledger, "key", service)  # type: ignore[arg-type]
    assert (made.image, made.configuration, made.version, made.lower) == expected
