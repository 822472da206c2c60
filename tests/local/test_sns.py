"""Topics: which notifications a function gets, and in which shape."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import pytest
from printing import got, left, printer, queue, until

from localcloud.services.sns.filters import selects

pytestmark = pytest.mark.cloud

COLOURS = {"Type": "String.Array", "Value": '["red", "blue"]'}
ATTRIBUTES = {
    "kind": {"Type": "String", "Value": "order"},
    "price": {"Type": "Number", "Value": "150.5"},
    "colours": COLOURS,
    "bytes": {"Type": "Binary", "Value": "AAE="},
}


@pytest.mark.parametrize(
    ("policy", "selected"),
    [
        ({"kind": ["order", "note"]}, True),
        ({"kind": [{"anything-but": ["order"]}]}, False),
        ({"kind": [{"prefix": "ord"}], "price": [{"numeric": [">=", 150, "<", 200]}]}, True),
        ({"kind": ["order"], "price": [{"numeric": ["<", 100]}]}, False),
        ({"price": [150.5]}, True),
        ({"colours": ["blue"]}, True),
        ({"colours": [{"anything-but": ["blue"]}]}, True),
        ({"colours": [{"anything-but": ["blue", "red"]}]}, False),
        ({"missing": [{"exists": False}]}, True),
        ({"missing": ["x"]}, False),
        ({"bytes": ["AAE="]}, False),
        ({"$or": [{"kind": ["note"]}, {"price": [{"numeric": [">", 100]}]}]}, True),
    ],
    ids=str,
)
def test_a_policy_selects_by_attributes(policy: dict[str, Any], selected: bool) -> None:
    assert selects(policy, "MessageAttributes", ATTRIBUTES, "") is selected


def test_a_policy_selects_by_the_body() -> None:
    policy = {"order": {"items": {"name": ["tea"]}}}
    body = {"order": {"items": [{"name": "milk"}, {"name": "tea"}]}}
    assert selects(policy, "MessageBody", None, json.dumps(body))
    assert not selects(policy, "MessageBody", None, '{"order": {"items": []}}')
    assert not selects(policy, "MessageBody", ATTRIBUTES, "no JSON")


@pytest.fixture
def topic(functions: Any) -> Iterator[str]:
    sns = functions.cloud.client("sns")
    arn = sns.create_topic(Name=functions.name())["TopicArn"]
    yield arn
    sns.delete_topic(TopicArn=arn)


def subscribed(functions: Any, topic: str, *, source: str = "", **attributes: str) -> tuple[str, str]:
    """Return name and subscription of a function whose alias gets the topic's notifications."""
    name, alias = printer(functions)
    functions.client.add_permission(
        FunctionName=alias,
        StatementId="topic",
        Action="lambda:InvokeFunction",
        Principal="sns.amazonaws.com",
        SourceArn=source or topic,
    )
    subscribe = functions.cloud.client("sns").subscribe
    return name, subscribe(TopicArn=topic, Protocol="lambda", Endpoint=alias, Attributes=attributes)["SubscriptionArn"]


def test_a_function_gets_what_its_policy_selects_in_the_shape_of_aws(functions: Any, topic: str) -> None:
    sns = functions.cloud.client("sns")
    name, subscription = subscribed(functions, topic, FilterPolicy='{"kind": [{"suffix": "er"}]}')
    attributes = {"kind": {"DataType": "String", "StringValue": "note"}}
    sns.publish(TopicArn=topic, Message="other", MessageAttributes=attributes)
    attributes["kind"]["StringValue"] = "order"
    made = sns.publish(TopicArn=topic, Message="hello", Subject="s", MessageAttributes=attributes)
    (event,) = until(lambda: got(functions, name))
    (record,) = event["Records"]
    notification = record.pop("Sns")
    assert record == {"EventSource": "aws:sns", "EventVersion": "1.0", "EventSubscriptionArn": subscription}
    assert notification["Signature"]
    assert {key: notification[key] for key in ("Type", "MessageId", "TopicArn", "Subject", "Message")} == {
        "Type": "Notification",
        "MessageId": made["MessageId"],
        "TopicArn": topic,
        "Subject": "s",
        "Message": "hello",
    }
    assert notification["MessageAttributes"] == {"kind": {"Type": "String", "Value": "order"}}
    assert set(notification) == {
        *("Type", "MessageId", "TopicArn", "Subject", "Message", "MessageAttributes", "Timestamp"),
        *("SignatureVersion", "Signature", "SigningCertUrl", "UnsubscribeUrl"),
    }
    change = {"SubscriptionArn": subscription, "AttributeName": "FilterPolicyScope", "AttributeValue": "MessageBody"}
    sns.set_subscription_attributes(**change)
    sns.publish(TopicArn=topic, Message='{"kind": "counter"}')
    assert len(until(lambda: (events := got(functions, name))[1:] and events)) == 2


def test_what_a_topic_may_not_deliver_goes_to_the_dead_letter_queue(functions: Any, topic: str, code: Any) -> None:
    sqs, url, arn = queue(functions)
    redrive = json.dumps({"deadLetterTargetArn": arn})
    name, subscription = subscribed(functions, topic, source=f"{topic}-other", RedrivePolicy=redrive)
    functions.cloud.client("sns").publish(TopicArn=topic, Message="hello")
    until(lambda: left(sqs, url) == 1)
    (message,) = sqs.receive_message(QueueUrl=url)["Messages"]
    body = json.loads(message["Body"])
    assert (body["Type"], body["Message"], body["TopicArn"]) == ("Notification", "hello", topic)
    assert got(functions, name) == []
    wrong = {"SubscriptionArn": subscription, "AttributeName": "FilterPolicy", "AttributeValue": '{"a": "b"}'}
    assert code(functions.cloud.client("sns").set_subscription_attributes, **wrong) == "InvalidParameter"
