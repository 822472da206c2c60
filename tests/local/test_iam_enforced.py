"""Who may do what in the local cloud: signatures, roles, policies, and AWS's own words for what isn't allowed."""

from __future__ import annotations

import base64
import json
import re
import textwrap
import time
from typing import Any
from uuid import uuid4

import botocore.session
import pytest
import roles
import urllib3
from asking import until
from botocore.auth import SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.config import Config
from botocore.credentials import Credentials
from botocore.exceptions import ClientError
from functions import HELLO

from localcloud import iam_mode
from stepladder.core import resources

pytestmark = pytest.mark.cloud

ACCOUNT, OTHER, REGION = "123456789012", "222222222222", "us-east-1"
PUT = {"Effect": "Allow", "Action": "dynamodb:PutItem"}
LOGS = {"Effect": "Allow", "Action": "logs:*", "Resource": "*"}
CALLER = """
import boto3
def handler(event, context):
    client = boto3.client(event["service"])
    return getattr(client, event["call"])(**event["params"]).get(event.get("member", ""), "done")
"""


class Iam:
    """IAM of one account, and clients of those whom it knows."""

    def __init__(self, cloud: Any) -> None:
        self.cloud, self.client = cloud, cloud.client("iam")

    def name(self) -> str:
        return f"iam-{uuid4().hex[:8]}"

    def of(self, credentials: dict[str, Any], service: str, **changes: str) -> Any:
        """A client with credentials as IAM and STS return them."""
        return botocore.session.Session().create_client(
            service,
            region_name=REGION,
            endpoint_url=self.cloud.url,
            aws_access_key_id=credentials["AccessKeyId"],
            aws_secret_access_key=changes.get("secret") or credentials["SecretAccessKey"],
            aws_session_token=changes.get("token") or credentials.get("SessionToken"),
            config=Config(retries={"total_max_attempts": 1}, signature_version="s3v4" if service == "s3" else None),
        )

    def user(self, *statements: dict[str, Any]) -> tuple[str, dict[str, Any]]:
        """A user with these statements; its name and its key."""
        name = self.name()
        self.client.create_user(UserName=name)
        if statements:
            self.client.put_user_policy(UserName=name, PolicyName="own", PolicyDocument=roles.document(*statements))
        return name, self.client.create_access_key(UserName=name)["AccessKey"]

    def role(self, *statements: dict[str, Any], trust: str = "", name: str = "") -> str:
        """A role that the account trusts, with these statements and no others; its ARN."""
        name = name or self.name()
        document = trust or roles.trust(principals=[f"arn:aws:iam::{ACCOUNT}:root"], services=roles.SERVICES)
        arn = self.client.create_role(RoleName=name, AssumeRolePolicyDocument=document)["Role"]["Arn"]
        if statements:
            self.client.put_role_policy(RoleName=name, PolicyName="own", PolicyDocument=roles.document(*statements))
        return str(arn)

    def session(self, role: str, **params: Any) -> dict[str, Any]:
        answer = self.cloud.client("sts").assume_role(RoleArn=role, RoleSessionName="tests", **params)
        return dict(answer["Credentials"])

    def table(self, name: str = "") -> str:
        """A table; its ARN."""
        key = {"AttributeName": "pk", "KeyType": "HASH"}
        return str(
            self.cloud.client("dynamodb").create_table(
                TableName=name or self.name(),
                BillingMode="PAY_PER_REQUEST",
                KeySchema=[key],
                AttributeDefinitions=[{"AttributeName": "pk", "AttributeType": "S"}],
            )["TableDescription"]["TableArn"]
        )

    def denials(self, caller: str) -> list[dict[str, Any]]:
        return [row for row in self.cloud.info.request("iam")["denials"] if caller in row["caller"]]


@pytest.fixture
def iam(cloud: Any) -> Iam:
    return Iam(cloud)


def request(url: str, method: str = "GET", **options: Any) -> Any:
    return urllib3.PoolManager().request(method, url, retries=False, **options)


def refusal(call: Any, **params: Any) -> tuple[str, str, int]:
    """Return code, message and status of a call that is refused."""
    with pytest.raises(ClientError) as caught:
        call(**params)
    response = caught.value.response
    return response["Error"]["Code"], response["Error"]["Message"], response["ResponseMetadata"]["HTTPStatusCode"]


def put(client: Any, table: str) -> Any:
    return client.put_item(TableName=table.rpartition("/")[2], Item={"pk": {"S": "1"}})


class TestSignatures:
    @pytest.mark.parametrize(
        ("service", "call", "code", "status"),
        [
            ("dynamodb", "list_tables", "InvalidSignatureException", 400),
            ("lambda", "list_functions", "InvalidSignatureException", 403),
            ("iam", "list_users", "SignatureDoesNotMatch", 403),
            ("sqs", "list_queues", "SignatureDoesNotMatch", 403),
            ("s3", "list_buckets", "SignatureDoesNotMatch", 403),
        ],
    )
    def test_a_wrong_secret_is_refused_in_each_services_own_words(
        self, iam: Iam, service: str, call: str, code: str, status: int
    ) -> None:
        _, key = iam.user(roles.EVERYTHING)
        getattr(iam.of(key, service), call)()
        answer = refusal(getattr(iam.of(key, service, secret="wrong"), call))
        assert (answer[0], answer[2]) == (code, status)
        assert answer[1].startswith("The request signature we calculated does not match the signature you provided.")

    @pytest.mark.parametrize(
        ("service", "call", "code"),
        [
            ("dynamodb", "list_tables", "UnrecognizedClientException"),
            ("sts", "get_caller_identity", "InvalidClientTokenId"),
            ("s3", "list_buckets", "InvalidAccessKeyId"),
            ("ec2", "describe_vpcs", "AuthFailure"),
        ],
    )
    def test_a_key_that_nobody_issued_is_refused(self, iam: Iam, service: str, call: str, code: str) -> None:
        key = {"AccessKeyId": "AKIAIOSFODNN7EXAMPLE", "SecretAccessKey": "x"}
        assert refusal(getattr(iam.of(key, service), call))[0] == code

    def test_a_key_that_is_inactive_or_deleted_opens_nothing(self, iam: Iam) -> None:
        name, key = iam.user(roles.EVERYTHING)
        where = {"UserName": name, "AccessKeyId": key["AccessKeyId"]}
        iam.client.update_access_key(**where, Status="Inactive")
        assert refusal(iam.of(key, "sts").get_caller_identity)[0] == "InvalidClientTokenId"
        iam.client.update_access_key(**where, Status="Active")
        assert iam.of(key, "sts").get_caller_identity()["Arn"].endswith(f":user/{name}")
        iam.client.delete_access_key(**where)
        assert refusal(iam.of(key, "sts").get_caller_identity)[0] == "InvalidClientTokenId"

    def test_a_sessions_key_needs_its_token(self, iam: Iam) -> None:
        key = iam.session(iam.role(roles.EVERYTHING))
        assert iam.of(key, "sqs").list_queues()
        assert refusal(iam.of(key, "sqs", token="another").list_queues)[0] == "InvalidClientTokenId"
        bare = {name: key[name] for name in ("AccessKeyId", "SecretAccessKey")}
        assert refusal(iam.of(bare, "sqs").list_queues)[0] == "InvalidClientTokenId"

    def test_a_deleted_roles_sessions_end(self, iam: Iam) -> None:
        role = iam.role()
        key = iam.session(role)
        assert ":assumed-role/" in iam.of(key, "sts").get_caller_identity()["Arn"]
        iam.client.delete_role(RoleName=role.rpartition("/")[2])
        assert refusal(iam.of(key, "sts").get_caller_identity)[0] == "InvalidClientTokenId"

    def test_an_unsigned_call_lacks_its_token(self, iam: Iam) -> None:
        answer = request(iam.cloud.url, "POST", headers={"X-Amz-Target": "DynamoDB_20120810.ListTables"}, body=b"{}")
        assert (answer.status, b"MissingAuthenticationTokenException" in answer.data) == (400, True)

    def test_a_body_that_was_changed_on_the_way_is_refused(self, iam: Iam) -> None:
        _, key = iam.user(roles.EVERYTHING)
        sent = AWSRequest(
            "POST",
            iam.cloud.url,
            data=b"{}",
            headers={"X-Amz-Target": "DynamoDB_20120810.ListTables", "Content-Type": "application/x-amz-json-1.0"},
        )
        SigV4Auth(Credentials(key["AccessKeyId"], key["SecretAccessKey"]), "dynamodb", REGION).add_auth(sent)
        headers = dict(sent.headers.items())
        assert request(iam.cloud.url, "POST", headers=headers, body=b"{}").status == 200
        assert request(iam.cloud.url, "POST", headers=headers, body=b'{"Limit": 1}').status == 400

    @pytest.mark.parametrize("version", ["s3v4", "s3"])
    def test_a_presigned_url_is_its_signers_and_ends(self, iam: Iam, version: str) -> None:
        bucket, key = iam.name(), "a folder/ü+c=&x"
        s3 = iam.cloud.client("s3")
        s3.create_bucket(Bucket=bucket)
        s3.put_object(Bucket=bucket, Key=key, Body=b"content")
        _, own = iam.user({"Effect": "Allow", "Action": "s3:GetObject", "Resource": f"arn:aws:s3:::{bucket}/*"})
        signer = iam.of(own, "s3")
        if version == "s3":
            signer = botocore.session.Session().create_client(
                "s3",
                region_name=REGION,
                endpoint_url=iam.cloud.url,
                aws_access_key_id=own["AccessKeyId"],
                aws_secret_access_key=own["SecretAccessKey"],
                config=Config(signature_version="s3", s3={"addressing_style": "path"}),
            )
        where = {"Bucket": bucket, "Key": key}
        url = signer.generate_presigned_url("get_object", Params=where)
        assert request(url).data == b"content"
        assert b"SignatureDoesNotMatch" in request(url.replace("folder", "older")).data
        assert b"AccessDenied" in request(signer.generate_presigned_url("get_object", Params=where, ExpiresIn=-5)).data
        foreign = signer.generate_presigned_url("get_object", Params={"Bucket": f"{bucket}x", "Key": key})
        assert b"AccessDenied" in request(foreign).data

    def test_the_accounts_root_is_let_in_with_any_secret(self, iam: Iam) -> None:
        root = {"AccessKeyId": ACCOUNT, "SecretAccessKey": "anything"}
        assert iam.of(root, "sts").get_caller_identity()["Arn"] == f"arn:aws:iam::{ACCOUNT}:root"


class TestIdentityPolicies:
    @pytest.mark.parametrize(
        ("service", "call", "params", "code", "status", "action", "resource"),
        [
            ("dynamodb", "list_tables", {}, "AccessDeniedException", 400, "dynamodb:ListTables", "*"),
            (
                *("lambda", "get_function", {"FunctionName": "x"}, "AccessDeniedException", 403),
                *("lambda:GetFunction", "arn:aws:lambda:us-east-1:123456789012:function:x"),
            ),
            (
                *("s3", "get_object", {"Bucket": "own-bucket", "Key": "k"}, "AccessDenied", 403),
                *("s3:GetObject", '"arn:aws:s3:::own-bucket/k"'),
            ),
            (
                *("sqs", "send_message", {"QueueUrl": "URL/123456789012/q", "MessageBody": "x"}, "AccessDenied", 403),
                *("sqs:sendmessage", "arn:aws:sqs:us-east-1:123456789012:q"),
            ),
        ],
    )
    def test_a_denial_has_the_services_code_and_awss_text(
        self,
        iam: Iam,
        service: str,
        call: str,
        params: dict[str, str],
        code: str,
        status: int,
        action: str,
        resource: str,
    ) -> None:
        name, key = iam.user()
        given = {k: v.replace("URL", iam.cloud.url) for k, v in params.items()}
        answer = refusal(getattr(iam.of(key, service), call), **given)
        assert (answer[0], answer[2]) == (code, status)
        assert answer[1] == (
            f"User: arn:aws:iam::{ACCOUNT}:user/{name} is not authorized to perform: {action} on resource: {resource} "
            f"because no identity-based policy allows the {action} action"
        )

    def test_a_statement_opens_its_own_resource_only(self, iam: Iam) -> None:
        mine, other = iam.table(), iam.table()
        _, key = iam.user({**PUT, "Resource": mine})
        put(iam.of(key, "dynamodb"), mine)
        assert refusal(lambda: put(iam.of(key, "dynamodb"), other))[0] == "AccessDeniedException"

    def test_groups_and_attached_policies_count_and_a_deny_has_the_last_word(self, iam: Iam) -> None:
        table = iam.table()
        name, key = iam.user()
        dynamodb = iam.of(key, "dynamodb")
        group = iam.name()
        iam.client.create_group(GroupName=group)
        iam.client.put_group_policy(
            GroupName=group, PolicyName="p", PolicyDocument=roles.document({**PUT, "Resource": table})
        )
        iam.client.add_user_to_group(GroupName=group, UserName=name)
        put(dynamodb, table)
        denied = roles.document({"Effect": "Deny", "Action": "dynamodb:*", "Resource": "*"})
        policy = iam.client.create_policy(PolicyName=iam.name(), PolicyDocument=denied)["Policy"]["Arn"]
        iam.client.attach_user_policy(UserName=name, PolicyArn=policy)
        assert "with an explicit deny in an identity-based policy" in refusal(lambda: put(dynamodb, table))[1]

    def test_a_boundary_and_a_sessions_own_policy_limit_a_role(self, iam: Iam) -> None:
        table = iam.table()
        role = iam.role(roles.EVERYTHING)
        reads = roles.document({"Effect": "Allow", "Action": "dynamodb:GetItem", "Resource": "*"})
        put(iam.of(iam.session(role), "dynamodb"), table)
        limited = iam.of(iam.session(role, Policy=reads), "dynamodb")
        assert "because no session policy allows the dynamodb:PutItem action" in refusal(lambda: put(limited, table))[1]
        boundary = iam.client.create_policy(PolicyName=iam.name(), PolicyDocument=reads)["Policy"]["Arn"]
        iam.client.put_role_permissions_boundary(RoleName=role.rpartition("/")[2], PermissionsBoundary=boundary)
        bounded = iam.of(iam.session(role), "dynamodb")
        assert "because no permissions boundary allows" in refusal(lambda: put(bounded, table))[1]

    def test_giving_a_role_to_a_service_needs_pass_role(self, iam: Iam, functions: Any) -> None:
        create = {"Effect": "Allow", "Action": "lambda:CreateFunction", "Resource": "*"}
        name, key = iam.user(create)
        params = {
            "FunctionName": functions.name(),
            "Runtime": "python3.13",
            "Handler": "app.handler",
            "Role": functions.role,
            "Code": {"ZipFile": functions.zip()},
        }
        _, message, _ = refusal(iam.of(key, "lambda").create_function, **params)
        assert f"is not authorized to perform: iam:PassRole on resource: {functions.role}" in message
        passes = {"Effect": "Allow", "Action": "iam:PassRole", "Resource": functions.role}
        iam.client.put_user_policy(UserName=name, PolicyName="own", PolicyDocument=roles.document(create, passes))
        iam.of(key, "lambda").create_function(**params)


class TestRoles:
    def test_a_role_is_taken_by_whom_it_trusts(self, iam: Iam) -> None:
        name, key = iam.user({"Effect": "Allow", "Action": "sts:AssumeRole", "Resource": "*"})
        _, other = iam.user({"Effect": "Allow", "Action": "sts:AssumeRole", "Resource": "*"})
        role = iam.role(trust=roles.trust(principals=[f"arn:aws:iam::{ACCOUNT}:user/{name}"]))
        take = {"RoleArn": role, "RoleSessionName": "tests"}
        taken = iam.of(key, "sts").assume_role(**take)
        assert taken["AssumedRoleUser"]["Arn"].endswith(f":assumed-role/{role.rpartition('/')[2]}/tests")
        code, message, status = refusal(iam.of(other, "sts").assume_role, **take)
        assert (code, status) == ("AccessDenied", 403)
        assert message.endswith(f"is not authorized to perform: sts:AssumeRole on resource: {role}")

    def test_older_sessions_of_a_role_are_revoked_by_a_deny_of_their_time(self, iam: Iam) -> None:
        role = iam.role(roles.EVERYTHING)
        sqs = iam.of(iam.session(role), "sqs")
        assert sqs.list_queues()
        older = {"DateLessThan": {"aws:TokenIssueTime": "2999-01-01T00:00:00Z"}}
        denied = {"Effect": "Deny", "Action": "*", "Resource": "*", "Condition": older}
        document = roles.document(roles.EVERYTHING, denied)
        iam.client.put_role_policy(RoleName=role.rpartition("/")[2], PolicyName="own", PolicyDocument=document)
        assert "with an explicit deny in an identity-based policy" in refusal(sqs.list_queues)[1]

    def test_a_role_that_does_not_exist_is_refused_and_the_page_says_so(self, iam: Iam) -> None:
        role = f"arn:aws:iam::{OTHER}:role/{iam.name()}"
        code, _, _ = refusal(iam.cloud.client("sts").assume_role, RoleArn=role, RoleSessionName="tests")
        assert code == "AccessDenied"
        assert any("there is no such role" in row["why"] for row in iam.denials(":root") if row["resource"] == role)

    def test_a_ci_job_takes_a_role_with_its_token(self, iam: Iam) -> None:
        host = f"{iam.name()}.example.com"
        provider = iam.client.create_open_id_connect_provider(
            Url=f"https://{host}", ClientIDList=["sts.amazonaws.com"], ThumbprintList=["0" * 40]
        )["OpenIDConnectProviderArn"]
        statement = {
            "Effect": "Allow",
            "Action": "sts:AssumeRoleWithWebIdentity",
            "Principal": {"Federated": provider},
            "Condition": {
                "StringEquals": {f"{host}:aud": "sts.amazonaws.com"},
                "StringLike": {f"{host}:sub": "repo:me/mine:*"},
            },
        }
        role = iam.role(roles.EVERYTHING, trust=roles.document(statement))
        sts = iam.cloud.client("sts")

        def take(**claims: Any) -> Any:
            own = {"iss": f"https://{host}", "aud": "sts.amazonaws.com", "sub": "repo:me/mine:ref", "exp": 9e9}
            parts = (base64.urlsafe_b64encode(json.dumps(each).encode()).decode() for each in ({}, {**own, **claims}))
            return sts.assume_role_with_web_identity(
                RoleArn=role, RoleSessionName="ci", WebIdentityToken=".".join([*parts, "x"])
            )

        key = take()["Credentials"]
        assert iam.of(key, "sts").get_caller_identity()["Arn"].endswith("/ci")
        assert refusal(take, sub="repo:you/yours:ref")[:2] == (
            *("AccessDenied", "Not authorized to perform sts:AssumeRoleWithWebIdentity"),
        )
        assert refusal(take, exp=time.time() - 60)[0] == "ExpiredTokenException"
        assert refusal(take, iss="https://other.example.com")[0] == "InvalidIdentityToken"

    def test_tokens_of_a_user_are_the_users_and_a_federated_users_are_less(self, iam: Iam) -> None:
        table = iam.table()
        name, key = iam.user(roles.EVERYTHING)
        token = iam.of(key, "sts").get_session_token()["Credentials"]
        assert iam.of(token, "sts").get_caller_identity()["Arn"].endswith(f":user/{name}")
        put(iam.of(token, "dynamodb"), table)
        policy = roles.document({"Effect": "Allow", "Action": "dynamodb:GetItem", "Resource": "*"})
        federated = iam.of(key, "sts").get_federation_token(Name="ann", Policy=policy)
        assert federated["FederatedUser"]["Arn"] == f"arn:aws:sts::{ACCOUNT}:federated-user/ann"
        client = iam.of(federated["Credentials"], "dynamodb")
        assert "no session policy allows" in refusal(lambda: put(client, table))[1]


class TestResourcePolicies:
    def test_a_bucket_lets_in_another_accounts_role_whom_both_allow(self, iam: Iam) -> None:
        bucket, s3 = iam.name(), iam.cloud.client("s3")
        s3.create_bucket(Bucket=bucket)
        s3.put_object(Bucket=bucket, Key="k", Body=b"x")
        foreign = iam.cloud.client("iam", OTHER)
        name = iam.name()
        roles.make_deployer(foreign, ACCOUNT, name)
        role = f"arn:aws:iam::{OTHER}:role/{name}"
        reader = iam.of(iam.session(role), "s3")
        assert "because no resource-based policy allows" in refusal(reader.get_object, Bucket=bucket, Key="k")[1]
        statement = {"Effect": "Allow", "Principal": {"AWS": role}, "Action": "s3:GetObject"}
        document = roles.document({**statement, "Resource": f"arn:aws:s3:::{bucket}/*"})
        s3.put_bucket_policy(Bucket=bucket, Policy=document)
        assert reader.get_object(Bucket=bucket, Key="k")["Body"].read() == b"x"

    def test_what_a_bucket_denies_is_denied_to_the_root_too(self, iam: Iam) -> None:
        bucket, s3 = iam.name(), iam.cloud.client("s3")
        s3.create_bucket(Bucket=bucket)
        deny = {"Effect": "Deny", "Principal": "*", "Action": "s3:PutObject", "Resource": f"arn:aws:s3:::{bucket}/*"}
        s3.put_bucket_policy(Bucket=bucket, Policy=roles.document(deny))
        message = refusal(s3.put_object, Bucket=bucket, Key="k", Body=b"x")[1]
        assert message.endswith("with an explicit deny in a resource-based policy")

    def test_a_url_with_iam_is_for_signed_callers_whom_a_policy_allows(self, iam: Iam, functions: Any) -> None:
        name = functions.create("def handler(event, context):\n    return event['requestContext']['authorizer']\n")
        url = functions.client.create_function_url_config(FunctionName=name, AuthType="AWS_IAM")["FunctionUrl"]
        arn = f"arn:aws:lambda:{REGION}:{ACCOUNT}:function:{name}"
        calls = {"Effect": "Allow", "Action": ["lambda:InvokeFunctionUrl", "lambda:InvokeFunction"], "Resource": arn}
        user, key = iam.user(calls)
        _, nobody = iam.user()

        def signed(own: dict[str, Any], secret: str = "") -> Any:
            sent = AWSRequest("GET", url, headers={"Host": url.split("/")[2]})
            given = Credentials(own["AccessKeyId"], secret or own["SecretAccessKey"])
            SigV4Auth(given, "lambda", REGION).add_auth(sent)
            return request(url, headers=dict(sent.headers.items()))

        answer = signed(key)
        assert answer.status == 200, answer.data
        assert json.loads(answer.data)["iam"]["userArn"] == f"arn:aws:iam::{ACCOUNT}:user/{user}"
        assert [request(url).status, signed(nobody).status, signed(key, "wrong").status] == [403, 403, 403]


class TestFunctions:
    """A function calls as its own role."""

    def test_a_function_may_do_what_its_role_may(self, iam: Iam, functions: Any) -> None:
        table = iam.table()
        role = iam.role(LOGS)
        name = functions.create(CALLER, Role=role)
        item = {"TableName": table.rpartition("/")[2], "Item": {"pk": {"S": "1"}}}
        event = {"service": "dynamodb", "call": "put_item", "params": item}
        result, answer = functions.invoke(name, event)
        assert answer["FunctionError"] == "Unhandled"
        session = f"arn:aws:sts::{ACCOUNT}:assumed-role/{role.rpartition('/')[2]}/{name}"
        assert "(AccessDeniedException) when calling the PutItem operation" in result["errorMessage"]
        assert result["errorMessage"].endswith(
            f"User: {session} is not authorized to perform: dynamodb:PutItem on resource: {table} because no "
            "identity-based policy allows the dynamodb:PutItem action"
        )
        (row,) = iam.denials(session)
        assert row["statement"] == {**PUT, "Resource": table}
        statements = roles.document(LOGS, row["statement"])
        iam.client.put_role_policy(RoleName=role.rpartition("/")[2], PolicyName="own", PolicyDocument=statements)
        assert functions.invoke(name, event)[0] == "done"

    def test_the_guide_shows_a_denial_and_what_would_allow_it(self, iam: Iam, functions: Any) -> None:
        text = (resources.folder("docs") / "guides" / "permission-denied.md").read_text("utf-8")
        shown, listed = re.findall(r"```text\n(.*?)\n   ```", textwrap.dedent(text), re.DOTALL)
        role = iam.role(LOGS, name="shop-staging-function")
        iam.table("shop-orders")
        name = functions.create(CALLER, Role=role, FunctionName="shop-staging")
        params = {"TableName": "shop-orders", "Item": {"pk": {"S": "1"}}}
        result, _ = functions.invoke(name, {"service": "dynamodb", "call": "put_item", "params": params})
        assert result["errorMessage"].endswith(shown.strip())
        lines = iam_mode.lines(iam.denials("/shop-staging"))
        assert [line.strip() for line in lines] == [line.strip() for line in listed.splitlines()]

    def test_a_function_whose_role_may_not_write_has_no_log(self, iam: Iam, functions: Any) -> None:
        role = iam.role()
        name = functions.create("def handler(event, context):\n    print('hello')\n", Role=role)
        functions.invoke(name)
        functions.order("flush")
        logs = iam.cloud.client("logs")
        assert logs.describe_log_groups(logGroupNamePrefix=f"/aws/lambda/{name}")["logGroups"] == []
        assert "logs:CreateLogGroup" in {row["action"] for row in iam.denials(role.rpartition("/")[2])}

    def test_a_mapping_needs_a_role_that_may_read_the_queue(self, iam: Iam, functions: Any) -> None:
        sqs = iam.cloud.client("sqs")
        url = sqs.create_queue(QueueName=iam.name())["QueueUrl"]
        arn = sqs.get_queue_attributes(QueueUrl=url, AttributeNames=["QueueArn"])["Attributes"]["QueueArn"]
        name = functions.create(Role=iam.role(LOGS))
        _, message, _ = refusal(functions.client.create_event_source_mapping, EventSourceArn=arn, FunctionName=name)
        assert "SQS Error Code: AccessDenied" in message

    def test_a_mapping_needs_a_role_that_may_read_the_stream(self, iam: Iam, functions: Any) -> None:
        dynamodb = iam.cloud.client("dynamodb")
        name = iam.table().rpartition("/")[2]
        stream = {"StreamEnabled": True, "StreamViewType": "NEW_IMAGE"}
        dynamodb.update_table(TableName=name, StreamSpecification=stream)
        arn = dynamodb.describe_table(TableName=name)["Table"]["LatestStreamArn"]
        function = functions.create(Role=iam.role(LOGS))
        mapping = {"EventSourceArn": arn, "FunctionName": function, "StartingPosition": "LATEST"}
        _, message, _ = refusal(functions.client.create_event_source_mapping, **mapping)
        assert message.startswith(f"Cannot access stream {arn}. Please ensure the role can perform the GetRecords")

    def test_an_image_is_pulled_where_the_repositorys_policy_says_so(self, iam: Iam, functions: Any) -> None:
        repository = functions.repository()
        uri = functions.image(repository, {"var/task/app.py": HELLO})
        arn = f"arn:aws:ecr:{REGION}:{ACCOUNT}:repository/{repository}"
        may = {"Effect": "Allow", "Action": ["lambda:*", "iam:PassRole", "ecr:BatchGetImage"], "Resource": "*"}
        _, key = iam.user(may)
        create = {"PackageType": "Image", "Code": {"ImageUri": uri}, "Role": functions.role}
        client = iam.of(key, "lambda")
        code, message, _ = refusal(client.create_function, FunctionName=iam.name(), **create)
        assert code == "AccessDeniedException"
        assert message == "Lambda does not have permission to access the ECR image. Check the ECR permissions."
        assert arn in {row["resource"] for row in iam.denials("lambda.amazonaws.com")}
        pulls = ["ecr:BatchGetImage", "ecr:GetDownloadUrlForLayer"]
        policy = roles.document({"Effect": "Allow", "Principal": {"Service": "lambda.amazonaws.com"}, "Action": pulls})
        iam.cloud.client("ecr").set_repository_policy(repositoryName=repository, policyText=policy)
        client.create_function(FunctionName=iam.name(), **create)

    def test_a_state_machine_calls_as_its_role(self, iam: Iam, functions: Any) -> None:
        name = functions.create()
        states = iam.cloud.client("stepfunctions")
        role = iam.role()
        task = {
            "Type": "Task",
            "Resource": "arn:aws:states:::lambda:invoke",
            "Parameters": {"FunctionName": name},
            "End": True,
        }
        machine = states.create_state_machine(
            name=name, roleArn=role, definition=json.dumps({"StartAt": "Call", "States": {"Call": task}})
        )["stateMachineArn"]

        def ended(execution: dict[str, Any]) -> bool:
            return bool(execution["status"] != "RUNNING")

        def run() -> dict[str, Any]:
            execution = states.start_execution(stateMachineArn=machine)["executionArn"]
            return dict(until(lambda: states.describe_execution(executionArn=execution), ended))

        failed = run()
        assert (failed["status"], failed["error"]) == ("FAILED", "Lambda.AWSLambdaException")
        assert "is not authorized to perform: lambda:InvokeFunction" in failed["cause"]
        arn = f"arn:aws:lambda:{REGION}:{ACCOUNT}:function:{name}"
        allowed = roles.document({"Effect": "Allow", "Action": "lambda:InvokeFunction", "Resource": arn})
        iam.client.put_role_policy(RoleName=role.rpartition("/")[2], PolicyName="own", PolicyDocument=allowed)
        assert run()["status"] == "SUCCEEDED"


class TestModes:
    @pytest.fixture
    def mode(self, cloud: Any) -> Any:
        yield lambda name: cloud.info.request("iam", "POST", {"mode": name})["mode"]
        cloud.info.request("iam", "POST", {"mode": "enforce"})

    def test_warn_lets_a_call_pass_and_tells_the_missing_statement(self, iam: Iam, mode: Any) -> None:
        table = iam.table()
        name, key = iam.user()
        assert mode("warn") == "warn"
        put(iam.of(key, "dynamodb"), table)
        (row,) = iam.denials(f":user/{name}")
        assert (row["kind"], row["statement"]) == ("warning", {**PUT, "Resource": table})
        put(iam.of(key, "dynamodb", secret="wrong"), table)

    def test_off_evaluates_nothing(self, iam: Iam, mode: Any) -> None:
        table = iam.table()
        name, key = iam.user()
        mode("off")
        put(iam.of(key, "dynamodb", secret="wrong"), table)
        assert iam.denials(f":user/{name}") == []

    def test_another_mode_is_refused(self, cloud: Any) -> None:
        with pytest.raises(Exception, match="'strict' is no mode of IAM; the modes are enforce, warn, off"):
            cloud.info.request("iam", "POST", {"mode": "strict"})


FORM = {"Content-Type": "application/x-www-form-urlencoded"}
MULTIPART = (
    b'--x\r\nContent-Disposition: form-data; name="Action"\r\n\r\nCreateUser\r\n'
    b'--x\r\nContent-Disposition: form-data; name="UserName"\r\n\r\nintruder\r\n--x--\r\n'
)


def signed(
    iam: Iam, key: dict[str, Any], service: str, method: str, path: str, body: bytes = b"", **headers: str
) -> Any:
    """Send a request that no SDK would make, signed as one would."""
    sent = AWSRequest(method, iam.cloud.url.rstrip("/") + path, data=body, headers=headers)
    SigV4Auth(
        Credentials(key["AccessKeyId"], key["SecretAccessKey"], key.get("SessionToken")), service, REGION
    ).add_auth(sent)
    return request(sent.url, method, body=body, headers=dict(sent.headers.items()))


class TestWaysRound:
    @pytest.mark.parametrize(
        ("body", "headers"),
        [
            (b"%41ction=CreateUser&UserName=intruder", FORM),
            (b"Acti%6Fn=CreateUser&UserName=intruder", FORM),
            (b"Action=CreateUser&UserName=intruder", {**FORM, "X-Amz-Target": "x.GetCallerIdentity"}),
            (b"Action=CreateUser&UserName=intruder", {"Content-Type": "text/plain"}),
            (MULTIPART, {"Content-Type": "multipart/form-data; boundary=x"}),
        ],
    )
    def test_a_form_that_names_its_action_in_another_way_is_no_way_round(
        self, iam: Iam, body: bytes, headers: dict[str, str]
    ) -> None:
        answer = signed(iam, iam.session(iam.role()), "iam", "POST", "/", body, **headers)
        assert answer.status in (400, 403)
        assert b"<Code>InvalidAction</Code>" in answer.data or b"not authorized to perform" in answer.data

    def test_parameters_beside_a_form_do_not_stand_for_those_in_it(self, iam: Iam) -> None:
        may = {"Effect": "Allow", "Action": "iam:CreateUser", "Resource": f"arn:aws:iam::{ACCOUNT}:user/mine"}
        key = iam.session(iam.role(may))
        answer = signed(iam, key, "iam", "POST", "/?UserName=mine", b"Action=CreateUser&UserName=intruder", **FORM)
        assert b":user/intruder" in answer.data
        assert answer.status == 403

    @pytest.mark.parametrize("service", ["s3", "s3express", "s3-object-lambda"])
    @pytest.mark.parametrize("target", ["", "x.ListBuckets", "x.Unknown"])
    def test_no_header_and_no_other_name_of_s3_makes_a_bucket(self, iam: Iam, service: str, target: str) -> None:
        headers = {"X-Amz-Target": target} if target else {}
        answer = signed(iam, iam.session(iam.role()), service, "PUT", f"/{iam.name()}", **headers)
        assert (answer.status, b"s3:CreateBucket" in answer.data) == (403, True)

    @pytest.mark.parametrize("path", ["/moto-api/seed?a=1", "/iam_us-east-1/x", "/"])
    def test_what_is_unsigned_and_names_no_action_is_refused(self, iam: Iam, path: str) -> None:
        body = b"Acti%6Fn=CreateUser&UserName=intruder&Version=2010-05-08"
        answer = request(iam.cloud.url.rstrip("/") + path, "POST", headers=FORM, body=body)
        assert (answer.status, b"<Code>AccessDenied</Code>" in answer.data) == (403, True)

    def test_a_users_key_is_of_its_own_account_whatever_a_header_says(self, iam: Iam) -> None:
        _, key = iam.user()
        body = b"Action=CreateUser&UserName=intruder"
        answer = signed(iam, key, "iam", "POST", "/", body, **FORM, **{"X-Moto-Account-Id": OTHER})
        assert f"arn:aws:iam::{ACCOUNT}:user/intruder".encode() in answer.data

    @pytest.mark.parametrize("policy", ["[]", "5", "null", "[" * 5000 + "]" * 5000])
    def test_a_session_policy_that_is_none_is_refused(self, iam: Iam, policy: str) -> None:
        role = iam.role()
        with pytest.raises(ClientError, match="MalformedPolicyDocument"):
            iam.session(role, Policy=policy)

    def test_what_is_no_arn_is_refused_in_words(self, iam: Iam) -> None:
        for role in (
            "x" * 20,
            "arn:aws:iam::aaaa:role/x",
            "arn:aws:iam:::role/some",
            "arn:awsx:iam::123456789012:role/x",
        ):
            with pytest.raises(ClientError, match=f"ValidationError.*{role} is invalid"):
                iam.session(role)
        with pytest.raises(ClientError, match="does not exist or is not attachable"):
            iam.session(iam.role(), PolicyArns=[{"arn": "x" * 20}])

    def test_a_log_policy_that_can_not_be_read_opens_no_logs(self, iam: Iam) -> None:
        logs = iam.cloud.client("logs")
        logs.put_resource_policy(policyName="broken", policyDocument="not json")
        try:
            answer = refusal(iam.of(iam.session(iam.role()), "logs").describe_log_streams, logGroupName="/x")
            assert answer[0] == "AccessDeniedException"
        finally:
            logs.delete_resource_policy(policyName="broken")

    @pytest.mark.parametrize("date", ["99999999T999999Z", "20260230T000000Z", ""])
    def test_a_signature_of_no_date_is_malformed(self, iam: Iam, date: str) -> None:
        key = iam.session(iam.role())
        scope = f"{key['AccessKeyId']}/20261126/{REGION}/sts/aws4_request"
        headers = {
            **FORM,
            "X-Amz-Date": date,
            "X-Amz-Security-Token": key["SessionToken"],
            "Authorization": f"AWS4-HMAC-SHA256 Credential={scope}, SignedHeaders=host, Signature=00",
        }
        answer = request(iam.cloud.url, "POST", body=b"Action=GetCallerIdentity", headers=headers)
        assert (answer.status, b"IncompleteSignature" in answer.data) == (403, True)

    def test_a_registry_password_of_other_letters_opens_nothing(self, iam: Iam) -> None:
        password = f"{base64.urlsafe_b64encode(b'{}').decode()}.\u00e9"
        basic = base64.b64encode(f"AWS:{password}".encode()).decode()
        answer = request(f"{iam.cloud.url.rstrip('/')}/v2/", headers={"Authorization": f"Basic {basic}"})
        assert answer.status == 401

    def test_a_form_that_a_page_posts_to_a_bucket_passes_and_is_listed(self, iam: Iam) -> None:
        bucket = iam.name()
        iam.cloud.client("s3").create_bucket(Bucket=bucket)
        _, own = iam.user()
        form = iam.of(own, "s3").generate_presigned_post(bucket, "key.txt")
        assert request(form["url"], "POST", fields={**form["fields"], "file": ("a.txt", b"content")}).status == 204
        listed = iam.cloud.info.request("iam")["denials"]
        assert {row["kind"] for row in listed if row["action"] == "s3:PostObject"} == {"unknown"}
