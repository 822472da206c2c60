"""DynamoDB's statements in PartiQL: the action is the statement's verb, the table stands behind it.

https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/ql-iam.html
"""

from __future__ import annotations

import re
from collections.abc import Iterable

from localcloud.authorization import calls
from localcloud.authorization.calls.call import AwsCall, UnknownAccessError
from localcloud.authorization.model import AccessRequest

CALLS = {"BatchExecuteStatement": "Statements", "ExecuteStatement": "", "ExecuteTransaction": "TransactStatements"}
_NAME = r'"?(?P<table>[\w.-]+)"?(?:\."?(?P<index>[\w.-]+)"?)?'
_STATEMENT = re.compile(
    rf"\s*(?:EXISTS\s*\(\s*)?(?:(?P<verb>INSERT)\s+INTO|(?P<update>UPDATE)|(?P<delete>DELETE)\s+FROM|(?P<select>SELECT)\b.*?\bFROM)\s+{_NAME}",
    re.IGNORECASE | re.DOTALL,
)


def accesses(call: AwsCall) -> Iterable[AccessRequest]:
    """Yield what each statement of a call needs."""
    listed = CALLS[call.action]
    statements = [each["Statement"] for each in call.params[listed]] if listed else [call.params["Statement"]]
    for statement in statements:
        match = _STATEMENT.match(str(statement))
        if match is None:
            raise UnknownAccessError("the statement")
        verb = next(filter(None, match.group("verb", "update", "delete", "select"))).title()
        name = match["table"] + (f"/index/{match['index']}" if match["index"] else "")
        yield calls.request(call, f"dynamodb:PartiQL{verb}", call.arn("dynamodb", f"table/{name}"))
