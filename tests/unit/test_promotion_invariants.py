"""Each promise of a promotion is kept by a sound project, and broken by one thing that is wrong."""

from dataclasses import replace

import pytest

from stepladder.ledger.schema import Bad, Current, Holder, ReleaseEntry, SentCommand
from stepladder.promotion.invariants import INVARIANTS, Moment, end_of, violations
from stepladder.promotion.observation import (
    CommandRun,
    Observation,
    ObservedDeployment,
    ObservedExecution,
    ObservedRung,
    PublishedVersion,
)

OLD, NEW = "sha256:" + "a" * 64, "sha256:" + "b" * 64
ARN = "arn:aws:states:eu-west-1:111111111111:execution:orders-promotion:production-c0ffee-1"


def entry(number, version, previous, result="succeeded", **changes):
    made = ReleaseEntry(
        release_id=f"r{number}",
        environment="production",
        kind="promote",
        version=version,
        previous_version=previous,
        digest=NEW if version == "2" else OLD,
        git_commit="c0ffee",
        requested_by="jo@laptop",
        result=result,
        started_at=f"2026-11-26T0{number}:00:00Z",
        ended_at=f"2026-11-26T0{number}:10:00Z",
    )
    return replace(made, **changes)


def lock(run_id=ARN, **changes):
    return Holder("jo", "Step Functions", "", 0, run_id, "inv promote", "2026-11-26T03:00:00Z", 9, **changes)


def current(version="2", release="r2"):
    return Current(release, version, NEW if version == "2" else OLD, "", "", "")


SOUND = ObservedRung(
    "production",
    version="2",
    versions={"1": PublishedVersion(OLD, "r1"), "2": PublishedVersion(NEW, "r2")},
    current=current(),
    releases=(entry(2, "2", "1"), entry(1, "1", "")),
)
PROMOTED = ObservedExecution(
    ARN, "SUCCEEDED", "r2", NEW, rungs=(("staging",), ("production",)), outcomes=("unchanged", "succeeded")
)
OTHER_TARGET = ObservedRung("produs", releases=(entry(2, "2", "1", "rolled_back", environment="produs"),))
BOTH = replace(PROMOTED, rungs=(("production", "produs"),))


def project(*others, executions=(PROMOTED,), observation=None, **changes):
    rungs = (replace(SOUND, **changes), *others)
    return Observation(rungs, executions, **(observation or {}))


def found(observation, moment):
    return {(violation.invariant.number, violation.invariant.kind) for violation in violations(observation, moment)}


BEGUN = SentCommand("r2", "migrate", NEW, "2", "begun", "jo@laptop", "2026-11-26T02:00:00Z", "one")

BROKEN = {
    "traffic for a version whose release command has no answer": (
        "command-first",
        Moment.ALWAYS,
        project(commands=(BEGUN,)),
    ),
    "a share for a version whose release command failed": (
        "command-first",
        Moment.ALWAYS,
        project(commands=(replace(BEGUN, version="3", outcome="failed"),), weights={"3": 0.1}, lock=lock(version="3")),
    ),
    "a version that nobody names": ("named", Moment.ALWAYS, project(version="3")),
    "a share for a version that nobody names": ("named", Moment.ALWAYS, project(weights={"3": 0.1}, lock=lock())),
    "$LATEST after a release": ("named", Moment.ALWAYS, project(version="$LATEST")),
    "two deployments at once": (
        "one-holder",
        Moment.ALWAYS,
        project(deployments=(ObservedDeployment("d-1"), ObservedDeployment("d-2")), lock=lock()),
    ),
    "a deployment without the lock": (
        "one-holder",
        Moment.ALWAYS,
        project(deployments=(ObservedDeployment("d-1", "r2"),), lock=lock("another run")),
    ),
    "two releases that both left one version": (
        "one-holder",
        Moment.AT_REST,
        project(releases=(entry(3, "3", "1"), entry(2, "2", "1"), entry(1, "1", ""))),
    ),
    "a rung that is split": ("all-or-none", Moment.AT_REST, project(OTHER_TARGET, executions=(BOTH,))),
    "a state machine that broke": (
        "five-ends",
        Moment.ALWAYS,
        project(executions=(replace(PROMOTED, status="FAILED", error="States.Runtime"),)),
    ),
    "a promotion that was cut off and holds a lock": (
        "five-ends",
        Moment.AFTER_ONE_MORE_RUN,
        project(lock=lock(), executions=(replace(PROMOTED, status="ABORTED"),)),
    ),
    "a command that breaks": (
        "converges",
        Moment.AFTER_ONE_MORE_RUN,
        project(observation={"runs": (CommandRun("inv promote", 1, "KeyError"),)}),
    ),
    "a release that a canary had no judgement of": (
        "judged",
        Moment.ALWAYS,
        project(releases=(entry(2, "2", "1", cause="CanaryInconclusiveError: too few"), entry(1, "1", ""))),
    ),
    "a release that a canary found worse": (
        "judged",
        Moment.ALWAYS,
        project(releases=(entry(2, "2", "1", cause="CanaryFailedError: 6.1%"), entry(1, "1", ""))),
    ),
    "a bad mark of a canary that had no judgement": (
        "judged",
        Moment.ALWAYS,
        project(observation={"marks": {OLD: Bad("2026-11-26T09:00:00Z", "jo", "CanaryInconclusiveError: too few")}}),
    ),
    "a bad image that was released": (
        "never-bad",
        Moment.ALWAYS,
        project(observation={"marks": {NEW: Bad("2026-11-26T01:30:00Z", "jo", "it fails")}}),
    ),
    "an entry with another image than its version's": (
        "true-ledger",
        Moment.ALWAYS,
        project(versions={"2": PublishedVersion(OLD)}),
    ),
    "a current release without an entry": ("true-ledger", Moment.ALWAYS, project(releases=())),
    "a current release that failed": (
        "true-ledger",
        Moment.ALWAYS,
        project(releases=(entry(2, "2", "1", "failed"),)),
    ),
    "a current release of another version": (
        "true-ledger",
        Moment.ALWAYS,
        project(current=current("1", "r2"), version="1"),
    ),
    "an alias that the ledger doesn't know of": ("true-ledger", Moment.AT_REST, project(version="1")),
    "a deployment in flight": (
        "nothing-left",
        Moment.AT_REST,
        project(deployments=(ObservedDeployment("d-1"),)),
    ),
    "traffic that is split": ("nothing-left", Moment.AT_REST, project(weights={"1": 0.9})),
    "a lock": ("nothing-left", Moment.AFTER_ONE_MORE_RUN, project(lock=lock("another run"))),
}


def test_a_sound_project_keeps_every_promise():
    assert violations(project(), Moment.AFTER_ONE_MORE_RUN) == ()


@pytest.mark.parametrize(("kind", "moment", "observation"), BROKEN.values(), ids=BROKEN)
def test_a_promise_is_broken_by(kind, moment, observation):
    number = next(invariant.number for invariant in INVARIANTS if invariant.kind == kind)
    assert (number, kind) in found(observation, moment)
    if moment > Moment.ALWAYS:
        assert (number, kind) not in found(observation, Moment(moment - 1))


def test_every_promise_has_what_breaks_it():
    assert [invariant.number for invariant in INVARIANTS] == list(range(1, len(INVARIANTS) + 1))
    assert {kind for kind, _, _ in BROKEN.values()} == {invariant.kind for invariant in INVARIANTS}


def test_what_a_promotion_publishes_is_named_by_its_lock():
    shifting = project(
        version="1",
        weights={"2": 0.1},
        current=current("1", "r1"),
        lock=lock(previous_version="1"),
        deployments=(ObservedDeployment("d-1", "r2"),),
        releases=(entry(1, "1", ""),),
        executions=(replace(PROMOTED, status="RUNNING", outcomes=()),),
    )
    assert violations(shifting) == ()


def test_an_alias_that_a_person_moved_breaks_nothing_until_the_next_command():
    assert violations(project(version="1", observation={"edited": frozenset({"production"})}), Moment.AT_REST) == ()


def test_a_rollback_that_failed_is_named_by_the_ledger():
    stuck = project(current=current("1", "r1"), releases=(entry(2, "2", "1", "rollback_failed"), entry(1, "1", "")))
    assert violations(stuck, Moment.AT_REST) == ()


def test_a_rollback_that_failed_is_named_also_below_an_apply_that_failed_since():
    apply = entry(3, "", "", "failed", digest="")
    releases = (apply, entry(2, "2", "1", "rollback_failed"), entry(1, "1", ""))
    stuck = project(current=current("1", "r1"), releases=releases)
    assert violations(stuck, Moment.AT_REST) == ()


@pytest.mark.parametrize(
    ("error", "ended"),
    [
        ("RolledBack", {"production": "succeeded", "produs": "rolled_back"}),
        ("RollbackFailed", {"production": "succeeded", "produs": "rollback_failed"}),
    ],
)
def test_a_rung_that_is_split_is_named_by_the_end_of_its_promotion(error, ended):
    failed = replace(BOTH, status="FAILED", error=error, outcomes=(), ended=ended)
    assert violations(project(OTHER_TARGET, executions=(failed,)), Moment.AT_REST) == ()
    silent = replace(failed, error="RolledBack", ended=dict.fromkeys(ended, "rolled_back"))
    assert found(project(OTHER_TARGET, executions=(silent,)), Moment.AT_REST) == {(3, "all-or-none")}


def test_a_bad_image_may_be_released_by_force():
    marks = {NEW: Bad("2026-11-26T01:30:00Z", "jo", "it fails")}
    by_promotion = project(executions=(replace(PROMOTED, force=True),), observation={"marks": marks})
    by_deploy = project(observation={"marks": marks, "forced": frozenset({"r2"})})
    assert violations(by_promotion, Moment.AT_REST) == violations(by_deploy, Moment.AT_REST) == ()


@pytest.mark.parametrize(
    ("execution", "end"),
    [
        (PROMOTED, "promoted"),
        (replace(PROMOTED, outcomes=("unchanged",)), "unchanged"),
        (replace(PROMOTED, status="FAILED", error="RefusedBeforeTraffic"), "refused"),
        (replace(PROMOTED, status="FAILED", error="RolledBack"), "rolled_back"),
        (replace(PROMOTED, status="FAILED", error="RollbackFailed"), "rollback_failed"),
        (replace(PROMOTED, status="ABORTED"), ""),
        (replace(PROMOTED, status="RUNNING"), ""),
    ],
)
def test_a_promotion_has_five_ends(execution, end):
    assert end_of(execution) == end
