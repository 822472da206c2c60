"""`inv aws.bootstrap` on fake AWS: what it says before it asks, what it makes, what remains, and twice in a row."""

from __future__ import annotations

import io
import json
import shlex
from pathlib import Path
from typing import Any

import pytest
from botocore.exceptions import NoCredentialsError
from fakes.deploy_harness import FakeAws, FakeSts, FakeTime
from fakes.dynamodb import FakeDynamoDB
from fakes.lambda_ import REGION

from stepladder.commands import ci_settings
from stepladder.commands.bootstrap import Bootstrap, BootstrapOptions
from stepladder.commands.ci_settings import Proposal
from stepladder.core.console import Console
from stepladder.core.errors import BadInputError, ExitCode, NotReadyError, RefusedError, StepladderError
from stepladder.forge import remote as remotes
from stepladder.forge.remote import GITHUB, Remote
from stepladder.releases.interfaces import Applied
from stepladder.releases.rung import Rung
from stepladder.settings.load import Settings, load

FIRST, SECOND = "111111111111", "222222222222"
TABLE = "hello-releases"
CI = {"github": {"repository": "acme/orders", "owner_id": "1", "repository_id": "2"}}


class FakeRoots:
    """The foundations of the accounts: what a preview says, and what an apply leaves."""

    def __init__(self, made: BootstrapHarness) -> None:
        self.made = made
        self.applied: list[str] = []
        self.locked: list[str] = []
        self.killed: Exception | None = None

    def inputs_hash(self, rung: Rung, root: str) -> str:
        return f"{root} {rung.settings.ci.github.repository}"

    def init(self, rung: Rung, root: str) -> tuple[str, ...]:
        self.locked.append(root)
        (rung.settings.root / "terraform" / root).mkdir(parents=True, exist_ok=True)
        (rung.settings.root / "terraform" / root / ".terraform.lock.hcl").touch()
        return (f"terraform/{root}/.terraform.lock.hcl was written: commit it",)

    def preview(self, _rung: Rung, root: str, image_uri: str | None, _step: Any) -> str:
        assert (root, image_uri) == ("foundation", None)
        return "15 to add, 0 to change, 0 to destroy"

    def ensure(self, rung: Rung, root: str, _image: str | None, _step: Any) -> Applied:
        self.applied.append(rung.names.account)
        if self.killed:
            raise self.killed
        self.made.tables[rung.names.account].tables.setdefault(TABLE, {})
        return Applied("plan1", "15 to add", {}, (), self.inputs_hash(rung, root))


class BootstrapHarness:
    """A project in one account or two. `logged_in` is the account of the credentials, `roles` what they may assume."""

    def __init__(self, root: Path, *, accounts: tuple[str, str] = (FIRST, FIRST), role: str = "", **raw: Any) -> None:
        (root / "invoke.yaml").write_text("# ours\nstepladder: # settings\n  project: hello\n")
        staging, production = ({"account": account, "region": REGION} for account in accounts)
        environments = {"staging": staging, "production": production | ({"role_arn": role} if role else {})}
        self.settings: Settings = load({"project": "hello", "environments": environments, **raw}, root)
        self.logged_in = FIRST
        self.roles: dict[str, str] = {}
        self.failure: Exception | None = None
        self.tables = {account: FakeDynamoDB() for account in accounts}
        self.roots = FakeRoots(self)
        self.time = FakeTime()
        self.err, self.out = io.StringIO(), io.StringIO()
        self.answer: bool | None = None

    def open_rung(self, console: Console, settings: Settings, name: str) -> Rung:
        environment = settings.environment(name)
        sts = FakeSts()
        sts.account = self.roles.get(environment.role_arn, "") if environment.role_arn else self.logged_in
        if self.failure or not sts.account:
            sts.fail("GetCallerIdentity", self.failure or NoCredentialsError())
        aws: Any = FakeAws({"sts": sts, "dynamodb": self.tables[environment.account]})
        return Rung(settings, name, aws, console, "inv aws.bootstrap", self.time.clock())

    def run(self, *, as_json: bool = False, **options: Any) -> str:
        """Run it, and return all that was printed."""
        self.err, self.out = io.StringIO(), io.StringIO()
        console = Console(err=self.err, out=self.out, live=False, as_json=as_json)
        console.ask = lambda question: self.err.write(question) and self.answer  # type: ignore[method-assign]
        open_rung = lambda settings, name: self.open_rung(console, settings, name)  # noqa: E731
        Bootstrap(self.settings, console, BootstrapOptions(**options), open_rung, self.roots).run()
        return self.err.getvalue() + self.out.getvalue()


@pytest.fixture(autouse=True)
def remote(monkeypatch: pytest.MonkeyPatch) -> list[Any]:
    """What git and GitHub answer: the remote, and the ids of its repository; neither at first."""
    answers: list[Any] = [None, {}]
    monkeypatch.setattr(remotes, "of_project", lambda _root: answers[0])
    monkeypatch.setattr(ci_settings, "_of_gh", lambda _remote: {})
    monkeypatch.setattr(ci_settings, "_of_api", lambda _remote: answers[1])
    return answers


@pytest.fixture
def on_github(remote: list[Any]) -> None:
    remote[:] = [Remote(GITHUB, "github.com", "acme/orders"), {"id": 2, "owner": {"id": 1}, "full_name": "acme/orders"}]


def test_it_says_what_it_makes_and_costs_before_it_asks_and_makes_nothing_without_a_yes(tmp_path: Path) -> None:
    harness = BootstrapHarness(tmp_path, ci=CI)
    harness.answer = False
    with pytest.raises(RefusedError, match="the answer was no; nothing was changed in AWS") as caught:
        harness.run()
    assert (caught.value.kind, harness.roots.applied) == ("not-confirmed", [])
    table, printed = harness.out.getvalue(), harness.err.getvalue()
    for name in (f"hello-tfstate-{FIRST}-{REGION}", f"hello-artifacts-{FIRST}-{REGION}", TABLE, "10 images of 150 MB"):
        assert name in table
    assert "IAM roles of CI jobs" in table
    assert "about $0.16 a month" in printed
    assert "noted on 2026-11-26: https://aws.amazon.com/s3/pricing/" in printed
    assert printed.index("a month before") < printed.index(f"make it in {FIRST} {REGION}?")


def test_without_a_terminal_it_needs_a_yes(tmp_path: Path) -> None:
    harness = BootstrapHarness(tmp_path)
    with pytest.raises(RefusedError, match="nobody can be asked here") as caught:
        harness.run()
    assert "`inv aws.bootstrap --yes`" in caught.value.hint
    harness.run(confirmed=True)
    assert harness.roots.applied == [FIRST]


def test_every_root_has_its_lock_file_before_the_first_job(tmp_path: Path) -> None:
    made = BootstrapHarness(tmp_path, ci=CI)
    made.run(confirmed=True)
    assert made.roots.locked == ["service", "delivery"]
    assert "terraform/service/.terraform.lock.hcl was written" in made.err.getvalue()


def test_a_second_run_changes_nothing_and_says_so(tmp_path: Path) -> None:
    harness = BootstrapHarness(tmp_path, ci=CI)
    harness.run(confirmed=True)
    again = harness.run()
    assert "nothing to do: every foundation is as the settings say" in again
    assert harness.roots.applied == [FIRST]


def test_a_run_that_was_cut_off_is_gone_on_with(tmp_path: Path) -> None:
    harness = BootstrapHarness(tmp_path)
    harness.roots.killed = StepladderError("killed")
    with pytest.raises(StepladderError, match="killed"):
        harness.run(confirmed=True)
    harness.roots.killed = None
    harness.run(confirmed=True)
    assert harness.roots.applied == [FIRST, FIRST]
    assert "nothing to do" in harness.run()


def test_a_dry_run_shows_the_plan_and_changes_nothing(tmp_path: Path) -> None:
    harness = BootstrapHarness(tmp_path, ci=CI)
    printed = harness.run(dry_run=True, confirmed=True)
    assert "15 to add" in printed
    assert "$0.15" in printed
    assert harness.roots.applied == []
    assert "changed nothing; make it: `inv aws.bootstrap`" in printed


@pytest.mark.usefixtures("on_github")
def test_a_dry_run_shows_what_the_proposed_settings_make_and_writes_none(tmp_path: Path) -> None:
    harness = BootstrapHarness(tmp_path)
    before = (tmp_path / "invoke.yaml").read_text()
    printed = harness.run(dry_run=True)
    assert "IAM roles of CI jobs" in printed
    assert "as with these settings" in printed
    assert "gh variable set AWS_DEPLOY_ROLE_ARN --repo acme/orders --env staging" in printed
    assert ((tmp_path / "invoke.yaml").read_text(), harness.roots.applied) == (before, [])


def test_credentials_of_another_account_are_refused_before_anything(tmp_path: Path) -> None:
    harness = BootstrapHarness(tmp_path)
    harness.logged_in = SECOND
    with pytest.raises(RefusedError, match=f"belong to account {SECOND}, but staging is in {FIRST}") as caught:
        harness.run(confirmed=True)
    assert (caught.value.exit_code, caught.value.kind) == (ExitCode.REFUSED, "wrong-account")
    assert harness.roots.applied == []


def test_without_credentials_nothing_is_ready(tmp_path: Path) -> None:
    harness = BootstrapHarness(tmp_path)
    harness.failure = NoCredentialsError()
    with pytest.raises(NotReadyError) as caught:
        harness.run(confirmed=True)
    assert (caught.value.exit_code, caught.value.kind) == (ExitCode.NOT_READY, "no-credentials")
    assert "aws sso login" in caught.value.hint


def test_an_account_that_is_not_reached_remains_with_its_command(tmp_path: Path) -> None:
    harness = BootstrapHarness(tmp_path, accounts=(FIRST, SECOND))
    printed = harness.run(confirmed=True)
    assert harness.roots.applied == [FIRST]
    assert f"what remains: the foundation of {SECOND} {REGION}" in printed
    assert "`AWS_PROFILE=<profile> inv aws.bootstrap --env production`" in printed
    harness.logged_in = SECOND
    harness.run(confirmed=True, environment="production")
    assert harness.roots.applied == [FIRST, SECOND]


def test_a_role_reaches_its_account_and_one_that_nobody_made_yet_is_left_out(tmp_path: Path) -> None:
    role = f"arn:aws:iam::{SECOND}:role/deployer"
    harness = BootstrapHarness(tmp_path, accounts=(FIRST, SECOND), role=role)
    harness.roles[role] = SECOND
    harness.run(confirmed=True)
    assert harness.roots.applied == [FIRST, SECOND]
    harness.roles.clear()
    harness.logged_in = SECOND
    assert "nothing to do" in harness.run(environment="production")


def test_the_forge_needs_its_variables_and_environments_once(tmp_path: Path) -> None:
    promotion = {"rungs": {"production": {"approval": True}}}
    harness = BootstrapHarness(tmp_path, ci=CI, promotion=promotion)
    harness.run(confirmed=True)
    arn = f"arn:aws:iam::{FIRST}:role/hello-ci"
    release = f"{arn}-release-production"
    commands = [line for line in harness.out.getvalue().splitlines() if line.startswith("gh ")]
    custom = "-F 'deployment_branch_policy[protected_branches]=false'"
    custom += " -F 'deployment_branch_policy[custom_branch_policies]=true'"
    assert commands == [
        *(
            command
            for name in ("staging", "production", "production-approval")
            for command in (
                f"gh api --method PUT repos/acme/orders/environments/{name} {custom}",
                f"gh api --method POST repos/acme/orders/environments/{name}/deployment-branch-policies -f name=main",
            )
        ),
        f"gh variable set AWS_PLAN_ROLE_ARN_STAGING --repo acme/orders --body {arn}-plan-staging",
        f"gh variable set AWS_DEPLOY_ROLE_ARN --repo acme/orders --env staging --body {arn}-deploy-staging",
        f"gh variable set AWS_PLAN_ROLE_ARN_PRODUCTION --repo acme/orders --body {arn}-plan-production",
        f"gh variable set AWS_DEPLOY_ROLE_ARN --repo acme/orders --env production --body {arn}-deploy-production",
        f"gh variable set AWS_RELEASE_ROLE_ARN --repo acme/orders --env production-approval --body {release}",
    ]
    assert "give production-approval reviewers" in harness.err.getvalue()


def test_an_environment_of_github_is_for_the_branch_alone_whatever_its_name(tmp_path: Path) -> None:
    """A job of any branch may name an environment, and its token's subject then says nothing of the branch."""
    harness = BootstrapHarness(tmp_path, ci={**CI, "branch": "release/1#2"})
    harness.run(confirmed=True)
    commands = [line for line in harness.out.getvalue().splitlines() if line.startswith("gh api ")]
    made = [line.split()[4] for line in commands if " PUT " in line]
    limited = [shlex.split(line)[4:] for line in commands if " POST " in line]
    assert made
    assert limited == [[f"{each}/deployment-branch-policies", "-f", "name=release/1#2"] for each in made]


def test_gitlab_gets_variables_with_a_scope(tmp_path: Path) -> None:
    harness = BootstrapHarness(tmp_path, ci={"gitlab": {"project": "acme/orders", "url": "https://git.example.com"}})
    harness.run(confirmed=True)
    arn = f"arn:aws:iam::{FIRST}:role/hello-ci"
    where = "--repo https://git.example.com/acme/orders"
    commands = [line for line in harness.out.getvalue().splitlines() if line.startswith("glab ")]
    assert commands[:2] == [
        f"glab variable set AWS_PLAN_ROLE_ARN_STAGING {arn}-plan-staging {where}",
        f"glab variable set AWS_DEPLOY_ROLE_ARN {arn}-deploy-staging {where} --scope staging --protected",
    ]
    assert "protect the branch main and the environments" in harness.err.getvalue()


@pytest.mark.usefixtures("on_github")
def test_the_settings_of_the_remote_are_proposed_and_written_only_when_that_is_wanted(tmp_path: Path) -> None:
    harness = BootstrapHarness(tmp_path)
    file = tmp_path / "invoke.yaml"
    before = file.read_text()
    lines = '  ci:\n    github: {repository: "acme/orders", owner_id: "1", repository_id: "2"}\n'
    printed = harness.run(confirmed=True)
    assert lines in printed
    assert "`inv aws.bootstrap --write-settings` writes it" in printed
    assert file.read_text() == before
    printed = harness.run(confirmed=True, write_settings=True)
    assert file.read_text() == before.replace("# settings\n", f"# settings\n{lines}")
    assert "gh variable set AWS_PLAN_ROLE_ARN_STAGING" in printed
    assert harness.roots.applied == [FIRST, FIRST], "the roles are made with the settings"


def test_the_settings_are_written_with_the_files_own_indentation(tmp_path: Path) -> None:
    (tmp_path / "invoke.yaml").write_text("stepladder:\n\n    # which\n    project: hello\n")
    ci_settings.write(tmp_path, Proposal(GITHUB, {"repository": "acme/orders"}))
    assert (tmp_path / "invoke.yaml").read_text() == (
        'stepladder:\n    ci:\n        github: {repository: "acme/orders"}\n\n    # which\n    project: hello\n'
    )


@pytest.mark.parametrize("beginning", [b"", b"\xef\xbb\xbf"], ids=["no mark", "a byte order mark"])
def test_the_ends_of_lines_and_the_first_bytes_stay(tmp_path: Path, beginning: bytes) -> None:
    file = tmp_path / "invoke.yaml"
    file.write_bytes(beginning + b"stepladder: # ours\r\n  project: hello\r\n")
    ci_settings.write(tmp_path, Proposal(GITHUB, {"repository": "acme/orders"}))
    added = b'  ci:\r\n    github: {repository: "acme/orders"}\r\n'
    assert file.read_bytes() == beginning + b"stepladder: # ours\r\n" + added + b"  project: hello\r\n"


@pytest.mark.usefixtures("on_github")
def test_on_a_terminal_the_settings_are_asked_for(tmp_path: Path) -> None:
    harness = BootstrapHarness(tmp_path)
    harness.answer = True
    harness.run()
    assert "acme/orders" in (tmp_path / "invoke.yaml").read_text()
    assert harness.roots.applied == [FIRST]


def test_ids_that_nobody_can_read_are_named_with_their_command_and_nothing_is_written(
    tmp_path: Path, remote: list[Any]
) -> None:
    remote[0] = Remote(GITHUB, "github.com", "acme/orders")
    harness = BootstrapHarness(tmp_path)
    printed = harness.run(confirmed=True, write_settings=True)
    assert "`gh api repos/acme/orders --jq '.owner.id, .id'`" in printed
    assert "ci:" not in (tmp_path / "invoke.yaml").read_text()


def test_a_remote_that_the_settings_do_not_name_is_warned_of(tmp_path: Path, remote: list[Any]) -> None:
    remote[0] = Remote(GITHUB, "github.com", "acme/renamed")
    printed = BootstrapHarness(tmp_path, ci=CI).run(confirmed=True)
    assert "warning: ci.github names acme/orders, and the git remote is acme/renamed" in printed


@pytest.mark.parametrize(
    "content",
    [
        pytest.param("stepladder: {project: hello}\n", id="in one line"),
        pytest.param("other: |\n  stepladder:\n   x\nstepladder: {a: 1}\n", id="the words inside of a text"),
        pytest.param("project: hello\n", id="none"),
        pytest.param("stepladder:\n  ci: {}\n", id="there already"),
        pytest.param("stepladder: [\n", id="broken"),
    ],
)
def test_a_file_of_another_form_is_left_as_it_is(tmp_path: Path, content: str) -> None:
    (tmp_path / "invoke.yaml").write_text(content)
    with pytest.raises(BadInputError, match="has a form that the settings can't be added to") as caught:
        ci_settings.write(tmp_path, Proposal(GITHUB, {"repository": "acme/orders"}))
    assert '    github: {repository: "acme/orders"}' in caught.value.problems
    assert (tmp_path / "invoke.yaml").read_text() == content


def test_json_is_one_document(tmp_path: Path) -> None:
    harness = BootstrapHarness(tmp_path, accounts=(FIRST, SECOND), ci=CI)
    harness.run(as_json=True, confirmed=True)
    document = json.loads(harness.out.getvalue())
    assert [(each["account"], each["state"]) for each in document["locations"]] == [
        (FIRST, "applied"),
        (SECOND, "remaining"),
    ]
    assert document["monthly_dollars"] == 0.16
    assert document["variables"][0]["value"] == f"arn:aws:iam::{FIRST}:role/hello-ci-plan-staging"
