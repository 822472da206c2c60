"""Who calls the local cloud: signatures, and what tries to get round them."""

from __future__ import annotations

import base64
from typing import Any

import botocore.session
import pytest
import roles
from botocore.auth import SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.config import Config
from botocore.credentials import Credentials
from botocore.exceptions import ClientError
from iam_callers import ACCOUNT, OTHER, REGION, Iam, refusal, request

pytestmark = pytest.mark.cloud


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
