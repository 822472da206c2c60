"""Reviews for tests and for the picture: what changes to a small shop would do, from plans in Terraform's JSON."""

from __future__ import annotations

import re
from typing import Any

from stepladder.releases.review import EnvironmentReview, Forecast, PlanFailure
from stepladder.releases.review_comment import Page
from stepladder.terraform.review import RootReview, review

COMMIT = "4c1f0d2a9be7e1f7f4f2b9fbb1d7a5a0c7e3d911"
DIGEST = "sha256:f676a97d979e" + "0" * 52
PAGE = Page(COMMIT, "https://github.example/acme/orders/actions/runs/1001", ".stepladder/review/comment.md")


def resource(address: str, *actions: str, reason: str = "", previous: str = "", **change: Any) -> dict[str, Any]:
    """Return one resource of a plan as `terraform show -json` has it."""
    parts = re.sub(r"\[[^]]*\]", "", address).split(".")[:-1]
    kind = next(part for part in reversed(parts) if part.startswith("aws_"))
    nothing = {"after_sensitive": {}, "after_unknown": {}, "before_sensitive": {}}
    made: dict[str, Any] = {
        "address": address,
        "change": {"actions": list(actions), "after": None, "before": None, **nothing, **change},
        "mode": "managed",
        "type": kind,
    }
    return made | ({"action_reason": reason} if reason else {}) | ({"previous_address": previous} if previous else {})


def root(name: str, *resources: dict[str, Any], notes: tuple[str, ...] = ()) -> RootReview:
    return review(name, "5f0c2b8a91d4", {"resource_changes": list(resources)}, notes)


FUNCTION = resource(
    "module.service.aws_lambda_function.function",
    "update",
    before={"environment": [{"variables": {"MODE": "slow", "TABLE": "orders"}}], "memory_size": 256, "timeout": 10},
    after={"environment": [{"variables": {"MODE": "fast", "TABLE": "orders"}}], "memory_size": 512, "timeout": 10},
)
ALARM = resource(
    "module.service.aws_cloudwatch_metric_alarm.duration",
    "update",
    before={"alarm_description": "p99 is above 3000 ms", "threshold": 3000},
    after={"alarm_description": "p99 is above 1500 ms", "threshold": 1500},
)
QUEUE = resource(
    "aws_sqs_queue.returns",
    "create",
    after={"name": "orders-staging-returns", "visibility_timeout_seconds": 60, "kms_master_key_id": None},
    after_unknown={"arn": True, "url": True},
)
TABLE = resource(
    "aws_dynamodb_table.orders",
    "delete",
    "create",
    reason="replace_because_cannot_update",
    before={"arn": "arn:aws:dynamodb:us-east-1:111122223333:table/orders", "hash_key": "id", "name": "orders"},
    after={"hash_key": "order_id", "name": "orders"},
    after_unknown={"arn": True},
    replace_paths=[["hash_key"]],
)
OLD_ALARM = resource(
    "module.service.aws_cloudwatch_metric_alarm.throttles", "delete", reason="delete_because_no_resource_config"
)
MOVED = resource("module.service.aws_iam_role.function", "no-op", previous="module.service.aws_iam_role.this")
IMPORTED = resource("module.foundation.aws_ecr_repository.images", "no-op", importing={"id": "orders"})

SHOP: dict[str, EnvironmentReview | None] = {
    "staging": EnvironmentReview(
        "staging",
        COMMIT,
        (root("foundation", IMPORTED), root("service", FUNCTION, ALARM, QUEUE, MOVED)),
        forecast=Forecast("new", configuration=True, version="12", digest=DIGEST),
    ),
    "production": EnvironmentReview(
        "production",
        COMMIT,
        (root("service", FUNCTION, TABLE, OLD_ALARM),),
        forecast=Forecast("new", configuration=True, version="9", digest=DIGEST, lower=("staging",)),
    ),
    "sandbox": EnvironmentReview(
        "sandbox",
        COMMIT,
        (root("service"),),
        forecast=Forecast("same", configuration=False, version="3", digest=DIGEST),
    ),
}
CALM: dict[str, EnvironmentReview | None] = {
    name: EnvironmentReview(
        name, COMMIT, (root("service"),), forecast=Forecast("same", configuration=False, version="12", digest=DIGEST)
    )
    for name in ("staging", "production")
}
FAILED: dict[str, EnvironmentReview | None] = {
    "staging": EnvironmentReview(
        "staging",
        COMMIT,
        failure=PlanFailure(
            "terraform plan of staging/service failed: Invalid value for variable: the memory must be "
            "between 128 and 10240 MB (service/main.tf:14)",
            "terraform-failed",
            "service",
        ),
    ),
    "production": None,
    "sandbox": EnvironmentReview(
        "sandbox", "0" * 40, (), ("foundation", "service"), Forecast("new", configuration=False)
    ),
}
HOSTILE_VALUES = (
    *("`", "``` ```", "````\n# big", "~~~", "    code", "- item", "> quote", "a|b\\|c", "&lt;b&gt;", "::error::x"),
    *(
        "</details></details><h1>",
        "<!-- stepladder:plan -->",
        "<img src=x onerror=y>",
        "\n/merge\n",
        "https://evil.example",
    ),
    *("@octocat @acme/all #1 !2 ~bug", "![x](https://evil.example/x.png)", "[click](javascript:alert(1))"),
    *("\u202etxt.exe", "\u200b"),
)
HOSTILE: dict[str, EnvironmentReview | None] = {
    "staging": EnvironmentReview(
        "staging",
        COMMIT,
        (
            root(
                "service",
                *(
                    resource(
                        f'aws_sqs_queue.this["{value}"]',
                        "delete",
                        "create",
                        before={"name": value, "tags": {value: "a"}},
                        after={"name": f"{value}!", "tags": {value: value}},
                        replace_paths=[["name"]],
                    )
                    for value in HOSTILE_VALUES
                ),
                resource("aws_sqs_queue.a", "no-op", previous="aws_sqs_queue.</details>"),
                resource("aws_sqs_queue.b", "no-op", importing={"id": "`</details>`"}),
                notes=HOSTILE_VALUES[:5],
            ),
        ),
        forecast=Forecast("unknown", configuration=False, problem=" ".join(HOSTILE_VALUES)),
    ),
    "production": EnvironmentReview(
        "production", COMMIT, failure=PlanFailure(" ".join(HOSTILE_VALUES), "terraform-failed", "service")
    ),
}
