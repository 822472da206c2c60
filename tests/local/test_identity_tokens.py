"""Identity tokens of CI jobs: the issuer's pages, and what STS makes of a token."""

from __future__ import annotations

import io
import json
import os
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import ci_tokens
import identity_providers
import pytest
import roles
from botocore.exceptions import ClientError
from ci_tokens import AUDIENCE, GITHUB, github, gitlab
from iam_callers import ACCOUNT, REGION, Iam, refusal, request
from joserfc import jws
from joserfc.jwk import RSAKey

from stepladder.commands import identity
from stepladder.core import aws
from stepladder.core.aws import Aws
from stepladder.core.console import Console
from stepladder.core.errors import RefusedError
from stepladder.settings import load

pytestmark = pytest.mark.cloud

NOT_AUTHORIZED = ("AccessDenied", "Not authorized to perform sts:AssumeRoleWithWebIdentity", 403)
NO_TAGS = ("AccessDenied", "Not authorized to perform sts:TagSession", 403)
TAGS = "https://aws.amazon.com/tags"


class Forge:
    """An issuer of its own for each test, whose provider is known to IAM, and roles that trust it."""

    def __init__(self, iam: Iam) -> None:
        self.iam, self.host = iam, f"{iam.name()}.example.com"
        self.url = f"https://{self.host}"
        self.provider = self.provide(self.url)
        self._sts = iam.cloud.client("sts")

    def provide(self, url: str, *audiences: str) -> str:
        answer = self.iam.client.create_open_id_connect_provider(Url=url, ClientIDList=list(audiences or (AUDIENCE,)))
        return str(answer["OpenIDConnectProviderArn"])

    def role(self, *, actions: tuple[str, ...] = ("AssumeRoleWithWebIdentity",), **equals: Any) -> str:
        """A role that trusts the provider for tokens whose claims equal these, and may do everything."""
        conditions = {name if ":" in name else f"{self.host}:{name}": value for name, value in equals.items()}
        statement = {
            "Effect": "Allow",
            "Action": [f"sts:{action}" for action in actions],
            "Principal": {"Federated": self.provider},
            "Condition": {"StringEquals": conditions},
        }
        return self.iam.role(roles.EVERYTHING, trust=roles.document(statement))

    def claims(self, **changes: Any) -> dict[str, Any]:
        return {"iss": self.url, "aud": AUDIENCE, "sub": "repo:me/mine:ref", **changes}

    def token(self, **changes: Any) -> str:
        return ci_tokens.token(self.iam.cloud.url, self.claims(**changes))

    def take(self, role: str, token: str = "", name: str = "ci", **params: Any) -> Any:
        given = token or self.token()
        return self._sts.assume_role_with_web_identity(
            RoleArn=role, RoleSessionName=name, WebIdentityToken=given, **params
        )

    def refusal(self, role: str, token: str = "", **params: Any) -> tuple[str, str, int]:
        return refusal(self.take, role=role, token=token, **params)


@pytest.fixture
def forge(iam: Iam) -> Forge:
    return Forge(iam)


class TestPages:
    def test_a_forge_publishes_the_key_that_verifies_its_tokens(self, cloud: Any) -> None:
        base = f"{cloud.url}/_stepladder/oidc/gitlab.example.com/git/.well-known"
        configuration = json.loads(request(f"{base}/openid-configuration").data)
        assert configuration["issuer"] == "https://gitlab.example.com/git"
        (key,) = json.loads(request(configuration["jwks_uri"]).data)["keys"]
        assert (key["kty"], key["alg"], key["use"]) == ("RSA", "RS256", "sig")
        assert not {"d", "p", "q"} & set(key)
        token = ci_tokens.token(cloud.url, gitlab(url="https://gitlab.example.com/git"))
        assert (
            jws.deserialize_compact(token, RSAKey.import_key(key), algorithms=["RS256"]).headers()["kid"] == key["kid"]
        )

    def test_a_token_lacks_a_claim_only_if_that_is_meant(self, cloud: Any) -> None:
        page = f"{cloud.url}/_stepladder/oidc/tokens"
        answer = request(page, "POST", body=b'{"iss": "https://a.example.com", "sub": "x"}')
        assert (answer.status, json.loads(answer.data)["error"]) == (400, "missing: aud; null leaves a claim out")
        assert request(page, "POST", body=b"[]").status == 400
        claims = ci_tokens.claims_of(ci_tokens.token(cloud.url, {**github(), "aud": None}))
        assert "aud" not in claims
        assert claims["exp"] - claims["iat"] == 300

    def test_a_github_job_asks_for_a_token_by_the_two_variables_as_on_github(self, cloud: Any) -> None:
        job = ci_tokens.github_variables(cloud.url, github(environment="staging", aud=None))
        url, bearer = job["ACTIONS_ID_TOKEN_REQUEST_URL"], job["ACTIONS_ID_TOKEN_REQUEST_TOKEN"]
        answer = request(f"{url}&audience=sts.amazonaws.com", headers={"Authorization": f"Bearer {bearer}"})
        claims = ci_tokens.claims_of(json.loads(answer.data)["value"])
        assert (claims["iss"], claims["aud"]) == (GITHUB, "sts.amazonaws.com")
        assert claims["sub"] == "repo:acme@1/orders@2:environment:staging"
        default = request(url, headers={"Authorization": f"bearer {bearer}"})
        assert ci_tokens.claims_of(json.loads(default.data)["value"])["aud"] == "https://github.com/acme"

    def test_what_asks_for_tokens_is_no_token_and_no_token_asks_for_tokens(self, cloud: Any, forge: Forge) -> None:
        job = ci_tokens.github_variables(cloud.url, forge.claims())
        url, bearer = job["ACTIONS_ID_TOKEN_REQUEST_URL"], job["ACTIONS_ID_TOKEN_REQUEST_TOKEN"]
        for authorization in ("", "Bearer x", f"Basic {bearer}", f"Bearer {forge.token()}"):
            assert request(url, headers={"Authorization": authorization}).status == 401
        assert forge.refusal(forge.role(sub="repo:me/mine:ref"), bearer)[0] == "InvalidIdentityToken"


class TestSessions:
    def test_a_token_with_the_right_claims_becomes_a_session(self, forge: Forge) -> None:
        answer = forge.take(forge.role(aud=AUDIENCE, sub="repo:me/mine:ref"))
        assert answer["SubjectFromWebIdentityToken"] == "repo:me/mine:ref"
        assert (answer["Audience"], answer["Provider"]) == (AUDIENCE, forge.provider)
        who = forge.iam.of(answer["Credentials"], "sts").get_caller_identity()
        assert who["Arn"].endswith("/ci")
        assert who["Account"] == ACCOUNT

    @pytest.mark.parametrize(
        "changed",
        [
            {"sub": "repo:me/mine:ref:refs/heads/other"},
            {"sub": "REPO:me/mine:ref"},
            {"aud": AUDIENCE, "sub": "repo:me/mine:ref "},
        ],
    )
    def test_another_subject_is_refused(self, forge: Forge, changed: dict[str, Any]) -> None:
        role = forge.role(aud=AUDIENCE, sub="repo:me/mine:ref")
        assert forge.refusal(role, forge.token(**changed)) == NOT_AUTHORIZED

    def test_a_role_that_names_no_such_provider_or_does_not_exist_is_refused(self, forge: Forge) -> None:
        other = Forge(forge.iam)
        assert forge.refusal(other.role(sub="repo:me/mine:ref")) == NOT_AUTHORIZED
        assert forge.refusal(f"arn:aws:iam::{ACCOUNT}:role/{forge.iam.name()}") == NOT_AUTHORIZED

    @pytest.mark.parametrize(
        ("change", "message"),
        [
            (
                {"iss": "https://nobody.example.com"},
                "No OpenIDConnect provider found in your account for https://nobod",
            ),
            ({"iss": "OWN/"}, "No OpenIDConnect provider found in your account for https://"),
            ({"iss": "HTTP"}, "No OpenIDConnect provider found in your account for http://"),
            ({"aud": "https://github.com/acme"}, "Incorrect token audience"),
            ({"azp": "another", "aud": AUDIENCE}, "Incorrect token audience"),
            ({"aud": None}, "Missing a required claim: aud"),
            ({"sub": None}, "Missing a required claim: sub"),
            ({"exp": None}, "Missing a required claim: exp"),
            ({"exp": 9e9}, "The claim exp must be an integer"),
            ({"exp": "9000000000"}, "The claim exp must be an integer"),
            ({"nbf": 9_000_000_000}, "Token isn't valid yet: "),
            ({"iat": 9_000_000_000}, "Token isn't valid yet: "),
        ],
    )
    def test_a_token_that_is_no_good_is_refused_before_the_policy(
        self, forge: Forge, change: dict[str, Any], message: str
    ) -> None:
        iss = {"OWN/": f"{forge.url}/", "HTTP": f"http://{forge.host}"}.get(str(change.get("iss")))
        token = forge.token(**{**change, **({"iss": iss} if iss else {})})
        code, text, status = forge.refusal(forge.role(sub="repo:me/mine:ref"), token)
        assert (code, status) == ("InvalidIdentityToken", 400)
        assert text.startswith(message)

    @pytest.mark.parametrize(
        ("changed", "message"),
        [
            ({"exp": 1_700_000_000}, "must be before the expiration date/time 1700000000"),
            ({"exp": 9_000_000_000, "iat": 1_700_000_000}, "Token too old: "),
        ],
    )
    def test_an_expired_token_is_refused(self, forge: Forge, changed: dict[str, Any], message: str) -> None:
        code, text, status = forge.refusal(forge.role(sub="repo:me/mine:ref"), forge.token(**changed))
        assert (code, status) == ("ExpiredTokenException", 400)
        assert message in text

    def test_a_signature_of_anybody_elses_is_refused(self, forge: Forge, cloud: Any) -> None:
        role = forge.role(sub="repo:me/mine:ref")
        page = f"{cloud.url}/_stepladder/oidc/{forge.host}/.well-known/jwks"
        (public,) = json.loads(request(page).data)["keys"]
        key, own = RSAKey.import_key(public), RSAKey.generate_key(2048)
        now = ci_tokens.claims_of(forge.token())
        forged = jws.serialize_compact({"alg": "RS256", "kid": public["kid"]}, json.dumps(now), own)
        unknown = jws.serialize_compact({"alg": "RS256", "kid": "mine"}, json.dumps(now), own)
        head, body, signature = forge.token().split(".")
        tampered = f"{head}.{forge.token(sub='repo:me/other:ref').split('.')[1]}.{signature}"
        none = {"alg": "none", "kid": public["kid"]}
        confused = ci_tokens.signed_with_public_key(now, public["kid"], key.as_pem(private=False))
        for token in (forged, tampered, ci_tokens.unsigned(now, none), confused, f"{head}.{body}.{'A' * 342}"):
            code, text, _ = forge.refusal(role, token)
            assert (code, text.partition(": ")[2]) == ("InvalidIdentityToken", "its signature is invalid"), token
        assert "Couldn't retrieve verification key" in forge.refusal(role, unknown)[1]

    @pytest.mark.parametrize("token", ["aa.b", "a.b.c", "e30.W10.x", "....", "x" * 20])
    def test_what_is_no_token_is_refused(self, forge: Forge, token: str) -> None:
        code, text, _ = forge.refusal(forge.role(sub="repo:me/mine:ref"), token)
        assert (code, text.partition(".")[0]) == ("InvalidIdentityToken", "The ID Token provided is not a valid JWT")

    def test_session_tags_of_a_token_need_tag_session_and_are_the_sessions(self, forge: Forge) -> None:
        tags = {TAGS: {"principal_tags": {"Team": ["red"]}, "transitive_tag_keys": ["Team"]}}
        plain = forge.role(sub="repo:me/mine:ref")
        assert forge.refusal(plain, forge.token(**tags)) == NO_TAGS
        both = ("AssumeRoleWithWebIdentity", "TagSession")
        role = forge.role(actions=both, sub="repo:me/mine:ref", **{"aws:RequestTag/Team": "red"})
        assert forge.refusal(role, forge.token(**{f"{TAGS}/principal_tags/Team": "blue"})) == NOT_AUTHORIZED
        session = forge.take(role, forge.token(**tags))["Credentials"]
        name = role.rpartition("/")[2]
        own = {"StringEquals": {"aws:PrincipalTag/Team": "blue"}}
        allowed = {"Effect": "Allow", "Action": "sqs:ListQueues", "Resource": "*", "Condition": own}
        forge.iam.client.put_role_policy(RoleName=name, PolicyName="own", PolicyDocument=roles.document(allowed))
        sqs = forge.iam.of(session, "sqs")
        assert refusal(sqs.list_queues)[0] == "AccessDenied"
        own["StringEquals"]["aws:PrincipalTag/Team"] = "red"
        forge.iam.client.put_role_policy(RoleName=name, PolicyName="own", PolicyDocument=roles.document(allowed))
        assert sqs.list_queues()

    @pytest.mark.parametrize(
        "tags",
        [{"aws:x": "y"}, {"k" * 129: "y"}, {"k": "v" * 257}, {f"k{n}": "v" for n in range(51)}, {"a": "1", "A": "1"}],
    )
    def test_tags_beyond_the_limits_are_refused(self, forge: Forge, tags: dict[str, str]) -> None:
        role = forge.role(actions=("AssumeRoleWithWebIdentity", "TagSession"), sub="repo:me/mine:ref")
        assert forge.refusal(role, forge.token(**{TAGS: {"principal_tags": tags}}))[0] == "ValidationError"

    def test_a_session_lasts_no_longer_than_the_role_lets_it(self, forge: Forge, cloud: Any) -> None:
        role = forge.role(sub="repo:me/mine:ref")
        code, message, _ = forge.refusal(role, DurationSeconds=3601)
        assert (code, message) == (
            "ValidationError",
            "The requested DurationSeconds exceeds the MaxSessionDuration set for this role.",
        )
        fields = {"Action": "AssumeRoleWithWebIdentity", "Version": "2011-06-15", "RoleArn": role}
        fields |= {"RoleSessionName": "ci", "WebIdentityToken": forge.token(), "DurationSeconds": "60"}
        short = request(cloud.url, "POST", fields=fields, encode_multipart=False)  # botocore wouldn't send it
        assert short.status == 400
        assert b"greater than or equal to 900" in short.data
        forge.iam.client.update_role(RoleName=role.rpartition("/")[2], MaxSessionDuration=7200)
        assert forge.take(role, DurationSeconds=7200)["Credentials"]

    def test_a_trust_policy_sees_the_claims_that_aws_knows_and_the_sessions_name(self, iam: Iam) -> None:
        """GitHub's tokens have many more claims. AWS has no condition keys for those, so a policy is never met."""
        forge = Forge(iam)
        forge.url, forge.host = GITHUB, "token.actions.githubusercontent.com"
        identity_providers.remove(iam.cloud, GITHUB)
        forge.provider = forge.provide(GITHUB)
        token = ci_tokens.token(iam.cloud.url, github(environment="staging"))
        sub = "repo:acme@1/orders@2:environment:staging"
        assert forge.take(forge.role(sub=sub, repository_id="2", environment="staging"), token)
        assert forge.refusal(forge.role(sub=sub, event_name="push"), token) == NOT_AUTHORIZED
        named = forge.role(sub=sub, **{"sts:RoleSessionName": "release"})
        assert forge.refusal(named, token) == NOT_AUTHORIZED
        assert forge.take(named, token, name="release")


class TestCommand:
    """`inv ci.identity` and the SDK's own login, with the project's roles as the foundation names them."""

    @pytest.fixture
    def settings(self, iam: Iam) -> Any:
        project = iam.name()
        place = {"account": ACCOUNT, "region": REGION}
        ci = {"gitlab": {"project": "acme/orders", "url": f"https://{project}.example.com"}}
        return load.load(
            {"project": project, "environments": {"staging": place}, "rungs": ["staging"], "ci": ci}, Path()
        )

    @pytest.fixture
    def job(self, iam: Iam, settings: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
        """A job of GitLab for the role that deploys; the file of its token."""
        forge = Forge(iam)
        forge.url, forge.host = settings.ci.gitlab.url, settings.ci.gitlab.url.removeprefix("https://")
        forge.provider = forge.provide(forge.url, forge.url)
        role = f"{settings.project}-ci-deploy-staging"
        condition = {"StringEquals": {f"{forge.host}:aud": forge.url, f"{forge.host}:sub": ci_tokens.gitlab()["sub"]}}
        principal = {"Federated": forge.provider}
        trusts = {"Effect": "Allow", "Action": "sts:AssumeRoleWithWebIdentity", "Principal": principal}
        arn = iam.role(roles.EVERYTHING, trust=roles.document({**trusts, "Condition": condition}), name=role)
        for name in [name for name in os.environ if name.startswith(("AWS_", "GITHUB_", "GITLAB_", "CI"))]:
            monkeypatch.delenv(name)
        values = {"AWS_ENDPOINT_URL": iam.cloud.url, "AWS_ROLE_ARN": arn, "GITLAB_CI": "true"}
        for name, value in {**values, "AWS_WEB_IDENTITY_TOKEN_FILE": str(tmp_path / "token")}.items():
            monkeypatch.setenv(name, value)
        aws._session.cache_clear()
        yield tmp_path / "token"
        aws._session.cache_clear()

    def show(self, settings: Any) -> dict[str, Any]:
        out = io.StringIO()
        console = Console(out=out, err=io.StringIO(), as_json=True)
        try:
            identity.show(settings, console, clients=lambda _: Aws(REGION), now=time.time())
        except RefusedError as refused:
            return dict(refused.record)
        return dict(json.loads(out.getvalue()))

    def test_a_job_logs_in_by_its_file_and_the_roles_own_policy_is_compared(
        self, cloud: Any, settings: Any, job: Path
    ) -> None:
        job.write_text(ci_tokens.token(cloud.url, gitlab(url=settings.ci.gitlab.url, aud=settings.ci.gitlab.url)))
        assert Aws(REGION).account() == ACCOUNT
        (role,) = self.show(settings)["roles"]
        assert (role["source"], role["equal"], role["outdated"]) == ("AWS", True, False)

    def test_a_job_of_another_branch_is_refused_with_the_command_that_says_why(
        self, cloud: Any, settings: Any, job: Path
    ) -> None:
        url = settings.ci.gitlab.url
        job.write_text(ci_tokens.token(cloud.url, gitlab(ref="try", url=url, aud=url)))
        with pytest.raises(ClientError) as refused:
            Aws(REGION).account()
        explained = aws.explain(refused.value)
        assert explained
        assert "Not authorized to perform sts:AssumeRoleWithWebIdentity" in explained.message
        assert explained.hint.startswith("`inv ci.identity`")
        (role,) = self.show(settings)["roles"]
        assert (role["source"], role["equal"]) == ("settings", False)
        why = {claim["claim"]: claim["why"] for claim in role["claims"]}
        assert why["sub"] == "the job is of the branch try, and the role is for the branch main"


class TestProviders:
    def test_a_slash_at_the_end_of_the_url_makes_it_another_issuers(self, iam: Iam) -> None:
        forge = Forge(iam)
        slashed = Forge(iam)
        slashed.provider = slashed.provide(f"{forge.url}s/")
        assert slashed.provider.endswith("/")
        token = ci_tokens.token(iam.cloud.url, forge.claims(iss=f"{forge.url}s"))
        code, message, _ = slashed.refusal(slashed.role(sub="x"), token)
        assert (code, message) == (
            "InvalidIdentityToken",
            f"No OpenIDConnect provider found in your account for {forge.url}s",
        )

    def test_a_provider_is_kept_as_iam_keeps_it(self, forge: Forge) -> None:
        iam, arn = forge.iam.client, {"OpenIDConnectProviderArn": forge.provider}
        shown = iam.get_open_id_connect_provider(**arn)
        assert (shown["Url"], shown["ClientIDList"]) == (forge.host, [AUDIENCE])
        assert [len(each) for each in shown["ThumbprintList"]] == [40]  # none was given
        iam.add_client_id_to_open_id_connect_provider(**arn, ClientID="other")
        iam.add_client_id_to_open_id_connect_provider(**arn, ClientID="other")
        iam.remove_client_id_from_open_id_connect_provider(**arn, ClientID=AUDIENCE)
        assert iam.get_open_id_connect_provider(**arn)["ClientIDList"] == ["other"]
        assert forge.refusal(forge.role(sub="repo:me/mine:ref"))[1] == "Incorrect token audience"
        code, message, status = refusal(iam.create_open_id_connect_provider, Url=forge.url, ClientIDList=["x"])
        assert (code, message, status) == (
            *("EntityAlreadyExists", f"Provider with url {forge.url} already exists."),
            409,
        )

    @pytest.mark.parametrize("url", ["http://a.example.com", "https://a.example.com:8443", "https://a.example.com?x=1"])
    def test_a_url_that_iam_does_not_take_is_refused(self, iam: Iam, url: str) -> None:
        assert refusal(iam.client.create_open_id_connect_provider, Url=url)[:2] == (
            *("ValidationError", "Invalid Open ID Connect Provider URL"),
        )
