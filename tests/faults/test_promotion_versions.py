"""Versions that are bad in every way, and people and machines that come between: the rung ends as it should."""

from __future__ import annotations

import pytest

from stepladder.commands import audit, ledger_command, promote, redrive, stop
from stepladder.core.errors import LockedError
from stepladder.ledger.schema import Bad
from stepladder.promotion.subject import PromotionOptions

pytestmark = [pytest.mark.cloud, pytest.mark.faults]

GOOD = "def handler(event, context):\n    return {'statusCode': 200}\n"
HEAD = "import time\ncalls = 0\ndef handler(event, context):\n    global calls\n    calls += 1\n"
LIVE = "context.invoked_function_arn.endswith('-production:live')"
ON_PRODUCTION = (
    HEAD + "    if context.function_name.endswith('-production'):\n        %s\n    return {'statusCode': 200}\n"
)
BEHIND_THE_ALIAS = HEAD + f"    if {LIVE}:\n        %s\n    return {{'statusCode': 200}}\n"
BAD_VERSIONS = {
    "failing its smoke cases": (ON_PRODUCTION % "raise ValueError('broken')", 4, "failed", "ValueError: broken"),
    "answering wrongly": (ON_PRODUCTION % "return {'statusCode': 500}", 4, "failed", "expected 200, got 500"),
    "failing only after traffic": (BEHIND_THE_ALIAS % "raise ValueError('broken')", 3, "rolled_back", "production"),
    "failing only under load": (BEHIND_THE_ALIAS % "if calls % 2: raise ValueError('busy')", 3, "rolled_back", ""),
    "that can't be imported": ("import nothing_of_that_name\n", 4, "failed", ""),
}


@pytest.fixture
def canary(make_project):
    return make_project("canary", deployment="Canary10Percent5Minutes", probe_requests=40)


@pytest.mark.parametrize(("source", "code", "result", "cause"), BAD_VERSIONS.values(), ids=BAD_VERSIONS)
def test_a_version(source, code, result, cause, canary, before, unique):
    if "import nothing" in source:
        canary.ship(unique(GOOD))
        uri = canary.push(unique(source))
        was = before(canary)
        ended = canary.promote(digest=uri.rpartition("@")[2])
        assert ended.code == 4  # staging runs something else: it doesn't even start there
        was.check_unmoved()
        return
    canary.ship(unique(source))
    was = before(canary)
    ended = canary.promote()
    assert (ended.code, was.newest().result) == (code, result), ended.message
    assert cause in ended.message
    was.check_unmoved()
    bad = marked(canary)
    assert (bad is not None) == (code == 3), "what failed before traffic is tested again, what failed in it is marked"
    if bad:
        for again in (
            canary.promote(),
            canary.run(lambda machine: redrive.redriven(machine, machine.pick(), detach=False)),
        ):
            assert (again.code, "marked bad by the promotion of" in again.message) == (4, True), again.message
        assert bad.why.startswith("rolled back on production: ")


MIGRATES = """def handler(event, context):
    if 'stepladder' not in event:
        return {'statusCode': 200}
    environment = event['stepladder']['environment']
    print('MIGRATES', environment)
    if environment == 'production':
        %s
    return {'ok': True}
"""
COMMANDS = {
    "that is done": ("pass", "", 0, 0, "", 1),
    "that fails on the second rung": (
        "return {'ok': False}",
        "",
        4,
        4,
        'failed on version %s: it answered {"ok": false}',
        2,
    ),
    "whose answer is cut off": ("pass", "cut_after", 4, 4, "whether it was done is unknown", 1),
    "that is refused": ("pass", "access_denied", 4, 0, "it was not sent: AccessDeniedException", 1),
}
IN_OTHERS = ("that is done", "that is refused")
ROWS = [
    pytest.param(
        row, id=name, marks=[pytest.mark.long("tests/unit and tests/e2e have it too")] if name in IN_OTHERS else []
    )
    for name, row in COMMANDS.items()
]


@pytest.mark.parametrize("row", ROWS)
def test_a_release_command(row, make_project, before, unique, cloud):
    """It comes before traffic, is recorded before it is sent, and is never sent again in silence."""
    act, fault, code, again, why, sent = row
    rungs = ["staging", "qa", "production"]
    project = make_project("commands", rungs=rungs, release_command={"command": "migrate", "timeout_seconds": 60})
    digest = project.ship(unique(MIGRATES % act))
    was = before(project)
    if fault:
        body = '"environment": "production"}}'
        cloud.faults({"service": "lambda", "action": "Invoke", "body": body, "kind": fault, "count": 1})
    ended = project.promote()
    cloud.faults()
    runs = project.ledger().command_runs("production", digest)
    version = runs[0][1].version
    assert (ended.code, (why % version if "%s" in why else why) in ended.message) == (code, True), ended.message
    assert project.digest("qa") == digest, "the rung below stays promoted"
    if code:
        was.check_unmoved()
        assert was.newest().result == "failed"
        assert marked(project) is None
    repeated = project.promote()
    assert repeated.code == again, repeated.message
    assert not again or why.partition("%")[0] in repeated.message
    assert migrations(project, "qa", digest) == 1
    assert migrations(project, "production", digest) == sent
    if "unknown" in why:
        ledger_command.decide(project.rung("production"), "again")
        assert project.promote().code == 0
        assert migrations(project, "production", digest) == sent + 1


def migrations(project, environment, digest):
    """How often the release command ran in versions of an image, by what they have logged."""
    function = project.function(environment)
    versions = project.client("lambda", environment).list_versions_by_function(FunctionName=function)["Versions"]
    own = [each["Version"] for each in versions if digest.endswith(each["CodeSha256"])]
    logs = project.client("logs", environment).filter_log_events(logGroupName=f"/aws/lambda/{function}")["events"]
    streams = tuple(f"[{version}]" for version in own)
    return sum("MIGRATES" in e["message"] and any(part in e["logStreamName"] for part in streams) for e in logs)


class TestAFirstRelease:
    """Production was made by Terraform and never released: its alias is on $LATEST."""

    @pytest.fixture
    def fresh(self, make_project):
        return make_project("fresh", deployment="Canary10Percent30Minutes", probe_requests=40)

    def test_goes_live_at_once_with_no_canary_and_is_verified(self, fresh, before, unique):
        digest = fresh.ship(unique(GOOD))
        fresh.forget()
        was = before(fresh)
        ended = fresh.promote()
        assert ended.code == 0, ended.message
        assert fresh.digest() == digest
        entry = was.newest()
        assert (entry.result, entry.previous_version, entry.deployment_id) == ("succeeded", "", "")
        current = fresh.ledger().snapshot("production").current
        assert current.version == fresh.alias()[0]
        assert current.smoke_key.startswith("smoke/"), "a deploy after this need not run the cases again"
        entered = fresh.entered(ended.record["execution_arn"])
        assert {"TestVersion", "ReleaseFirstVersion", "VerifyAlias"} <= set(entered)
        assert "CreateDeployment" not in entered
        was.check_quiet()

    @pytest.mark.parametrize(
        ("source", "code", "result"),
        [
            (ON_PRODUCTION % "raise ValueError('broken')", 4, "failed"),
            (BEHIND_THE_ALIAS % "raise ValueError('broken')", 3, "rolled_back"),
        ],
        ids=["fails its smoke cases", "fails only after traffic"],
    )
    def test_ends_where_it_began_when_it(self, source, code, result, fresh, before, unique):
        fresh.ship(unique(source))
        fresh.forget()
        was = before(fresh)
        ended = fresh.promote()
        assert (ended.code, was.newest().result) == (code, result), ended.message
        assert fresh.alias() == ("$LATEST", {})
        assert (marked(fresh) is not None) == (code == 3)
        assert fresh.ledger().snapshot("production").current is None
        was.check_quiet()
        digest = fresh.ship(unique(GOOD))
        assert fresh.promote().code == 0, "the fix is released"
        assert fresh.digest() == digest

    @pytest.mark.usefixtures("slow_clock")
    @pytest.mark.parametrize("moment", ["TestVersion", "VerifyAlias"])
    def test_ends_where_it_began_when_it_is_stopped_in(self, moment, fresh, before, unique, eventually, cloud):
        fresh.ship(unique(GOOD))
        fresh.forget()
        was = before(fresh)
        action = {"TestVersion": "version", "VerifyAlias": "alias"}[moment]
        rule = {
            "service": "lambda",
            "action": "Invoke",
            "body": f'"action": "{action}"',
            "kind": "throttle",
            "count": 0,
        }
        cloud.faults(rule)
        promotion = fresh.in_background()
        eventually(fresh.running)
        (execution,) = fresh.running()
        eventually(lambda: moment in fresh.entered(execution))
        stopped = fresh.run(lambda machine: stop.stopped(machine, machine.pick(), "enough"))
        cloud.faults()
        promotion.result()
        assert stopped.code == 0, stopped.message
        assert stopped.record["outcome"] == ("rolled_back" if moment == "VerifyAlias" else "refused")
        assert fresh.alias() == ("$LATEST", {})
        was.check_quiet()

    def test_of_an_alias_that_was_put_on_latest_by_hand_is_refused(self, fresh, before, unique):
        fresh.ship(unique(GOOD))
        assert fresh.promote().code == 0
        current = fresh.ledger().snapshot("production").current
        fresh.client("lambda").update_alias(
            FunctionName=fresh.function("production"), Name="live", FunctionVersion="$LATEST"
        )
        fresh.by_hand.add("production")
        fresh.ship(unique(GOOD))
        ended = fresh.promote()
        assert (ended.code, f"inv rollback --env production --to {current.release_id}" in ended.message) == (4, True)
        fresh.forget()

    def test_of_a_rung_without_a_service_is_refused_with_the_command_that_creates_it(self, fresh, unique):
        """As when an execution is started elsewhere than by `inv promote`, which creates it."""
        fresh.ship(unique(GOOD))
        fresh.client("lambda").delete_function(FunctionName=fresh.function("production"))
        ended = fresh.promote()
        assert (ended.code, "production has no service yet" in ended.message) == (4, True), ended.message
        assert "`inv promote` creates it" in ended.message
        assert fresh.ledger().snapshot("production").lock is None


def marked(project):
    return project.ledger().is_bad(project.digest("staging"))


class TestAlarms:
    def test_one_that_fires_before_stops_the_release_before_traffic(self, canary, before, unique, eventually):
        canary.ship(unique(GOOD))
        was = before(canary)
        canary.fire()
        eventually(lambda: canary.alarm_state() == "ALARM")
        ended = canary.promote()
        canary.calm()
        assert (ended.code, was.newest().result) == (4, "failed"), ended.message
        assert "ALARM" in ended.message.upper()
        was.check_unmoved()
        assert marked(canary) is None, "the alarm fired before the version had any traffic"

    def test_one_that_fires_does_not_trap_the_fix(self, canary, before, unique, eventually):
        digest = canary.ship(unique(GOOD))
        was = before(canary)
        canary.fire()
        eventually(lambda: canary.alarm_state() == "ALARM")
        ended = canary.promote(hotfix=True)
        canary.calm()
        assert ended.code == 0, ended.message
        assert canary.digest() == digest
        assert was.newest().hotfix is True
        was.check_quiet()

    def test_one_that_fires_during_the_shift_rolls_back(self, canary, before, unique, eventually, midway):
        canary.ship(unique(GOOD))
        was = before(canary)
        with midway(canary) as promotion:
            canary.fire()
            eventually(lambda: canary.alarm_state() == "ALARM")
        ended = promotion.result()
        canary.calm()
        assert (ended.code, was.newest().result) == (3, "rolled_back"), ended.message
        was.check_unmoved()
        assert "ALARM_ACTIVE" in marked(canary).why
        forced = canary.promote(force=True)
        assert forced.code == 0, forced.message

    def test_a_version_that_gets_slow_makes_the_latency_alarm_fire_and_is_rolled_back(
        self, make_project, before, unique, cloud
    ):
        long = make_project("long", deployment="Canary10Percent30Minutes", probe_requests=40)
        long.ship(unique(BEHIND_THE_ALIAS % "time.sleep(2)"))  # over the alarm's 1.5 s; no smoke case minds
        was = before(long)
        cloud.speed(30)  # the shift lasts a minute, and what a function does in real time is seen on this clock
        ended = long.promote()
        cloud.speed(200)
        assert (ended.code, was.newest().result) == (3, "rolled_back"), ended.message
        assert "latency" in ended.message
        was.check_unmoved()

    @pytest.mark.usefixtures("slow_clock")
    def test_one_that_fires_while_the_version_bakes_rolls_back(self, make_project, before, unique, eventually):
        baking = make_project("baking", bake_minutes=30)
        baking.ship(unique(GOOD))
        was = before(baking)
        promotion = baking.in_background()
        eventually(lambda: baking.alias() != was.alias and not baking.active_deployments())
        baking.fire()
        ended = promotion.result()
        baking.calm()
        assert (ended.code, was.newest().result) == (3, "rolled_back"), ended.message
        assert "errors fired" in ended.message
        was.check_unmoved()
        assert "AlarmFiredError" in marked(baking).why


def test_a_hook_that_never_answers_is_not_waited_for_for_ever(make_project, before, unique, cloud, eventually):
    plain = make_project("plain")
    plain.ship(unique(GOOD))
    was = before(plain)
    action = "PutLifecycleEventHookExecutionStatus"
    cloud.faults({"service": "codedeploy", "action": action, "kind": "access_denied", "count": 0})
    promotion = plain.in_background()
    eventually(lambda: cloud.hits() > 0)
    cloud.speed(5000)  # the hook has an hour
    eventually(lambda: plain.active_deployments() == [])
    cloud.speed(200)
    cloud.faults()
    ended = promotion.result()
    assert ended.code == 4, ended.message
    was.check_unmoved()


class TestTwoAtOnce:
    def test_the_same_digest_is_joined(self, canary, before, unique, eventually):
        digest = canary.ship(unique(GOOD))
        was = before(canary)
        first = canary.in_background()
        eventually(lambda: canary.running() != [])
        second = canary.promote()
        assert (first.result().code, second.code) == (0, 0)
        assert second.record["how"] == "joined"
        assert second.record["execution_arn"] == first.result().record["execution_arn"]
        assert canary.digest() == digest
        was.check_quiet()

    def test_an_alias_that_somebody_moves_in_mid_canary_is_left_to_them(
        self, canary, before, unique, midway, eventually
    ):
        was = before(canary)
        canary.ship(unique(GOOD))
        assert canary.promote().code == 0
        canary.ship(unique(GOOD))
        with midway(canary) as promotion:
            canary.client("lambda").update_alias(
                FunctionName=canary.function("production"),
                Name="live",
                FunctionVersion=was.alias[0],
                RoutingConfig={"AdditionalVersionWeights": {}},
            )
            ended = promotion.result()  # on a fast clock, CodeDeploy's last shift could come before it is seen
        assert ended.code == 5, ended.message
        assert "somebody else moved" in ended.message
        assert canary.alias() == (was.alias[0], {})
        canary.client("lambda").update_alias(
            FunctionName=canary.function("production"), Name="live", FunctionVersion=was.newest().previous_version
        )
        was.check_quiet()

    def test_another_digest_is_refused_while_one_is_promoted(self, canary, before, unique, midway):
        digest = canary.ship(unique(GOOD))
        was = before(canary)
        with midway(canary) as first:
            canary.ship(unique(GOOD))
            second = canary.promote()
        assert second.code == 7
        assert "another promotion is under way" in second.message
        assert first.result().code == 0
        assert canary.digest() == digest
        was.check_quiet()

    def test_a_deploy_is_kept_out_while_a_promotion_is_on_the_rung(self, canary, before, unique, midway):
        canary.ship(unique(GOOD))
        was = before(canary)
        with midway(canary) as promotion, pytest.raises(LockedError, match="promote"):
            canary.rung().lock.acquire()
        assert promotion.result().code == 0
        was.check_quiet()

    def test_a_promotion_is_kept_out_while_a_deploy_is_on_the_rung(self, canary, before, unique):
        canary.ship(unique(GOOD))
        was = before(canary)
        lock = canary.rung().lock
        lock.acquire()
        ended = canary.promote()
        lock.release()
        assert ended.code == 7
        assert "the lock of production is held by" in ended.message
        was.check_unmoved()


def test_a_hand_that_moves_the_alias_is_not_overruled(canary, before, unique, midway):
    client, name = canary.client("lambda"), canary.function("production")
    third = client.publish_version(FunctionName=name)["Version"]
    canary.wait(name, Qualifier=third)
    digest = canary.ship(unique(GOOD))
    was = before(canary)
    if third == was.alias[0]:
        third = "1"
    with midway(canary) as promotion:
        client.update_alias(
            FunctionName=name, Name="live", FunctionVersion=third, RoutingConfig={"AdditionalVersionWeights": {}}
        )
    ended = promotion.result()
    assert ended.code in (0, 3, 5), ended.message
    if ended.code == 0:  # CodeDeploy's last shift came after the hand
        assert canary.digest() == digest
    if ended.code == 3:
        assert canary.alias() == was.alias
    if ended.code == 5:
        assert "somebody else moved" in ended.message
        assert canary.alias() == (third, {})
        assert was.newest().result == "rollback_failed"
    client.update_alias(FunctionName=name, Name="live", FunctionVersion=was.alias[0])
    was.check_quiet()


def test_the_version_that_a_rollback_returns_to_can_not_be_pruned(canary, before, unique, midway):
    canary.ship(unique(GOOD))
    was, client = before(canary), canary.client("lambda")
    with midway(canary) as promotion, pytest.raises(client.exceptions.ResourceConflictException):
        client.delete_function(FunctionName=canary.function("production"), Qualifier=was.alias[0])
    assert promotion.result().code == 0


class TestCutOff:
    def test_whoever_watches_recovers_a_killed_promotion(self, canary, before, unique, midway):
        canary.ship(unique(GOOD))
        was = before(canary)
        with midway(canary) as promotion:
            canary.client("stepfunctions").stop_execution(executionArn=canary.running()[0])
        ended = promotion.result()
        assert ended.code == 3, ended.message
        assert "ABORTED" in ended.message
        was.check_unmoved()
        assert marked(canary) is None
        assert was.newest().result == "rolled_back"

    @pytest.mark.usefixtures("slow_clock")
    def test_with_nobody_watching_the_net_does(self, canary, before, unique, eventually):
        canary.ship(unique(GOOD))
        was = before(canary)
        told = canary.run(lambda machine: promote.promote(machine, PromotionOptions(), detach=True))
        eventually(lambda: canary.alias()[1] != {})
        canary.client("stepfunctions").stop_execution(executionArn=told.record["execution_arn"])
        eventually(lambda: canary.ledger().snapshot("production").lock is None)
        was.check_unmoved()
        assert was.newest().result == "rolled_back"
        assert was.newest().release_id == told.record["release_id"]

    def test_stopping_while_it_shifts_rolls_back(self, canary, before, unique, midway):
        canary.ship(unique(GOOD))
        was = before(canary)
        with midway(canary) as promotion:
            stopped = canary.run(lambda machine: stop.stopped(machine, machine.pick(running=True), "lunch"))
        assert (stopped.code, stopped.record["outcome"]) == (0, "rolled_back"), stopped.message
        ended = promotion.result()
        assert ended.code == 3
        for told in (ended.message, was.newest().cause):
            assert "stopped by " in told
            assert "lunch" in told
        was.check_unmoved()
        assert marked(canary) is None

    def test_a_lost_connection_is_taken_up_again(self, canary, before, unique, cloud):
        canary.ship(unique(GOOD))
        was = before(canary)
        cloud.faults(
            {"service": "stepfunctions", "action": "GetExecutionHistory", "kind": "cut", "skip": 2, "count": 20}
        )
        ended = canary.promote()
        assert ended.code == 0, ended.message
        was.check_quiet()

    def test_redriving_a_failed_promotion_starts_again_from_the_beginning(self, canary, before, unique, cloud):
        digest = canary.ship(unique(GOOD))
        was = before(canary)
        cloud.faults({"service": "lambda", "action": "PublishVersion", "kind": "access_denied", "count": 0})
        failed = canary.promote()
        cloud.faults()
        assert failed.code == 4
        again = canary.run(lambda machine: redrive.redriven(machine, machine.pick(), detach=False))
        assert again.code == 0, again.message
        assert again.record["name"] != failed.record["name"]
        assert canary.digest() == digest
        was.check_quiet()


def test_promoting_what_every_rung_runs_does_nothing(make_project, before, unique):
    plain = make_project("plain")
    plain.ship(unique(GOOD))
    assert plain.promote().code == 0
    was = before(plain)
    again = plain.promote()
    assert (again.code, again.record["outcome"]) == (0, "unchanged")
    was.check_unmoved()


def test_a_rung_whose_configuration_was_changed_since_gets_a_version_of_the_same_image(make_project, before, unique):
    plain = make_project("plain")
    digest = plain.ship(unique(GOOD))
    assert plain.promote().code == 0
    was = before(plain)
    name = plain.function("production")
    plain.client("lambda").update_function_configuration(FunctionName=name, MemorySize=256)  # as Terraform does
    plain.wait(name)
    again = plain.promote()
    assert (again.code, [t["outcome"] for t in again.record["targets"]]) == (0, ["unchanged", "succeeded"])
    assert plain.wait(name, Qualifier="live")["MemorySize"] == 256
    assert (plain.digest(), plain.alias() != was.alias) == (digest, True)
    assert plain.promote().record["outcome"] == "unchanged"
    was.check_quiet()


def test_a_new_configuration_that_fails_in_traffic_leaves_the_image_that_serves_well_unmarked(canary, before, unique):
    starved = BEHIND_THE_ALIAS % "if context.memory_limit_in_mb == '200': raise MemoryError"
    canary.ship(unique(starved))
    assert canary.promote().code == 0
    was = before(canary)
    name = canary.function("production")
    memory = canary.wait(name)["MemorySize"]
    canary.client("lambda").update_function_configuration(FunctionName=name, MemorySize=200)
    canary.wait(name)
    ended = canary.promote()
    canary.client("lambda").update_function_configuration(FunctionName=name, MemorySize=memory)
    canary.wait(name)
    assert (ended.code, was.newest().result) == (3, "rolled_back"), ended.message
    assert marked(canary) is None
    was.check_unmoved()


def test_provisioned_concurrency_on_the_alias_keeps_a_canary_out_before_anything_moves(canary, before, unique):
    canary.ship(unique(GOOD))
    was = before(canary)
    name = {"FunctionName": canary.function("production"), "Qualifier": "live"}
    canary.client("lambda").put_provisioned_concurrency_config(**name, ProvisionedConcurrentExecutions=1)
    ended = canary.promote()
    canary.client("lambda").delete_provisioned_concurrency_config(**name)
    assert (ended.code, "has provisioned concurrency" in ended.message) == (4, True), ended.message
    was.check_unmoved()


def test_an_untested_promotion_says_so_at_its_end_and_in_the_ledger(make_project, before, unique):
    plain = make_project("plain")
    plain.ship(unique(GOOD))
    was = before(plain)
    ended = plain.promote(no_smoke=True)
    assert ended.code == 0, ended.message
    assert "untested" in ended.text.splitlines()[-3]
    assert was.newest().cause == "untested: released with --no-smoke"


def test_a_digest_that_was_marked_bad_is_refused_at_the_door(make_project, before, unique):
    plain = make_project("plain")
    digest = plain.ship(unique(GOOD))
    was = before(plain)
    plain.ledger().mark_bad(digest, Bad("today", "ann", "leaks"))
    ended = plain.promote()
    assert ended.code == 4
    assert "marked bad by ann at today: leaks" in ended.message
    was.check_unmoved()
    assert plain.promote(force=True).code == 0


def test_an_image_with_critical_findings_is_refused(make_project, before, unique):
    plain = make_project("plain")
    plain.ship(unique(GOOD), labels={"dev.stepladder.local.findings": '{"CRITICAL": 1}'})
    was = before(plain)
    ended = plain.promote()
    assert ended.code == 4, ended.message
    assert "found 1 CRITICAL" in ended.message
    was.check_unmoved()


def test_no_environment_variable_stands_in_the_history_of_the_execution(make_project, unique):
    """Lambda answers a new image and a new version with the whole configuration."""
    plain, secret = make_project("plain"), "5ecret-of-the-function"
    plain.ship(unique(GOOD))
    assert plain.promote().code == 0
    name, lambda_ = plain.function("production"), plain.client("lambda")
    lambda_.update_function_configuration(FunctionName=name, Environment={"Variables": {"TOKEN": secret}})
    plain.wait(name)
    plain.ship(unique(GOOD))
    ended = plain.promote()
    assert ended.code == 0, ended.message
    served = lambda_.get_function_configuration(FunctionName=name, Qualifier="live")
    assert served["Environment"]["Variables"]["TOKEN"] == secret
    pages = plain.client("stepfunctions").get_paginator("get_execution_history")
    told = str([page["events"] for page in pages.paginate(executionArn=ended.record["execution_arn"])])
    assert "PublishVersion" in told
    assert secret not in told
    lambda_.update_function_configuration(FunctionName=name, Environment={"Variables": {}})
    plain.wait(name)


def test_an_audit_reads_and_changes_nothing_and_knows_no_other_promotion(make_project, unique, cloud):
    plain = make_project("plain")
    plain.ship(unique(GOOD))
    name = plain.promote().record["name"]
    cloud.reset_calls()
    audited = plain.run(lambda machine: audit.audit(machine, name))
    calls = {call.partition(":")[2] for call in cloud.calls()}
    assert audited.code == 0, audited.message
    assert [one["state"] for one in audited.record["promises"]] == ["held"] * 10
    assert "GetExecutionHistory" in calls
    assert [call for call in calls if not call.startswith(("Get", "List", "Describe", "BatchGet", "Query"))] == []
    assert plain.run(lambda machine: audit.audit(machine, f"{name}0")).code == 2
