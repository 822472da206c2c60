"""The promotion as a person takes it, to an account and a region of its own: Terraform, processes, exit codes."""

from __future__ import annotations

import json
import re

import everything
import example_projects
import pytest
import roles
import yaml
from shell import ACCOUNT, REGION

pytestmark = [pytest.mark.e2e, pytest.mark.terraform]

PRODUCTION = {"account": "222222222222", "region": "us-east-1", "role_arn": "arn:aws:iam::222222222222:role/deployer"}
BROKEN = """

_handler = handler


def handler(event, context):
    if "stepladder" in event:
        return {"ok": event["stepladder"]["command"] == "migrate"}
    if context.invoked_function_arn.endswith("-production:live"):
        raise ValueError("broken behind the alias")
    return _handler(event, context)
"""


CHECKS = """def is_a_report(answer):
    assert answer["report"].endswith(".json"), f"{answer} names no report"
"""


GUARDED = """resource "aws_dynamodb_table" "guarded" {
  name                        = "${var.project}-${var.environment}-guarded"
  billing_mode                = "PAY_PER_REQUEST"
  deletion_protection_enabled = true
  hash_key                    = "id"

  attribute {
    name = "id"
    type = "S"
  }

  lifecycle {
    prevent_destroy = true
  }
}
"""


@pytest.fixture(scope="module")
def shell(tmp_path_factory):
    """A project on both rungs, production in another account, on a local cloud of its own."""
    project = example_projects.make(tmp_path_factory.mktemp("promote"), "nightly-report")
    project.env["INVOKE_STEPLADDER_PROMOTION_DEPLOYMENT"] = "Canary10Percent5Minutes"
    project.locations["production"] = (PRODUCTION["account"], PRODUCTION["region"])
    settings = yaml.safe_load((project.folder / "invoke.yaml").read_text(encoding="utf-8"))
    settings["stepladder"]["environments"]["production"] = PRODUCTION
    settings["stepladder"].setdefault("promotion", {})["checks"] = True
    case = project.folder / "tests" / "smoke" / "answers.json"
    case.write_text(json.dumps(json.loads(case.read_text("utf-8")) | {"check": "checks.py:is_a_report"}), "utf-8")
    case.with_name("checks.py").write_text(CHECKS, "utf-8")
    (project.folder / "invoke.yaml").write_text(yaml.safe_dump(settings), encoding="utf-8")
    (project.folder / "terraform" / "service" / "guarded.tf").write_text(GUARDED, "utf-8")
    with project.local_cloud():
        roles.make_deployer(project.client("iam", "production"), ACCOUNT)
        yield project


def use(shell, word):
    for env in ("staging", "production"):
        example_projects.nightly_report(shell, env, word)


def test_an_account_that_has_nothing_yet_gets_all_that_a_release_needs(shell):
    example_projects.check(shell)
    digest = shell.record("deploy --env staging")["digest"]
    shell.inv("function.invoke --env staging --event tests/events/event.json")
    promoted = shell.inv("promote")
    planned, _, applied = promoted.stderr.partition("foundation   production: ")
    for root in ("staging/delivery: 29 to add", "production/foundation: 15 to add"):
        name, _, counts = root.partition(": ")
        assert re.search(rf"plan {name} +{counts}", planned)
    assert all(word in applied for word in ("delivery     production: ", "service      production: "))
    assert "its first release goes live at once, with no canary" in applied
    statuses = shell.statuses()
    assert statuses["production"]["digest"] == digest
    assert statuses["production"]["version"] == "1"
    examined = shell.record("doctor")
    assert examined["unchecked"] == []
    assert [finding for finding in examined["findings"] if finding["level"] == "error"] == []
    use(shell, "first")


@pytest.mark.parametrize("env", ["staging", "production"])
def test_a_plan_after_the_apply_is_empty(shell, env):
    assert "nothing to change" in shell.inv(f"tf.plan --env {env} --root delivery").stderr


def test_a_version_that_fails_behind_the_alias_is_rolled_back_with_exit_code_3_and_its_migration_is_not(shell):
    shell.edit(lambda text: text + BROKEN)
    shell.env["INVOKE_STEPLADDER_RELEASE_COMMAND_COMMAND"] = "migrate"
    assert "migrate on version 2: ok" in shell.inv("deploy --env staging").stderr
    before, now = (shell.statuses()[name]["digest"] for name in ("production", "staging"))
    compared = shell.differs("production --no-infra")
    assert (compared["how"], compared["source"]) == ("promotion", "staging")
    image = compared["functions"][0]["image"]
    assert [image[key] for key in ("before", "after", "layers_unknown")] == [before, now, ""]
    assert [len(image[which]) for which in ("added", "removed")] == [1, 1], "the layer of code, in two registries"
    ended = shell.inv("promote", code=3)
    assert re.search(r"production: release command migrate of release \S+ ran at .*does not undo it", ended.stderr)
    sent = json.loads(shell.inv("ledger.command --env production --json").stdout)
    assert [(one["outcome"], one["version"]) for one in sent] == [("succeeded", "2")]
    assert "the promotion was rolled back: production" in ended.stderr
    assert "verified to serve what it did before" in ended.stderr
    rows = shell.statuses()
    assert rows["production"]["digest"] != rows["staging"]["digest"]
    assert rows["production"]["weights"] == {}
    assert rows["production"]["lock"] == ""
    use(shell, "second")
    example_projects.assert_nothing_was_denied(shell)


def test_the_history_merges_both_accounts(shell):
    entries = [(each["environment"], each["kind"], each["result"]) for each in shell.record("history")]
    assert entries[:2] == [("production", "promote", "rolled_back"), ("staging", "deploy", "succeeded")]
    assert shell.record("ledger --env production")[0]["seconds"] > 0


def test_watching_an_ended_promotion_tells_the_same_end(shell):
    assert "rolled back" in shell.inv("promote.watch", code=3).stderr
    assert "no promotion is under way" in shell.inv("promote.stop", code=2).stderr


def test_an_audit_of_it_reads_both_accounts_and_finds_every_promise_held(shell):
    audited = shell.record("promote.audit")
    assert (audited["end"], audited["environments"]) == ("rolled_back", ["staging", "production"])
    assert {promise["state"] for promise in audited["promises"]} == {"held"}
    assert audited["steps"] > 10
    assert "there is no promotion 'nothing'" in shell.inv("promote.audit nothing", code=2).stderr


def test_its_cause_is_named_and_its_page_is_written_with_what_both_accounts_know(shell):
    diagnosed = shell.record("diagnose")
    assert (diagnosed["end"], diagnosed["kind"]) == ("rolled_back", "promote")
    raised = diagnosed["causes"][0]
    assert raised["sentence"].startswith("version 2 raised ValueError: broken behind the alias at app/handler.py:")
    assert raised["target"] == "production"
    assert diagnosed["unknown"] == []
    written = shell.record("report --output page/")
    page = (shell.folder / written["file"]).read_text("utf-8")
    assert written["name"] == diagnosed["name"]
    assert "broken behind the alias" in page
    assert ">Promises</h2>" in page
    assert "Weight of the new version of production" in page
    assert "Layers: 1 new, 1 gone." in page
    assert "No Python package differs." in page
    assert "did you mean" in shell.inv(f"report {diagnosed['release_id'][:-1]}x", code=2).stderr


def named(shell, environment):
    """Return the listings of an environment's account and region in which the project is named."""
    import boto3
    from botocore.config import Config

    account, region = shell.locations.get(environment, (ACCOUNT, REGION))
    listed = everything.read(
        lambda service: boto3.client(
            service,
            endpoint_url=shell.env["AWS_ENDPOINT_URL"],
            region_name=region,
            aws_access_key_id=account,
            aws_secret_access_key=shell.env["AWS_SECRET_ACCESS_KEY"],
            config=Config(retries={"total_max_attempts": 1}),
        )
    )
    return {what for what, answer in listed.items() if "nightly-report" in json.dumps(answer, default=str)}


def test_all_of_it_is_destroyed_in_both_accounts_past_every_guard(shell):
    uploads = f"nightly-report-staging-{ACCOUNT}-uploads"
    shell.client("s3").put_object(Bucket=uploads, Key="a report", Body=b"data")
    for environment in ("staging", "production"):
        assert {"lambda:ListFunctions", "s3:ListBuckets", "iam:ListRoles", "dynamodb:ListTables"} <= named(
            shell, environment
        )
    assert "production stands on staging" in shell.inv("destroy --env staging", code=4).stderr
    assert "nobody can be asked here" in shell.inv("destroy --all", code=4).stderr
    shell.inv("destroy --env production --confirm production")
    record = shell.record("destroy --all --confirm nightly-report")
    assert [report["environment"] for report in record["reports"]] == [
        "staging",
        f"{PRODUCTION['account']} {PRODUCTION['region']}",
        f"{ACCOUNT} {REGION}",
    ]
    assert named(shell, "staging") == set()
    assert named(shell, "production") == set()
    assert shell.record("destroy --all --confirm nightly-report")["result"] == "unchanged"
