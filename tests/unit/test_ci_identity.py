"""`inv ci.identity`: what a role trusts beside what a job's token says, and why they differ."""

from __future__ import annotations

import base64
import io
import json
import os
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import ci_tokens
import pytest
import yaml
from ci_tokens import github, gitlab
from fakes.errors import error

from stepladder.commands import identity
from stepladder.core.console import Console
from stepladder.core.errors import BadInputError, ExitCode, NotReadyError, RefusedError, StepladderError
from stepladder.forge import trust
from stepladder.settings import ci_roles, load

INVENTORY = Path(__file__).resolve().parents[1] / "terraform" / "inventories" / "foundation-ci.yaml"
ACCOUNT, OTHER = "111111111111", "222222222222"
PLACES = {
    "staging": {"account": ACCOUNT, "region": "eu-west-1"},
    "production": {"account": OTHER, "region": "eu-west-1"},
}
ON_GITHUB = {"github": {"repository": "acme/orders", "owner_id": "1", "repository_id": "2"}}
OLDER = {"github": {"repository": "acme/orders"}}
ON_GITLAB = {"gitlab": {"project": "acme/orders"}}
NOW = 1_800_000_000


class FakeIam:
    """Roles with their trust policies, each in the account of the credentials."""

    def __init__(self, policies: dict[str, Any], account: str = ACCOUNT, failure: Exception | None = None) -> None:
        self.policies, self.account, self.failure = policies, account, failure
        self.asked: list[str] = []
        self.providers = {"token.actions.githubusercontent.com": ["sts.amazonaws.com"]}

    def get_open_id_connect_provider(self, OpenIDConnectProviderArn: str) -> dict[str, Any]:  # noqa: N803
        issuer = OpenIDConnectProviderArn.partition(":oidc-provider/")[2]
        if issuer not in self.providers:
            raise error("NoSuchEntity", 404)
        return {"Url": issuer, "ClientIDList": self.providers[issuer]}

    def get_role(self, RoleName: str) -> dict[str, Any]:  # noqa: N803 - botocore's name
        self.asked.append(RoleName)
        if self.failure:
            raise self.failure
        if RoleName not in self.policies:
            raise error("NoSuchEntity", 404)
        arn = f"arn:aws:iam::{self.account}:role/{RoleName}"
        return {"Role": {"Arn": arn, "AssumeRolePolicyDocument": self.policies[RoleName]}}


class FakeAws:
    def __init__(self, iam: FakeIam) -> None:
        self.iam = iam

    def client(self, service: str) -> FakeIam:
        assert service == "iam"
        return self.iam


NO_ACCESS = FakeIam({}, failure=error("InvalidClientTokenId", 403))


def policy(subject: Any, *, issuer: str = "token.actions.githubusercontent.com", operator: str = "StringEquals") -> Any:
    statement = {
        "Effect": "Allow",
        "Action": ["sts:AssumeRoleWithWebIdentity", "sts:TagSession"],
        "Principal": {"Federated": f"arn:aws:iam::{ACCOUNT}:oidc-provider/{issuer}"},
        "Condition": {
            "StringEquals": {f"{issuer}:aud": "sts.amazonaws.com"},
            operator: {f"{issuer}:sub": subject},
        },
    }
    if operator == "StringEquals":
        statement["Condition"] = {"StringEquals": {f"{issuer}:aud": "sts.amazonaws.com", f"{issuer}:sub": subject}}
    return {"Version": "2012-10-17", "Statement": [statement]}


@pytest.fixture(autouse=True)
def no_job(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in [name for name in os.environ if name.startswith(("GITHUB_", "GITLAB_", "CI", "ACTIONS_", "AWS_"))]:
        monkeypatch.delenv(name)


def on_gitlab(monkeypatch: pytest.MonkeyPatch, claims: dict[str, Any]) -> str:
    """Be a job of GitLab with this token; the token."""
    token = ci_tokens.unsigned({"exp": NOW + 300, "nbf": NOW - 5, **claims}, {"alg": "RS256"}, b"secret")
    monkeypatch.setenv("GITLAB_CI", "true")
    monkeypatch.setenv("AWS_TOKEN", token)
    return token


class GitHubServer:
    """Answers as GitHub does to a job that asks for its token, and notes what was asked."""

    def __init__(self) -> None:
        self.claims: dict[str, Any] = {}
        self.asked: list[tuple[str, str]] = []
        self.status, self.body = 200, b""
        outer = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                outer.asked.append((self.path, self.headers.get("Authorization", "")))
                audience = parse_qs(urlsplit(self.path).query)["audience"][0]
                own = {"exp": NOW + 300, **outer.claims, "aud": audience}
                token = ci_tokens.unsigned(own, {"alg": "RS256"}, b"secret")
                body = outer.body or json.dumps({"value": token}).encode()
                self.send_response(outer.status)
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, *_: object) -> None:
                pass

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.thread = threading.Thread(target=self.server.serve_forever, kwargs={"poll_interval": 0.01})
        self.thread.start()

    def be_job(self, monkeypatch: pytest.MonkeyPatch, claims: dict[str, Any]) -> None:
        self.claims = claims
        monkeypatch.setenv("GITHUB_ACTIONS", "true")
        url = f"http://127.0.0.1:{self.server.server_port}/idtoken?api-version=2.0"
        monkeypatch.setenv("ACTIONS_ID_TOKEN_REQUEST_URL", url)
        monkeypatch.setenv("ACTIONS_ID_TOKEN_REQUEST_TOKEN", "bearer-secret")


@pytest.fixture
def forge() -> Iterator[GitHubServer]:
    server = GitHubServer()
    yield server
    server.server.shutdown()
    server.thread.join()
    server.server.server_close()


def run(ci: dict[str, Any], iam: FakeIam | None = None, **options: Any) -> tuple[Any, StepladderError | None]:
    """The record of the command, and the error that it ended with."""
    settings = load.load({"project": "orders", "environments": PLACES, "ci": ci, "previews": {"enabled": True}}, Path())
    out = io.StringIO()
    caught = None
    try:
        identity.show(
            settings,
            Console(out=out, err=io.StringIO(), as_json=True),
            clients=lambda _role: FakeAws(iam or NO_ACCESS),
            now=NOW,
            **options,
        )
    except StepladderError as raised:
        caught = raised
    if caught:
        assert not out.getvalue(), "the error's document has it all"
        return json.loads(json.dumps(caught.record)) or None, caught
    return json.loads(out.getvalue()), None


def shown(ci: dict[str, Any], iam: FakeIam | None = None, **options: Any) -> str:
    """What a person reads of it, on both streams."""
    settings = load.load({"project": "orders", "environments": PLACES, "ci": ci, "previews": {"enabled": True}}, Path())
    text = io.StringIO()
    try:
        identity.show(
            settings,
            Console(out=text, err=text, live=False),
            clients=lambda _role: FakeAws(iam or NO_ACCESS),
            now=NOW,
            **options,
        )
    except StepladderError as raised:
        text.write(f"{raised.message}; {raised.hint}")
    return text.getvalue()


def reasons(record: Any, role: str) -> dict[str, str]:
    found = next(each for each in record["roles"] if each["role"] == role)  # previews have one in each account
    return {claim["claim"]: claim["why"] for claim in found["claims"] if claim["why"]}


class TestExpectations:
    def test_a_laptop_is_shown_what_each_role_expects(self) -> None:
        record, problem = run(ON_GITHUB)
        assert problem is None
        assert record["token"] is None
        expected = {
            each["role"]: next(claim["expected"] for claim in each["claims"] if claim["claim"] == "sub")
            for each in record["roles"]
        }
        repository = "repo:acme@1/orders@2"
        assert expected == {
            "orders-ci-plan-staging": [f"{repository}:ref:refs/heads/main", f"{repository}:pull_request"],
            "orders-ci-deploy-staging": [f"{repository}:environment:staging"],
            "orders-ci-release-staging": [f"{repository}:environment:staging-approval"],
            "orders-ci-preview": [f"{repository}:ref:refs/heads/main", f"{repository}:pull_request"],
            "orders-ci-plan-production": [f"{repository}:ref:refs/heads/main", f"{repository}:pull_request"],
            "orders-ci-deploy-production": [f"{repository}:environment:production"],
            "orders-ci-release-production": [f"{repository}:environment:production-approval"],
        }
        text = shown(ON_GITHUB)
        assert "repo:acme@1/orders@2:environment:production-approval" in text
        assert "there is no token to compare" in text

    def test_settings_without_a_repository_say_what_to_add(self, monkeypatch: pytest.MonkeyPatch) -> None:
        record, problem = run({})
        assert (record, problem and problem.exit_code) == (None, ExitCode.BAD_INPUT)
        on_gitlab(monkeypatch, gitlab("acme/shop/orders", url="https://gitlab.example.com"))
        _, problem = run({})
        assert isinstance(problem, BadInputError)
        assert "{gitlab: {project: acme/shop/orders, url: https://gitlab.example.com}}" in problem.hint

    def test_the_settings_to_add_hold_the_ids_of_githubs_token(
        self, monkeypatch: pytest.MonkeyPatch, forge: GitHubServer
    ) -> None:
        forge.be_job(monkeypatch, github())
        _, problem = run({})
        assert problem
        assert '{github: {repository: acme/orders, owner_id: "1", repository_id: "2"}}' in problem.hint

    def test_one_role_or_environment_may_be_named(self) -> None:
        record, _ = run(ON_GITHUB, named="orders-ci-deploy-production")
        assert [each["role"] for each in record["roles"]] == ["orders-ci-deploy-production"]
        record, _ = run(ON_GITHUB, environment="production")
        assert {each["environment"] for each in record["roles"]} == {"production"}
        _, problem = run(ON_GITHUB, named="orders-ci-deploy-prod")
        assert isinstance(problem, BadInputError)
        assert "orders-ci-deploy-production" in problem.hint
        _, problem = run(ON_GITHUB, environment="prod")
        assert isinstance(problem, BadInputError)


SUBJECTS = [
    (
        ON_GITHUB,
        github(),
        "deploy-staging",
        "the job has no `environment: staging`, so its subject names the branch main",
    ),
    (ON_GITHUB, github(event="pull_request"), "deploy-staging", "so its subject names a pull request"),
    (
        *(ON_GITHUB, github(environment="production"), "deploy-staging"),
        "the job runs in the forge's environment production, and the role is for staging",
    ),
    (
        *(ON_GITHUB, github(environment="staging"), "plan-staging"),
        "the job has `environment: staging`, which stands in its subject in place of the branch main",
    ),
    (
        *(ON_GITHUB, github(ref="refs/heads/try"), "plan-staging"),
        "the job is of the branch try, and the role is for the branch main",
    ),
    (
        *(ON_GITHUB, github(ref="refs/tags/v1"), "plan-staging"),
        "the job is of the tag v1, and the role is for the branch main",
    ),
    (
        ON_GITHUB,
        github("acme/shop", environment="staging"),
        "deploy-staging",
        "renamed or moved: acme/orders is acme/shop",
    ),
    (
        *(ON_GITHUB, github("mallory/orders", environment="staging", ids=("9", "8")), "deploy-staging"),
        "another repository's token: mallory/orders is not acme/orders",
    ),
    (
        *(ON_GITHUB, github(environment="staging", ids=("1", "7")), "deploy-staging"),
        "another repository of the same name: its ids are 1/7, and not 1/2",
    ),
    (
        *(ON_GITHUB, github(environment="staging", ids=None), "deploy-staging"),
        "GitHub's older subject without ids, and the immutable one is expected: set `ci.github.older_subject: true`",
    ),
    (
        *(OLDER, github(environment="staging"), "deploy-staging"),
        'GitHub\'s immutable subject with the ids, and the older form is expected: set `ci.github.owner_id: "1"` and',
    ),
    (OLDER, github(), "deploy-staging", "apply; besides, the job has no `environment: staging`"),
    (ON_GITHUB, github("Acme/orders", environment="staging"), "deploy-staging", "upper and lower case only"),
    (ON_GITHUB, github(sub="repository_owner:acme"), "deploy-staging", "another form of subject than the usual one"),
    (
        ON_GITLAB,
        gitlab(ref="try"),
        "deploy-staging",
        "the job is of the branch try, and the role is for the branch main",
    ),
    (ON_GITLAB, gitlab(ref="v1", ref_type="tag"), "deploy-staging", "the job is of the tag v1"),
    (ON_GITLAB, gitlab("acme/shop"), "deploy-staging", "token, or the repository was renamed: acme/shop is not acme"),
    (ON_GITLAB, gitlab("acme/shop"), "preview", "token, or the repository was renamed: acme/shop is not acme"),
]


class TestReasons:
    @pytest.mark.parametrize(("ci", "claims", "role", "why"), SUBJECTS)
    def test_a_subject_that_differs_says_why(
        self,
        monkeypatch: pytest.MonkeyPatch,
        ci: dict[str, Any],
        claims: dict[str, Any],
        role: str,
        why: str,
    ) -> None:
        on_gitlab(monkeypatch, claims)  # where a token was read changes nothing
        name = f"orders-ci-{role}"
        record, problem = run(ci, named=name)
        found = reasons(record, name)
        assert set(found) == {"sub"}
        assert why in found["sub"]
        assert isinstance(problem, RefusedError)
        assert (problem.exit_code, problem.kind) == (ExitCode.REFUSED, "identity-differs")

    @pytest.mark.parametrize(
        ("claims", "claim", "why"),
        [
            ({"iss": "https://gitlab.com/"}, "iss", "the slash at the end of the token's: IAM compares every letter"),
            ({"iss": "https://gitlab.example.com"}, "iss", "another forge's token"),
            ({"aud": "https://gitlab.com/"}, "aud", "write `aud: https://gitlab.com` under `id_tokens:`"),
            ({"aud": ["a", "b"]}, "aud", "write `aud: https://gitlab.com` under `id_tokens:`"),
            ({"sub": None}, "sub", "the token has no claim sub"),
        ],
    )
    def test_issuer_and_audience_are_compared_letter_by_letter(
        self, monkeypatch: pytest.MonkeyPatch, claims: dict[str, Any], claim: str, why: str
    ) -> None:
        on_gitlab(monkeypatch, gitlab(**claims))
        record, problem = run(ON_GITLAB, named="orders-ci-deploy-staging")
        assert why in reasons(record, "orders-ci-deploy-staging")[claim]
        assert isinstance(problem, RefusedError)

    def test_a_token_that_fits_ends_with_0_and_names_the_roles(self, monkeypatch: pytest.MonkeyPatch) -> None:
        on_gitlab(monkeypatch, gitlab())
        record, problem = run(ON_GITLAB)
        assert problem is None
        assert set(record["equal"]) == {
            "orders-ci-preview",
            *(f"orders-ci-{purpose}-{env}" for purpose in ("plan", "deploy", "release") for env in PLACES),
        }
        _, problem = run(ON_GITLAB, named="orders-ci-deploy-staging")
        assert problem is None

    def test_the_role_that_the_job_wants_decides(self, monkeypatch: pytest.MonkeyPatch, forge: GitHubServer) -> None:
        forge.be_job(monkeypatch, github())
        assert run(ON_GITHUB)[1] is None, "the plan's roles take it"
        monkeypatch.setenv("AWS_ROLE_ARN", f"arn:aws:iam::{ACCOUNT}:role/orders-ci-deploy-staging")
        record, problem = run(ON_GITHUB)
        assert [each["role"] for each in record["roles"]] == ["orders-ci-deploy-staging"]
        assert isinstance(problem, RefusedError)

    @pytest.mark.parametrize(
        ("times", "why"),
        [
            ({"exp": NOW - 600}, "this job's token expired 10 min ago"),
            ({"nbf": NOW + 900}, "isn't valid before 15 min"),
        ],
    )
    def test_a_token_of_another_time_is_refused(
        self, monkeypatch: pytest.MonkeyPatch, times: dict[str, int], why: str
    ) -> None:
        on_gitlab(monkeypatch, gitlab(**times))
        record, problem = run(ON_GITLAB)
        assert why in record["problem"]
        assert isinstance(problem, RefusedError)


class TestTokens:
    def test_github_is_asked_for_the_audience_that_the_roles_expect(
        self, monkeypatch: pytest.MonkeyPatch, forge: GitHubServer
    ) -> None:
        forge.be_job(monkeypatch, github(environment="staging"))
        record, problem = run(ON_GITHUB)
        assert (record["equal"], problem) == (["orders-ci-deploy-staging"], None)
        assert forge.asked == [("/idtoken?api-version=2.0&audience=sts.amazonaws.com", "Bearer bearer-secret")]
        record, problem = run(ON_GITHUB, named="orders-ci-deploy-staging", audience="https://github.com/acme")
        assert reasons(record, "orders-ci-deploy-staging") == {
            "aud": "the token is for another audience: the login's step needs `audience: sts.amazonaws.com`"
        }

    def test_neither_the_token_nor_the_bearer_is_printed(
        self, monkeypatch: pytest.MonkeyPatch, forge: GitHubServer
    ) -> None:
        forge.be_job(monkeypatch, github())
        token = on_gitlab(monkeypatch, gitlab(user_email="ann@example.com"))
        for text in (shown(ON_GITHUB), shown(ON_GITLAB), json.dumps(run(ON_GITHUB)[0])):
            for secret in (*token.split("."), "bearer-secret", "ann@example.com"):
                assert secret not in text
        forge.status, forge.body = 500, b'{"message": "no bearer-secret"}'
        assert "bearer-secret" not in shown(ON_GITHUB)

    @pytest.mark.parametrize(
        ("variables", "why", "hint"),
        [
            ({"GITHUB_ACTIONS": "true"}, "it has no `id-token: write`", "id-token: write"),
            ({"GITLAB_CI": "true"}, "it has no `id_tokens:`", "id_tokens: {AWS_TOKEN: {aud: $CI_SERVER_URL}}"),
            ({"GITLAB_CI": "true", "AWS_TOKEN": "no.token"}, "AWS_TOKEN holds no identity token", "id_tokens"),
            ({"GITLAB_CI": "true", "AWS_TOKEN": "a.W10.c"}, "AWS_TOKEN holds no identity token", "id_tokens"),
            (
                {"GITLAB_CI": "true", "AWS_TOKEN": f"a.{base64.urlsafe_b64encode(b'[' * 90_000).decode()}.c"},
                "AWS_TOKEN holds no identity token",
                "id_tokens",
            ),
            (
                {
                    "GITHUB_ACTIONS": "true",
                    "ACTIONS_ID_TOKEN_REQUEST_URL": "https://[github",
                    "ACTIONS_ID_TOKEN_REQUEST_TOKEN": "bearer",
                },
                "ACTIONS_ID_TOKEN_REQUEST_URL is no address",
                "run the job again",
            ),
            (
                {
                    "GITHUB_ACTIONS": "true",
                    "ACTIONS_ID_TOKEN_REQUEST_URL": "https://github.example/token",
                    "ACTIONS_ID_TOKEN_REQUEST_TOKEN": "bearer\nof nobody",
                },
                "the token for GitHub holds characters that no token has",
                "run the job again",
            ),
            (
                {"GITLAB_CI": "true", "AWS_WEB_IDENTITY_TOKEN_FILE": "/nowhere/token"},
                "the file that AWS_WEB_IDENTITY_TOKEN_FILE names can't be read",
                "write it",
            ),
            ({"CODEBUILD_BUILD_ID": "x:1"}, "AWS CodeBuild gives no identity tokens", "GitHub or GitLab"),
        ],
    )
    def test_a_job_without_a_token_says_what_gives_it_one(
        self, monkeypatch: pytest.MonkeyPatch, variables: dict[str, str], why: str, hint: str
    ) -> None:
        for name, value in variables.items():
            monkeypatch.setenv(name, value)
        record, problem = run(ON_GITHUB)
        assert why in record["problem"]
        assert isinstance(problem, NotReadyError)
        assert (problem.exit_code, problem.kind) == (ExitCode.NOT_READY, "no-identity-token")
        assert hint in problem.hint

    def test_a_pull_request_from_a_fork_is_told_so(self, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
        event = {"pull_request": {"number": 1, "head": {"repo": {"full_name": "mallory/orders"}}}}
        (tmp_path / "event.json").write_text(json.dumps(event))
        monkeypatch.setenv("GITHUB_ACTIONS", "true")
        monkeypatch.setenv("GITHUB_REPOSITORY", "acme/orders")
        monkeypatch.setenv("GITHUB_EVENT_PATH", str(tmp_path / "event.json"))
        _, problem = run(ON_GITHUB)
        assert problem
        assert "a pull request from a fork" in problem.message

    def test_gitlabs_token_may_stand_in_the_file_that_the_sdks_read(
        self, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
    ) -> None:
        token = on_gitlab(monkeypatch, gitlab())
        (tmp_path / "token").write_text(f"{token}\n")
        monkeypatch.setenv("AWS_WEB_IDENTITY_TOKEN_FILE", str(tmp_path / "token"))
        monkeypatch.setenv("AWS_TOKEN", "another")
        assert run(ON_GITLAB)[1] is None


class TestPoliciesInAws:
    def test_the_role_in_aws_decides_and_says_when_the_settings_differ(self, monkeypatch: pytest.MonkeyPatch) -> None:
        on_gitlab(monkeypatch, github(environment="staging"))
        older = FakeIam({"orders-ci-deploy-staging": policy("repo:acme/orders:environment:staging")})
        record, problem = run(ON_GITHUB, older, named="orders-ci-deploy-staging")
        (role,) = record["roles"]
        assert (role["source"], role["equal"], role["outdated"]) == ("AWS", False, True)
        assert "immutable subject with the ids" in reasons(record, "orders-ci-deploy-staging")["sub"]
        assert isinstance(problem, RefusedError)
        assert "apply the foundation" in shown(ON_GITHUB, older, named="orders-ci-deploy-staging")
        applied = FakeIam({"orders-ci-deploy-staging": policy(["repo:acme@1/orders@2:environment:staging"])})
        record, problem = run(ON_GITHUB, applied, named="orders-ci-deploy-staging")
        assert (record["roles"][0]["outdated"], problem) == (False, None)

    def test_patterns_and_several_statements_of_a_policy_are_understood(self, monkeypatch: pytest.MonkeyPatch) -> None:
        on_gitlab(monkeypatch, github(environment="staging"))
        pattern = policy("repo:acme@1/orders@2:environment:*", operator="StringLike")
        other = policy("project_path:acme/orders:ref_type:branch:ref:main", issuer="gitlab.com")
        both = {"Version": "2012-10-17", "Statement": [*other["Statement"], *pattern["Statement"]]}
        assert run(ON_GITHUB, FakeIam({"orders-ci-deploy-staging": both}), named="orders-ci-deploy-staging")[1] is None
        unknown = policy("repo:acme@1/orders@2:environment:staging")
        unknown["Statement"][0]["Condition"]["IpAddress"] = {"aws:SourceIp": "10.0.0.0/8"}
        role = FakeIam({"orders-ci-deploy-staging": unknown})
        record, problem = run(ON_GITHUB, role, named="orders-ci-deploy-staging")
        assert problem is None
        assert "can't be compared here" in reasons(record, "orders-ci-deploy-staging")["aws:SourceIp"]

    def test_a_role_that_is_not_there_says_what_makes_it(self, monkeypatch: pytest.MonkeyPatch) -> None:
        on_gitlab(monkeypatch, github(environment="staging"))
        _, problem = run(ON_GITHUB, FakeIam({}), named="orders-ci-deploy-staging")
        assert isinstance(problem, RefusedError)
        assert "inv tf.apply --env staging --root foundation" in problem.hint
        assert f"the account {ACCOUNT} has no role" in shown(ON_GITHUB, FakeIam({}), named="orders-ci-deploy-staging")

    def test_without_access_each_account_is_asked_once_and_the_settings_are_compared(
        self, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        on_gitlab(monkeypatch, gitlab())
        iam = FakeIam({}, failure=error("AccessDenied", 403))
        record, problem = run(ON_GITLAB, iam)
        assert {each["source"] for each in record["roles"]} == {"settings"}
        assert (problem, len(iam.asked)) == (None, 2)
        assert "can't be read, so the settings say what is expected" in shown(ON_GITLAB, iam)

    def test_a_role_of_the_same_name_in_another_account_is_not_compared(self, monkeypatch: pytest.MonkeyPatch) -> None:
        on_gitlab(monkeypatch, gitlab())
        foreign = FakeIam({"orders-ci-deploy-production": policy("x")}, account=ACCOUNT)
        record, problem = run(ON_GITLAB, foreign, named="orders-ci-deploy-production")
        assert (record["roles"][0]["source"], problem) == ("settings", None)

    def test_the_accounts_provider_must_be_there_and_take_the_audience(self, monkeypatch: pytest.MonkeyPatch) -> None:
        on_gitlab(monkeypatch, github(environment="staging"))
        role = "orders-ci-deploy-staging"
        iam = FakeIam({role: policy("repo:acme@1/orders@2:environment:staging")})
        assert run(ON_GITHUB, iam, named=role)[1] is None
        iam.providers = {"token.actions.githubusercontent.com": ["https://github.com/acme"]}
        record, problem = run(ON_GITHUB, iam, named=role)
        assert "takes no tokens for sts.amazonaws.com" in record["roles"][0]["problem"]
        assert isinstance(problem, RefusedError)
        iam.providers = {"token.actions.githubusercontent.com/": ["sts.amazonaws.com"]}
        record, _ = run(ON_GITHUB, iam, named=role)
        assert record["roles"][0]["problem"] == (
            f"the account {ACCOUNT} has no identity provider token.actions.githubusercontent.com"
        )

    def test_what_the_settings_say_is_what_the_foundation_makes(self) -> None:
        """The plan of the module, by Terraform itself, is kept as an inventory."""
        inventory = yaml.safe_load(INVENTORY.read_text("utf-8"))["values"]
        made = {
            values["name"]: trust.facts(trust.of_policy(values["assume_role_policy"]))
            for address, values in inventory.items()
            if address.startswith("aws_iam_role.ci[")
        }
        place = {"account": "123456789012", "region": "eu-west-1"}
        ci = {
            "github": {**ON_GITHUB["github"], "older_subject": True},
            "gitlab": {"project": "acme/shop/orders", "url": "https://git.example.com/gitlab"},
        }
        environments = {"staging": place, "production": place}
        settings = load.load(
            {"project": "sample", "environments": environments, "ci": ci, "previews": {"enabled": True}}, Path()
        )
        assert {each.name: trust.facts(identity.trusted(each)) for each in ci_roles.roles(settings)} == made
