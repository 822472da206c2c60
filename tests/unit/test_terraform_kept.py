"""What was reviewed, and whether a plan made anew does just that."""

from __future__ import annotations

import hashlib
import json
import re
from dataclasses import replace
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from fakes.terraform import ACCOUNT, FakeAws, project

from stepladder.terraform import kept, kept_store, roots, saved_plan
from stepladder.terraform.events import ResourceChange
from stepladder.terraform.kept import Action, KeptPlan

TABLE = "aws_dynamodb_table.t"
ROLE = "aws_iam_role.r"


@pytest.fixture
def at(tmp_path: Path) -> roots.Root:
    at = roots.root(project(tmp_path), "staging", "service")
    at.build_dir.mkdir(parents=True)
    at.plan_file.write_bytes(b"a plan")
    return at


def plan(at: roots.Root, *actions: Action, image_uri: str | None = None, **changed: Any) -> KeptPlan:
    inputs = saved_plan.inputs_now(at, account=ACCOUNT, image_uri=image_uri, terraform_version="1.11.4")
    known: dict[str, Any] = {
        "plan_sha256": roots.files.sha256_file(at.plan_file),
        "created": "2026-11-26T10:00:00+00:00",
        "commits": ("a" * 40,),
        "change": "12",
        "job": "https://forge/job/1",
    }
    return replace(kept.keep(at, inputs, actions, **known), **changed)


def keep(aws: FakeAws, at: roots.Root, made: KeptPlan) -> str:
    return kept_store.put(aws, at, made, at.plan_file)  # type: ignore[arg-type]


def find(aws: FakeAws, at: roots.Root, now: KeptPlan, message: str = "") -> KeptPlan | None:
    return kept_store.find(aws, at, now, message)  # type: ignore[arg-type]


def test_a_kept_plan_is_found_by_its_files_whatever_commit_brings_them(at: roots.Root) -> None:
    aws, made = FakeAws(), plan(at, Action(TABLE, "create", {"name": "1"}))
    address = keep(aws, at, made)
    assert address.startswith("s3://sample-artifacts-123456789012-us-east-1/plans/staging/service/")
    now = plan(
        at, commits=("b" * 40,), change="", image_uri=f"r@sha256:{'c' * 64}", created="2026-11-27T10:00:00+00:00"
    )
    assert find(aws, at, now) == made, "a squash has another commit, and a release another image"
    assert kept.reasons(made, now) == ()
    assert {key.rpartition(".")[2] for key in aws.objects} == {"json", "tfplan"}


def test_of_several_plans_of_the_same_files_the_newest_counts(at: roots.Root) -> None:
    aws = FakeAws()
    for day in ("26", "28", "27"):
        keep(aws, at, plan(at, created=f"2026-11-{day}T10:00:00+00:00"))
    found = find(aws, at, plan(at))
    assert found
    assert found.created.startswith("2026-11-28")


@pytest.mark.parametrize(
    ("commits", "message", "is_found"),
    [
        (("c" * 40,), "Raise the memory (#12)", True),
        (("c" * 40,), "Merge branch 'x'\n\nSee merge request group/orders!12", True),
        (("c" * 40,), "Merge pull request #12 from ann/memory\n\nRaise the memory", True),
        (("c" * 40,), "Raise the memory (#123)", False),
        (("c" * 40,), "Return to before (#12) and (#13)", False),
        (("c" * 40,), "Raise the memory\n\nFixes #12, see group/orders!12", False),
        (("c" * 40, "a" * 40), "Merge", True),
        (("c" * 40,), "Raise the memory", False),
    ],
)
def test_a_plan_of_other_files_is_found_by_the_change_that_the_commit_merges(
    at: roots.Root, commits: tuple[str, ...], message: str, is_found: bool
) -> None:
    aws, made = FakeAws(), plan(at)
    keep(aws, at, made)
    now = plan(at, code="d" * 64, commits=commits, change="")
    assert find(aws, at, now, message) == (made if is_found else None)


def test_another_root_or_environment_is_never_found(at: roots.Root) -> None:
    aws = FakeAws()
    keep(aws, at, plan(at))
    other = roots.root(at.settings, "production", "service")
    assert find(aws, other, plan(at)) is None


@pytest.mark.parametrize("what", ["manifest", "plan", "no json", "moved", "no plan"])
def test_a_kept_plan_that_was_tampered_with_is_refused(at: roots.Root, what: str) -> None:
    aws, made = FakeAws(), plan(at)
    keep(aws, at, made)
    manifest, file = sorted(aws.objects)
    if what == "manifest":
        aws.objects[manifest] = aws.objects[manifest].replace(b'"12"', b'"13"')
    elif what == "plan":
        aws.objects[file] = b"another plan"
    elif what == "no plan":
        del aws.objects[file]
    elif what == "no json":
        aws.objects[manifest] = b"[]"
    else:
        moved = plan(at, code="d" * 64)
        keep(aws, at, moved)
        strange = next(key for key in aws.objects if moved.files in key and key.endswith(".json"))
        folder = manifest.rpartition("/")[0]
        aws.objects = {f"{folder}/{strange.rpartition('/')[2]}": aws.objects[strange]}
    with pytest.raises(kept_store.TamperedError, match="was changed after it was kept"):
        find(aws, at, plan(at))


def acting(address: str = TABLE, attributes: Any = None) -> dict[str, Any]:
    return {"actions": [{"address": address, "action": "create", "attributes": attributes or {}}]}


WRITTEN: dict[str, dict[str, Any]] = {
    "a change that is no text": {"change": ["12"]},
    "a change of two lines": {"change": "12\n::error::nothing was reviewed"},
    "a change that no encoding has": {"change": "\ud800"},
    "commits that are no texts": {"commits": [["a"]]},
    "a time that never ends": {"created": "9999-12-31T23:59:59+00:00"},
    "an address of two lines": acting("a.b\n::stop-commands::x"),
    "an address with an escape": acting("\x1b[2Ja.b"),
    "hashes that are no texts": acting(attributes={"name": ["1"]}),
    "attributes that are a list": acting(attributes=[1]),
}
"""What a change request's job may write in a manifest whose hash is right."""


def write(aws: FakeAws, at: roots.Root, text: bytes, files: str) -> None:
    """Write a manifest and its plan as a job may: under a key with its own hash."""
    folder = f"{at.names.plans_prefix(at.name)}{files}"
    key = f"{folder}/20991126T100000-{hashlib.sha256(text).hexdigest()[:16]}"
    aws.objects |= {f"{key}.json": text, f"{key}.tfplan": b"a plan"}


@pytest.mark.parametrize("what", WRITTEN)
def test_a_manifest_of_anything_else_than_texts_is_refused_and_shown_in_one_line(at: roots.Root, what: str) -> None:
    aws, made = FakeAws(), plan(at, Action(TABLE, "create", {"name": "1"}))
    write(aws, at, json.dumps({**json.loads(made.text()), **WRITTEN[what]}).encode(), made.files)
    with pytest.raises(kept_store.TamperedError) as caught:
        find(aws, at, plan(at))
    assert str(caught.value).isprintable()


@pytest.mark.parametrize("name", ["99991231T000000-0.json", "x.json", f"99991231T000000-{'0' * 16}\n::error::.json"])
def test_what_is_not_named_as_a_manifest_is_none(at: roots.Root, name: str) -> None:
    aws, made = FakeAws(), plan(at)
    keep(aws, at, made)
    aws.objects[f"{at.names.plans_prefix(at.name)}{made.files}/{name}"] = b"{"
    assert find(aws, at, plan(at)) == made


@pytest.mark.parametrize("text", [*(json.dumps(each) for each in WRITTEN.values()), "[" * 100_000, "[]", "1", '"x"'])
def test_what_somebody_wrote_as_a_manifest_stops_no_other_deployment(at: roots.Root, text: str) -> None:
    aws, made = FakeAws(), plan(at)
    keep(aws, at, made)
    raw = json.loads(text) if text.startswith("{") else None
    other = plan(at, code="e" * 64)
    write(aws, at, json.dumps({**json.loads(other.text()), **raw}).encode() if raw else text.encode(), other.files)
    assert find(aws, at, plan(at, code="d" * 64, change=""), "Raise the memory (#12)") == made


def test_what_somebody_wrote_among_the_plans_of_other_changes_hides_none(at: roots.Root) -> None:
    aws, made = FakeAws(), plan(at)
    keep(aws, at, made)
    aws.objects[f"plans/staging/service/{'0' * 16}/99991231T000000-{'0' * 16}.json"] = b"{"
    assert find(aws, at, plan(at, code="d" * 64, commits=("a" * 40,))) == made


@pytest.mark.parametrize("change", [["12"], {"12": 1}, 12, None], ids=str)
def test_a_plan_kept_with_values_that_no_plan_has_hides_none(at: roots.Root, change: object) -> None:
    aws, made = FakeAws(), plan(at)
    keep(aws, at, made)
    other = plan(at, code="e" * 64)
    text = json.dumps({**json.loads(other.text()), "change": change, "commits": [["a" * 40]]}).encode()
    key = f"plans/staging/service/{other.files}/99991231T000000-{hashlib.sha256(text).hexdigest()[:16]}"
    aws.objects |= {f"{key}.json": text, f"{key}.tfplan": b"a plan"}
    assert find(aws, at, plan(at, code="d" * 64, commits=("a" * 40,))) == made


def test_a_kept_plan_that_is_nested_without_end_is_refused(at: roots.Root) -> None:
    aws, made = FakeAws(), plan(at)
    keep(aws, at, made)
    manifest = next(key for key in aws.objects if key.endswith(".json"))
    aws.objects[manifest] = b"[" * 100_000
    with pytest.raises(kept_store.TamperedError, match="was changed after it was kept"):
        find(aws, at, plan(at))


STALE = {
    "project": "other",
    "environment": "production",
    "root": "foundation",
    "account": "999999999999",
    "region": "eu-west-1",
    "code": "c" * 64,
    "modules": "d" * 64,
    "lock": "e" * 64,
    "variables": "f" * 64,
    "terraform_version": "1.12.0",
}


@pytest.mark.parametrize("field", STALE)
def test_every_input_that_changed_is_a_reason_of_its_own(at: roots.Root, field: str) -> None:
    (reason,) = kept.reasons(plan(at, **{field: STALE[field]}), plan(at))
    assert reason.startswith(f"{saved_plan._WORDS[field]} changed from {saved_plan._short(STALE[field])} to ")
    assert kept.is_foreign(plan(at, **{field: STALE[field]}), plan(at)) is (field in list(STALE)[:5])


def test_a_review_expires(at: roots.Root) -> None:
    made = plan(at)
    late = datetime.fromisoformat(made.created) + timedelta(days=kept.DAYS, seconds=1)
    assert kept.reasons(made, plan(at, created=late.isoformat())) == (
        "it expired on 2026-12-10, 14 days after its review",
    )


def document(address: str, before: Any, after: Any, unknown: Any = None) -> dict[str, Any]:
    change = {"before": before, "after": after, "after_unknown": unknown or {}}
    return {"resource_changes": [{"address": address, "change": change}]}


def actions(action: str, before: Any, after: Any, unknown: Any = None) -> tuple[Action, ...]:
    change = ResourceChange(TABLE, action, "aws_dynamodb_table")
    return kept.actions_of((change,), document(TABLE, before, after, unknown))


def test_only_what_changes_is_hashed_and_no_value_is_kept() -> None:
    (action,) = actions("update", {"a": 1, "b": "old"}, {"a": 1, "b": "secret"}, {"c": True, "d": [{"e": False}]})
    assert set(action.attributes) == {"b", "c"}
    assert action.attributes["c"] == ""
    assert "secret" not in json.dumps(dict(action.attributes))


def test_an_image_that_is_not_known_yet_is_like_a_value_known_after_apply() -> None:
    (action,) = actions("create", None, {"image_uri": f"r@{roots.NO_DIGEST}"})
    assert action.attributes == {"image_uri": ""}


@pytest.mark.parametrize(
    ("reviewed", "now", "unreviewed"),
    [
        (actions("create", None, {"a": 1}), actions("create", None, {"a": 1}), ""),
        (actions("create", None, {"a": 1}), (), ""),
        (actions("create", None, {"a": 1}, {"arn": True}), actions("create", None, {"a": 1, "arn": "x"}), ""),
        (
            actions("update", {"a": 1, "b": 1}, {"a": 2, "b": 2}),
            actions("update", {"a": 1, "b": 2}, {"a": 2, "b": 2}),
            "",
        ),
        (actions("create", None, {"a": 1}), actions("create", None, {"a": 2}), "with other values than reviewed: a"),
        (actions("update", {"a": 1}, {"a": 2}), actions("update", {"a": 1, "b": 1}, {"a": 2, "b": 2}), "reviewed: b"),
        (actions("update", {"a": 1}, {"a": 2}), actions("update", {"a": 1}, {}, {"a": True}), "reviewed: a"),
        ((), actions("delete", {"a": 1}, None), f"{TABLE} (delete)"),
        (
            actions("update", {"a": 1}, {"a": 2}),
            actions("replace", {"a": 1}, {"a": 2}),
            "(replace): reviewed as update",
        ),
    ],
)
def test_a_plan_made_anew_is_compared_action_by_action_and_value_by_value(
    at: roots.Root, reviewed: tuple[Action, ...], now: tuple[Action, ...], unreviewed: str
) -> None:
    difference = kept.compare(plan(at, *reviewed), plan(at, *now))
    assert bool(difference.unreviewed) is bool(unreviewed)
    assert all(unreviewed in each for each in difference.unreviewed)
    assert difference.gone == (() if now else (f"{TABLE} (create)",))


@pytest.mark.parametrize(
    ("reviewed", "left"),
    [("create", "replace"), ("create", "import"), ("create", "update"), ("replace", "create"), ("replace", "delete")],
)
def test_what_a_run_cut_off_in_its_apply_left_is_gone_on_with_by_the_same_files_only(
    at: roots.Root, reviewed: str, left: str
) -> None:
    made, now = plan(at, Action(TABLE, reviewed)), plan(at, Action(TABLE, left))
    assert kept.compare(made, now).unreviewed == ()
    assert kept.compare(made, now).resumed == (f"{TABLE} ({left})",)
    assert kept.compare(made, replace(now, code="d" * 64)).unreviewed == (f"{TABLE} ({left}): reviewed as {reviewed}",)


def test_a_second_merge_is_compared_with_its_own_review(at: roots.Root) -> None:
    """The first merge's resource is there by now: the plan of both is the second's own, action by action."""
    second = plan(at, Action(ROLE, "create", {"name": "1"}))
    both = replace(plan(at, Action(ROLE, "create", {"name": "1"})), code="d" * 64)
    assert kept.compare(second, both) == kept.PlanDifference()
    first_is_missing = replace(both, actions=(*both.actions, Action(TABLE, "create", {})))
    assert kept.compare(second, first_is_missing).unreviewed == (f"{TABLE} (create)",)


MODULE = Path(__file__).parents[2] / "terraform" / "modules" / "foundation"


def test_the_bucket_deletes_a_plan_when_its_review_stops_counting(at: roots.Root) -> None:
    code = (MODULE / "buckets.tf").read_text()
    (rule,) = re.findall(r"for_each = each\.key == \"artifacts\" .*?^  }$", code, re.DOTALL | re.MULTILINE)
    assert f"? [{kept.DAYS}] : []" in rule
    assert 'prefix = "plans/"' in rule
    assert at.names.plans_prefix("service").startswith("plans/")
    assert "noncurrent_days = 1" in rule, "versioning would keep what was deleted"


def test_roles_reach_the_plans_of_their_own_environment_only(at: roots.Root) -> None:
    code = "".join(path.read_text() for path in MODULE.glob("ci_*.tf"))
    assert code.count("/plans/${service.state}/*") == 2, "one role puts them, another gets them"
    assert at.names.plans_prefix("delivery") == f"plans/{at.environment.name}/delivery/"
