"""Who may do what in the local cloud: roles, policies, and AWS's own words for what isn't allowed."""

from __future__ import annotations

import json
import re
import textwrap
from typing import Any

import pytest
import roles
from asking import until
from botocore.auth import SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials
from functions import HELLO
from iam_callers import ACCOUNT, LOGS, OTHER, PUT, REGION, Iam, put, refusal, request

from localcloud import iam_mode
from stepladder.core import resources

pytestmark = pytest.mark.cloud

CALLER = """
import boto3
def handler(event, context):
    client = boto3.client(event["service"])
    return getattr(client, event["call"])(**event["params"]).get(event.get("member", ""), "done")
"""


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
