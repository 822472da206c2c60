"""Previews from end to end of their life: deployed, listed, shown, swept, destroyed; on fakes, with a fake clock."""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from botocore.exceptions import ClientError
from fakes.deploy_harness import TABLE, DeployHarness

from stepladder.collections import usage
from stepladder.commands import preview_deploy, previews
from stepladder.commands.deploy import Deploy, DeployOptions
from stepladder.core.console import Console
from stepladder.core.errors import BadInputError, ExitCode, LockedError, RefusedError, StepladderError
from stepladder.destroy import targets
from stepladder.forge.interface import Forge, Posted
from stepladder.ledger.schema import Preview
from stepladder.releases import preview_file
from stepladder.releases.adapters import ProjectInfra
from stepladder.releases.preview_file import PreviewResult
from stepladder.releases.report import DeployReport
from stepladder.releases.rung import Rung
from stepladder.settings import load

HOUR = 3600
ENABLED = {"previews": {"enabled": True, "limit": 3, "ttl_hours": 24}, "triggers": ["url-iam"]}


class FakeForge(Forge):
    """A forge whose changes are open, but for those that are closed; None stands for one that may not say."""

    name = "fake"

    def __init__(
        self,
        number: str = "",
        closed: set[str] | None = frozenset(),  # type: ignore[assignment]
        source: str = "",
    ) -> None:
        self.number, self.closed, self.at = number, closed, source
        self.sections: dict[str, str] = {}

    def detect(self) -> bool:
        return True

    def change_request(self) -> str:
        return self.number

    def source(self) -> str:
        return self.at

    def job_url(self) -> str:
        return f"{self.at}/jobs/1" if self.at else ""

    def is_closed(self, number: str) -> bool | None:
        return None if self.closed is None else number in self.closed

    def section(self, number: str, markdown: str, marker: str, name: str) -> Posted:
        assert (marker, name) == ("stepladder:plan", "preview")
        self.sections[number] = markdown
        return Posted("updated")


class Destroyer:
    """What destroys an environment; it fails as it is told."""

    def __init__(self, **errors: Exception) -> None:
        self.errors = {name.replace("_", "-"): error for name, error in errors.items()}
        self.destroyed: list[str] = []

    def __call__(self, _settings: object, environment: str) -> Any:
        if environment in self.errors:
            raise self.errors[environment]
        self.destroyed.append(environment)
        return self

    result = "destroyed"


@pytest.fixture
def base(tmp_path: Path) -> DeployHarness:
    """The lowest rung, which was deployed."""
    harness = DeployHarness(tmp_path, **ENABLED)
    harness.deploy()
    return harness


def rung(base: DeployHarness, name: str, *, as_json: bool = False) -> Rung:
    console = Console(err=base.err, out=base.out, live=False, as_json=as_json)
    return replace(base.rung(), environment=name, console=console)


def deployed(base: DeployHarness, name: str, act: Callable[[], DeployReport] | None = None, **more: Any) -> Any:
    """Deploy a preview, by another hand than a release's, which has tests of its own."""
    report = DeployReport(name, "released", version="1", url=f"https://{name}.example/", git_commit="abcdef0123456789")
    return preview_deploy.around(rung(base, name), act or (lambda: report), dry_run=more.get("dry_run", False))


def records(base: DeployHarness) -> dict[str, Preview]:
    return base.rung().ledger.previews()


def swept(base: DeployHarness, act: Destroyer, forge: Forge | None = None, **more: Any) -> dict[str, str]:
    results = previews.sweep(base.rung(), act=act, forge=forge or FakeForge(), **more)
    return {each.environment: each.result for each in results}


# deploy


def test_a_preview_goes_the_way_of_every_deploy_and_leaves_the_foundation(tmp_path: Path, base: DeployHarness) -> None:
    preview = DeployHarness(tmp_path, name="pr-7", below=base, **ENABLED)
    preview.foundation_inputs = "changed by this change"
    report = preview.deploy()
    assert (report.result, preview.applied) == ("released", ["service"])
    assert preview.serves == report.digest
    assert preview.items("current")


def test_the_ledger_lists_a_preview_before_anything_of_it_is_made_and_its_url_after(base: DeployHarness) -> None:
    seen: list[Preview] = []

    def act() -> DeployReport:
        seen.append(records(base)["pr-7"])
        return DeployReport("pr-7", "released", url="https://x.example/")

    deployed(base, "pr-7", act)
    assert (seen[0].url, records(base)["pr-7"].url) == ("", "https://x.example/")
    assert records(base)["pr-7"].until > seen[0].since


def test_another_deploy_moves_its_end_and_not_its_beginning(base: DeployHarness) -> None:
    deployed(base, "pr-7")
    first = records(base)["pr-7"]
    base.time.seconds += HOUR
    deployed(base, "pr-7")
    again = records(base)["pr-7"]
    assert (again.since, again.url) == (first.since, first.url)
    assert again.until > first.until


def test_a_deploy_that_fails_leaves_a_preview_that_is_listed_and_a_file_that_says_why(base: DeployHarness) -> None:
    def act() -> DeployReport:
        raise RefusedError("the smoke cases failed")

    with pytest.raises(RefusedError):
        deployed(base, "pr-7", act)
    assert list(records(base)) == ["pr-7"]
    result = preview_file.read(base.settings, "pr-7")
    assert (result.result, result.problem) == ("failed", "the smoke cases failed")


def test_a_dry_run_records_nothing(base: DeployHarness) -> None:
    deployed(base, "pr-7", dry_run=True)
    assert records(base) == {}


def test_more_previews_than_there_may_be_are_refused_and_one_that_is_there_is_not(base: DeployHarness) -> None:
    for name in ("pr-1", "pr-2", "pr-3"):
        deployed(base, name)
        base.time.seconds += 1
    deployed(base, "pr-1")
    with pytest.raises(RefusedError, match="there are 3 previews, and there may be 3") as caught:
        deployed(base, "pr-4")
    assert caught.value.kind == "preview-limit"
    assert "`inv preview.destroy --env pr-2`" in caught.value.hint
    assert "pr-4" not in records(base)


def test_a_preview_of_a_project_that_was_never_deployed_is_refused(tmp_path: Path) -> None:
    with pytest.raises(RefusedError, match="staging was never deployed") as caught:
        deployed(DeployHarness(tmp_path, **ENABLED), "pr-1")
    assert "`inv deploy --env staging`" in caught.value.hint


def test_an_image_repository_that_is_not_there_yet_is_a_persons_to_make(tmp_path: Path, base: DeployHarness) -> None:
    preview = DeployHarness(tmp_path, name="pr-7", below=base, **ENABLED)
    preview.has_repository = False
    with pytest.raises(StepladderError) as caught:
        Deploy(preview.rung(), preview, preview, DeployOptions(no_smoke=True)).run()
    assert "`inv tf.plan --env pr-7 --root foundation`" in caught.value.hint
    assert "foundation" not in preview.applied


# list


def test_the_list_shows_each_preview_and_says_when_there_is_none(base: DeployHarness) -> None:
    base.err.truncate(0)
    previews.show(base.rung())
    assert "there are no previews" in base.printed
    deployed(base, "pr-7")
    previews.show(base.rung())
    assert "https://pr-7.example/" in base.printed + base.out.getvalue()
    previews.show(rung(base, "staging", as_json=True))
    text = base.out.getvalue()
    assert json.loads(text[text.index("{\n") :])["previews"]["pr-7"]["url"] == "https://pr-7.example/"


# sweep


def test_a_sweep_destroys_what_is_past_its_time_or_closed_and_keeps_the_rest(base: DeployHarness) -> None:
    deployed(base, "pr-1")
    base.time.seconds += 20 * HOUR
    deployed(base, "pr-2")
    deployed(base, "pr-3")
    base.time.seconds += 5 * HOUR
    act, forge = Destroyer(), FakeForge(closed={"3"})
    assert swept(base, act, forge) == {"pr-1": "destroyed", "pr-2": "kept", "pr-3": "destroyed"}
    assert act.destroyed == ["pr-1", "pr-3"]
    assert list(records(base)) == ["pr-2"]
    forge.sections.clear()
    previews.comment(base.settings, Console(err=base.err, out=base.out, live=False), forge=forge)
    assert forge.sections["1"].startswith("~~**preview** `pr-1` <https://pr-1.example/>~~ destroyed: its time is over")
    assert "its change is closed" in forge.sections["3"]
    assert not forge.sections["2"].startswith("~~")


def test_a_sweep_without_a_token_of_the_forge_goes_by_time_alone(base: DeployHarness) -> None:
    deployed(base, "pr-1")
    act = Destroyer()
    assert swept(base, act, FakeForge(closed=None)) == {"pr-1": "kept"}
    base.time.seconds += 25 * HOUR
    assert swept(base, act, FakeForge(closed=None)) == {"pr-1": "destroyed"}


def test_a_dry_run_of_a_sweep_destroys_nothing(base: DeployHarness) -> None:
    deployed(base, "pr-1")
    base.time.seconds += 25 * HOUR
    act = Destroyer()
    assert swept(base, act, dry_run=True) == {"pr-1": "would be destroyed"}
    assert (act.destroyed, list(records(base))) == ([], ["pr-1"])


def test_a_sweep_is_bounded_and_begins_with_what_is_longest_over(base: DeployHarness) -> None:
    for name in ("pr-2", "pr-1", "pr-3"):
        deployed(base, name)
        base.time.seconds += HOUR
    base.time.seconds += 30 * HOUR
    act = Destroyer()
    assert swept(base, act, most=2) == {"pr-2": "destroyed", "pr-1": "destroyed", "pr-3": "left"}
    assert act.destroyed == ["pr-2", "pr-1"]


def test_one_that_fails_stops_no_other_and_fails_the_sweep_and_a_busy_one_does_not(base: DeployHarness) -> None:
    for name in ("pr-1", "pr-2", "pr-3"):
        deployed(base, name)
    base.time.seconds += 25 * HOUR
    denied = ClientError({"Error": {"Code": "AccessDenied", "Message": "no"}}, "DeleteFunction")
    act = Destroyer(pr_1=denied, pr_2=LockedError("pr-2 is locked"))
    with pytest.raises(StepladderError, match="not destroyed: pr-1") as caught:
        swept(base, act)
    assert (caught.value.kind, caught.value.exit_code) == ("preview-left", ExitCode.FAILED)
    assert "`inv preview.destroy --env pr-1`" in caught.value.hint
    assert act.destroyed == ["pr-3"]
    assert [each["result"] for each in caught.value.record["previews"]][1:] == ["busy", "destroyed"]  # type: ignore[index]
    assert list(records(base)) == ["pr-1", "pr-2"]
    assert swept(base, Destroyer()) == {"pr-1": "destroyed", "pr-2": "destroyed"}


def test_a_preview_that_is_deployed_again_while_others_are_swept_stays(base: DeployHarness) -> None:
    deployed(base, "pr-1")
    deployed(base, "pr-2")
    base.time.seconds += 25 * HOUR

    class DeployedMeanwhile(Destroyer):
        def __call__(self, settings: object, environment: str) -> Any:
            deployed(base, "pr-2")
            return super().__call__(settings, environment)

    act = DeployedMeanwhile()
    assert swept(base, act) == {"pr-1": "destroyed", "pr-2": "kept"}
    assert act.destroyed == ["pr-1"]


def test_a_sweep_destroys_no_rung_whatever_the_job_of_a_pull_request_wrote_into_the_ledger(base: DeployHarness) -> None:
    over = Preview("2020-01-01T00:00:00Z", "2020-01-01T00:00:00Z", "2020-01-01T00:00:00Z", "a pull request")
    for name in ("staging", "production", "pr-1"):
        base.rung().ledger.write_preview(name, over)
    act = Destroyer()
    assert swept(base, act) == {"pr-1": "destroyed"}
    assert act.destroyed == ["pr-1"]


def test_no_preview_outlives_the_longest_time_that_a_deploy_sets(base: DeployHarness) -> None:
    deployed(base, "pr-1")
    record = records(base)["pr-1"]
    for name, until in (("pr-2", "9999-01-01T00:00:00Z"), ("pr-3", "never")):
        base.rung().ledger.write_preview(name, replace(record, until=until))
    assert swept(base, Destroyer(), FakeForge(closed=None)) == {
        "pr-1": "kept",
        "pr-2": "destroyed",
        "pr-3": "destroyed",
    }


def test_what_is_deployed_again_while_it_is_being_destroyed_stays_listed(base: DeployHarness) -> None:
    class DeployedMeanwhile(Destroyer):
        def __call__(self, settings: object, environment: str) -> Any:
            base.time.seconds += HOUR
            deployed(base, environment)
            return super().__call__(settings, environment)

    deployed(base, "pr-1")
    previews.destroy(rung(base, "pr-1"), DeployedMeanwhile(), FakeForge())
    assert list(records(base)) == ["pr-1"]
    base.time.seconds += 25 * HOUR
    assert swept(base, DeployedMeanwhile()) == {"pr-1": "destroyed"}
    assert list(records(base)) == ["pr-1"]


GITHUB, GITLAB = "https://github.com/acme/orders", "https://gitlab.com/acme/orders"


def test_two_requests_of_one_number_on_two_forges_do_not_share_a_preview(
    base: DeployHarness, monkeypatch: pytest.MonkeyPatch
) -> None:
    def on(source: str) -> FakeForge:
        forge = FakeForge("7", closed={"7"}, source=source)
        monkeypatch.setattr("stepladder.forge.registered.current", lambda: forge)
        return forge

    on(GITHUB)
    deployed(base, "pr-7")
    act, other = Destroyer(), on(GITLAB)
    with pytest.raises(RefusedError, match="another forge's request: https") as caught:
        deployed(base, "pr-7")
    assert caught.value.kind == "preview-of-another-forge"
    with pytest.raises(RefusedError, match="another forge's request"):
        previews.destroy(rung(base, "pr-7"), act, other)
    assert swept(base, act, other) == {"pr-7": "kept"}, "it is a request of GitLab's that is closed"
    on("")
    deployed(base, "pr-7")
    with pytest.raises(RefusedError, match="another forge's request"):
        previews.destroy(rung(base, "pr-7"), act, on(GITLAB))
    on("https://GitHub.com:443/acme/renamed")
    deployed(base, "pr-7")
    assert swept(base, act, on(GITHUB)) == {"pr-7": "destroyed"}


@pytest.mark.parametrize("most", [0, -1])
def test_a_sweep_of_no_previews_at_most_is_refused(base: DeployHarness, most: int) -> None:
    with pytest.raises(BadInputError, match=f"--most is {most}"):
        swept(base, Destroyer(), most=most)


def test_a_sweep_of_nothing_says_so(base: DeployHarness) -> None:
    base.err.truncate(0)
    assert swept(base, Destroyer()) == {}
    assert "there are no previews" in base.printed


# destroy


def test_a_preview_is_destroyed_twice_and_its_comment_says_so(base: DeployHarness) -> None:
    deployed(base, "pr-7")
    act, forge = Destroyer(), FakeForge()
    for result in ("destroyed", "unchanged"):
        act.result = result
        base.out.truncate(0)
        base.out.seek(0)
        previews.destroy(rung(base, "pr-7", as_json=True), act, forge)
    assert act.destroyed == ["pr-7", "pr-7"]
    assert records(base) == {}
    assert forge.sections["7"].startswith("~~**preview** `pr-7`")
    assert json.loads(base.out.getvalue())["result"] == "unchanged"


def test_one_that_is_half_destroyed_stays_listed(base: DeployHarness) -> None:
    deployed(base, "pr-7")
    with pytest.raises(StepladderError, match="cut off"):
        previews.destroy(rung(base, "pr-7"), Destroyer(pr_7=StepladderError("cut off")), FakeForge())
    assert list(records(base)) == ["pr-7"]


@pytest.mark.parametrize("name", ["staging", "pr-0", "pr-abc", "pr"])
def test_nothing_but_a_preview_is_destroyed_or_shown_so(base: DeployHarness, name: str) -> None:
    with pytest.raises(BadInputError, match=r"is no preview|there is no environment"):
        previews.destroy(rung(base, name), Destroyer(), FakeForge())
    with pytest.raises(BadInputError, match=r"is no preview|there is no environment"):
        previews.comment(base.settings, Console(), name, FakeForge())


# the change request


def test_pr_is_the_preview_of_the_jobs_change_request(base: DeployHarness) -> None:
    assert previews.this(base.settings, FakeForge("123")) == "pr-123"
    for number in ("", "0", "abc", "1/2"):
        with pytest.raises(BadInputError, match="this job runs for none"):
            previews.this(base.settings, FakeForge(number))


def test_pr_is_an_environment_where_the_settings_have_one_of_that_name(tmp_path: Path) -> None:
    place = {"account": "123456789012", "region": "eu-west-1"}
    harness = DeployHarness(tmp_path, environments={"pr": place}, rungs=["pr"])
    assert previews.this(harness.settings, FakeForge("123")) == "pr"


def test_the_comment_shows_where_it_is_until_when_and_that_a_deploy_failed(base: DeployHarness) -> None:
    forge, console = FakeForge("7"), Console(err=base.err, out=base.out, live=False)

    def shown() -> str:
        previews.comment(base.settings, console, "pr-7", forge)
        return forge.sections["7"]

    assert "it was not deployed" in shown()
    forge.sections.clear()
    previews.comment(base.settings, console, forge=forge)
    assert forge.sections == {}
    deployed(base, "pr-7")
    assert "<https://pr-7.example/>" in shown()
    assert "version 1 of `abcdef012345`" in shown()
    preview_file.write(base.settings, PreviewResult("pr-7", result="failed", problem="no <b>image</b>\nat all"))
    assert "the deploy failed" in shown()
    assert "`no <b>image</b> at all`" in shown()


def test_a_job_of_a_pull_request_comments_on_no_other_one_whatever_files_its_code_left(base: DeployHarness) -> None:
    for name in ("pr-6", "pr-7", "pr-70"):
        preview_file.write(base.settings, PreviewResult(name, result="released", url="https://evil.example/"))
    forge = FakeForge("7")
    previews.comment(base.settings, Console(err=base.err, out=base.out, live=False), forge=forge)
    assert list(forge.sections) == ["7"]
    assert "pr-6 is of another change request" in base.printed


@pytest.mark.parametrize("name", ["url", "version", "commit", "until", "problem"])
@pytest.mark.parametrize("text", ["x", "\u0301", "\u202e", "`", "<"])
def test_no_text_of_a_file_fills_the_comment(base: DeployHarness, name: str, text: str) -> None:
    preview_file.write(base.settings, replace(PreviewResult("pr-7", result="released"), **{name: text * 9000}))  # type: ignore[arg-type]
    assert len(preview_file.rendered(preview_file.read(base.settings, "pr-7"), "")) < 6000


def test_a_file_that_is_larger_than_any_of_ours_says_nothing(base: DeployHarness) -> None:
    preview_file.write(base.settings, PreviewResult("pr-7", result="released", problem="x" * 70_000))
    assert preview_file.read(base.settings, "pr-7") == PreviewResult("pr-7")


@pytest.mark.parametrize("text", ["", "[]", "{", '{"url": 3}', "null", '"x"'])
def test_a_file_of_another_shape_says_nothing(base: DeployHarness, text: str) -> None:
    path = base.settings.build_dir / "preview" / "pr-7.json"
    path.parent.mkdir(parents=True)
    path.write_text(text, "utf-8")
    assert preview_file.read(base.settings, "pr-7").result == ""


@pytest.mark.parametrize("url", ["javascript:alert(1)", "https://x/> <b>", "https://x/`", "http://x"])
def test_an_address_that_is_none_becomes_no_link(url: str) -> None:
    result = PreviewResult("pr-7", result="released", url=url)
    assert f"<{url}>" not in preview_file.rendered(result, "")


def test_the_ledger_holds_the_previews_in_one_partition(base: DeployHarness) -> None:
    deployed(base, "pr-7")
    assert ("previews", "pr-7") in base.table.tables[TABLE]


def test_a_job_applies_a_preview_s_own_plan_which_nobody_reviewed(
    base: DeployHarness, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CI", "true")
    monkeypatch.setattr(ProjectInfra, "inputs_hash", lambda *_: "changed")
    assert ProjectInfra(rung(base, "staging")).review("service").wanted == "auto"
    assert ProjectInfra(rung(base, "pr-7")).review("service").wanted == "new"


@pytest.mark.parametrize(
    "job",
    [
        {"GITHUB_ACTIONS": "true", "GITHUB_REF": "refs/pull/12/merge"},
        {"GITLAB_CI": "true", "CI_MERGE_REQUEST_IID": "12"},
    ],
)
def test_a_task_takes_pr_for_the_preview_of_its_job(
    base: DeployHarness, monkeypatch: pytest.MonkeyPatch, job: dict[str, str]
) -> None:
    for name in [name for name in os.environ if name.startswith(("GITHUB_", "GITLAB_", "CI_"))]:
        monkeypatch.delenv(name)
    for name, value in job.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setattr(load, "from_context", lambda _: base.settings)
    given = {"env": "pr", "json": False}
    usage.name_preview(None, given)
    assert given == {"env": "pr-12", "json": False}
    usage.name_preview(None, given)
    assert given["env"] == "pr-12"


def test_the_record_of_a_preview_names_every_function_that_it_ever_had(base: DeployHarness) -> None:
    def deployed_with(*names: str) -> str:
        settings = load.load(
            {
                "project": "hello",
                "environments": {"staging": {"account": "123456789012", "region": "eu-west-1"}},
                "rungs": ["staging"],
                "functions": {name: {} for name in names},
                **ENABLED,
            },
            base.root,
        )
        report = DeployReport("pr-7", "released")
        preview_deploy.around(replace(rung(base, "pr-7"), settings=settings), lambda: report, dry_run=False)
        return records(base)["pr-7"].functions

    assert deployed_with("mailer", "report") == "mailer,report"
    assert deployed_with("mailer") == "mailer,report"
    assert [each.target for each in targets.read(rung(base, "pr-7"))] == ["pr-7", "pr-7-mailer", "pr-7-report"]
