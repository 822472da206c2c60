"""What may be promoted, as far as it is known before anything is started."""

from dataclasses import replace

import pytest
from fakes.deploy_harness import TABLE, DeployHarness

from stepladder.core.errors import BadInputError, RefusedError
from stepladder.ledger.schema import FAILED, ROLLBACK_FAILED, ROLLED_BACK, SUCCEEDED, Bad, ReleaseEntry
from stepladder.promotion.executions import StateMachine
from stepladder.promotion.plan import plan_promotion, read_state
from stepladder.promotion.subject import PromotionOptions, check_mark, read_subject

DIGEST = "sha256:" + "b" * 64
RELEASE = "20261121T230501Z-a1b2c3"


@pytest.fixture
def harness(tmp_path):
    harness = DeployHarness(tmp_path)
    harness.table.tables[TABLE] = {}
    return harness


def released(harness, result, cause=""):
    harness.rung().ledger.write(
        ReleaseEntry(
            RELEASE, "staging", "deploy", "8", "7", DIGEST, "c0ffee", "jo", result, "then", "now", cause, input_key="k"
        )
    )


def test_a_release_of_the_lowest_rung_that_succeeded_may_be_promoted(harness):
    released(harness, SUCCEEDED)
    found = read_subject(harness.rung(), PromotionOptions(release=RELEASE))
    assert (found.digest, found.git_commit, found.input_key) == (DIGEST, "c0ffee", "k")


def test_a_digest_is_promoted_with_the_commit_that_was_released_and_not_with_that_of_a_later_refusal(harness):
    released(harness, SUCCEEDED)
    entry = harness.rung().ledger.find("staging", RELEASE)
    later = replace(entry, release_id="20261121T230601Z-a1b2c3", git_commit="c0ffee-dirty", result=FAILED)
    harness.rung().ledger.write(later)
    assert read_subject(harness.rung(), PromotionOptions(digest=DIGEST)).git_commit == "c0ffee"


@pytest.mark.parametrize("result", [FAILED, ROLLED_BACK, ROLLBACK_FAILED])
def test_one_that_did_not_is_refused_with_its_cause_but_by_force(result, harness):
    released(harness, result, "says hello: status 500")
    with pytest.raises(RefusedError, match=f"ended {result} on staging: says hello: status 500") as refused:
        plan_promotion(StateMachine(harness.rung()), PromotionOptions(release=RELEASE))
    assert "--force" in refused.value.hint
    assert read_subject(harness.rung(), PromotionOptions(release=RELEASE, force=True)).digest == DIGEST


@pytest.mark.parametrize("force", [False, True])
def test_one_that_failed_before_it_had_an_image_is_refused_also_by_force(force, harness):
    entry = ReleaseEntry(RELEASE, "staging", "deploy", "", "", "", "none", "jo", FAILED, "then", "now", "apply failed")
    harness.rung().ledger.write(entry)
    with pytest.raises(RefusedError, match="before it had an image: apply failed") as refused:
        read_subject(harness.rung(), PromotionOptions(release=RELEASE, force=force))
    assert "--force" not in refused.value.hint


def test_a_release_that_never_was_is_bad_input(harness):
    with pytest.raises(BadInputError, match="staging has no release"):
        plan_promotion(StateMachine(harness.rung()), PromotionOptions(release=RELEASE))


def test_a_digest_that_was_marked_bad_is_refused_whichever_way_it_is_named(harness):
    released(harness, SUCCEEDED)
    harness.rung().ledger.mark_bad(DIGEST, Bad("today", "the promotion of jo", "rolled back on production"))
    for request in (PromotionOptions(release=RELEASE), PromotionOptions(digest=DIGEST)):
        with pytest.raises(RefusedError, match="marked bad by the promotion of jo"):
            plan_promotion(StateMachine(harness.rung()), request)


@pytest.mark.parametrize(
    "request_", [PromotionOptions(), PromotionOptions(digest=DIGEST)], ids=["what it runs", "a digest"]
)
@pytest.mark.parametrize("made", [False, True], ids=["no service", "never released"])
def test_nothing_is_promoted_before_the_lowest_rung_has_a_release(request_, made, harness):
    if made:
        harness.function.create(f"registry/hello@{DIGEST}")
    with pytest.raises(RefusedError, match="staging has no") as refused:
        plan_promotion(StateMachine(harness.rung()), request_)
    assert "`inv deploy --env staging`" in refused.value.hint


def test_a_rung_without_a_service_is_told_apart_from_one_that_was_never_released(harness):
    assert read_state(harness.rung(), DIGEST) == "missing"
    harness.function.create(f"registry/hello@{DIGEST}")
    assert read_state(harness.rung(), DIGEST) == "unreleased", "whatever image $LATEST has"


@pytest.mark.parametrize("made", [False, True], ids=["no service", "a service"])
def test_another_account_is_refused_whether_the_rung_has_a_service_or_not(made, harness):
    harness.sts.account = "999999999999"
    if made:
        harness.function.create(f"registry/hello@{DIGEST}")
        harness.function.alias["AliasArn"] = harness.function.alias["AliasArn"].replace("123456789012", "999999999999")
    with pytest.raises(RefusedError, match="these credentials reach account 999999999999"):
        read_state(harness.rung(), DIGEST)


def test_a_location_without_a_ledger_knows_of_no_bad_mark(harness):
    harness.table.tables.clear()
    check_mark(harness.rung(), DIGEST)


class TestServing:
    @pytest.fixture
    def deployed(self, harness):
        harness.deploy()
        return harness

    def test_a_rung_serves_a_digest_while_its_configuration_is_the_version_s(self, deployed):
        assert read_state(deployed.rung(), deployed.serves) == "serves"
        assert read_state(deployed.rung(), DIGEST) == "other"

    def test_a_configuration_that_terraform_changed_since_has_to_be_promoted(self, deployed):
        deployed.function.configure(MemorySize=2048)
        assert read_state(deployed.rung(), deployed.serves) == "other"

    def test_a_weighted_rung_serves_nothing_alone(self, deployed):
        digest = deployed.serves
        deployed.function.point("1", {"2": 0.1})
        assert read_state(deployed.rung(), digest) == "other"
