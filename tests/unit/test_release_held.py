"""While somebody else holds a rung, every command that would change it ends with exit code 7 and says who."""

from __future__ import annotations

import copy
from collections.abc import Callable
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import pytest
from fakes.deploy_harness import DeployHarness, digest
from fakes.errors import DENIED

from stepladder.commands import infra, invoke, release_existing
from stepladder.commands.deploy import Deploy, DeployOptions
from stepladder.commands.rollback import Rollback
from stepladder.core import process_identity
from stepladder.core.clock import stamp
from stepladder.core.errors import BadInputError, ExitCode, LockedError, RefusedError
from stepladder.ledger import schema
from stepladder.ledger.lock import LEASE
from stepladder.ledger.schema import PIPELINE_HOST, Holder
from stepladder.promotion import held
from stepladder.promotion.executions import StateMachine
from stepladder.promotion.outcome import PromotionOutcome, failure
from stepladder.releases import sources

ROOT = Path(__file__).resolve().parents[2]


def hold(harness: DeployHarness, **changes: Any) -> Holder:
    """Let another run of this machine, which lives, hold the rung."""
    now = harness.time.seconds
    holder = replace(
        Holder(
            **asdict(process_identity.this_process()),
            run_id="theirs",
            command="inv deploy --env staging",
            since=stamp(now),
            expires=int(now) + LEASE,
        ),
        **{"owner": "ann@laptop", **changes},
    )
    key = ("env#staging", "lock")
    harness.table.tables["hello-releases"][key] = schema.item(schema.LOCK.key(environment="staging"), holder)
    return holder


def apply(harness: DeployHarness) -> None:
    with infra.locked(harness.rung()):
        raise AssertionError("nothing is applied")


COMMANDS: dict[str, Callable[[DeployHarness], Any]] = {
    "deploy": lambda harness: harness.deploy(),
    "function.release": lambda harness: release_existing.release(harness.rung(), digest=digest("two"), no_smoke=True),
    "rollback": lambda harness: Rollback(harness.rung()).run(),
    "tf.apply": apply,
    "promote": lambda harness: held.check_free(StateMachine(harness.rung())),
}


@pytest.mark.parametrize("command", COMMANDS)
def test_a_held_lock_is_exit_code_7_and_names_its_holder(live: DeployHarness, command: str) -> None:
    live.source = "two"
    hold(live)
    with pytest.raises(LockedError, match="the lock of staging is held by ann@laptop") as locked:
        COMMANDS[command](live)
    assert locked.value.exit_code == ExitCode.LOCKED
    assert live.serves == digest("one")
    assert live.pushed == []


def test_a_deploy_that_does_not_wait_does_not_say_that_it_waits(live: DeployHarness) -> None:
    live.source = "two"
    hold(live)
    with pytest.raises(LockedError) as locked:
        live.deploy()
    assert "waiting" not in live.printed
    assert "`inv deploy --env staging --wait`" in locked.value.hint


def test_only_deploy_is_told_that_it_can_wait(live: DeployHarness) -> None:
    rung = replace(live.rung(), command="inv rollback --env staging")
    with pytest.raises(LockedError) as locked:
        rung.lock.check_free(hold(live))
    assert "--wait" not in locked.value.hint
    assert "`inv rollback --env staging`" in locked.value.hint


def test_a_deploy_that_waits_says_for_whom_and_goes_on(live: DeployHarness) -> None:
    live.source = "two"
    holder = hold(live)

    table = live.table.tables["hello-releases"]
    live.table.before("GetItem", lambda: table.pop(("env#staging", "lock")))
    assert live.deploy(wait=True).version == "2"
    assert f"minutes for ann@laptop (process {holder.pid})" in live.printed
    assert "took over" not in live.printed


def test_a_deploy_that_another_run_overtook_before_it_had_the_lock_reads_again(
    live: DeployHarness, monkeypatch: pytest.MonkeyPatch
) -> None:
    live.source = "three"
    commit, runs = sources.commit, ["two"]

    def between(settings: Any) -> Any:  # asked for behind the reads, before the lock
        if runs:
            other = copy.copy(live)
            other.source = runs.pop()
            Deploy(other.rung(), other, other, DeployOptions(no_smoke=True)).run()
        return commit(settings)

    monkeypatch.setattr(sources, "commit", between)
    report = live.deploy()
    assert (report.result, report.previous_digest) == ("released", digest("two"))
    assert live.serves == digest("three")
    assert "another run released here meanwhile" in live.printed


def test_a_dry_run_only_says_who_is_at_work(live: DeployHarness) -> None:
    live.source = "two"
    hold(live)
    assert live.deploy(dry_run=True).result == "dry_run"
    assert "is held by ann@laptop" in live.printed
    live.table.tables["hello-releases"].pop(("env#staging", "lock"))
    live.deploy()
    hold(live)
    assert Rollback(live.rung(), dry_run=True).run().result == "dry_run"
    assert "is held by ann@laptop" in live.printed


def test_what_a_promotion_holds_is_left_to_its_execution_to_find(live: DeployHarness) -> None:
    hold(live, host=PIPELINE_HOST, boot_id="", pid=0)
    held.check_free(StateMachine(live.rung()))


def _ended(*errors: str) -> PromotionOutcome:
    return PromotionOutcome(
        "refused", tuple({"environment": "p", "outcome": "refused", "error": e, "cause": "c"} for e in errors)
    )


class _Execution:
    name, arn = "n", "arn:n"


def test_a_promotion_that_met_a_lock_ends_with_exit_code_7() -> None:
    told = failure(None, _Execution(), _ended("LockedError", "SiblingFailed"))  # type: ignore[arg-type]
    assert told
    assert told.exit_code == ExitCode.LOCKED
    for errors in (("LockedError", "RefusedError"), ("RefusedError",), ()):
        told = failure(None, _Execution(), _ended(*errors))  # type: ignore[arg-type]
        assert told
        assert told.exit_code == ExitCode.REFUSED


def test_a_rollback_that_would_be_refused_says_so(live: DeployHarness) -> None:
    with pytest.raises(RefusedError, match="would be refused: there is no earlier good release") as refused:
        Rollback(live.rung(), dry_run=True).run()
    assert refused.value.exit_code == ExitCode.REFUSED


def test_a_dry_run_tells_all_steps_and_then_what_would_be_refused(live: DeployHarness) -> None:
    live.infra_inputs, live.source = "without its table", "two"
    live.preview_error = RefusedError("the plan would destroy what holds data", hint="`inv tf.plan --env staging`")
    with pytest.raises(RefusedError, match="would be refused: the plan would destroy what holds data") as refused:
        live.deploy(dry_run=True)
    assert "`inv tf.plan --env staging`" in refused.value.hint
    assert "would build and push" in live.printed
    assert "would be refused" in live.printed


def test_a_dry_run_in_ci_would_refuse_what_no_commit_holds(
    live: DeployHarness, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CI", "true")
    live.source = "two"
    with pytest.raises(RefusedError, match=r"would be refused: .*only what is committed"):
        live.deploy(dry_run=True)


def test_a_service_is_planned_with_the_image_that_is_live(live: DeployHarness) -> None:
    live.infra_inputs = "a second function"
    live.deploy()
    ((root, image, is_live),) = live.applied_with[-1:]
    assert (root, is_live) == ("service", True)
    assert image
    assert image.endswith(f"/hello@{digest('one')}")


def test_an_apply_by_hand_is_refused_where_it_would_make_a_deleted_alias_on_latest(live: DeployHarness) -> None:
    live.function.alias = None
    with pytest.raises(RefusedError, match=r"would make it on \$LATEST") as refused:
        infra.before(live.rung(), "service")
    assert "`inv deploy --env staging`" in refused.value.hint
    live.function.latest = None
    live.function.versions.clear()
    infra.before(live.rung(), "service")


def test_a_release_that_fails_gives_the_lock_back(live: DeployHarness) -> None:
    live.source = "two"
    live.function.fail("PublishVersion", DENIED)
    with pytest.raises(Exception, match="AccessDenied"):
        live.deploy()
    assert not live.items("lock")


def test_a_call_of_what_is_not_there_is_refused_with_the_command_that_makes_it(harness: DeployHarness) -> None:
    with pytest.raises(RefusedError, match="nothing is live on staging") as nothing:
        invoke.invoke(harness.rung(), {}, show=invoke.show_json)
    assert nothing.value.hint == "`inv deploy --env staging` makes it"
    harness.deploy()
    with pytest.raises(RefusedError, match="no version 99 of hello-staging"):
        invoke.invoke(harness.rung(), {}, version="99", show=invoke.show_json)


def test_a_digest_with_other_than_hexadecimal_digits_is_bad_input(harness: DeployHarness) -> None:
    harness.deploy()
    for wrong in ("zzzzzzzz", "zz", "sha256:" + "g" * 64):
        with pytest.raises(BadInputError, match="is no digest"):
            release_existing.release(harness.rung(), digest=wrong)


def test_an_event_file_that_is_not_there_is_named_without_an_error_number() -> None:
    with pytest.raises(BadInputError, match=r"^the event file none\.json can't be read: No such file or directory$"):
        invoke.read_payload("", "none.json")


def test_infra_never_on_what_was_never_applied_names_the_command_for_that_environment(harness: DeployHarness) -> None:
    with pytest.raises(RefusedError, match="the foundation of staging has not been applied") as refused:
        harness.deploy(infra="never")
    assert "`inv deploy --env staging --infra auto`" in refused.value.hint


def test_files_that_no_image_can_be_made_of_are_refused_before_anything_is_applied(harness: DeployHarness) -> None:
    harness.broken = BadInputError("its code has a syntax error")
    with pytest.raises(BadInputError, match="syntax error"):
        harness.deploy()
    assert harness.applied == []
    harness.broken = None
    harness.deploy()
    harness.applied.clear()
    harness.source, harness.infra_inputs = "two", "two"
    harness.broken = BadInputError("its code has a syntax error")
    with pytest.raises(BadInputError, match="syntax error"):
        harness.deploy()
    assert harness.applied == []
