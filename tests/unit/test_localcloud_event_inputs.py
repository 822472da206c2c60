"""What a rule's target gets: as recorded on AWS by LocalStack's tests (test_events_inputs.py)."""

from __future__ import annotations

import pytest

from localcloud.cloud import ServiceError
from localcloud.services.events.inputs import check, text

EVENT = {
    "version": "0",
    "id": "1",
    "detail-type": "made",
    "time": "2026-11-26T08:00:00Z",
    "detail": {
        "command": "update",
        "payload": {"acc_id": "0a-1", "sf_id": "baz"},
        "list": ["HIGH"],
        "lists": ["ACTIVE", "INACTIVE"],
        "valid": True,
        "quote": 'say "x"',
    },
}
PATHS = {
    "type": "$.detail-type",
    "userId": "$.detail.payload.acc_id",
    "payload": "$.detail.payload",
    "single": "$.detail.list",
    "multi": "$.detail.lists",
    "first": "$.detail.lists[0]",
    "valid": "$.detail.valid",
    "none": "$.detail.nothing",
    "quote": "$.detail.quote",
}


@pytest.mark.parametrize(
    ("template", "result"),
    [
        ('"Event of <type> type, <none>"', '"Event of made type, "'),
        ('{"type": <type>, "none": <none>}', '{"type": "made", "none": ""}'),
        (
            '{"path": "users/<userId>", "body": <payload>}',
            '{"path": "users/0a-1", "body": {"acc_id":"0a-1","sf_id":"baz"}}',
        ),
        ('{"many": [<userId>, "fixed"]}', '{"many": ["0a-1", "fixed"]}'),
        ('"<payload> of <userId>"', '"{acc_id:0a-1,sf_id:baz} of 0a-1"'),
        ('"<single> and <multi>"', '"[HIGH] and [ACTIVE,INACTIVE]"'),
        ('{"list": <single>, "first": <first>}', '{"list": ["HIGH"], "first": "ACTIVE"}'),
        ('"Command is <valid>!"', '"Command is true!"'),
        ('"Rule <aws.events.rule-name>"', '"Rule r"'),
        ('{"q": "<quote>", "fixed": "\\"<type>"}', '{"q": "say \\"x\\"", "fixed": "\\"made"}'),
    ],
)
def test_a_template_is_filled_as_aws_does(template, result):
    target = {"InputTransformer": {"InputPathsMap": PATHS, "InputTemplate": template}}
    check({"Id": "1", **target})
    assert text(target, EVENT, {"rule-name": "r"}) == result


@pytest.mark.parametrize(
    ("path", "result"),
    [
        ("$.detail.payload", '{"acc_id":"0a-1","sf_id":"baz"}'),
        ("$.detail['command']", '"update"'),
        ("$.detail.lists[1]", '"INACTIVE"'),
        ("$.detail.lists[7]", "null"),
    ],
)
def test_a_path_selects_a_part(path, result):
    assert text({"InputPath": path}, EVENT, {}) == result


def test_a_placeholder_that_no_path_fills_is_refused():
    with pytest.raises(ServiceError, match="invalid placeholder other"):
        check({"Id": "1", "InputTransformer": {"InputPathsMap": {"a": "$.b"}, "InputTemplate": '"<other>"'}})
