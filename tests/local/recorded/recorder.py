"""Makes the calls of a scenario, and keeps each answer under the name that the recording gives it."""

from __future__ import annotations

import datetime as dt
import json
import re
from typing import Any
from uuid import uuid4

from asking import until

ECHO = "def handler(event, context):\n    return event\n"
DOCUMENTS = ("input", "output", "parameters", "cause", "Policy", "Statement")
VERSION = "def handler(event, context):\n    return context.function_version\n"


class Recorder:
    """The calls of one scenario. `answers` holds what was answered, by label."""

    def __init__(self, functions: Any) -> None:
        self.functions = functions
        self.cloud = functions.cloud
        self.client = self.cloud.client("lambda", parameter_validation=False)  # AWS refuses, not botocore
        self.answers: dict[str, Any] = {}

    def name(self, prefix: str = "fn") -> str:
        return f"{prefix}-{uuid4().hex[:8]}"

    def arn(self, name: str, region: str = "") -> str:
        return f"arn:aws:lambda:{region or self.cloud.region}:{self.cloud.account}:function:{name}"

    def bucket(self) -> str:
        """Make a bucket."""
        name, region = self.name("bucket"), self.cloud.region
        where = {} if region == "us-east-1" else {"CreateBucketConfiguration": {"LocationConstraint": region}}
        self.cloud.client("s3").create_bucket(Bucket=name, **where)
        return name

    def ask(self, action: str, client: Any = None, **params: Any) -> Any:
        """Return an answer, or what an error answers."""
        client = client or self.client
        try:
            answer = getattr(client, action)(**params)
        except client.exceptions.ClientError as error:
            answer = error.response
        return plain(answer)

    def see(self, label: str, action: str, client: Any = None, **params: Any) -> Any:
        """Call, and keep the answer."""
        self.answers[label] = answer = self.ask(action, client, **params)
        return answer

    def create(
        self, label: str = "", name: str = "", *, source: str | None = None, wait: bool = True, **settings: Any
    ) -> str:
        """Make a zip function as most recordings do."""
        name = name or self.name()
        if source is None:  # no two functions have the same code
            source = f"{ECHO}# {name}\n"
        given = {
            "FunctionName": name,
            "Handler": "index.handler",
            "Code": {"ZipFile": self.functions.zip(source)},
            "PackageType": "Zip",
            "Role": self.functions.role,
            "Runtime": "python3.12",
            **settings,
        }
        answer = self.ask("create_function", **given)
        if label:
            self.answers[label] = answer
        if wait and "Error" not in answer:
            self.active(name)
        return name

    def furnish(self, label: str = "", name: str = "", **settings: Any) -> str:
        """Make a function as the other recordings do, whose answer stands in another."""
        given = {"Handler": "handler.handler", "Timeout": 30, "Environment": {"Variables": {}}, **settings}
        name = self.create("made", name, **given)
        made = self.answers.pop("made")
        if "Error" in made:
            self.answers[label] = made
        elif label:
            self.answers[label] = {"CreateEventSourceMappingResponse": None, "CreateFunctionResponse": made}
        return name

    def active(self, name: str, **which: Any) -> None:
        """Wait until a function is active."""
        until(
            lambda: self.client.get_function_configuration(FunctionName=name, **which),
            lambda c: c["State"] != "Pending",
        )

    def updated(self, name: str) -> None:
        """Wait until an update has settled."""
        until(
            lambda: self.client.get_function_configuration(FunctionName=name),
            lambda c: c["LastUpdateStatus"] != "InProgress",
        )


def plain(value: Any) -> Any:
    """Write an answer as recordings do: times as texts, of the metadata the status only."""
    if isinstance(value, dict):
        if "HTTPStatusCode" in value:
            return {"HTTPHeaders": {}, "HTTPStatusCode": value["HTTPStatusCode"]}
        return {key: plain(parsed(each) if key in DOCUMENTS else each) for key, each in value.items()}
    if isinstance(value, list):
        return [plain(each) for each in value]
    if isinstance(value, dt.datetime):
        return value.isoformat()
    if isinstance(value, str):  # the folder of the code is the machine's own
        return re.sub(r'(File \\*")[^"]*?/handler\.py', r"\1/var/task/handler.py", value)
    return value


def parsed(text: Any) -> Any:
    """Read a document that AWS hands out as a text, as recordings hold it; any other text stays."""
    try:
        value = json.loads(text)
    except (TypeError, ValueError):
        return text
    return value if isinstance(value, dict | list) else text


def constraints(answer: Any) -> Any:
    """Write a refusal as the recordings of names do: its constraints in order, since AWS gives them in none."""
    code, message = answer["Error"]["Code"], answer["Error"]["Message"]
    found = re.findall(r"(Value '.*?' at '.*?' failed to satisfy constraint: .+?(?=;|$))", message)
    if found:
        return {"Code": code, "Errors": sorted(found), "Count": len(found)}
    return {"Code": code, "Message": message}
