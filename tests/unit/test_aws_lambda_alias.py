"""The moment in which the alias moves: lost answers, outages, somebody else's hand, the way back."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from botocore.exceptions import ReadTimeoutError
from fakes.deploy_harness import REPOSITORY, DeployHarness, digest
from fakes.errors import DENIED, error

from stepladder.core.errors import RefusedError, RollbackFailedError, RolledBackError

CUT = ReadTimeoutError(endpoint_url="https://lambda")


def raiser(failure: Exception) -> Callable[[], None]:
    def act() -> None:
        raise failure

    return act


def test_an_alias_that_moved_though_its_answer_was_lost_is_a_release(live: DeployHarness) -> None:
    live.source = "two"
    live.function.after("UpdateAlias", raiser(CUT))
    live.function.fail("GetAlias", CUT, times=3, after=1)
    assert live.deploy().version == "2"
    assert (live.releases[-1]["result"], live.serves) == ("succeeded", digest("two"))


def test_an_alias_that_did_not_move_in_an_outage_is_a_failure(live: DeployHarness) -> None:
    live.source = "two"
    live.function.fail("UpdateAlias", CUT)
    with pytest.raises(ReadTimeoutError):
        live.deploy()
    assert (live.releases[-1]["result"], live.serves) == ("failed", digest("one"))


def test_an_alias_of_which_nobody_can_tell_whether_it_moved_is_the_loudest_error(live: DeployHarness) -> None:
    live.source = "two"
    live.function.after("UpdateAlias", raiser(CUT))
    live.function.fail("GetAlias", CUT, times=1000, after=1)
    with pytest.raises(RollbackFailedError, match="may serve version 2 or 1"):
        live.deploy()
    assert live.releases[-1]["result"] == "rollback_failed"


def test_an_alias_that_was_moved_away_during_a_build_is_not_taken_for_served(live: DeployHarness) -> None:
    live.source = "two"
    live.deploy()
    live.source, live.infra_inputs = "one", "other"
    live.function.versions["3"] = live.function.versions["1"] | {"Version": "3"}
    live.function.point("3")  # so that publishing gives the version that serves already
    live.function.give(f"{REPOSITORY}@{digest('one')}")
    live.on_prepare = None
    live.function.before("PublishVersion", lambda: live.function.point("2"))
    with pytest.raises(RefusedError, match="now serves version 2"):
        live.deploy(infra="never")
    assert live.releases[-1]["result"] == "failed"


@pytest.mark.parametrize("action", ["UpdateFunctionCode", "UpdateAlias"])
def test_a_request_that_was_sent_twice_is_recognised_as_our_own(live: DeployHarness, action: str) -> None:
    live.source = "two"

    def lost() -> None:
        raise error("ServiceException", 500)

    live.function.after(action, lost)
    assert live.deploy().version == "2"
    assert live.serves == digest("two")


def test_an_alias_moved_by_hand_during_the_release_is_not_overwritten(live: DeployHarness) -> None:
    live.source = "two"
    live.deploy()
    live.source = "three"
    live.function.before("UpdateAlias", lambda: live.function.point("1"))
    with pytest.raises(RefusedError, match="changed by somebody else during this release and now serves version 1"):
        live.deploy()
    assert live.serves == digest("one")
    assert live.releases[-1]["result"] == "failed"


def test_an_alias_that_can_t_be_verified_is_put_back(live: DeployHarness) -> None:
    live.source = "two"
    live.function.versions["9"] = live.function.versions["1"]
    live.function.after("UpdateAlias", lambda: live.function.point("9"))
    with pytest.raises(RolledBackError, match="serves version 1 again, verified"):
        live.deploy()
    assert live.serves == digest("one")
    assert live.releases[-1]["result"] == "rolled_back"


def test_a_return_that_fails_is_the_loudest_error(live: DeployHarness) -> None:
    live.source = "two"
    live.function.versions["9"] = live.function.versions["1"]
    live.function.after("UpdateAlias", lambda: live.function.point("9"))
    live.function.fail("UpdateAlias", DENIED, times=5, after=1)
    with pytest.raises(RollbackFailedError, match="putting it back to 1 failed: AccessDeniedException"):
        live.deploy()
    assert live.releases[-1]["result"] == "rollback_failed"
