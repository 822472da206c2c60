"""`inv deploy`, `status` and `function.*` in whole processes against the local cloud."""

from __future__ import annotations

import json
import socket
from pathlib import Path

import pytest
import stone_builder
from live_project import HELD, TASKS, LiveProject

pytestmark = pytest.mark.cloud


@pytest.fixture
def project(live_project: LiveProject) -> LiveProject:
    return live_project


def test_above_the_lowest_rung_two_calls_find_nothing_changed_and_other_code_is_refused(project: LiveProject) -> None:
    version = project.version
    with project.promoting():
        project.cloud.reset_calls()
        assert "nothing to do" in project.deploy().err
        assert sorted(project.cloud.calls()) == ["dynamodb:BatchGetItem", "lambda:GetAlias"]
        project.say("what no rung below has run")
        refused = project.deploy("--force")
        assert (refused.code, project.version) == (4, version), refused.err
        assert "`inv promote`" in refused.err
        assert project.deploy("--skip-ladder").code == 2
        done = project.deploy("--skip-ladder", "--why", "an outage", "--json")
        assert (done.code, done.json["skipped_ladder"]) == (0, "an outage"), done.err
    assert project.releases[-1]["skipped_ladder"] == "an outage"
    assert "released past the ladder: an outage" in project.inv("status").err
    assert "past the ladder: an outage" in project.inv("ledger", "--env", "staging").out


def test_json_is_one_record_on_standard_output(project: LiveProject) -> None:
    project.say("as data")
    done = project.deploy("--json")
    assert (done.json["result"], done.json["version"]) == ("released", project.version)
    assert done.json["digest"].startswith("sha256:")
    again = project.deploy("--json")
    assert again.json["result"] == "unchanged"


def test_a_dry_run_reads_and_writes_nothing(project: LiveProject) -> None:
    project.say("not now")
    version = project.version
    done = project.deploy("--dry-run")
    assert done.code == 0
    assert all(line.startswith("dry run:") for line in done.err.splitlines() if line)
    assert not [call for call in project.cloud.calls() if ":Put" in call or ":Update" in call or ":Transact" in call]
    assert project.version == version


@pytest.mark.parametrize(
    ("source", "said"),
    [
        ("import nowhere\n", "ImportModuleError"),
        ("def handler(event, context):\n    return {'statusCode': 500, 'body': 'boom'}\n", "expected 200, got 500"),
        ("def handler(event, context):\n    raise ValueError('no')\n", "ValueError: no"),
        ("import time\ndef handler(event, context):\n    time.sleep(60)\n", "imed"),
        ("import os\ndef handler(event, context):\n    os._exit(1)\n", "Runtime"),
    ],
    ids=["it can't be imported", "it answers wrongly", "it raises", "it times out", "it takes the runtime down"],
)
def test_a_bad_handler_never_gets_traffic(project: LiveProject, source: str, said: str) -> None:
    version, before = project.version, project.answer()
    project.handler(source)
    done = project.deploy()
    assert done.code == 4, done.err
    assert said in done.err
    assert (project.version, project.answer()) == (version, before)
    assert project.releases[-1]["result"] == "failed"
    assert not project.items("lock")


ACTIONS = (
    "UpdateFunctionCode",
    "GetFunctionConfiguration",
    "PublishVersion",
    "GetFunction",
    "Invoke",
    "UpdateAlias",
    "GetAlias",
)


@pytest.mark.parametrize("kind", ["throttle", "error"])
def test_a_burst_of_faults_on_every_action_is_ridden_out(project: LiveProject, kind: str) -> None:
    project.say(f"through {kind}")
    # a server error of Invoke doesn't tell whether the function ran, so that isn't sent again
    actions = [action for action in ACTIONS if (kind, action) != ("error", "Invoke")]
    project.cloud.faults(*({"kind": kind, "service": "lambda", "action": a, "count": 2} for a in actions))
    done = project.deploy()
    assert done.code == 0, done.err
    assert project.cloud.hits() == 2 * len(actions)
    assert project.answer() == f"through {kind}"


def test_updates_under_way_are_waited_for(project: LiveProject) -> None:
    project.say("through conflicts")
    conflict = {"kind": "error", "code": "ResourceConflictException", "status": 409, "count": 4, "service": "lambda"}
    project.cloud.faults(*({**conflict, "action": a} for a in ("UpdateFunctionCode", "PublishVersion", "UpdateAlias")))
    done = project.deploy()
    assert done.code == 0, done.err
    assert project.cloud.hits() == 12
    assert project.answer() == "through conflicts"


def test_an_update_that_fails_gives_latest_its_image_back_and_the_next_deploy_succeeds(project: LiveProject) -> None:
    def code() -> str:
        return str(project.lambda_.get_function(FunctionName=project.function)["Code"]["ResolvedImageUri"])

    version, before, image = project.version, project.answer(), code()
    project.say("through a failed update")
    project.cloud.info.request("lambda/fail", "POST", {"function": project.function, "reason": "a bad day"})
    done = project.deploy()
    assert done.code == 1, done.err
    assert "could not take the image" in done.err
    assert "a bad day" in done.err
    assert "$LATEST was restored to" in done.err
    assert (project.version, project.answer(), code()) == (version, before, image)
    (cause,) = project.inv("diagnose", "--json").json["causes"]
    assert (cause["kind"], "a bad day" in cause["sentence"]) == ("lambda-refused", True)
    written = project.inv("report", "--json").json
    assert "a bad day" in Path(written["file"]).read_text("utf-8")
    assert project.deploy().code == 0
    assert project.answer() == "through a failed update"


def test_answers_that_were_lost_do_not_confuse(project: LiveProject) -> None:
    project.say("lost")
    lost = (
        ("dynamodb", "PutItem"),
        ("lambda", "UpdateFunctionCode"),
        ("lambda", "PublishVersion"),
        ("lambda", "UpdateAlias"),
        ("dynamodb", "TransactWriteItems"),
    )
    project.cloud.faults(*({"kind": "cut_after", "service": service, "action": action} for service, action in lost))
    before = len(project.releases)
    done = project.deploy()
    assert done.code == 0, done.err
    assert project.cloud.hits() == len(lost)
    assert project.answer() == "lost"
    assert not project.items("lock")
    assert len(project.releases) == before + 1
    assert "nothing to do" in project.deploy().err


@pytest.mark.parametrize(
    ("service", "action"),
    [
        ("lambda", "GetAlias"),
        ("lambda", "GetFunction"),
        ("lambda", "UpdateFunctionCode"),
        ("lambda", "PublishVersion"),
        ("ecr", "GetAuthorizationToken"),
    ],
)
def test_an_answer_that_is_cut_off_is_told_as_that_and_the_next_run_goes_on(
    project: LiveProject, service: str, action: str
) -> None:
    project.say(f"cut off {action}")
    project.cloud.faults({"kind": "malformed", "service": service, "action": action})
    done = project.deploy()
    assert project.cloud.hits() == 1
    assert "Traceback" not in done.err
    assert "unexpected" not in done.err
    if done.code:
        assert done.code == 6, done.err
        assert f"the answer to {action} is no whole answer" in done.err
        assert project.deploy().code == 0
    assert project.answer() == f"cut off {action}"
    assert not project.items("lock")


def test_an_alias_that_cant_be_read_once_after_its_move_puts_no_good_release_back(project: LiveProject) -> None:
    project.say("read again")
    project.cloud.faults({"kind": "malformed", "service": "lambda", "action": "GetAlias", "skip": 1})
    done = project.deploy()
    assert project.cloud.hits() == 1
    assert done.code == 0, done.err
    assert project.answer() == "read again"


def test_access_denied_names_the_call_and_leaves_the_alias(project: LiveProject) -> None:
    version = project.version
    project.say("denied")
    project.cloud.faults({"kind": "access_denied", "service": "lambda", "action": "PublishVersion", "count": 0})
    done = project.deploy()
    assert done.code == 1
    assert "may not call PublishVersion" in done.err
    assert project.version == version
    assert not project.items("lock")
    project.cloud.faults()
    diagnosed = project.inv("diagnose").err
    assert "PublishVersion" in diagnosed
    assert "`inv explain aws-denied`" in diagnosed


def test_credentials_of_another_account_are_refused(project: LiveProject) -> None:
    done = project.deploy(env={"AWS_ACCESS_KEY_ID": "999999999999"})
    assert done.code == 4
    assert "reach account 999999999999" in done.err


def test_the_second_of_two_deploys_is_told_who_is_first(project: LiveProject) -> None:
    project.say("first")
    project.cloud.faults({"kind": "delay_before", "service": "lambda", "action": "PublishVersion", "seconds": HELD})
    first = project.start("deploy", "--env", "staging")
    project.wait(lambda: bool(project.items("lock")))
    second = project.deploy()
    assert second.code == 7, second.err
    assert f"(process {first.pid})" in second.err
    project.cloud.faults()
    assert project.finish(first).code == 0
    assert project.deploy().code == 0


def test_a_deploy_that_waits_goes_on_when_the_first_is_done(project: LiveProject) -> None:
    project.say("waited for")
    project.cloud.faults({"kind": "delay_before", "service": "lambda", "action": "PublishVersion", "seconds": 2})
    first = project.start("deploy", "--env", "staging")
    project.wait(lambda: bool(project.items("lock")))
    second = project.deploy("--wait")
    assert project.finish(first).code == 0
    assert second.code == 0, second.err
    assert "nothing to do" in second.err


@pytest.mark.timing("a whole process is bounded to 30 s")
def test_no_local_cloud_is_said_at_once_with_exit_code_6(project: LiveProject) -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        url = f"http://127.0.0.1:{free.getsockname()[1]}"
    done = project.deploy(env={"AWS_ENDPOINT_URL": url})
    assert done.code == 6
    assert "inv local.up" in done.err
    assert done.seconds < 30


def test_an_unknown_environment_and_a_broken_settings_file_are_bad_input(project: LiveProject) -> None:
    assert project.inv("deploy", "--env", "nowhere").code == 2
    done = project.deploy(env={"INVOKE_STEPLADDER_ARCHITECTURE": "sparc"})
    assert done.code == 2
    assert "stepladder.architecture is 'sparc'" in done.err


def test_an_infra_change_starts_terraform_and_says_when_there_is_none(project: LiveProject) -> None:
    releases = len(project.releases)
    done = project.deploy(env={"INVOKE_STEPLADDER_FUNCTION_MEMORY_MB": "512"})
    assert done.code == 6
    assert "Terraform" in done.err
    assert not project.items("lock")
    assert len(project.releases) == releases, "nothing had begun that failed"


def test_status_shows_the_rung(project: LiveProject) -> None:
    done = project.inv("status")
    assert done.code == 0, done.err
    head, row = done.out.splitlines()
    assert head.split()[:3] == ["rung", "version", "digest"]
    assert row.split()[:2] == ["staging", project.version]
    (record,) = project.inv("status", "--json").json
    assert (record["version"], record["drift"]) == (project.version, "")


def test_a_diff_says_what_a_deploy_would_change_and_only_reads(project: LiveProject) -> None:
    project.cloud.reset_calls()
    same = project.inv("diff", "--env", "staging", "--json")
    assert (same.code, same.json["differs"]) == (0, False), same.err
    project.say("other words")
    done = project.inv(
        "diff", "--env", "staging", "--build", "--json", env={"INVOKE_STEPLADDER_FUNCTION_MEMORY_MB": "512"}
    )
    assert done.code == 6, "this project has no Terraform, and the rest is compared"
    image = done.json["functions"][0]["image"]
    assert (image["state"], image["before"]) == ("new", same.json["functions"][0]["image"]["before"])
    assert [len(image[which]) for which in ("added", "removed")] == [1, 1], "the layer of code"
    assert [root["state"] for root in done.json["roots"]] == ["unchanged", "unknown"]
    assert "change:" in project.inv("diff", "--env", "staging", "--no-infra").out
    writes = ("Put", "Update", "Create", "Delete", "Publish", "Invoke", "Write", "Upload", "Initiate", "Complete")
    assert not [call for call in project.cloud.calls() if call.partition(":")[2].startswith(writes)]


def test_the_function_is_called_through_the_alias_and_by_version(project: LiveProject, tmp_path: Path) -> None:
    version = project.version
    done = project.inv("function.invoke", "--env", "staging")
    assert json.loads(done.json["body"])["version"] == version
    event = tmp_path / "event.json"
    event.write_text("{}")
    older = project.inv(
        "function.invoke", "--env", "staging", "--event", str(event), "--version", str(int(version) - 1)
    )
    assert older.code == 0
    assert project.inv("function.invoke", "--env", "staging", "--payload", "{").code == 2


def test_a_failing_function_is_exit_code_1_with_its_answer_as_data(project: LiveProject) -> None:
    project.handler("def handler(event, context):\n    print('a word in the log')\n    raise KeyError('x')\n")
    assert project.deploy().code == 4
    newest = project.releases[-1]["version"]
    done = project.inv("function.invoke", "--env", "staging", "--version", newest)
    assert (done.code, done.json["errorType"]) == (1, "KeyError")
    assert "a word in the log" in done.err
    assert "of 128 MB" in done.err
    assert "RequestId: " not in done.err
    whole = project.inv("function.invoke", "--env", "staging", "--version", newest, "--whole-log")
    assert "REPORT RequestId: " in whole.err


def test_an_image_that_was_pushed_before_is_released_by_the_beginning_of_its_digest(project: LiveProject) -> None:
    before, digest = project.answer(), project.items("current")[0]["digest"]
    project.say("in between")
    assert project.deploy().code == 0
    done = project.inv("function.release", "--env", "staging", "--digest", digest[7:19])
    assert done.code == 0, done.err
    assert project.answer() == before
    assert project.inv("function.release", "--env", "staging", "--digest", "0" * 64).code == 4
    assert project.inv("function.release", "--env", "staging", "--digest", "ffff").code == 2


def test_smoke_cases_that_changed_alone_run_on_the_live_version_once(project: LiveProject) -> None:
    case = project.root / "tests/smoke/answers.json"
    before, version = case.read_text(), project.version
    try:
        case.write_text(before.replace("200", "201"))
        assert project.inv("smoke", "--env", "staging").code == 1
        refused = project.deploy("--json")
        assert (refused.code, refused.json["exit_code"]) == (4, 4)
        assert f"version {version} stays live" in refused.err
        case.write_text(before.replace("answers", "answers well"))
        assert project.deploy("--json").json["result"] == "tested"
        project.cloud.reset_calls()
        assert project.deploy("--json").json["result"] == "unchanged"
        assert sorted(project.cloud.calls()) == ["dynamodb:BatchGetItem", "lambda:GetAlias"]
        case.write_text("{")
        assert project.deploy().code == project.inv("smoke", "--env", "staging").code == 2
    finally:
        case.write_text(before)
    assert project.version == version


def test_a_third_builder_is_one_file_and_one_line_and_deploys_as_the_others_do(project: LiveProject) -> None:
    tasks, made = project.root / "tasks.py", project.root / "stone_builder.py"
    made.write_text(Path(stone_builder.__file__).read_text())
    tasks.write_text(
        TASKS + 'from stepladder.settings import builders\n\nbuilders.REGISTERED["stone"] = "stone_builder"\n'
    )
    try:
        project.say("set in stone")
        chosen = {"INVOKE_STEPLADDER_IMAGE_BUILDER": "stone"}
        done = project.deploy("--json", env=chosen)
        assert (done.code, project.answer()) == (0, "set in stone"), done.err
        assert "nothing to do" in project.deploy(env=chosen).err
        noted = json.loads((project.root / ".stepladder/image.json").read_text())
        assert {image["builder"] for image in noted.values()} == {"stone"}
        assert done.json["digest"] in {image["digest"] for image in noted.values()}
    finally:
        tasks.write_text(TASKS)
        made.unlink()


ECHO = """\
def handler(event, context):
    http = event["requestContext"]["http"]
    print(http["method"], http["path"])
    return {"statusCode": 503 if http["path"] == "/down" else 200, "body": event.get("body", "none")}
"""


def test_a_path_is_an_http_request_and_a_server_error_fails_the_command(project: LiveProject) -> None:
    project.handler(ECHO)
    assert project.deploy("--no-smoke").code == 0
    call = ("function.invoke", "--env", "staging", "--path")
    done = project.inv(*call, "/a?b=1", "--method", "put", "--data", "sent", "--header", "x-own: 1")
    assert (done.code, done.out) == (0, "sent"), done.err
    assert "PUT /a\n" in done.err
    assert "HTTP 200 OK\nContent-Type: application/json\n" in done.err
    failed = project.inv(*call, "/down")
    assert (failed.code, failed.out) == (1, "none")
    assert "error: the function answered 503 Service Unavailable [function-failed]" in failed.err
    record = project.inv(*call, "/down", "--json").json
    assert (record["error_kind"], record["answer"]) == ("function-failed", {"statusCode": 503, "body": "none"})
