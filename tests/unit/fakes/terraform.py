"""A project with a small foundation, a Terraform executable that plays a script, and the little AWS that it needs."""

from __future__ import annotations

import io
import json
import sys
from pathlib import Path
from typing import Any

from fakes.errors import error
from stepladder.settings import load
from stepladder.settings.function import FunctionSettings
from stepladder.settings.load import Settings

ACCOUNT = "123456789012"
REGION = "us-east-1"

HEAD = """
terraform {
  required_version = ">= 1.10, < 2"
  backend "s3" {}
  required_providers {
    aws = {
      source  = "hashicorp/aws"
      version = ">= 5.80, < 7"
    }
  }
}

provider "aws" {
  region              = var.region
  allowed_account_ids = [var.account]
  default_tags {
    tags = {
      managed-by = "stepladder"
      project    = var.project
    }
  }
}

variable "account" { type = string }
variable "project" { type = string }
variable "region" { type = string }
"""

FOUNDATION = (
    HEAD
    + """
variable "environments" { type = list(string) }

resource "aws_s3_bucket" "state" {
  bucket = "${var.project}-tfstate-${var.account}-${var.region}"
}

resource "aws_dynamodb_table" "ledger" {
  name         = "${var.project}-releases"
  billing_mode = "PAY_PER_REQUEST"
  hash_key     = "pk"
  attribute {
    name = "pk"
    type = "S"
  }
}

resource "aws_ecr_repository" "this" {
  name = var.project
}

output "repository_url" { value = aws_ecr_repository.this.repository_url }
output "secret" {
  value     = "hidden"
  sensitive = true
}
"""
)

OF_THE_FUNCTION = "".join(
    f'variable "{name}" {{ type = any }}\n' for name in FunctionSettings().variables if name != "queue"
)
SERVICE = (
    HEAD
    + OF_THE_FUNCTION
    + """
variable "architecture" { type = string }
variable "deployment" { type = any }
variable "environment" { type = string }
variable "image_uri" { type = string }
variable "triggers" { type = any }

resource "aws_cloudwatch_log_group" "this" {
  name              = "/aws/lambda/${var.project}-${var.environment}"
  retention_in_days = var.memory_mb == 256 ? 30 : 90
}

output "log_group" { value = aws_cloudwatch_log_group.this.name }
"""
)


def project(root: Path, name: str = "sample", **raw: Any) -> Settings:
    """Write a project with both roots and return its settings."""
    for folder, text in (("foundation", FOUNDATION), ("service", SERVICE)):
        (root / "terraform" / folder).mkdir(parents=True, exist_ok=True)
        (root / "terraform" / folder / "main.tf").write_text(text)
    where = {"account": ACCOUNT, "region": REGION}
    return load.load(
        {"project": name, "environments": {"staging": where, "production": where}, **raw},
        root,
    )


_PLAYER = """#!{python}
import json, os, sys
here = os.environ["FAKE_TERRAFORM"]
verb = sys.argv[1]
if verb == "version":
    print(json.dumps({{"terraform_version": os.environ.get("FAKE_TERRAFORM_VERSION", "1.11.4")}}))
    sys.exit(0)
names = ("TF_DATA_DIR", "TF_CLI_CONFIG_FILE", "TF_PLUGIN_CACHE_DIR", "TF_IN_AUTOMATION", "CHECKPOINT_DISABLE",
         "TF_CLI_ARGS_plan", "TF_VAR_alarms")
with open(os.path.join(here, "calls.jsonl"), "a") as log:
    record = {{"argv": sys.argv[1:], "cwd": os.getcwd(), "env": {{n: os.environ.get(n) for n in names}}}}
    record["files"] = sorted(os.listdir("."))
    log.write(json.dumps(record) + "\\n")
for argument in sys.argv:
    if argument.startswith("-out="):
        with open(argument[5:], "a") as plan:
            plan.write("a plan, the " + str(os.path.getsize(os.path.join(here, "calls.jsonl"))))
if verb == "init":
    provider = os.path.join(os.environ["TF_DATA_DIR"], "providers", "registry", "hashicorp", "aws", "5.100.0", "any")
    if os.path.islink(provider):
        os.unlink(provider)
    os.makedirs(provider, exist_ok=True)
    locks = os.path.join(here, "locks")
    open(".terraform.lock.hcl", "w").write(open(locks).read() if os.path.exists(locks) else "# locked\\n")
path = os.path.join(here, verb + ".json")
plays = json.load(open(path)) if os.path.exists(path) else []
play = plays.pop(0) if plays else {{}}
if plays:
    json.dump(plays, open(path, "w"))
for line in play.get("out", []):
    print(line if isinstance(line, str) else json.dumps(line))
for line in play.get("err", []):
    print(line, file=sys.stderr)
sys.exit(play.get("code", 0))
"""


class FakeTerraform:
    """An executable that plays what each verb is told to, the last play again and again, and logs its calls."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        folder.mkdir(parents=True, exist_ok=True)
        self.path = folder / "terraform"
        self.path.write_text(_PLAYER.format(python=sys.executable))
        self.path.chmod(0o755)

    @property
    def variables(self) -> dict[str, str]:
        return {"STEPLADDER_TERRAFORM": str(self.path), "FAKE_TERRAFORM": str(self.folder)}

    @property
    def locks(self) -> str:
        """What `init` writes into the lock file."""
        return (self.folder / "locks").read_text()

    @locks.setter
    def locks(self, text: str) -> None:
        (self.folder / "locks").write_text(text)

    def plays(self, verb: str, *plays: dict[str, Any]) -> None:
        (self.folder / f"{verb}.json").write_text(json.dumps(plays))

    @property
    def calls(self) -> list[dict[str, Any]]:
        log = self.folder / "calls.jsonl"
        return [json.loads(line) for line in log.read_text().splitlines()] if log.exists() else []

    @property
    def verbs(self) -> list[str]:
        return [call["argv"][0] for call in self.calls]


def event(kind: str, message: str = "", **rest: Any) -> dict[str, Any]:
    """One line of Terraform's machine-readable output."""
    return {"@level": "info", "@message": message, "@timestamp": "2026-11-21T23:00:00Z", "type": kind, **rest}


def change(address: str, action: str, **rest: Any) -> dict[str, Any]:
    kind = address.rpartition(".")[0].rpartition(".")[2]
    resource = {"addr": address, "resource_type": kind}
    return event(
        "planned_change", f"{address}: Plan to {action}", change={"resource": resource, "action": action, **rest}
    )


def diagnostic(summary: str, detail: str = "", **rest: Any) -> dict[str, Any]:
    return event(
        "diagnostic",
        f"Error: {summary}",
        diagnostic={"severity": "error", "summary": summary, "detail": detail, **rest},
    )


class FakeS3:
    def __init__(self, objects: dict[str, bytes], *, bucket_is_missing: bool = False, denied: bool = False) -> None:
        self.objects = objects
        self.denied = denied
        self.bucket_is_missing = bucket_is_missing

    def head_object(self, Bucket: str, Key: str, **_: Any) -> dict[str, Any]:  # noqa: N803 - botocore's names
        if Key not in self.objects:
            raise error("404")
        return {}

    def head_bucket(self, Bucket: str, ExpectedBucketOwner: str = ACCOUNT) -> dict[str, Any]:  # noqa: N803
        assert ExpectedBucketOwner == ACCOUNT
        if self.bucket_is_missing:
            raise error("404")
        return {}

    def get_object(self, Bucket: str, Key: str) -> dict[str, Any]:  # noqa: N803 - botocore's names
        if Key not in self.objects:
            raise error("NoSuchKey")
        return {"Body": io.BytesIO(self.objects[Key])}

    def put_object(self, Bucket: str, Key: str, Body: bytes, **options: Any) -> None:  # noqa: N803 - botocore's names
        assert options["ServerSideEncryption"] == "AES256", "a plan may hold secrets"
        assert options["ExpectedBucketOwner"] == ACCOUNT
        self.objects[Key] = Body

    def list_objects_v2(self, Bucket: str, Prefix: str, ContinuationToken: str = "") -> dict[str, Any]:  # noqa: N803
        """List two keys a page."""
        if self.denied:
            raise error("AccessDenied")
        if self.bucket_is_missing:
            raise error("NoSuchBucket")
        keys = sorted(key for key in self.objects if key.startswith(Prefix) and key > ContinuationToken)
        more = {"IsTruncated": True, "NextContinuationToken": keys[1]} if len(keys) > 2 else {}
        return {"Contents": [{"Key": key} for key in keys[:2]], **more}

    def delete_object(self, Bucket: str, Key: str) -> None:  # noqa: N803 - botocore's names
        self.objects.pop(Key, None)


class FakeAws:
    """The caller's account, and the objects of the state bucket."""

    def __init__(self, account: str = ACCOUNT, objects: dict[str, bytes] | None = None) -> None:
        self._account = account
        self.objects = objects if objects is not None else {}
        self.region = REGION
        self.bucket_is_missing = False
        self.denied = False

    def account(self) -> str:
        return self._account

    def client(self, service: str) -> Any:
        assert service == "s3", service
        return FakeS3(self.objects, bucket_is_missing=self.bucket_is_missing, denied=self.denied)


def state_lock(who: str, created: str, *, id: str = "abc-123", operation: str = "OperationTypeApply") -> bytes:  # noqa: A002
    return json.dumps({"ID": id, "Operation": operation, "Who": who, "Created": created, "Version": "1.11.4"}).encode()


PLAIN = """
terraform {
  required_version = ">= 1.10, < 2"
  backend "s3" {}
}

variable "account" { type = string }
variable "architecture" { type = string }
variable "alarms" { type = any }
variable "deployment" { type = any }
variable "log_level" { type = string }
variable "log_retention_days" { type = number }
variable "reserved_concurrency" { type = number }
variable "environment" { type = string }
variable "environment_variables" { type = map(string) }
variable "image_uri" { type = string }
variable "memory_mb" { type = number }
variable "project" { type = string }
variable "region" { type = string }
variable "timeout_seconds" { type = number }
variable "triggers" { type = any }

resource "terraform_data" "memory" { input = var.memory_mb }

output "memory" { value = terraform_data.memory.output }
"""
"""A service of Terraform's built-in resource only: no provider to start, so a plan takes a fraction of a second."""

SLOW = """
resource "terraform_data" "slow" {
  provisioner "local-exec" { command = "echo begun > begun; exec sleep 20" }
}
"""
