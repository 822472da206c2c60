"""Above the lowest rung images arrive by promotion: what `inv deploy` and `inv function.release` release there."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from fakes.deploy_harness import REPOSITORY, DeployHarness, digest
from fakes.lambda_ import ACCOUNT, REGION

from stepladder.commands import release_existing
from stepladder.core import git
from stepladder.core.errors import BadInputError, RefusedError
from stepladder.ledger.schema import Bad
from stepladder.promotion.subject import PromotionOptions, read_subject
from stepladder.releases import registered, sources
from stepladder.releases.interfaces import ReleaseImage
from stepladder.releases.rung import Rung

PLACE = {"account": ACCOUNT, "region": REGION}


class Ladder:
    """A project whose staging runs an image; `production` is above it, `second` beside that if it is a rung's."""

    def __init__(self, root: Path, rungs: list[Any], **settings: Any) -> None:
        names = [name for rung in rungs for name in (rung if isinstance(rung, list) else [rung])]
        environments = dict.fromkeys((*names, "preview"), PLACE)
        shared = {"rungs": rungs, "environments": environments, **settings}
        self.staging = DeployHarness(root, **shared)
        self.staging.deploy()
        others = {
            name: DeployHarness(root, name=name, below=self.staging, **shared)
            for name in environments
            if name != "staging"
        }
        self.harnesses = others | {"staging": self.staging}
        self.production = others.get("production", self.staging)

    def say(self, source: str) -> None:
        """Change the handler."""
        for harness in self.harnesses.values():
            harness.source = source


@pytest.fixture
def ladder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Ladder:
    """Two rungs, the higher one never released."""
    monkeypatch.delenv("CI", raising=False)
    return Ladder(tmp_path, ["staging", "production"])


@pytest.fixture
def released(ladder: Ladder) -> Ladder:
    """Two rungs that serve the same image."""
    ladder.production.deploy()
    ladder.production.applied.clear()
    ladder.production.fetched.clear()
    return ladder


def unmoved(harness: DeployHarness) -> bool:
    """Whether nothing was built, applied or written."""
    writes = [call for call in harness.aws.calls if ":Put" in call or ":Update" in call or ":Transact" in call]
    return not (harness.pushed or harness.fetched or harness.applied or writes)


def test_changed_code_that_staging_never_ran_is_refused_on_production_before_anything_is_done(released: Ladder) -> None:
    released.say("two")
    with pytest.raises(RefusedError, match="production gets its images by promotion") as refused:
        released.production.deploy()
    assert unmoved(released.production)
    assert released.production.serves == digest("one")
    for command in (
        "`inv deploy --env staging`",
        "`inv promote`",
        '`inv deploy --env production --skip-ladder --why "..."`',
    ):
        assert command in refused.value.hint


def test_changed_code_is_refused_on_production_though_staging_runs_it(released: Ladder) -> None:
    released.say("two")
    released.staging.deploy()
    with pytest.raises(RefusedError, match="by promotion"):
        released.production.deploy()
    assert unmoved(released.production)


def test_force_is_no_way_round_the_ladder(released: Ladder) -> None:
    released.say("two")
    with pytest.raises(RefusedError, match="by promotion"):
        released.production.deploy(force=True)
    assert unmoved(released.production)


def test_a_dry_run_says_that_production_would_refuse(released: Ladder) -> None:
    released.say("two")
    with pytest.raises(RefusedError, match="would be refused: production gets its images by promotion"):
        released.production.deploy(dry_run=True)


def test_a_new_configuration_of_the_image_that_production_serves_is_applied_and_released(released: Ladder) -> None:
    production = released.production
    production.infra_inputs = "more memory"
    production.terraform = {"MemorySize": 512}
    report = production.deploy()
    assert (report.result, report.version, report.digest) == ("released", "2", digest("one"))
    assert (production.applied, production.pushed, production.fetched) == (["service"], [], [])
    assert production.releases[-1].get("skipped_ladder") is None


def test_with_nothing_changed_production_takes_two_calls_too(released: Ladder) -> None:
    production = released.production
    assert production.deploy().result == "unchanged"
    assert sorted(production.aws.calls) == ["dynamodb:BatchGetItem", "lambda:GetAlias"]


def test_the_first_release_of_production_is_the_image_that_staging_serves(ladder: Ladder) -> None:
    report = ladder.production.deploy()
    assert (report.version, report.digest) == ("1", digest("one"))
    assert (ladder.production.pushed, ladder.production.fetched) == ([], ["staging"])
    assert "staging serves" in ladder.production.printed


def test_a_dry_run_of_the_first_release_says_where_the_image_comes_from(ladder: Ladder) -> None:
    ladder.production.deploy(dry_run=True)
    assert "would release it as it is: staging serves" in ladder.production.printed
    assert unmoved(ladder.production)


def test_the_first_release_of_production_leaves_changed_files_out(ladder: Ladder) -> None:
    ladder.say("two")
    ladder.production.deploy()
    assert ladder.production.serves == digest("one")
    assert ladder.production.pushed == []
    assert "it is left out: staging serves" in ladder.production.printed


def test_the_release_tells_the_commit_of_the_image_and_not_of_the_files(ladder: Ladder) -> None:
    release = ladder.staging.releases[-1]["release_id"]
    described = f"rel={release} git=abc123-dirty img={digest('one')[7:19]}"
    ladder.staging.function.versions["1"]["Description"] = described
    ladder.production.deploy()
    assert ladder.production.releases[-1]["git_commit"] == "abc123-dirty"


def test_files_that_were_committed_after_a_refused_deploy_are_released_and_promoted_as_their_commit(
    ladder: Ladder, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Lambda makes no second version of the same code, so the one that serves is described by the refused release."""
    at, staging = {"sha": "a" * 40, "changed": "handler.py"}, ladder.staging
    monkeypatch.setattr(sources, "commit", lambda _settings: git.Commit(**at))
    staging.case("answers", payload={}, expect={"status": 201})
    ladder.say("two")
    with pytest.raises(RefusedError, match="fails 1 of 1 smoke cases"):
        staging.deploy()
    staging.case("answers", payload={}, expect={"status": 200})
    at.update(sha="b" * 40, changed="")
    assert staging.deploy().version == "2"
    assert f"git={'a' * 40}-dirty" in staging.function.versions["2"]["Description"]
    assert staging.releases[-1]["git_commit"] == "b" * 40
    assert read_subject(staging.rung(), PromotionOptions()).git_commit == "b" * 40
    ladder.production.deploy()
    assert ladder.production.releases[-1]["git_commit"] == "b" * 40


def test_a_first_release_that_asks_for_an_approval_is_refused(tmp_path: Path) -> None:
    ladder = Ladder(tmp_path, ["staging", "production"], promotion={"rungs": {"production": {"approval": True}}})
    with pytest.raises(RefusedError, match="needs an approval") as refused:
        ladder.production.deploy()
    assert unmoved(ladder.production)
    assert "`inv promote`" in refused.value.hint


def test_an_approval_is_no_hindrance_to_a_new_configuration(tmp_path: Path) -> None:
    ladder = Ladder(tmp_path, ["staging", "production"], promotion={"rungs": {"production": {"approval": True}}})
    production = ladder.production
    production.deploy(skip_ladder=True, why="the first")
    production.infra_inputs, production.terraform = "more memory", {"MemorySize": 512}
    assert production.deploy().version == "2"


def test_production_is_not_released_before_staging(tmp_path: Path) -> None:
    ladder = Ladder(tmp_path, ["staging", "middle", "production"])
    with pytest.raises(RefusedError, match="neither was middle below it") as refused:
        ladder.production.deploy()
    assert unmoved(ladder.production)
    assert "`inv deploy --env middle`" in refused.value.hint


def test_the_image_comes_from_the_rung_just_below(tmp_path: Path) -> None:
    ladder = Ladder(tmp_path, ["staging", "middle", "production"])
    ladder.harnesses["middle"].deploy()
    ladder.say("two")
    ladder.staging.deploy()
    ladder.production.deploy()
    assert ladder.production.serves == digest("one")


@pytest.mark.parametrize("how", ["weighted", "under way", r"on $LATEST"])
def test_a_rung_below_in_motion_gives_no_image(ladder: Ladder, how: str) -> None:
    staging = ladder.staging
    if how == "weighted":
        staging.function.point("1", {"7": 0.1})
    elif how == "under way":
        ladder.production.codedeploy.active = "d-1"
    else:
        staging.function.point("$LATEST")
    with pytest.raises(RefusedError):
        ladder.production.deploy()
    assert unmoved(ladder.production)


def test_a_bad_image_below_is_refused_before_anything_is_applied_and_taken_with_force(ladder: Ladder) -> None:
    ladder.staging.rung().ledger.mark_bad(digest("one"), Bad("2026-11-21T00:00:00Z", "ann@host", "it burns"))
    with pytest.raises(RefusedError, match="it burns"):
        ladder.production.deploy()
    assert unmoved(ladder.production)
    assert ladder.production.deploy(force=True).version == "1"


def test_the_targets_of_one_rung_are_each_released_from_the_rung_below(tmp_path: Path) -> None:
    ladder = Ladder(tmp_path, ["staging", ["prodeu", "produs"]])
    for name in ("prodeu", "produs"):
        assert ladder.harnesses[name].deploy().digest == digest("one")


def test_a_new_target_gets_what_the_others_of_its_rung_serve(tmp_path: Path) -> None:
    ladder = Ladder(tmp_path, ["staging", ["prodeu", "produs"]])
    ladder.harnesses["prodeu"].deploy()
    ladder.say("two")
    ladder.staging.deploy()
    assert ladder.harnesses["produs"].deploy().digest == digest("one")
    assert ladder.harnesses["produs"].fetched == ["prodeu"]


def test_targets_below_that_serve_different_images_give_none(tmp_path: Path) -> None:
    ladder = Ladder(tmp_path, ["staging", ["testa", "testb"], "production"])
    ladder.harnesses["testa"].deploy()
    ladder.say("two")
    ladder.harnesses["testb"].deploy(skip_ladder=True, why="to see")
    with pytest.raises(RefusedError, match="don't serve one image"):
        ladder.production.deploy()
    assert unmoved(ladder.production)


def test_an_environment_off_the_ladder_is_free(ladder: Ladder) -> None:
    ladder.say("two")
    preview = ladder.harnesses["preview"]
    assert preview.deploy().digest == digest("two")
    preview.source = "three"
    assert preview.deploy().digest == digest("three")
    assert "skipped_ladder" not in preview.releases[-1]


def test_skipping_the_ladder_releases_the_files_and_is_written_down(released: Ladder) -> None:
    released.say("two")
    production = released.production
    report = production.deploy(skip_ladder=True, why="the site is down")
    assert (report.digest, report.skipped_ladder) == (digest("two"), "the site is down")
    assert production.releases[-1]["skipped_ladder"] == "the site is down"
    assert "past the ladder: the site is down" in production.printed


def test_skipping_the_ladder_needs_a_reason(released: Ladder) -> None:
    for why in ("", "  "):
        with pytest.raises(BadInputError, match="needs a reason"):
            released.production.deploy(skip_ladder=True, why=why)
    with pytest.raises(BadInputError, match="belongs to --skip-ladder"):
        released.production.deploy(why="so")


def test_on_the_lowest_rung_there_is_nothing_to_skip(ladder: Ladder) -> None:
    ladder.say("two")
    ladder.staging.deploy(skip_ladder=True, why="habit")
    assert "skipped_ladder" not in ladder.staging.releases[-1]


def test_a_function_that_somebody_deleted_comes_back_with_the_image_that_it_served(released: Ladder) -> None:
    production = released.production
    released.say("two")
    released.staging.deploy()
    production.function.latest, production.function.alias = None, None
    production.function.versions.clear()
    production.deploy()
    assert production.serves == digest("one")
    assert production.applied == ["service"]


def test_a_first_release_that_failed_is_tried_again_with_what_staging_serves_then(ladder: Ladder) -> None:
    production = ladder.production
    production.function.fail("PublishVersion", RuntimeError("no"))
    with pytest.raises(RuntimeError):
        production.deploy()
    ladder.say("two")
    ladder.staging.deploy()
    assert production.deploy().digest == digest("two")


# function.release


@pytest.fixture
def registry(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Every image is in every repository; the list tells from which rungs one was asked for."""
    asked: list[str] = []

    def read(_rung: Rung, wanted: str, origin: Rung | None = None) -> ReleaseImage:
        asked.append(origin.environment if origin else "")
        return ReleaseImage(wanted, f"{REPOSITORY}@{wanted}", "abc", "key")

    monkeypatch.setattr(registered, "read", read)
    return asked


def test_an_image_that_was_released_is_released_again_as_the_commit_that_it_was_released_as(
    released: Ladder, registry: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """The image's own label names the commit at its build, from which its files may have differed."""
    staging = released.staging
    for number, source in enumerate(("two", "three")):
        monkeypatch.setattr(sources, "commit", lambda _settings, at=str(number): git.Commit(at * 40, ""))
        released.say(source)
        staging.deploy()
    release_existing.release(staging.rung(), digest=digest("two"), no_smoke=True)
    assert registry == [""]
    assert staging.releases[-1]["git_commit"] == "0" * 40


def test_another_image_is_not_released_on_production_by_hand(released: Ladder, registry: list[str]) -> None:
    released.say("two")
    released.staging.deploy()
    with pytest.raises(RefusedError, match="by promotion") as refused:
        release_existing.release(released.production.rung(), digest=digest("two"), no_smoke=True)
    assert f"`inv promote --digest {digest('two')}`" in refused.value.hint
    assert f'`inv function.release --env production --digest {digest("two")} --skip-ladder --why "..."`' in (
        refused.value.hint
    )
    assert released.production.serves == digest("one")
    assert registry == []


def test_another_image_is_released_by_hand_past_the_ladder_with_a_reason(released: Ladder, registry: list[str]) -> None:
    released.production.time.seconds += 1
    release_existing.release(
        released.production.rung(), digest=digest("two"), no_smoke=True, skip_ladder=True, why="it burns"
    )
    assert released.production.serves == digest("two")
    assert released.production.releases[-1]["skipped_ladder"] == "it burns"
    assert registry == [""]


def test_the_image_that_production_serves_is_released_by_hand_with_its_configuration(
    released: Ladder, registry: list[str]
) -> None:
    release_existing.release(released.production.rung(), digest=digest("one"), no_smoke=True)
    assert released.production.serves == digest("one")
    assert registry == [""]


def test_a_first_release_by_hand_is_of_what_the_rung_below_serves(ladder: Ladder, registry: list[str]) -> None:
    production = ladder.production
    production.function.fail("PublishVersion", RuntimeError("no"))
    with pytest.raises(RuntimeError):
        production.deploy()
    with pytest.raises(RefusedError, match="staging serves"):
        release_existing.release(production.rung(), digest=digest("two"), no_smoke=True)
    release_existing.release(production.rung(), digest=digest("one"), no_smoke=True)
    assert registry == ["staging"]


def test_by_hand_the_lowest_rung_is_free(ladder: Ladder, registry: list[str]) -> None:
    release_existing.release(ladder.staging.rung(), digest=digest("two"), no_smoke=True)
    assert ladder.staging.serves == digest("two")
    assert registry == [""]
