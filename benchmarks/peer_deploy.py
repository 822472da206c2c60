"""The peer of `inv deploy`: the bare calls, in the fewest lines.

    python peer_deploy.py FUNCTION IMAGE_URI

Update, wait, publish, wait, move the alias: four kinds of calls to Lambda. It builds and pushes nothing, checks
nothing, tests nothing, locks nothing and writes nothing down: a floor, not a rival.
"""

from __future__ import annotations

import sys
import time

import boto3

function, image = sys.argv[1:]
client = boto3.client("lambda")


def settled(**version: str) -> None:
    """Wait until the function, or a version, can be used."""
    while True:
        found = client.get_function_configuration(FunctionName=function, **version)
        if found["State"] == "Active" and found["LastUpdateStatus"] == "Successful":
            return
        time.sleep(0.02)


client.update_function_code(FunctionName=function, ImageUri=image)
settled()
version = client.publish_version(FunctionName=function)["Version"]
settled(Qualifier=version)
client.update_alias(FunctionName=function, Name="live", FunctionVersion=version)
