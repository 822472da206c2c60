"""How `inv doctor` runs its checks, reports and fixes; tests/process/test_doctor_checks.py has the checks."""

from __future__ import annotations

import io
import json
import threading

import pytest
from fakes.deploy_harness import DeployHarness
from fakes.errors import DENIED, error

from stepladder.commands.doctor import Doctor, DoctorOptions
from stepladder.core.console import Console
from stepladder.core.errors import BadInputError, NotReadyError, RefusedError, StepladderError
from stepladder.doctor import registered
from stepladder.doctor.check import ENVIRONMENT, LOCATION, PROJECT, DoctorCheck
from stepladder.doctor.finding import ERROR, NOTE, WARNING, Finding, SafeFix


class Examined:
    """A run of some checks on a project of fake AWS."""

    def __init__(self, tmp_path, *checks, loaded=None, as_json=False, **options):
        self.harness = DeployHarness(tmp_path)
        self.out, self.err = io.StringIO(), io.StringIO()
        self.doctor = Doctor(
            tmp_path,
            loaded or self.harness.settings,
            Console(out=self.out, err=self.err, live=False, as_json=as_json),
            DoctorOptions(**options),
            checks,
            self.harness.time.clock(),
            lambda _settings, _name: self.harness.aws,
        )
        self.error = None

    def run(self):
        try:
            self.doctor.run()
        except StepladderError as failed:
            self.error = failed
        return self

    @property
    def record(self):
        return self.error.record if self.error else json.loads(self.out.getvalue())


def yielding(name, *findings, scope=PROJECT):
    return DoctorCheck(name, scope, lambda _context: iter(findings))


def raising(name, failure, *findings, scope=ENVIRONMENT):
    def act(_context):
        yield from findings
        raise failure

    return DoctorCheck(name, scope, act)


def test_nothing_wrong_is_exit_code_0(tmp_path):
    done = Examined(tmp_path, yielding("one"), yielding("two", scope=LOCATION)).run()
    assert done.error is None
    assert "2 checks: nothing is wrong" in done.err.getvalue()


def test_warnings_alone_are_exit_code_0_and_errors_are_1(tmp_path):
    warning = Finding(WARNING, "b", "is late", "`inv status`")
    assert Examined(tmp_path, yielding("one", warning)).run().error is None
    failed = Examined(tmp_path, yielding("one", Finding(ERROR, "a", "is gone", "`inv deploy --env staging`"))).run()
    assert (failed.error.exit_code, failed.error.kind) == (1, "unhealthy")
    assert "begin with the first, a: `inv deploy --env staging`" in failed.error.hint


def test_the_worst_comes_first_and_else_the_order_of_the_checks(tmp_path):
    slow = threading.Event()

    def act(_context):
        slow.wait(60)
        yield Finding(NOTE, "a", "slow", "`inv status`")

    def last(_context):
        slow.set()
        yield Finding(NOTE, "b", "quick", "`inv status`")
        yield Finding(ERROR, "c", "bad", "`inv status`")

    done = Examined(tmp_path, DoctorCheck("slow", PROJECT, act), DoctorCheck("quick", PROJECT, last)).run()
    assert [each["problem"] for each in done.record["findings"]] == ["bad", "slow", "quick"]


def test_what_is_wrong_in_several_places_is_one_row_and_fixes_are_numbered(tmp_path):
    twice = Finding(WARNING, "bucket", "has no versions", "`inv status`")
    done = Examined(tmp_path, yielding("one", twice, twice, Finding(NOTE, "x", "y", "edit `invoke.yaml`"))).run()
    assert done.out.getvalue().splitlines() == [
        "   level    subject  problem",
        "1  warning  bucket   has no versions",
        "2  note     x        y",
        "1 `inv status`",
        "2 edit `invoke.yaml`",
    ]


@pytest.mark.parametrize(
    ("failure", "reason"),
    [
        (DENIED, "may not call Fake"),
        (NotReadyError("AWS can't be reached", kind="aws-unreachable"), "can't be reached"),
        (KeyError("Rules"), "unexpected KeyError"),
    ],
    ids=["it is denied", "the network is down", "it has a fault"],
)
def test_a_check_that_cannot_run_is_named_with_its_reason_and_hides_no_other(tmp_path, failure, reason):
    before, other = Finding(NOTE, "a", "seen before", "`inv status`"), Finding(NOTE, "b", "other", "`inv status`")
    done = Examined(tmp_path, raising("broken", failure, before), yielding("whole", other)).run()
    assert (done.error.exit_code, done.error.kind) == (6, "doctor-incomplete")
    assert [each["problem"] for each in done.record["findings"]] == ["seen before", "other"]
    (unchecked,) = done.record["unchecked"]
    assert (unchecked["check"], unchecked["subject"]) == ("broken", "staging")
    assert reason in unchecked["reason"]
    assert "not checked: broken (staging): " in done.err.getvalue()


def test_an_error_weighs_more_than_what_was_not_checked(tmp_path):
    done = Examined(
        tmp_path, raising("broken", NotReadyError("no")), yielding("one", Finding(ERROR, "a", "b", "`inv status`"))
    ).run()
    assert done.error.exit_code == 1
    assert len(done.record["unchecked"]) == 1


def test_without_credentials_every_check_of_aws_gives_the_reason_once(tmp_path):
    done = Examined(tmp_path, yielding("files"), yielding("one", scope=LOCATION), yielding("two", scope=ENVIRONMENT))
    done.harness.sts.fail("GetCallerIdentity", error("ExpiredToken"), times=9)
    done.run()
    assert done.error.exit_code == 6
    assert done.err.getvalue().count("they have expired") == 1
    assert done.harness.sts.calls == ["GetCallerIdentity"]


def test_another_account_is_an_error_and_nothing_of_it_is_read(tmp_path):
    checks = [each for each in registered.CHECKS if each.name == "account"]
    done = Examined(tmp_path, *checks, yielding("one", scope=LOCATION))
    done.harness.sts.account = "999999999999"
    done.run()
    assert done.error.exit_code == 1
    assert "reach account 999999999999" in done.record["findings"][0]["problem"]
    assert done.record["unchecked"][0]["check"] == "one"


def test_broken_settings_are_findings_and_the_rest_is_checked(tmp_path):
    broken = BadInputError("the settings are not valid", hint="fix `invoke.yaml`", problems=("a is 1", "b is 2"))
    checks = [each for each in registered.CHECKS if each.name == "settings"]
    other = yielding("other", Finding(NOTE, "x", "y", "`inv status`"))
    done = Examined(tmp_path, *checks, other, yielding("aws", scope=LOCATION), loaded=broken).run()
    assert [each["problem"] for each in done.record["findings"]] == ["a is 1", "b is 2", "y"]
    assert done.error.exit_code == 1


def test_outside_of_a_project_nothing_is_checked(tmp_path):
    missing = BadInputError("there is no project", kind="no-project")
    done = Examined(tmp_path, yielding("one", Finding(ERROR, "a", "b", "`inv status`")), loaded=missing).run()
    assert (done.error.exit_code, done.error.kind) == (2, "no-project")


def test_an_unknown_environment_is_refused_with_those_there_are(tmp_path):
    done = Examined(tmp_path, yielding("one"), environment="stagging").run()
    assert (done.error.exit_code, done.error.kind) == (2, "unknown-environment")
    assert "staging" in done.error.hint


class Switch:
    """Something that is wrong until it is fixed."""

    def __init__(self, *, works=True):
        self.off, self.works, self.fixed = True, works, 0

    def check(self, _context):
        if self.off:
            yield Finding(ERROR, "switch", "is off", "`inv status`", SafeFix("turn on the switch", self.act))

    def act(self):
        self.fixed += 1
        if not self.works:
            raise DENIED
        self.off = False


def test_fix_does_what_is_safe_checks_again_and_says_what_is_fixed(tmp_path):
    switch = Switch()
    check = DoctorCheck("switch", PROJECT, switch.check)
    done = Examined(tmp_path, check, fix=True, confirmed=True, as_json=True).run()
    assert done.error is None
    assert (switch.fixed, done.record["findings"]) == (1, [])
    assert [each["safe_fix"] for each in done.record["fixed"]] == ["turn on the switch"]


def test_fix_lists_first_and_changes_nothing_where_nobody_can_be_asked(tmp_path):
    switch = Switch()
    done = Examined(tmp_path, DoctorCheck("switch", PROJECT, switch.check), fix=True).run()
    assert isinstance(done.error, RefusedError)
    assert (done.error.kind, switch.fixed) == ("not-confirmed", 0)
    assert "can be fixed: turn on the switch" in done.err.getvalue()
    assert "`inv doctor --fix --yes`" in done.error.hint


def test_what_is_proposed_fixes_no_other_environment_than_the_one_that_was_checked(tmp_path):
    check = DoctorCheck("switch", PROJECT, Switch().check)
    assert "`inv doctor --fix`" in Examined(tmp_path, check).run().err.getvalue()
    assert "`inv doctor --env staging --fix`" in Examined(tmp_path, check, environment="staging").run().err.getvalue()


def test_a_fix_that_fails_is_named_and_the_finding_stays(tmp_path):
    switch = Switch(works=False)
    done = Examined(tmp_path, DoctorCheck("switch", PROJECT, switch.check), fix=True, confirmed=True).run()
    assert done.error.exit_code == 1
    assert "not fixed: turn on the switch: these credentials may not call Fake" in done.err.getvalue()
    assert done.record["fixed"] == []


def test_names_of_checks_are_unique_and_each_says_what_it_does():
    names = [each.name for each in registered.CHECKS]
    assert len(names) == len(set(names))
    assert [each.name for each in registered.CHECKS if not each.act.__doc__] == []
