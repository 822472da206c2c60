"""The peer of `inv deploy` with nothing to do: the same two reads, by boto3, and nothing else.

python peer_reads.py PROJECT
"""

from __future__ import annotations

import sys

import boto3

project = sys.argv[1]
boto3.client("lambda").get_alias(FunctionName=f"{project}-staging", Name="live")
keys = [{"pk": {"S": "env#staging"}, "sk": {"S": kind}} for kind in ("lock", "current", "infra")]
boto3.client("dynamodb").batch_get_item(RequestItems={f"{project}-releases": {"Keys": keys}})
