"""Credentials that don't work: one line that says why, exit code 6, and a hint that works there."""

from __future__ import annotations

import os
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import ci_tokens
import pytest
from botocore.exceptions import CredentialRetrievalError
from fakes.errors import error

from stepladder.core import aws
from stepladder.core.aws import Aws
from stepladder.core.errors import ExitCode, NotReadyError, StepladderError
from stepladder.forge import registered

ROLE = "arn:aws:iam::111111111111:role/orders-ci-deploy-staging"
REFUSED = "Not authorized to perform sts:AssumeRoleWithWebIdentity"


class Aws403:
    """Answers every call as STS refuses one."""

    def __init__(self) -> None:
        self.code, self.message, self.asked = "AccessDenied", REFUSED, 0
        outer = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                outer.asked += 1
                self.rfile.read(int(self.headers.get("Content-Length", 0)))
                body = (
                    '<ErrorResponse xmlns="https://sts.amazonaws.com/doc/2011-06-15/"><Error><Type>Sender</Type>'
                    f"<Code>{outer.code}</Code><Message>{outer.message}</Message></Error></ErrorResponse>"
                ).encode()
                self.send_response(403)
                self.send_header("Content-Type", "text/xml")
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def do_HEAD(self) -> None:
                self.do_POST()

            def log_message(self, *_: object) -> None:
                pass

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.thread = threading.Thread(target=self.server.serve_forever, kwargs={"poll_interval": 0.01})
        self.thread.start()


@pytest.fixture(autouse=True)
def nobody(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """No credentials, no profile and no job; sessions of the SDK are made anew."""
    for name in [name for name in os.environ if name.startswith(("AWS_", "CI", "GITHUB_", "GITLAB_", "CODEBUILD_"))]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    monkeypatch.setattr("stepladder.core.ci._detectors", [registered.is_detected])
    aws._session.cache_clear()
    aws._assumed.cache_clear()


@pytest.fixture(autouse=True)
def own_session() -> Iterator[None]:
    yield
    aws._session.cache_clear()
    aws._assumed.cache_clear()


@pytest.fixture
def sts(monkeypatch: pytest.MonkeyPatch) -> Iterator[Aws403]:
    server = Aws403()
    monkeypatch.setenv("AWS_ENDPOINT_URL", f"http://127.0.0.1:{server.server.server_port}")
    yield server
    server.server.shutdown()
    server.thread.join()
    server.server.server_close()


def profile(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, text: str) -> None:
    (tmp_path / "config").write_text(text)
    monkeypatch.setenv("AWS_CONFIG_FILE", str(tmp_path / "config"))
    monkeypatch.setenv("AWS_PROFILE", "work")


def explained(role_arn: str = "") -> StepladderError:
    """What the first call with the credentials at hand ends with."""
    with pytest.raises(Exception) as caught:  # noqa: PT011 - whatever the SDK raises
        Aws("eu-west-1", role_arn).account()
    known = caught.value if isinstance(caught.value, StepladderError) else aws.explain(caught.value)
    assert known, repr(caught.value)
    assert (known.exit_code, known.kind) == (ExitCode.NOT_READY, "no-credentials")
    assert "\n" not in known.message
    return known


SSO = """[profile work]
sso_session = acme
sso_account_id = 111111111111
sso_role_name = deployer
[sso-session acme]
sso_region = eu-west-1
sso_start_url = https://acme.awsapps.com/start
"""
OLD_SSO = """[profile work]
sso_region = eu-west-1
sso_start_url = https://acme.awsapps.com/start
sso_account_id = 111111111111
sso_role_name = deployer
"""


class TestProfiles:
    @pytest.mark.parametrize("text", [SSO, OLD_SSO])
    def test_an_expired_sso_login_names_the_command_that_renews_it(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, text: str
    ) -> None:
        profile(tmp_path, monkeypatch, text)
        known = explained()
        assert "the SSO login has expired" in known.message
        assert known.hint == "log in: `aws sso login --profile work`"

    @pytest.mark.parametrize(
        ("text", "message"),
        [
            ("[profile other]\nregion = eu-west-1\n", "The config profile (work) could not be found"),
            (
                "[profile work]\nrole_arn = arn:aws:iam::1:role/r\nsource_profile = gone\n",
                'The source_profile "gone" referenced',
            ),
            ("[profile work\n", "Unable to parse config file"),
            (
                "[profile work]\nrole_arn = arn:aws:iam::1:role/r\nsource_profile = work\n",
                "Infinite loop in credential configuration",
            ),
        ],
    )
    def test_a_profile_that_can_not_be_used_is_named(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, text: str, message: str
    ) -> None:
        profile(tmp_path, monkeypatch, text)
        known = explained()
        assert known.message.startswith("there are no AWS credentials that work")
        assert message in known.message
        assert "AWS_PROFILE" in known.hint

    def test_a_program_that_gives_no_credentials_is_told_with_its_words(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setenv("AWS_PROFILE", "work")
        known = aws.explain(CredentialRetrievalError(provider="custom-process", error_msg="the vault\nis closed"))
        assert known
        assert "custom-process: the vault is closed" in known.message
        assert "aws sts get-caller-identity --profile work" in known.hint

    def test_a_program_that_is_not_there_is_named(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        profile(tmp_path, monkeypatch, "[profile work]\ncredential_process = gone-vault --json\n")
        missing = FileNotFoundError(2, "No such file or directory", "gone-vault")
        known = aws.explain(missing)
        assert known
        assert (known.exit_code, known.kind) == (ExitCode.NOT_READY, "no-credentials")
        assert "gone-vault: No such file or directory" in known.message
        assert aws.explain(FileNotFoundError(2, "No such file or directory", "another")) is None


class TestJobs:
    @pytest.mark.parametrize(
        ("code", "message"),
        [
            ("AccessDenied", REFUSED),
            ("InvalidIdentityToken", "No OpenIDConnect provider found in your account for https://gitlab.com/"),
            ("InvalidIdentityToken", "Incorrect token audience"),
            ("ExpiredTokenException", "Token expired"),
            ("ValidationError", "Request ARN is invalid"),
        ],
    )
    def test_a_refused_identity_token_leads_to_ci_identity(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, sts: Aws403, code: str, message: str
    ) -> None:
        sts.code, sts.message = code, message
        (tmp_path / "token").write_text(ci_tokens.unsigned(ci_tokens.gitlab(ref="try"), {"alg": "RS256"}, b"secret"))
        monkeypatch.setenv("AWS_WEB_IDENTITY_TOKEN_FILE", str(tmp_path / "token"))
        monkeypatch.setenv("AWS_ROLE_ARN", ROLE)
        known = explained()
        assert known.message == (
            f"AWS refuses this job's identity token for orders-ci-deploy-staging ({code}: {message})"
        )
        assert known.hint.startswith("`inv ci.identity` shows")
        assert sts.asked == 1

    @pytest.mark.parametrize("content", [None, ""])
    def test_a_token_file_that_is_missing_or_empty_is_named(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, sts: Aws403, content: str | None
    ) -> None:
        if content is not None:
            (tmp_path / "token").write_text(content)
        monkeypatch.setenv("AWS_WEB_IDENTITY_TOKEN_FILE", str(tmp_path / "token"))
        monkeypatch.setenv("AWS_ROLE_ARN", ROLE)
        known = explained()
        assert "AWS refuses this job's identity token" in known.message
        assert "`inv ci.identity`" in known.hint
        assert sts.asked == 0

    @pytest.mark.parametrize(
        ("role", "told"),
        [
            (None, "empty"),
            ("", "empty"),
            ("orders-ci-deploy", "'orders-ci-deploy', no ARN of a role"),
            ("$AWS_PLAN_ROLE_ARN_STAGING", "'$AWS_PLAN_ROLE_ARN_STAGING', no ARN of a role"),
        ],
    )
    def test_a_job_whose_forge_has_no_variable_for_the_role_learns_how_to_set_it(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, sts: Aws403, role: str | None, told: str
    ) -> None:
        sts.code, sts.message = "ValidationError", "Request ARN is invalid"
        (tmp_path / "token").write_text("aa.bb.cc")
        monkeypatch.setenv("AWS_WEB_IDENTITY_TOKEN_FILE", str(tmp_path / "token"))
        if role is not None:
            monkeypatch.setenv("AWS_ROLE_ARN", role)
        known = explained()
        assert known.message == f"this job has no role to log in as: AWS_ROLE_ARN is {told}"
        assert "`inv aws.bootstrap` prints the command" in known.hint
        assert "protected branches" in known.hint

    def test_a_refused_login_is_not_taken_for_the_refusal_of_the_call_that_needed_it(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, sts: Aws403
    ) -> None:
        """A bucket whose HEAD is denied may be another account's. Here nobody asked for the bucket."""
        (tmp_path / "token").write_text("aa.bb.cc")
        monkeypatch.setenv("AWS_WEB_IDENTITY_TOKEN_FILE", str(tmp_path / "token"))
        monkeypatch.setenv("AWS_ROLE_ARN", ROLE)
        with pytest.raises(Exception, match="AssumeRoleWithWebIdentity") as caught:
            Aws("eu-west-1").client("s3").head_bucket(Bucket="orders-tfstate")
        assert aws.error_code(caught.value) == ""

    @pytest.mark.parametrize("variables", [{"CI": "true"}, {"GITHUB_ACTIONS": "true"}, {"GITLAB_CI": "true"}])
    def test_a_job_without_credentials_is_not_told_to_log_in_by_hand(
        self, monkeypatch: pytest.MonkeyPatch, variables: dict[str, str]
    ) -> None:
        for name, value in variables.items():
            monkeypatch.setenv(name, value)
        known = explained()
        assert "`inv ci.identity`" in known.hint
        assert "sso" not in known.hint

    def test_a_person_is_told_how_to_log_in(self) -> None:
        assert "`aws sso login`" in explained().hint
        assert "`aws sso login`" in explained(ROLE).hint


class TestCodes:
    @pytest.mark.parametrize(
        ("code", "why"),
        [
            *((code, "they have expired") for code in ("ExpiredToken", "ExpiredTokenException", "RequestExpired")),
            *(
                (code, "AWS doesn't know the key")
                for code in (
                    *("InvalidClientTokenId", "UnrecognizedClientException", "InvalidAccessKeyId", "AuthFailure"),
                    *("SignatureDoesNotMatch", "InvalidSignatureException", "MissingAuthenticationToken"),
                )
            ),
            ("RequestTimeTooSkewed", "clock is wrong"),
        ],
    )
    def test_every_services_own_code_is_known(self, code: str, why: str) -> None:
        known = aws.explain(error(code, 403))
        assert isinstance(known, NotReadyError)
        assert f"there are no AWS credentials that work ({code})" in known.message
        assert why in known.message

    def test_the_environments_role_that_may_not_be_assumed_is_no_denied_call(
        self, monkeypatch: pytest.MonkeyPatch, sts: Aws403
    ) -> None:
        monkeypatch.setenv("AWS_ACCESS_KEY_ID", "AKIAIOSFODNN7EXAMPLE")
        monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "x")
        sts.message = f"User: x is not authorized to perform: sts:AssumeRole on resource: {ROLE}"
        known = explained(ROLE)
        assert "may not assume the environment's role (AccessDenied: User: x is not authorized" in known.message
        assert "`aws sts get-caller-identity`" in known.hint
