"""Permissions, tags, concurrency and the rest of what surrounds a function; state across a restart."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from asking import until

pytestmark = pytest.mark.cloud


@pytest.mark.contract
def test_a_permission_of_an_alias_is_not_one_of_the_function(functions: Any, code: Any) -> None:
    name = functions.create()
    functions.client.create_alias(FunctionName=name, Name="live", FunctionVersion=functions.publish(name))
    client = functions.client
    given = {"FunctionName": name, "StatementId": "s", "Action": "lambda:InvokeFunction"}
    client.add_permission(
        **given, Principal="events.amazonaws.com", SourceArn="arn:aws:events:us-east-1:1:rule/x", Qualifier="live"
    )
    policy = json.loads(client.get_policy(FunctionName=name, Qualifier="live")["Policy"])
    assert policy["Statement"] == [
        {
            "Sid": "s",
            "Effect": "Allow",
            "Principal": {"Service": "events.amazonaws.com"},
            "Action": "lambda:InvokeFunction",
            "Resource": f"arn:aws:lambda:{functions.cloud.region}:{functions.cloud.account}:function:{name}:live",
            "Condition": {"ArnLike": {"AWS:SourceArn": "arn:aws:events:us-east-1:1:rule/x"}},
        }
    ]
    assert code(client.get_policy, FunctionName=name) == "ResourceNotFoundException"
    again = code(client.add_permission, **given, Principal="*", Qualifier="live")
    assert again == "ResourceConflictException"
    assert code(client.add_permission, **given, Principal="*", Qualifier="$LATEST") == "InvalidParameterValueException"
    assert code(client.add_permission, **given, Principal="nobody") == "InvalidParameterValueException"
    client.remove_permission(FunctionName=name, StatementId="s", Qualifier="live")
    missing = code(client.remove_permission, FunctionName=name, StatementId="s", Qualifier="live")
    assert missing == "ResourceNotFoundException"


def test_tags_are_kept_and_shown(functions: Any) -> None:
    name = functions.create(Tags={"team": "a"})
    arn = functions.client.get_function(FunctionName=name)["Configuration"]["FunctionArn"]
    functions.client.tag_resource(Resource=arn, Tags={"rung": "staging"})
    functions.client.untag_resource(Resource=arn, TagKeys=["team"])
    assert functions.client.list_tags(Resource=arn)["Tags"] == {"rung": "staging"}
    assert functions.client.get_function(FunctionName=name)["Tags"] == {"rung": "staging"}


def test_reserved_concurrency_is_shown_and_cannot_starve_the_account(functions: Any, code: Any) -> None:
    name = functions.create()
    client = functions.client
    assert "ReservedConcurrentExecutions" not in client.get_function_concurrency(FunctionName=name)
    client.put_function_concurrency(FunctionName=name, ReservedConcurrentExecutions=5)
    assert client.get_function(FunctionName=name)["Concurrency"] == {"ReservedConcurrentExecutions": 5}
    refused = code(client.put_function_concurrency, FunctionName=name, ReservedConcurrentExecutions=950)
    assert refused == "InvalidParameterValueException"
    client.delete_function_concurrency(FunctionName=name)
    assert client.get_account_settings()["AccountLimit"]["ConcurrentExecutions"] == 1000


def own_network(functions: Any) -> tuple[str, dict[str, list[str]]]:
    """Make a VPC with a subnet and a security group; return its id and what a function is connected with."""
    ec2 = functions.cloud.client("ec2")
    vpc = ec2.create_vpc(CidrBlock="10.1.0.0/16")["Vpc"]["VpcId"]
    subnet = ec2.create_subnet(VpcId=vpc, CidrBlock="10.1.1.0/24")["Subnet"]["SubnetId"]
    group = ec2.create_security_group(GroupName=functions.name(), Description="own", VpcId=vpc)["GroupId"]
    return vpc, {"SubnetIds": [subnet], "SecurityGroupIds": [group]}


def test_a_functions_vpc_is_kept_shown_and_left(functions: Any) -> None:
    vpc, network = own_network(functions)
    name = functions.create(VpcConfig=network)
    shown = functions.client.get_function_configuration(FunctionName=name)["VpcConfig"]
    assert shown == {**network, "VpcId": vpc, "Ipv6AllowedForDualStack": False}
    functions.client.update_function_configuration(FunctionName=name, MemorySize=256)
    assert functions.wait(name)["VpcConfig"] == shown
    left = {"SubnetIds": [], "SecurityGroupIds": []}
    functions.client.update_function_configuration(FunctionName=name, VpcConfig=left)
    assert "VpcConfig" not in functions.wait(name)


def test_a_vpc_that_is_not_there_or_half_given_is_refused_as_on_aws(functions: Any) -> None:
    name = functions.create()
    _, network = own_network(functions)
    _, other = own_network(functions)
    refusals = {
        "Error occurred while DescribeSubnets. EC2 Error Code: InvalidSubnetID.NotFound.": {
            **network,
            "SubnetIds": ["subnet-0123456789abcdef0"],
        },
        "Error occurred while DescribeSecurityGroups. EC2 Error Code: InvalidGroup.NotFound.": {
            **network,
            "SecurityGroupIds": ["sg-0123456789abcdef0"],
        },
        "Security Groups are required to be in the same VPC.": {
            **network,
            "SecurityGroupIds": other["SecurityGroupIds"],
        },
        "SubnetIds and SecurityIds must coexist or be both empty list.": {"SubnetIds": network["SubnetIds"]},
    }
    for message, wanted in refusals.items():
        with pytest.raises(functions.client.exceptions.InvalidParameterValueException) as caught:
            functions.client.update_function_configuration(FunctionName=name, VpcConfig=wanted)
        assert message in str(caught.value)


PUBLISHES = """
import boto3

def handler(topic, context):
    try:
        boto3.client("sns").publish(TopicArn=topic, Message="own")
    except Exception as error:
        return error.response["Error"]["Code"]
"""


def test_a_role_must_let_lambda_do_what_the_function_itself_need_not_be_let(functions: Any) -> None:
    role, network = functions.make_role(), own_network(functions)[1]
    topic = functions.cloud.client("sns").create_topic(Name=functions.name())["TopicArn"]
    invalid = functions.client.exceptions.InvalidParameterValueException
    with pytest.raises(invalid, match="role does not have permissions to call CreateNetworkInterface on EC2"):
        functions.create(Role=role, VpcConfig=network)
    name = functions.create(PUBLISHES, Role=role)
    arn = functions.client.get_function(FunctionName=name)["Configuration"]["FunctionArn"]
    config = {"FunctionName": name, "DestinationConfig": {"OnFailure": {"Destination": topic}}}
    with pytest.raises(invalid, match=f"execution role does not have permissions to call Publish on {topic}"):
        functions.client.put_function_event_invoke_config(**config)
    actions = {"Action": ["ec2:CreateNetworkInterface", "sns:Publish"], "Resource": "*"}
    own = {"Effect": "Deny", "Condition": {"ArnEquals": {"lambda:SourceFunctionArn": arn}}}
    document = {"Version": "2012-10-17", "Statement": [{"Effect": "Allow"} | actions, own | actions]}
    iam = functions.cloud.client("iam")
    iam.put_role_policy(RoleName=role.rpartition("/")[2], PolicyName="own", PolicyDocument=json.dumps(document))
    functions.client.put_function_event_invoke_config(**config)
    functions.client.update_function_configuration(FunctionName=name, VpcConfig=network)
    functions.wait(name)
    assert functions.invoke(name, topic)[0] == "AuthorizationError"


def test_provisioned_concurrency_follows_the_alias_and_only_so_many_environments_say_so(functions: Any) -> None:
    name = functions.create("import os\n\ndef handler(*_):\n    return os.environ['AWS_LAMBDA_INITIALIZATION_TYPE']\n")
    client, live = functions.client, {"FunctionName": name, "Qualifier": "live"}
    client.create_alias(FunctionName=name, Name="live", FunctionVersion="$LATEST")
    invalid = client.exceptions.InvalidParameterValueException
    with pytest.raises(invalid, match="cannot be applied to unpublished function versions"):
        client.put_provisioned_concurrency_config(**live, ProvisionedConcurrentExecutions=1)
    client.update_alias(FunctionName=name, Name="live", FunctionVersion=functions.publish(name))
    client.put_function_concurrency(FunctionName=name, ReservedConcurrentExecutions=2)
    with pytest.raises(invalid, match="should not be greater than the reservedConcurrentExecution"):
        client.put_provisioned_concurrency_config(**live, ProvisionedConcurrentExecutions=3)
    begun = client.put_provisioned_concurrency_config(**live, ProvisionedConcurrentExecutions=1)
    assert begun["Status"] == "IN_PROGRESS"
    until(lambda: client.get_provisioned_concurrency_config(**live)["Status"], "READY".__eq__)
    assert [functions.invoke(name, Qualifier="live")[0], functions.invoke(name)[0]] == [
        "provisioned-concurrency",
        "on-demand",
    ]
    client.update_function_configuration(FunctionName=name, Description="next")
    functions.wait(name)
    version = functions.publish(name)
    routing = {"AdditionalVersionWeights": {version: 0.1}}
    with pytest.raises(invalid, match="Alias with weights can not be used with Provisioned Concurrency"):
        client.update_alias(FunctionName=name, Name="live", RoutingConfig=routing)
    client.update_alias(FunctionName=name, Name="live", FunctionVersion=version)
    until(lambda: client.get_provisioned_concurrency_config(**live)["Status"], "READY".__eq__)
    assert functions.invoke(name, Qualifier="live")[0] == "provisioned-concurrency"


def test_a_function_that_is_traced_gets_an_id_that_is_sampled(functions: Any) -> None:
    source = "import os\n\ndef handler(*_):\n    return os.environ['_X_AMZN_TRACE_ID'].rpartition(';')[2]\n"
    name = functions.create(source, TracingConfig={"Mode": "Active"})
    assert functions.client.get_function_configuration(FunctionName=name)["TracingConfig"] == {"Mode": "Active"}
    assert functions.invoke(name)[0] == "Sampled=1"
    functions.client.update_function_configuration(FunctionName=name, TracingConfig={"Mode": "PassThrough"})
    functions.wait(name)
    assert functions.invoke(name)[0] == "Sampled=0"


ONE = "def handler(event, context):\n    return 1\n"
TWO = "def handler(event, context):\n    return 2\n"


def test_an_update_that_fails_stays_visible_and_the_old_code_goes_on_serving(functions: Any) -> None:
    name = functions.create(ONE)
    functions.order("fail", function=name, code="InternalError", reason="a bad day")
    functions.client.update_function_code(FunctionName=name, ZipFile=functions.zip(TWO))
    config = functions.wait(name)
    assert (config["LastUpdateStatus"], config["LastUpdateStatusReasonCode"]) == ("Failed", "InternalError")
    assert functions.invoke(name)[0] == 1
    functions.update(name, TWO)
    assert functions.invoke(name)[0] == 2


def test_a_runtime_that_is_no_python_is_refused(functions: Any, code: Any) -> None:
    assert code(functions.create, Runtime="nodejs22.x") == "InvalidParameterValueException"


@pytest.mark.contract
def test_provisioned_concurrency_and_weights_exclude_each_other(functions: Any, code: Any) -> None:
    name = functions.create()
    first = functions.publish(name)
    functions.update(name, "def handler(event, context):\n    return 2\n")
    second = functions.publish(name)
    client = functions.client
    client.create_alias(FunctionName=name, Name="live", FunctionVersion=first)
    client.put_provisioned_concurrency_config(FunctionName=name, Qualifier="live", ProvisionedConcurrentExecutions=1)
    weights = {"AdditionalVersionWeights": {second: 0.1}}
    refused = code(client.update_alias, FunctionName=name, Name="live", RoutingConfig=weights)
    assert refused == "InvalidParameterValueException"
    client.delete_provisioned_concurrency_config(FunctionName=name, Qualifier="live")
    client.update_alias(FunctionName=name, Name="live", RoutingConfig=weights)
    missing = code(client.get_provisioned_concurrency_config, FunctionName=name, Qualifier="live")
    assert missing == "ProvisionedConcurrencyConfigNotFoundException"


def test_event_invoke_settings_belong_to_a_qualifier(functions: Any, code: Any) -> None:
    name = functions.create()
    client = functions.client
    assert code(client.get_function_event_invoke_config, FunctionName=name) == "ResourceNotFoundException"
    client.put_function_event_invoke_config(FunctionName=name, MaximumRetryAttempts=1)
    client.update_function_event_invoke_config(FunctionName=name, MaximumEventAgeInSeconds=60)
    config = client.get_function_event_invoke_config(FunctionName=name)
    assert (config["MaximumRetryAttempts"], config["MaximumEventAgeInSeconds"]) == (1, 60)
    client.delete_function_event_invoke_config(FunctionName=name)
    assert code(client.get_function_event_invoke_config, FunctionName=name) == "ResourceNotFoundException"


def test_what_terraform_reads_on_its_way_is_answered(functions: Any) -> None:
    name = functions.create()
    client = functions.client
    assert client.get_function_code_signing_config(FunctionName=name).get("CodeSigningConfigArn") is None
    assert client.get_function_recursion_config(FunctionName=name)["RecursiveLoop"] == "Terminate"
    assert client.get_runtime_management_config(FunctionName=name)["UpdateRuntimeOn"] == "Auto"
    assert client.list_aliases(FunctionName=name)["Aliases"] == []


def test_accounts_and_regions_do_not_see_each_others_functions(functions: Any, code: Any) -> None:
    name = functions.create()
    for other in (
        functions.cloud.client("lambda", account="222222222222"),
        functions.cloud.client("lambda", region="eu-west-1"),
    ):
        assert code(other.get_function, FunctionName=name) == "ResourceNotFoundException"
        assert name not in {f["FunctionName"] for f in other.list_functions()["Functions"]}


def test_functions_survive_a_restart_of_a_cloud_with_a_data_folder(functions: Any, tmp_path: Path) -> None:
    from localcloud import daemon

    kind, cloud_kind = type(functions), type(functions.cloud)
    with daemon.running(data=tmp_path) as info:
        mine = kind(cloud_kind(info), functions._runtime)
        name = mine.create("def handler(event, context):\n    return 'kept'\n")
        mine.client.create_alias(FunctionName=name, Name="live", FunctionVersion=mine.publish(name))
        url = mine.client.create_function_url_config(FunctionName=name, Qualifier="live", AuthType="NONE")[
            "FunctionUrl"
        ]
    with daemon.running(data=tmp_path) as info:
        mine = kind(cloud_kind(info), functions._runtime)
        result, answer = mine.invoke(name, Qualifier="live")
        assert (result, answer["ExecutedVersion"]) == ("kept", "1")
        again = mine.client.get_function_url_config(FunctionName=name, Qualifier="live")["FunctionUrl"]
        assert again.rpartition("/_url/")[2] == url.rpartition("/_url/")[2]
        assert mine.publish(name) == "1"


def test_nothing_runs_on_when_the_cloud_ends(functions: Any) -> None:
    from localcloud import daemon

    kind, cloud_kind = type(functions), type(functions.cloud)
    with daemon.running() as info:
        mine = kind(cloud_kind(info), functions._runtime)
        pid = mine.invoke(mine.create("import os\ndef handler(event, context):\n    return os.getpid()\n"))[0]
        assert Path(f"/proc/{pid}").exists()
    assert not Path(f"/proc/{pid}").exists()


def test_a_busy_function_ends_with_a_cloud_that_is_killed(functions: Any, tmp_path: Path) -> None:
    import os
    import signal
    import threading
    import time

    from localcloud import daemon

    kind, cloud_kind = type(functions), type(functions.cloud)
    note = tmp_path / "pid"
    source = (
        "import os, time\n"
        "def handler(event, context):\n"
        f"    open({str(note)!r}, 'w').write(str(os.getpid()))\n"
        "    time.sleep(60)\n"
    )
    with daemon.running() as info:
        mine = kind(cloud_kind(info), functions._runtime)
        name = mine.create(source, Timeout=60)

        def call() -> None:
            with pytest.raises(Exception, match=r".*"):
                mine.client.invoke(FunctionName=name)

        busy = threading.Thread(target=call)
        busy.start()
        while not (note.exists() and note.read_text()):
            time.sleep(0.05)
        os.kill(info.pid, signal.SIGKILL)
        busy.join(60)
    end = time.monotonic() + 60
    while Path(f"/proc/{note.read_text()}").exists() and time.monotonic() < end:
        time.sleep(0.05)
    assert not Path(f"/proc/{note.read_text()}").exists()
