"""From the review to the merge: a plan is kept, planned anew, compared, and applied or refused."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from fakes.terraform import change
from fakes.terraform_harness import TerraformHarness, changes

from stepladder import terraform
from stepladder.core.errors import BadInputError, RefusedError
from stepladder.terraform import kept_store, planning, reviewing, saved_plan
from stepladder.terraform.allowed import AUTO, NEW, REVIEWED
from stepladder.terraform.reviewing import Review

TABLE, ROLE = "aws_thing.t", "aws_other.r"
ANEW = "inv deploy --env staging --plan new"


@pytest.fixture(autouse=True)
def ci(terraform_harness: TerraformHarness, monkeypatch: pytest.MonkeyPatch) -> None:
    terraform_harness.at.lock_file.write_text("# locked\n")
    monkeypatch.setenv("CI", "true")


def planned(harness: TerraformHarness, **creates: dict[str, Any]) -> None:
    """Have Terraform plan these resources, with their values."""
    addresses = {"table": TABLE, "role": ROLE}
    lines = [change(addresses[name], "create") for name in creates]
    harness.fake.plays("plan", changes(*lines) if lines else {"code": 0})
    resources = [
        {
            "address": addresses[name],
            "type": addresses[name].partition(".")[0],
            "change": {"actions": ["create"], "before": None, "after": values, "after_unknown": {}},
        }
        for name, values in creates.items()
    ]
    harness.fake.plays("show", {"out": [json.dumps({"resource_changes": resources})]})


def reviewed(harness: TerraformHarness, **creates: dict[str, Any]) -> None:
    planned(harness, **creates)
    saved = harness.plan(lock=False)
    reviewing.keep(saved, planning.document(saved), harness.aws)  # type: ignore[arg-type]
    saved.at.plan_file.unlink()
    saved.at.manifest.unlink()


def apply(harness: TerraformHarness, wanted: str = REVIEWED) -> tuple[str, ...]:
    return harness.ensure(review=Review(wanted, ANEW)).notes


def test_a_plan_that_does_what_was_reviewed_is_applied_and_never_the_kept_file(
    terraform_harness: TerraformHarness,
) -> None:
    reviewed(terraform_harness, table={"name": "1"})
    before = dict(terraform_harness.aws.objects)
    assert any("every action was reviewed: plan" in note for note in apply(terraform_harness, AUTO))
    plans = [call["argv"][-1] for call in terraform_harness.fake.calls if call["argv"][0] == "apply"]
    assert plans == [str(terraform_harness.at.plan_file)]
    assert terraform_harness.fake.verbs.count("plan") == 2
    assert terraform_harness.aws.objects == before, "a merge writes nothing among the reviews"


@pytest.mark.parametrize(
    ("wanted", "now", "wrong"),
    [
        (AUTO, {"table": {"name": "1"}, "role": {}}, f"not reviewed: {ROLE} (create)"),
        (AUTO, {"table": {"name": "2"}}, f"not reviewed: {TABLE} (create): with other values than reviewed: name"),
        (REVIEWED, {"role": {}}, f"reviewed, and not planned any more: {TABLE} (create)"),
    ],
)
def test_what_nobody_reviewed_is_shown_and_not_applied(
    terraform_harness: TerraformHarness, wanted: str, now: dict[str, Any], wrong: str
) -> None:
    reviewed(terraform_harness, table={"name": "1"})
    planned(terraform_harness, **now)
    with pytest.raises(RefusedError, match=r"would be changed in ways that the plan .* does not show") as caught:
        apply(terraform_harness, wanted)
    assert wrong in caught.value.problems
    assert "the state has changed since" in caught.value.message
    assert f"`{ANEW}`" in caught.value.hint
    assert "apply" not in terraform_harness.fake.verbs
    apply(terraform_harness, NEW)
    assert "apply" in terraform_harness.fake.verbs


def test_a_stale_review_is_planned_anew_and_applied_if_all_was_reviewed(
    terraform_harness: TerraformHarness, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Two merges at once: the other one changed the files, and its resource is there by now."""
    monkeypatch.setattr(reviewing, "_commit", lambda _root: (("a" * 40,), ""))
    reviewed(terraform_harness, table={"name": "1"})
    monkeypatch.setattr(reviewing, "_commit", lambda _root: (("b" * 40, "a" * 40), "Merge"))
    (terraform_harness.at.source_dir / "other.tf").write_text("# the other change")
    planned(terraform_harness, table={"name": "1"}, role={})
    with pytest.raises(RefusedError, match=r"no longer holds: the root's code changed from \w{12} to \w{12}") as caught:
        apply(terraform_harness)
    assert caught.value.problems == (f"not reviewed: {ROLE} (create)",)
    planned(terraform_harness, table={"name": "1"})
    (note,) = (note for note in apply(terraform_harness) if "no longer holds" in note)
    assert note.endswith("so it was planned anew; every action was reviewed")


def test_without_a_review_a_deployment_goes_on_and_reviewed_alone_refuses(terraform_harness: TerraformHarness) -> None:
    planned(terraform_harness, table={})
    with pytest.raises(RefusedError, match=r"no plan of staging/service was reviewed for these files$"):
        apply(terraform_harness, REVIEWED)
    assert "no plan of staging/service was reviewed for these files; it is planned now" in apply(
        terraform_harness, AUTO
    )


def test_a_role_that_may_not_read_reviews_still_deploys_and_says_so(terraform_harness: TerraformHarness) -> None:
    planned(terraform_harness, table={})
    terraform_harness.aws.denied = True
    notes = apply(terraform_harness, AUTO)
    assert any("these credentials may read (AccessDenied in sample-artifacts-" in note for note in notes)


def test_a_first_deployment_has_no_bucket_and_no_review(terraform_harness: TerraformHarness) -> None:
    planned(terraform_harness, table={})
    terraform_harness.aws.bucket_is_missing = True
    assert any(note.endswith("it is planned now") for note in apply(terraform_harness, AUTO))


def test_outside_of_ci_nothing_is_asked_of_reviews(
    terraform_harness: TerraformHarness, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CI", "false")
    planned(terraform_harness, table={})
    terraform_harness.aws.denied = True
    assert not any("reviewed" in note for note in apply(terraform_harness, AUTO))
    assert "show" not in terraform_harness.fake.verbs


def test_a_plan_that_changes_nothing_needs_no_review(terraform_harness: TerraformHarness) -> None:
    planned(terraform_harness)
    apply(terraform_harness, REVIEWED)


def test_a_kept_plan_that_was_tampered_with_stops_a_deployment_too(terraform_harness: TerraformHarness) -> None:
    reviewed(terraform_harness, table={})
    file = next(key for key in terraform_harness.aws.objects if key.endswith(".tfplan"))
    terraform_harness.aws.objects[file] = b"another plan"
    with pytest.raises(kept_store.TamperedError, match="its plan file is another one") as caught:
        apply(terraform_harness, AUTO)
    assert f"`{ANEW}`" in caught.value.hint
    assert "apply" not in terraform_harness.fake.verbs


def test_an_apply_that_was_cut_off_is_gone_on_with(terraform_harness: TerraformHarness) -> None:
    reviewed(terraform_harness, table={"name": "1"}, role={})
    terraform_harness.fake.plays("plan", changes(change(ROLE, "replace", reason="tainted")))
    with pytest.raises(RefusedError, match=rf"would destroy what holds data or callers: {ROLE} \(replace\)"):
        apply(terraform_harness)
    notes = terraform_harness.ensure(review=Review(REVIEWED, ANEW), allow_destroy=(ROLE,)).notes
    assert f"goes on where a run was cut off: {ROLE} (replace)" in notes
    assert f"reviewed, and done or needless by now: {TABLE} (create)" in notes


def test_a_plan_to_be_applied_by_a_promotion_is_checked_too(terraform_harness: TerraformHarness) -> None:
    reviewed(terraform_harness, table={})
    planned(terraform_harness, role={})
    with pytest.raises(RefusedError) as caught:
        terraform.plan_to_apply(*terraform_harness.where, aws=terraform_harness.aws, review=Review(AUTO))  # type: ignore[arg-type]
    assert caught.value.hint.count("`") == 2
    assert "`inv tf.apply --env staging --root service`" in caught.value.hint
    assert terraform_harness.apply().applied, "that command applies the plan that was shown"


def moved(harness: TerraformHarness, to: Path) -> Path:
    planned(harness, table={})
    saved = harness.plan()
    to.mkdir()
    for path in (saved.at.plan_file, saved.at.manifest):
        path.rename(to / path.name)
    return to / saved.at.plan_file.name


def test_a_plan_file_from_elsewhere_is_applied_as_it_is(terraform_harness: TerraformHarness, tmp_path: Path) -> None:
    file = moved(terraform_harness, tmp_path / "download")
    saved_plan.take(terraform_harness.at, file)
    assert terraform_harness.at.plan_file.stat().st_mode & 0o777 == 0o600
    assert [each.address for each in terraform_harness.apply().changes] == [TABLE]


@pytest.mark.parametrize(
    ("what", "wrong"),
    [
        ("the file", "the plan file changed from"),
        ("environment", "the environment changed from production to staging"),
        ("account", "the AWS account changed from 999999999999 to"),
        ("manifest", "can't be read"),
    ],
)
def test_a_plan_file_of_another_place_or_other_bytes_is_refused(
    terraform_harness: TerraformHarness, tmp_path: Path, what: str, wrong: str
) -> None:
    file = moved(terraform_harness, tmp_path / "download")
    manifest = file.with_name("service.plan.json")
    raw = json.loads(manifest.read_text())
    if what == "the file":
        file.write_bytes(b"another")
    elif what == "manifest":
        manifest.write_text("{")
    else:
        manifest.write_text(json.dumps(raw | {what: {"environment": "production", "account": "9" * 12}[what]}))
    with pytest.raises(RefusedError, match=wrong):
        saved_plan.take(terraform_harness.at, file)
    assert not terraform_harness.at.plan_file.exists()


def test_a_plan_file_that_is_not_there_is_bad_input(terraform_harness: TerraformHarness, tmp_path: Path) -> None:
    file = moved(terraform_harness, tmp_path / "download")
    file.with_name("service.plan.json").unlink()
    for missing in (file, tmp_path / "new"):
        with pytest.raises(BadInputError, match="there is no plan file"):
            saved_plan.take(terraform_harness.at, missing)


def test_a_plan_that_is_thrown_away_is_reviewed_without_a_lock_and_leaves_nothing(
    terraform_harness: TerraformHarness,
) -> None:
    planned(terraform_harness, table={"name": "1", "password": "hunter2"})
    before = dict(terraform_harness.aws.objects)
    made = terraform.reviewed(*terraform_harness.where, aws=terraform_harness.aws)  # type: ignore[arg-type]
    (created,) = made.changes
    assert (created.address, created.action, made.counts.add) == (TABLE, "create", 1)
    assert "hunter2" not in json.dumps(made.record())
    (argv,) = [call["argv"] for call in terraform_harness.fake.calls if call["argv"][0] == "plan"]
    assert "-lock=false" in argv
    assert not list(terraform_harness.at.work_dir.rglob("*.tfplan"))
    assert terraform_harness.aws.objects == before
