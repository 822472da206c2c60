"""What IAM sees of calls to AWS: actions, resources and condition keys."""

from __future__ import annotations

import pytest

from localcloud.authorization.calls import MODULES, accesses, names, s3
from localcloud.authorization.calls.codedeploy import ON_ALL_RESOURCES
from localcloud.authorization.calls.keys import COMPUTED, PARAMETERS
from localcloud.authorization.calls.reference import FOLDER, actions
from localcloud.authorization.calls.resources import FUNCTIONS, TEMPLATES
from localcloud.authorization.decide import decide
from localcloud.authorization.documents import parse_policy
from localcloud.authorization.model import ApplicablePolicies, Decision, Principal

ACCOUNT = "111122223333"
ANOTHER = "444455556666"
IN_REGION = f"us-east-1:{ACCOUNT}"


class FakeReads:
    """Answers for what calls name by ids of their own."""

    def __init__(self):
        self.answers = {
            "DescribeTable": {
                "Table": {
                    "KeySchema": [
                        {"AttributeName": "pk", "KeyType": "HASH"},
                        {"AttributeName": "sk", "KeyType": "RANGE"},
                    ],
                    "GlobalSecondaryIndexes": [
                        {"IndexName": "by-day", "KeySchema": [{"AttributeName": "day", "KeyType": "HASH"}]}
                    ],
                }
            },
            "GetDeployment": {"deploymentInfo": {"applicationName": "app", "deploymentGroupName": "live"}},
            "GetDeploymentGroup": {
                "deploymentGroupInfo": {"deploymentConfigName": "CodeDeployDefault.LambdaAllAtOnce"}
            },
            "GetEventSourceMapping": {"FunctionArn": f"arn:aws:lambda:{IN_REGION}:function:f:live"},
            "GetRole": {"Role": {"Arn": f"arn:aws:iam::{ACCOUNT}:role/teams/r"}},
            "DescribeKey": {"KeyMetadata": {"Arn": f"arn:aws:kms:{IN_REGION}:key/k-1"}},
            "DescribeSecret": {
                "ARN": f"arn:aws:secretsmanager:{IN_REGION}:secret:db-AbCdEf",
                "KmsKeyId": "alias/own",
                "Tags": [{"Key": "Team", "Value": "red"}],
            },
            "DescribeParameters": {"Parameters": [{"Name": "/app/token", "Type": "SecureString", "KeyId": "k-1"}]},
        }

    def __call__(self, service, action, params, *, region, account):
        return self.answers[action]


def needed(call, params=None, read=None):
    service, _, action = call.partition(":")
    return accesses(service, action, params or {}, "us-east-1", ACCOUNT, read or FakeReads())


def pairs(call, params=None, **options):
    return [(each.action, each.resource.replace(IN_REGION, "*")) for each in needed(call, params, **options)]


S3_KEY = {"Bucket": "b", "Key": "in/1"}
MACHINE = f"arn:aws:states:{IN_REGION}:stateMachine:m"
EXECUTION = f"arn:aws:states:{IN_REGION}:execution:m:run"
PASSED = f"arn:aws:iam::{ACCOUNT}:role/passed"


@pytest.mark.parametrize(
    ("call", "params", "expected"),
    [
        ("lambda:Invoke", {"FunctionName": "f"}, [("lambda:InvokeFunction", "arn:aws:lambda:*:function:f")]),
        (
            "lambda:Invoke",
            {"FunctionName": "f", "Qualifier": "live"},
            [("lambda:InvokeFunction", "arn:aws:lambda:*:function:f:live")],
        ),
        (
            "lambda:InvokeWithResponseStream",
            {"FunctionName": "f:live"},
            [("lambda:InvokeFunction", "arn:aws:lambda:*:function:f:live")],
        ),
        (
            "lambda:Invoke",
            {"FunctionName": f"{ANOTHER}:function:f"},
            [("lambda:InvokeFunction", f"arn:aws:lambda:us-east-1:{ANOTHER}:function:f")],
        ),
        (
            "lambda:Invoke",
            {"FunctionName": f"arn:aws:lambda:eu-west-1:{ANOTHER}:function:f:3"},
            [("lambda:InvokeFunction", f"arn:aws:lambda:eu-west-1:{ANOTHER}:function:f:3")],
        ),
        (
            "lambda:GetFunction",
            {"FunctionName": "f", "Qualifier": "3"},
            [("lambda:GetFunction", "arn:aws:lambda:*:function:f:3")],
        ),
        ("lambda:GetAccountSettings", {}, [("lambda:GetAccountSettings", "*")]),
        (
            "lambda:GetProvisionedConcurrencyConfig",
            {"FunctionName": "f", "Qualifier": "live"},
            [("lambda:GetProvisionedConcurrencyConfig", "arn:aws:lambda:*:function:f:live")],
        ),
        (
            "lambda:CreateFunction",
            {"FunctionName": "f", "Role": PASSED, "Code": {"S3Bucket": "b", "S3Key": "z"}},
            [
                ("lambda:CreateFunction", "arn:aws:lambda:*:function:f"),
                ("s3:GetObject", "arn:aws:s3:::b/z"),
                ("iam:PassRole", PASSED),
            ],
        ),
        (
            "lambda:UpdateFunctionConfiguration",
            {"FunctionName": "f"},
            [("lambda:UpdateFunctionConfiguration", "arn:aws:lambda:*:function:f")],
        ),
        (
            "lambda:TagResource",
            {"Resource": f"arn:aws:lambda:{IN_REGION}:function:f"},
            [("lambda:TagResource", "arn:aws:lambda:*:function:f")],
        ),
        ("s3:GetObject", S3_KEY, [("s3:GetObject", "arn:aws:s3:::b/in/1")]),
        ("s3:HeadObject", S3_KEY, [("s3:GetObject", "arn:aws:s3:::b/in/1")]),
        ("s3:GetObject", {**S3_KEY, "VersionId": "v"}, [("s3:GetObjectVersion", "arn:aws:s3:::b/in/1")]),
        ("s3:ListObjectsV2", {"Bucket": "b"}, [("s3:ListBucket", "arn:aws:s3:::b")]),
        ("s3:HeadBucket", {"Bucket": "b"}, [("s3:ListBucket", "arn:aws:s3:::b")]),
        ("s3:ListBuckets", {}, [("s3:ListAllMyBuckets", "*")]),
        ("s3:UploadPart", S3_KEY, [("s3:PutObject", "arn:aws:s3:::b/in/1")]),
        ("s3:DeleteBucketCors", {"Bucket": "b"}, [("s3:PutBucketCORS", "arn:aws:s3:::b")]),
        (
            "s3:CopyObject",
            {**S3_KEY, "CopySource": "c/a%20b"},
            [("s3:GetObject", "arn:aws:s3:::c/a b"), ("s3:PutObject", "arn:aws:s3:::b/in/1")],
        ),
        (
            "s3:CopyObject",
            {**S3_KEY, "CopySource": {"Bucket": "c", "Key": "a", "VersionId": "v"}},
            [("s3:GetObjectVersion", "arn:aws:s3:::c/a"), ("s3:PutObject", "arn:aws:s3:::b/in/1")],
        ),
        (
            "s3:PutObject",
            {**S3_KEY, "Tagging": "a=b", "ACL": "private"},
            [
                ("s3:PutObject", "arn:aws:s3:::b/in/1"),
                ("s3:PutObjectAcl", "arn:aws:s3:::b/in/1"),
                ("s3:PutObjectTagging", "arn:aws:s3:::b/in/1"),
            ],
        ),
        (
            "s3:CreateBucket",
            {"Bucket": "b", "ObjectOwnership": "ObjectWriter", "ObjectLockEnabledForBucket": False},
            [("s3:CreateBucket", "arn:aws:s3:::b"), ("s3:PutBucketOwnershipControls", "arn:aws:s3:::b")],
        ),
        (
            "sqs:CreateQueue",
            {"QueueName": "q", "tags": {"a": "b"}},
            [("sqs:CreateQueue", "arn:aws:sqs:*:q"), ("sqs:TagQueue", "arn:aws:sqs:*:q")],
        ),
        ("sqs:CreateQueue", {"QueueName": "q"}, [("sqs:CreateQueue", "arn:aws:sqs:*:q")]),
        (
            "s3:DeleteObjects",
            {"Bucket": "b", "Delete": {"Objects": [{"Key": "1"}, {"Key": "2", "VersionId": "v"}]}},
            [("s3:DeleteObject", "arn:aws:s3:::b/1"), ("s3:DeleteObjectVersion", "arn:aws:s3:::b/2")],
        ),
        (
            "dynamodb:Query",
            {"TableName": "t", "IndexName": "by-day"},
            [("dynamodb:Query", "arn:aws:dynamodb:*:table/t/index/by-day")],
        ),
        ("dynamodb:CreateTable", {"TableName": "t"}, [("dynamodb:CreateTable", "arn:aws:dynamodb:*:table/t")]),
        (
            "dynamodb:TransactWriteItems",
            {"TransactItems": [{"Put": {"TableName": "t"}}, {"ConditionCheck": {"TableName": "u"}}]},
            [
                ("dynamodb:PutItem", "arn:aws:dynamodb:*:table/t"),
                ("dynamodb:ConditionCheckItem", "arn:aws:dynamodb:*:table/u"),
            ],
        ),
        (
            "dynamodb:BatchGetItem",
            {"RequestItems": {"t": {"Keys": []}, "u": {"Keys": []}}},
            [
                ("dynamodb:BatchGetItem", "arn:aws:dynamodb:*:table/t"),
                ("dynamodb:BatchGetItem", "arn:aws:dynamodb:*:table/u"),
            ],
        ),
        (
            "dynamodb:ExecuteStatement",
            {"Statement": 'SELECT a FROM "t"."by-day" WHERE b = 1'},
            [("dynamodb:PartiQLSelect", "arn:aws:dynamodb:*:table/t/index/by-day")],
        ),
        (
            "dynamodb:ExecuteTransaction",
            {"TransactStatements": [{"Statement": "INSERT INTO t VALUE {}"}, {"Statement": 'update "u" SET a=1'}]},
            [
                ("dynamodb:PartiQLInsert", "arn:aws:dynamodb:*:table/t"),
                ("dynamodb:PartiQLUpdate", "arn:aws:dynamodb:*:table/u"),
            ],
        ),
        (
            "dynamodbstreams:GetRecords",
            {"ShardIterator": f"arn:aws:dynamodb:{IN_REGION}:table/t/stream/2026|1|AAA"},
            [("dynamodb:GetRecords", "arn:aws:dynamodb:*:table/t/stream/2026")],
        ),
        (
            "sqs:SendMessageBatch",
            {"QueueUrl": f"http://localhost/{ACCOUNT}/q"},
            [("sqs:SendMessage", "arn:aws:sqs:*:q")],
        ),
        (
            "sqs:ReceiveMessage",
            {"QueueUrl": f"http://localhost/{ANOTHER}/q"},
            [("sqs:ReceiveMessage", f"arn:aws:sqs:us-east-1:{ANOTHER}:q")],
        ),
        ("sns:PublishBatch", {"TopicArn": f"arn:aws:sns:{IN_REGION}:t"}, [("sns:Publish", "arn:aws:sns:*:t")]),
        (
            "sns:Unsubscribe",
            {"SubscriptionArn": f"arn:aws:sns:{IN_REGION}:t:id"},
            [("sns:Unsubscribe", "arn:aws:sns:*:t")],
        ),
        ("sns:Publish", {"PhoneNumber": "+4930"}, [("sns:Publish", "*")]),
        (
            "stepfunctions:StartExecution",
            {"stateMachineArn": f"{MACHINE}:live"},
            [("states:StartExecution", "arn:aws:states:*:stateMachine:m")],
        ),
        (
            "stepfunctions:StopExecution",
            {"executionArn": EXECUTION},
            [("states:StopExecution", "arn:aws:states:*:execution:m:run")],
        ),
        ("stepfunctions:SendTaskSuccess", {"taskToken": "t"}, [("states:SendTaskSuccess", "*")]),
        (
            "stepfunctions:CreateStateMachine",
            {"name": "m", "roleArn": PASSED},
            [("states:CreateStateMachine", "arn:aws:states:*:stateMachine:m"), ("iam:PassRole", PASSED)],
        ),
        (
            "codedeploy:GetDeployment",
            {"deploymentId": "d"},
            [("codedeploy:GetDeployment", "arn:aws:codedeploy:*:deploymentgroup:app/live")],
        ),
        ("codedeploy:StopDeployment", {"deploymentId": "d"}, [("codedeploy:StopDeployment", "*")]),
        (
            "codedeploy:CreateDeployment",
            {"applicationName": "app", "deploymentGroupName": "live", "revision": {"revisionType": "String"}},
            [
                ("codedeploy:CreateDeployment", "arn:aws:codedeploy:*:deploymentgroup:app/live"),
                ("codedeploy:GetApplicationRevision", "arn:aws:codedeploy:*:application:app"),
                ("codedeploy:RegisterApplicationRevision", "arn:aws:codedeploy:*:application:app"),
                (
                    "codedeploy:GetDeploymentConfig",
                    "arn:aws:codedeploy:*:deploymentconfig:CodeDeployDefault.LambdaAllAtOnce",
                ),
            ],
        ),
        (
            "cloudwatch:DescribeAlarms",
            {"AlarmNames": ["a"]},
            [("cloudwatch:DescribeAlarms", "arn:aws:cloudwatch:*:alarm:*")],
        ),
        (
            "cloudwatch:DeleteAlarms",
            {"AlarmNames": ["a", "b"]},
            [
                ("cloudwatch:DeleteAlarms", "arn:aws:cloudwatch:*:alarm:a"),
                ("cloudwatch:DeleteAlarms", "arn:aws:cloudwatch:*:alarm:b"),
            ],
        ),
        (
            "logs:PutLogEvents",
            {"logGroupName": "g", "logStreamName": "s"},
            [("logs:PutLogEvents", "arn:aws:logs:*:log-group:g:log-stream:s")],
        ),
        ("logs:FilterLogEvents", {"logGroupName": "g"}, [("logs:FilterLogEvents", "arn:aws:logs:*:log-group:g")]),
        ("ecr:GetAuthorizationToken", {}, [("ecr:GetAuthorizationToken", "*")]),
        (
            "ecr:BatchGetImage",
            {"repositoryName": "r", "registryId": ANOTHER},
            [("ecr:BatchGetImage", f"arn:aws:ecr:us-east-1:{ANOTHER}:repository/r")],
        ),
        ("events:PutRule", {"Name": "r"}, [("events:PutRule", "arn:aws:events:*:rule/r")]),
        ("events:PutRule", {"Name": "r", "EventBusName": "b"}, [("events:PutRule", "arn:aws:events:*:rule/b/r")]),
        (
            "events:PutTargets",
            {"Rule": "r", "Targets": [{"Arn": "x", "RoleArn": PASSED}, {"Arn": "y", "RoleArn": PASSED}]},
            [("events:PutTargets", "arn:aws:events:*:rule/r"), ("iam:PassRole", PASSED)],
        ),
        (
            "scheduler:CreateSchedule",
            {"Name": "n", "Target": {"RoleArn": PASSED}},
            [("scheduler:CreateSchedule", "arn:aws:scheduler:*:schedule/default/n"), ("iam:PassRole", PASSED)],
        ),
        ("apigatewayv2:CreateApi", {"Name": "n"}, [("apigateway:POST", "arn:aws:apigateway:us-east-1::/apis")]),
        (
            "apigatewayv2:GetRoute",
            {"ApiId": "a", "RouteId": "r"},
            [("apigateway:GET", "arn:aws:apigateway:us-east-1::/apis/a/routes/r")],
        ),
        (
            "cloudformation:CreateStack",
            {"StackName": "s"},
            [("cloudformation:CreateStack", "arn:aws:cloudformation:*:stack/s/*")],
        ),
        (
            "ssm:GetParameter",
            {"Name": "/app/token:3", "WithDecryption": True},
            [("ssm:GetParameter", "arn:aws:ssm:*:parameter/app/token"), ("kms:Decrypt", "arn:aws:kms:*:key/k-1")],
        ),
        ("ssm:GetParameter", {"Name": "/app/token"}, [("ssm:GetParameter", "arn:aws:ssm:*:parameter/app/token")]),
        (
            "ssm:GetParameters",
            {"Names": ["a", f"arn:aws:ssm:eu-west-1:{ANOTHER}:parameter/b"]},
            [
                ("ssm:GetParameters", "arn:aws:ssm:*:parameter/a"),
                ("ssm:GetParameters", f"arn:aws:ssm:eu-west-1:{ANOTHER}:parameter/b"),
            ],
        ),
        (
            "ssm:PutParameter",
            {"Name": "a", "Type": "SecureString", "KeyId": "alias/own"},
            [("ssm:PutParameter", "arn:aws:ssm:*:parameter/a"), ("kms:Encrypt", "arn:aws:kms:*:key/k-1")],
        ),
        (
            "secretsmanager:GetSecretValue",
            {"SecretId": "db"},
            [
                ("secretsmanager:GetSecretValue", "arn:aws:secretsmanager:*:secret:db-AbCdEf"),
                ("kms:Decrypt", "arn:aws:kms:*:key/k-1"),
            ],
        ),
        (
            "secretsmanager:CreateSecret",
            {"Name": "n"},
            [("secretsmanager:CreateSecret", "arn:aws:secretsmanager:*:secret:n-??????")],
        ),
        ("kms:Encrypt", {"KeyId": "alias/own"}, [("kms:Encrypt", "arn:aws:kms:*:key/k-1")]),
        (
            "kms:CreateAlias",
            {"AliasName": "alias/x", "TargetKeyId": "k"},
            [("kms:CreateAlias", "arn:aws:kms:*:alias/x"), ("kms:CreateAlias", "arn:aws:kms:*:key/k")],
        ),
        ("iam:PutRolePolicy", {"RoleName": "r"}, [("iam:PutRolePolicy", f"arn:aws:iam::{ACCOUNT}:role/teams/r")]),
        ("iam:CreateRole", {"RoleName": "r", "Path": "/p/"}, [("iam:CreateRole", f"arn:aws:iam::{ACCOUNT}:role/p/r")]),
        ("iam:ListRoles", {}, [("iam:ListRoles", "*")]),
        (
            "sts:AssumeRole",
            {"RoleArn": PASSED, "Tags": [{"Key": "a", "Value": "b"}], "SourceIdentity": "ada"},
            [("sts:AssumeRole", PASSED), ("sts:TagSession", PASSED), ("sts:SetSourceIdentity", PASSED)],
        ),
        ("sts:GetCallerIdentity", {}, []),
        ("xray:PutTraceSegments", {}, [("xray:PutTraceSegments", "*")]),
        ("ec2:DescribeSubnets", {}, [("ec2:DescribeSubnets", "*")]),
    ],
)
def test_a_call_needs_these_actions_on_these_resources(call, params, expected):
    assert pairs(call, params) == expected


@pytest.mark.parametrize(
    ("call", "params"),
    [
        ("madeup:Do", {}),
        ("lambda:DoSomethingNew", {"FunctionName": "f"}),
        ("ec2:RunInstances", {}),
        ("dynamodb:ExecuteStatement", {"Statement": "EXPLAIN it"}),
        ("sqs:SendMessage", {}),
        ("stepfunctions:StartExecution", {"stateMachineArn": "m"}),
        ("logs:FilterLogEvents", {}),
        ("s3:PutObjectTagging", {**S3_KEY, "Tagging": {"TagSet": [{}]}}),
        ("dynamodb:TransactWriteItems", {"TransactItems": ["no object"]}),
    ],
)
def test_a_call_that_isnt_understood_is_no_guess(call, params):
    assert needed(call, params) is None


def test_a_deployment_that_cant_be_read_is_no_guess():
    assert accesses("codedeploy", "GetDeployment", {"deploymentId": "d"}, "us-east-1", ACCOUNT) is None


def context(call, params, index=0):
    return needed(call, params)[index].context


def test_the_items_of_a_table_are_named_by_their_partition_keys():
    key = {"pk": {"S": "user#1"}, "sk": {"N": "7"}}
    get = context("dynamodb:GetItem", {"TableName": "t", "Key": key})
    assert get["dynamodb:leadingkeys"] == ("user#1",)
    assert get["dynamodb:attributes"] == ("pk", "sk")
    put = context("dynamodb:PutItem", {"TableName": "t", "Item": {**key, "name": {"S": "x"}}})
    assert put["dynamodb:attributes"] == ("name", "pk", "sk")
    requests = [{"PutRequest": {"Item": key}}, {"DeleteRequest": {"Key": {"pk": {"S": "user#2"}}}}]
    batch = context("dynamodb:BatchWriteItem", {"RequestItems": {"t": requests}})
    assert batch["dynamodb:leadingkeys"] == ("user#1", "user#2")
    items = [{"Put": {"TableName": "t", "Item": key}}]
    transaction = context("dynamodb:TransactWriteItems", {"TransactItems": items})
    assert transaction["dynamodb:leadingkeys"] == ("user#1",)
    assert transaction["dynamodb:enclosingoperation"] == ("TransactWriteItems",)


@pytest.mark.parametrize(
    ("query", "leading"),
    [
        ({"KeyConditionExpression": "pk = :p AND begins_with(sk, :s)"}, "user#1"),
        ({"KeyConditionExpression": "sk > :s and #k = :p", "ExpressionAttributeNames": {"#k": "pk"}}, "user#1"),
        ({"KeyConditionExpression": ":p = pk"}, "user#1"),
        ({"IndexName": "by-day", "KeyConditionExpression": "day = :s"}, "x"),
    ],
)
def test_a_query_names_the_partition_key_of_its_table_or_index(query, leading):
    values = {":p": {"S": "user#1"}, ":s": {"S": "x"}}
    keys = context("dynamodb:Query", {"TableName": "t", "ExpressionAttributeValues": values, **query})
    assert keys["dynamodb:leadingkeys"] == (leading,)


def test_a_query_that_isnt_understood_has_unknown_keys():
    (query,) = needed("dynamodb:Query", {"TableName": "t", "KeyConditionExpression": "odd"})
    assert "dynamodb:leadingkeys" in query.unknown


def test_a_scan_has_no_leading_keys_and_reads_all_attributes_unless_it_names_some():
    scan = context("dynamodb:Scan", {"TableName": "t"})
    assert "dynamodb:leadingkeys" not in scan
    assert scan["dynamodb:select"] == ("ALL_ATTRIBUTES",)
    some = {"ProjectionExpression": "#n, address.city[0]", "ExpressionAttributeNames": {"#n": "name"}}
    assert context("dynamodb:Scan", {"TableName": "t", **some})["dynamodb:attributes"] == ("address", "name")


def test_names_in_expressions_of_an_update_are_its_attributes():
    update = {
        "TableName": "t",
        "Key": {"pk": {"S": "1"}},
        "UpdateExpression": "SET #a = if_not_exists(#a, :zero) + :one REMOVE tags",
        "ConditionExpression": "attribute_exists(pk) AND NOT locked = :true",
        "ExpressionAttributeNames": {"#a": "count"},
    }
    assert context("dynamodb:UpdateItem", update)["dynamodb:attributes"] == ("count", "locked", "pk", "tags")


def test_a_list_of_a_bucket_names_its_prefix():
    keys = context("s3:ListObjectsV2", {"Bucket": "b", "Prefix": "home/ada/", "MaxKeys": 10})
    assert keys["s3:prefix"] == ("home/ada/",)
    assert keys["s3:max-keys"] == ("10",)
    assert "s3:prefix" not in context("s3:ListObjectsV2", {"Bucket": "b"})


def test_a_passed_role_names_the_service():
    params = {"FunctionName": "f", "Role": PASSED, "Tags": {"a": "b"}}
    function, tagged, role = needed("lambda:CreateFunction", params)
    assert (tagged.action, tagged.resource) == ("lambda:TagResource", function.resource)
    assert role.context["iam:passedtoservice"] == ("lambda.amazonaws.com",)
    assert "aws:requesttag/a" not in role.context
    assert function.context["aws:requesttag/a"] == ("b",)
    assert function.context["aws:tagkeys"] == ("a",)


@pytest.mark.parametrize(
    "tags", [{"a": "b"}, [{"Key": "a", "Value": "b"}], [{"key": "a", "value": "b"}]], ids=["map", "upper", "lower"]
)
def test_tags_are_read_in_every_form_that_services_have(tags):
    assert context("stepfunctions:CreateStateMachine", {"name": "m", "tags": tags})["aws:requesttag/a"] == ("b",)


def test_every_kind_of_event_is_an_access_of_its_own():
    entries = [
        {"Source": "shop", "DetailType": "sold"},
        {"Source": "shop", "DetailType": "sold"},
        {"Source": "shop", "DetailType": "returned", "EventBusName": "other"},
    ]
    requests = needed("events:PutEvents", {"Entries": entries})
    assert [(each.resource.rpartition("/")[2], each.context["events:detail-type"]) for each in requests] == [
        ("default", ("sold",)),
        ("other", ("returned",)),
    ]


def test_a_key_that_a_service_uses_for_the_caller_has_the_service_and_the_encryption_context():
    secret, key = needed("secretsmanager:GetSecretValue", {"SecretId": "db"})
    assert secret.context["secretsmanager:resourcetag/team"] == ("red",)
    assert key.context["kms:viaservice"] == ("secretsmanager.us-east-1.amazonaws.com",)
    assert key.context["kms:encryptioncontext:secretarn"] == (secret.resource,)
    assert key.context["kms:requestalias"] == ("alias/own",)


def test_a_key_has_its_aliases_and_what_is_being_made_has_no_tags_yet():
    read = FakeReads()
    read.answers["ListAliases"] = {"Aliases": [{"AliasName": "alias/aws/dynamodb"}]}
    (key,) = needed("kms:DescribeKey", {"KeyId": "k-1"}, read)
    assert key.context["kms:resourcealiases"] == ("alias/aws/dynamodb",)
    made = needed("lambda:CreateEventSourceMapping", {"FunctionName": "f", "Tags": {"project": "p"}}, read)
    (tagged,) = (each for each in made if each.action == "lambda:TagResource")
    assert tagged.resource == f"arn:aws:lambda:{IN_REGION}:event-source-mapping:*"
    assert tagged.tags() == {}


def test_whoever_sends_to_an_encrypted_queue_or_topic_uses_its_key():
    read = FakeReads()
    read.answers["GetQueueAttributes"] = read.answers["GetTopicAttributes"] = {"Attributes": {"KmsMasterKeyId": "k-2"}}
    queue, topic = {"QueueUrl": f"http://h/{ACCOUNT}/q"}, {"TopicArn": f"arn:aws:sns:{IN_REGION}:t"}
    sent = ["kms:GenerateDataKey", "kms:Decrypt"]
    assert [each.action for each in needed("sqs:SendMessage", queue, read)] == ["sqs:SendMessage", *sent]
    assert [each.action for each in needed("sqs:ReceiveMessage", queue, read)] == ["sqs:ReceiveMessage", "kms:Decrypt"]
    published = needed("sns:Publish", topic, read)
    assert [each.action for each in published] == ["sns:Publish", *sent]
    assert published[1].resource == f"arn:aws:kms:{IN_REGION}:key/k-2"


def test_an_object_with_a_key_of_its_own_uses_it():
    put, key = needed("s3:PutObject", {**S3_KEY, "ServerSideEncryption": "aws:kms", "SSEKMSKeyId": "alias/own"})
    assert put.context["s3:x-amz-server-side-encryption"] == ("aws:kms",)
    assert (key.action, key.resource) == ("kms:GenerateDataKey", f"arn:aws:kms:{IN_REGION}:key/k-1")


def test_tags_of_a_resource_are_read_when_a_policy_asks_for_them():
    read = FakeReads()
    read.answers["ListTags"] = {"Tags": {"Team": "red"}}
    (invoke,) = needed("lambda:Invoke", {"FunctionName": "f", "Qualifier": "live"}, read)
    assert invoke.tags() == {"Team": "red"}
    role = Principal(arn=f"arn:aws:iam::{ACCOUNT}:role/r", account=ACCOUNT, tags={"Team": "red"})

    def allowed(condition):
        statement = {"Effect": "Allow", "Action": "lambda:*", "Resource": "*", "Condition": condition}
        policy = parse_policy({"Version": "2012-10-17", "Statement": statement})
        return decide(invoke, role, ApplicablePolicies((policy,)), ACCOUNT)

    assert allowed({"StringEquals": {"aws:ResourceTag/team": "red"}}) == Decision(allowed=True)
    assert allowed({"StringEquals": {"aws:ResourceTag/Team": "${aws:PrincipalTag/Team}"}}) == Decision(allowed=True)
    assert not allowed({"StringEquals": {"aws:ResourceTag/Team": "blue"}}).allowed
    assert not allowed({"StringEquals": {"aws:ResourceTag/Other": "red"}}).allowed
    assert allowed({"Null": {"aws:ResourceTag/Other": "true"}}).allowed


def test_tags_that_cant_be_read_are_unknown():
    (invoke,) = needed("lambda:Invoke", {"FunctionName": "f"})
    assert invoke.tags() is None
    assert "aws:resourcetag/" in invoke.unknown


def test_a_key_of_aws_needs_no_permission():
    read = FakeReads()
    read.answers["DescribeSecret"] = {**read.answers["DescribeSecret"], "KmsKeyId": "alias/aws/secretsmanager"}
    assert len(needed("secretsmanager:GetSecretValue", {"SecretId": "db"}, read)) == 1


def test_the_version_of_a_state_machine_is_a_condition_key():
    assert context("stepfunctions:StartExecution", {"stateMachineArn": f"{MACHINE}:live"}) == {
        "aws:requestedregion": ("us-east-1",),
        "states:statemachinequalifier": ("live",),
    }


def test_what_only_aws_can_know_is_unknown_and_what_a_call_leaves_out_is_missing():
    (create,) = needed("lambda:CreateFunction", {"FunctionName": "f"})
    assert "lambda:vpcids" in create.unknown
    assert "lambda:layer" not in create.unknown
    (read,) = needed("s3:GetObject", S3_KEY)
    assert "s3:existingobjecttag/" in read.unknown


def test_a_mapping_is_authorised_by_its_function():
    expected = (f"arn:aws:lambda:{IN_REGION}:function:f:live",)
    created = context("lambda:CreateEventSourceMapping", {"FunctionName": "f:live"})
    assert created["lambda:functionarn"] == expected
    assert context("lambda:UpdateEventSourceMapping", {"UUID": "u"})["lambda:functionarn"] == expected


def test_a_log_group_and_an_alias_have_other_arns_by_which_aws_may_authorise():
    (events,) = needed("logs:FilterLogEvents", {"logGroupName": "g"})
    assert f"arn:aws:logs:{IN_REGION}:log-group:g:*" in events.also
    (alias,) = needed("lambda:UpdateAlias", {"FunctionName": "f", "Name": "live"})
    assert alias.also == (f"arn:aws:lambda:{IN_REGION}:function:f:live",)


def test_the_partition_is_the_regions():
    (send,) = accesses("sqs", "SendMessage", {"QueueUrl": f"http://h/{ACCOUNT}/q"}, "cn-north-1", ACCOUNT)
    assert send.resource == f"arn:aws-cn:sqs:cn-north-1:{ACCOUNT}:q"


def test_every_name_in_the_tables_is_in_awss_reference():
    prefixes = {path.stem for path in FOLDER.glob("*.json")}
    renamed = {f"{call.partition(':')[0]}:{action}" for call, action in names.ACTIONS.items()}
    renamed |= {f"s3:{action}" for action in (*s3.NAMES.values(), *s3.WITH_VERSION.values())}
    renamed |= {f"codedeploy:{action}" for action in ON_ALL_RESOURCES}
    renamed |= {*names.TAGGING, *names.TAGGING.values()}
    renamed |= {f"s3:{action}" for action in (*s3.BESIDES, *s3.BESIDES_BUCKET)}
    assert [
        name for name in sorted(renamed) if name.partition(":")[2].lower() not in actions(name.partition(":")[0])
    ] == []
    assert prefixes >= set(TEMPLATES) | set(FUNCTIONS) | {names.PREFIXES.get(name, name) for name in MODULES} - {
        "ec2",
        "apigatewayv2",
    }


@pytest.mark.parametrize("prefix", sorted(set(TEMPLATES) | set(FUNCTIONS)))
def test_every_resource_type_in_the_tables_is_in_awss_reference(prefix):
    types = {name for action in actions(prefix).values() for name in action.resources}
    assert {*TEMPLATES.get(prefix, {}), *FUNCTIONS.get(prefix, {})} <= types


def test_every_condition_key_in_the_tables_is_in_awss_reference():
    keys = {
        key.lower() for path in FOLDER.glob("*.json") for action in actions(path.stem).values() for key in action.keys
    }
    assert {*PARAMETERS, *COMPUTED, *s3.PARAMETERS} <= keys
